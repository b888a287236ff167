use std::collections::HashMap;

use super::{ConfigKey, ConfigValue, Default, Props, Setting};
use crate::{Error, Result};

/// All settings of a plugin, in the order they were defined.
#[derive(Clone, Default)]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
    index: HashMap<String, usize>,
}

impl ConfigDef {
    /// No settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key.
    ///
    /// # Panics
    /// When the key is there already: a mistake in the definition.
    #[must_use]
    pub fn define(mut self, key: ConfigKey) -> Self {
        self.add(key);
        self
    }

    /// Adds a key in place.
    ///
    /// # Panics
    /// When the key is there already: a mistake in the definition.
    pub fn add(&mut self, key: ConfigKey) {
        let previous = self.index.insert(key.name.to_string(), self.keys.len());
        assert!(previous.is_none(), "configuration {} is defined twice", key.name);
        self.keys.push(key);
    }

    /// The keys in order.
    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    /// The key called `name`.
    pub fn key(&self, name: &str) -> Option<&ConfigKey> {
        self.index.get(name).map(|&i| &self.keys[i])
    }

    /// The headings, in order of first use.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for group in self.keys.iter().filter_map(|key| key.group.as_deref()) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    /// Parses and checks every key: one [`ConfigValue`] per key, in order, with everything that is wrong.
    pub fn validate(&self, props: &Props) -> Vec<ConfigValue> {
        self.validate_prefixed(props, "")
    }

    /// As [`ConfigDef::validate`], for a definition whose keys stand under `prefix` in `props` (`ConfigDef.embed`): the
    /// results carry the whole key. So do sentences about missing and unreadable values; those of validators do not.
    pub fn validate_prefixed(&self, props: &Props, prefix: &str) -> Vec<ConfigValue> {
        self.keys.iter().map(|key| validate_key(key, props, prefix)).collect()
    }

    /// Parses every key.
    ///
    /// # Errors
    /// [`crate::Kind::Config`] that names every key with a problem, one line each.
    pub fn parse(&self, props: &Props) -> Result<Settings> {
        let values = self.validate(props);
        let problems: Vec<&str> = values.iter().flat_map(|v| &v.errors).map(String::as_str).collect();
        if !problems.is_empty() {
            return Err(Error::config(problems.join("\n")));
        }
        Ok(Settings(values.into_iter().map(|v| (v.name, v.value)).collect()))
    }
}

/// Parsed settings by key; see [`ConfigDef::parse`].
#[derive(Debug, Clone)]
pub struct Settings(HashMap<String, Setting>);

impl Settings {
    /// Takes the setting of `key`; [`Setting::Null`] for a key that was not defined.
    pub fn take(&mut self, key: &str) -> Setting {
        self.0.remove(key).unwrap_or(Setting::Null)
    }

    /// The setting of `key`.
    pub fn get(&self, key: &str) -> &Setting {
        self.0.get(key).unwrap_or(&Setting::Null)
    }
}

fn validate_key(key: &ConfigKey, props: &Props, prefix: &str) -> ConfigValue {
    let name = format!("{prefix}{}", key.name);
    let mut errors = Vec::new();
    let value = match props.get_nullable(&name) {
        Some(Some(text)) => key.kind.parse(text).unwrap_or_else(|problem| {
            errors.push(invalid(key, &name, Some(text.to_owned()), &problem));
            Setting::Null
        }),
        Some(None) => Setting::Null,
        None if key.default == Default::Required => {
            errors.push(format!("Missing required configuration \"{name}\" which has no default value."));
            Setting::Null
        }
        None => key.default_setting(),
    };
    // As in the JVM, checks also see the null of a missing or unreadable value, and a refused value is still shown.
    for validator in &key.validators {
        match validator.check(&value) {
            Err(problem) if validator.says_all() => errors.push(problem),
            Err(problem) => errors.push(invalid(key, &key.name, value.to_java_text(), &problem)),
            Ok(()) => {}
        }
    }
    ConfigValue {
        name,
        value,
        recommended: key.recommended.iter().map(ToString::to_string).collect(),
        errors,
        visible: true,
    }
}

/// The sentence of Java's `ConfigException(name, value, message)`.
fn invalid(key: &ConfigKey, name: &str, value: Option<String>, problem: &str) -> String {
    let shown = match (key.kind, value) {
        (_, None) => "null".to_owned(),
        (super::ConfigType::Password, Some(_)) => super::HIDDEN.to_owned(),
        (_, Some(text)) => text,
    };
    format!("Invalid value {shown} for configuration {name}: {problem}")
}
