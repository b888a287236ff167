use std::borrow::Cow;

use super::{HIDDEN, Password, Validator};

/// Type of a setting, as `ConfigDef.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Text, trimmed.
    String,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// 64-bit integer.
    Long,
    /// Double.
    Double,
    /// Comma-separated texts.
    List,
    /// Class name.
    Class,
    /// Secret text.
    Password,
}

impl ConfigType {
    /// The name REST answers use.
    pub const fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }

    /// Reads `text` as `ConfigDef.parseType` does. The error is the JVM's sentence after the key's name.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(self, text: &str) -> Result<Setting, String> {
        // `String.trim`: everything up to the space, and nothing of Unicode's.
        let trimmed = text.trim_matches(|c| c <= ' ');
        let number = |kind: &str| format!("Not a number of type {kind}");
        Ok(match self {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Setting::Bool(true),
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Setting::Bool(false),
            ConfigType::Boolean => return Err("Expected value to be either true or false".to_owned()),
            ConfigType::String => Setting::Str(trimmed.to_owned()),
            ConfigType::Class => Setting::Str(trimmed.to_owned()),
            ConfigType::Int => Setting::Int(trimmed.parse::<i32>().map_err(|_| number("INT"))?.into()),
            ConfigType::Short => Setting::Int(trimmed.parse::<i16>().map_err(|_| number("SHORT"))?.into()),
            ConfigType::Long => Setting::Int(trimmed.parse::<i64>().map_err(|_| number("LONG"))?),
            ConfigType::Double => Setting::Double(trimmed.parse::<f64>().map_err(|_| number("DOUBLE"))?),
            ConfigType::List if trimmed.is_empty() => Setting::List(Vec::new()),
            ConfigType::List => Setting::List(trimmed.split(',').map(|item| item.trim().to_owned()).collect()),
            ConfigType::Password => Setting::Password(Password::new(trimmed)),
        })
    }
}

/// A parsed setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// Java's null.
    Null,
    /// BOOLEAN.
    Bool(bool),
    /// INT, SHORT and LONG.
    Int(i64),
    /// DOUBLE.
    Double(f64),
    /// STRING and CLASS.
    Str(String),
    /// LIST.
    List(Vec<String>),
    /// PASSWORD.
    Password(Password),
}

impl Setting {
    /// The text REST answers show (`ConfigDef.convertToString`); secrets as `[hidden]`.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Setting::Null => None,
            Setting::Bool(b) => Some(b.to_string()),
            Setting::Int(n) => Some(n.to_string()),
            Setting::Double(d) if d.fract() == 0.0 && d.abs() < 1e7 => Some(format!("{d:.1}")),
            Setting::Double(d) => Some(d.to_string()),
            Setting::Str(text) => Some(text.clone()),
            Setting::List(items) => Some(items.join(",")),
            Setting::Password(_) => Some(HIDDEN.to_owned()),
        }
    }

    /// The text error messages show: as [`Setting::to_text`], but lists as Java prints them.
    pub fn to_java_text(&self) -> Option<String> {
        match self {
            Setting::List(items) => Some(format!("[{}]", items.join(", "))),
            other => other.to_text(),
        }
    }
}

/// How much a setting matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Most users set it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

impl Importance {
    /// The name REST answers use.
    pub const fn name(self) -> &'static str {
        match self {
            Importance::High => "HIGH",
            Importance::Medium => "MEDIUM",
            Importance::Low => "LOW",
        }
    }
}

/// Hint to user interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Width {
    /// No hint.
    #[default]
    None,
    /// A number or word.
    Short,
    /// A name.
    Medium,
    /// A sentence.
    Long,
}

impl Width {
    /// The name REST answers use.
    pub const fn name(self) -> &'static str {
        match self {
            Width::None => "NONE",
            Width::Short => "SHORT",
            Width::Medium => "MEDIUM",
            Width::Long => "LONG",
        }
    }
}

/// What an absent setting means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    /// It must be given (`NO_DEFAULT_VALUE`).
    Required,
    /// It is null.
    Null,
    /// It is this text.
    Text(Cow<'static, str>),
}

/// One setting and everything known about it.
#[derive(Clone)]
pub struct ConfigKey {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its type.
    pub kind: ConfigType,
    /// What its absence means.
    pub default: Default,
    /// Checks the parsed value.
    pub validators: Vec<Validator>,
    /// How much it matters.
    pub importance: Importance,
    /// What it does.
    pub doc: Cow<'static, str>,
    /// Heading it belongs under.
    pub group: Option<Cow<'static, str>>,
    /// Place under the heading; -1 without one.
    pub order: i32,
    /// Hint for the input field.
    pub width: Width,
    /// Label; the name when absent.
    pub display_name: Option<Cow<'static, str>>,
    /// Keys whose validity depends on this one.
    pub dependents: Vec<Cow<'static, str>>,
    /// Values worth offering.
    pub recommended: Vec<Cow<'static, str>>,
    /// Whether it is honoured but left out of answers (`internalConfig`).
    pub internal: bool,
}

impl ConfigKey {
    /// A key without group, hints and checks.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: ConfigType,
        default: Default,
        importance: Importance,
        doc: impl Into<Cow<'static, str>>,
    ) -> Self {
        ConfigKey {
            name: name.into(),
            kind,
            default,
            validators: Vec::new(),
            importance,
            doc: doc.into(),
            group: None,
            order: -1,
            width: Width::None,
            display_name: None,
            dependents: Vec::new(),
            recommended: Vec::new(),
            internal: false,
        }
    }

    /// Adds a check.
    #[must_use]
    pub fn valid(mut self, validator: Validator) -> Self {
        self.validators.push(validator);
        self
    }

    /// Puts the key under a heading.
    #[must_use]
    pub fn group(mut self, group: impl Into<Cow<'static, str>>, order: i32) -> Self {
        self.group = Some(group.into());
        self.order = order;
        self
    }

    /// Sets width and label.
    #[must_use]
    pub fn display(mut self, width: Width, name: impl Into<Cow<'static, str>>) -> Self {
        self.width = width;
        self.display_name = Some(name.into());
        self
    }

    /// The label.
    pub fn label(&self) -> &str {
        self.display_name.as_deref().unwrap_or(&self.name)
    }

    /// The parsed default; a required key has [`Setting::Null`].
    ///
    /// # Panics
    /// When the default text in the definition does not parse: a mistake in the definition, found by its first test.
    pub fn default_setting(&self) -> Setting {
        match &self.default {
            Default::Required | Default::Null => Setting::Null,
            Default::Text(text) => match self.kind.parse(text) {
                Ok(setting) => setting,
                Err(problem) => panic!("default of {}: {problem}", self.name),
            },
        }
    }
}

/// What a validation says about one key of the given settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigValue {
    /// The key.
    pub name: String,
    /// The parsed value, or [`Setting::Null`] when it is absent or wrong.
    pub value: Setting,
    /// Values worth offering.
    pub recommended: Vec<String>,
    /// Everything wrong with it.
    pub errors: Vec<String>,
    /// Whether it applies at all, given the other values.
    pub visible: bool,
}

impl ConfigValue {
    /// Notes a problem.
    pub fn add_error(&mut self, problem: impl Into<String>) {
        self.errors.push(problem.into());
    }
}
