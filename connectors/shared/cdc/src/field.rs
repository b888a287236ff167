//! Settings as Debezium defines and checks them: its messages are `The 'KEY' value is invalid: PROBLEM`, which differ from
//! Connect's own, and clients match on them.

use couplet_api::config::{ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, Props, Setting, Width};

use crate::filter::Patterns;
use crate::throttle::rows_per_second;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Its type.
    pub kind: ConfigType,
    /// What an absent setting means; `None`: null.
    pub default: Option<&'static str>,
    /// How much it matters.
    pub importance: Importance,
    /// Hint for the input field.
    pub width: Width,
    /// Label.
    pub display: &'static str,
    /// How its text is checked.
    pub check: Check,
    /// What it does.
    pub doc: &'static str,
}

/// Fields under one heading.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The heading.
    pub name: &'static str,
    /// Its fields in order.
    pub fields: &'static [Field],
}

/// A check of one setting's text.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// Anything goes.
    None,
    /// Must be given.
    Required,
    /// A whole number.
    Integer,
    /// A whole number above 0.
    Positive,
    /// A whole number, 0 or above.
    NonNegative,
    /// A 64-bit number above 0.
    PositiveLong,
    /// A 64-bit number, 0 or above.
    NonNegativeLong,
    /// `true` or `false`.
    Boolean,
    /// Comma-separated regular expressions.
    Regexes,
    /// One of these, in the order the message names them.
    OneOf(&'static [&'static str]),
    /// A check of its own, which may look at other settings; returns what is wrong.
    With(fn(value: Option<&str>, props: &Props) -> Option<String>),
}

/// Debezium's sentence for a wrong setting.
pub fn invalid(key: &str, problem: &str) -> String {
    format!("The '{key}' value is invalid: {problem}")
}

/// The settings of `groups` as REST shows them.
pub fn config_def(groups: &[Group]) -> ConfigDef {
    let mut def = ConfigDef::new();
    for group in groups {
        for (field, order) in group.fields.iter().zip(1..) {
            let default = field.default.map_or(Default::Null, |text| Default::Text(text.into()));
            let key = ConfigKey::new(field.name, field.kind, default, field.importance, field.doc)
                .group(group.name, order)
                .display(field.width, field.display);
            def.add(key);
        }
    }
    def
}

/// Checks every setting: one [`ConfigValue`] per field, in order, with everything that is wrong. What is wrong with settings
/// that Debezium does not have, and REST does not show, stands with those they are nearest to.
pub fn validate(groups: &[Group], props: &Props) -> Vec<ConfigValue> {
    let mut values: Vec<ConfigValue> =
        groups.iter().flat_map(|group| group.fields).map(|field| field.validate(props)).collect();
    let threads = values.iter_mut().find(|value| value.name == "snapshot.max.threads");
    if let (Some(threads), Err(problem)) = (threads, rows_per_second(props)) {
        threads.add_error(problem);
    }
    values
}

impl Field {
    fn validate(&self, props: &Props) -> ConfigValue {
        let given = props.get(self.name);
        let text = given.or(self.default);
        let value =
            text.map_or(Setting::Null, |text| self.kind.parse(text).unwrap_or_else(|_| Setting::Str(text.to_owned())));
        let recommended = match self.check {
            Check::OneOf(values) => values.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        let problems = self.check.problems(text, props).into_iter().map(|p| invalid(self.name, &p)).collect();
        ConfigValue { name: self.name.to_owned(), value, recommended, errors: problems, visible: true }
    }
}

impl Check {
    fn problems(self, text: Option<&str>, props: &Props) -> Vec<String> {
        let mut problems = Vec::new();
        let mut unless = |fine: bool, problem: &str| {
            if !fine {
                problems.push(problem.to_owned());
            }
        };
        let number = text.map(|t| t.trim().parse::<i64>());
        let int = number.as_ref().is_none_or(|n| n.as_ref().is_ok_and(|n| i32::try_from(*n).is_ok()));
        let long = number.as_ref().is_none_or(Result::is_ok);
        let at_least = |min: i64| number.as_ref().is_none_or(|n| n.as_ref().is_ok_and(|n| *n >= min));
        match self {
            Check::None => {}
            Check::Required => unless(text.is_some_and(|t| !t.trim().is_empty()), "A value is required"),
            Check::Integer => unless(int, "An integer is expected"),
            Check::Positive => {
                unless(int, "An integer is expected");
                unless(at_least(1), "A positive, non-zero integer value is expected");
            }
            Check::NonNegative => {
                unless(int, "An integer is expected");
                unless(at_least(0), "An non-negative integer is expected");
            }
            Check::PositiveLong => {
                unless(long, "A long value is expected");
                unless(at_least(1), "A positive, non-zero long value is expected");
            }
            Check::NonNegativeLong => {
                unless(long, "A long value is expected");
                unless(at_least(0), "A non-negative long value is expected");
            }
            Check::Boolean => {
                let boolean = |t: &str| t.eq_ignore_ascii_case("true") || t.eq_ignore_ascii_case("false");
                unless(text.is_none_or(|t| boolean(t.trim())), "Either 'true' or 'false' is expected");
            }
            Check::Regexes => {
                if let Some(Err(problem)) = text.map(Patterns::new) {
                    let wanted = "A comma-separated list of valid regular expressions is expected";
                    problems.push(format!("{wanted}, but {problem}"));
                }
            }
            Check::OneOf(values) => {
                let known = |t: &str| values.iter().any(|v| v.eq_ignore_ascii_case(t.trim()));
                unless(text.is_none_or(known), &format!("Value must be one of {}", values.join(", ")));
            }
            Check::With(check) => problems.extend(check(text, props)),
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn field(name: &'static str, kind: ConfigType, default: Option<&'static str>, check: Check) -> Field {
        let (importance, width) = (Importance::Low, Width::Short);
        Field { name, kind, default, importance, width, display: name, check, doc: "" }
    }

    const FIELDS: &[Field] = &[
        field("host", ConfigType::String, None, Check::Required),
        field("size", ConfigType::Int, Some("5"), Check::Positive),
        field("beat", ConfigType::Int, Some("0"), Check::NonNegative),
        field("mode", ConfigType::String, Some("a"), Check::OneOf(&["b", "a"])),
        field("list", ConfigType::List, None, Check::Regexes),
        field("secret", ConfigType::Password, None, Check::None),
    ];
    const GROUPS: &[Group] = &[Group { name: "Main", fields: FIELDS }];

    #[test]
    fn problems_are_worded_as_debezium_words_them() {
        let rows: &[(&str, &str, &[&str])] = &[
            ("host", " ", &["The 'host' value is invalid: A value is required"]),
            (
                "size",
                "abc",
                &[
                    "The 'size' value is invalid: An integer is expected",
                    "The 'size' value is invalid: A positive, non-zero integer value is expected",
                ],
            ),
            ("beat", "-5", &["The 'beat' value is invalid: An non-negative integer is expected"]),
            ("mode", "c", &["The 'mode' value is invalid: Value must be one of b, a"]),
            ("mode", "B", &[]),
        ];
        for (key, text, want) in rows {
            let values = validate(GROUPS, &Props::from_iter([("host", "h"), (*key, *text)]));
            let got: Vec<&str> = values.iter().flat_map(|v| &v.errors).map(String::as_str).collect();
            assert_eq!(&got, want, "{key}={text}");
        }
        let values = validate(GROUPS, &Props::from_iter([("host", "h"), ("list", "a,b("), ("secret", "s3")]));
        assert!(values[4].errors[0].starts_with(
            "The 'list' value is invalid: A comma-separated list of valid regular expressions is expected, but "
        ));
        assert_eq!(values[5].value.to_text().as_deref(), Some("[hidden]"));
    }

    #[test]
    fn definitions_have_group_and_order() {
        let def = config_def(GROUPS);
        let size = def.key("size").expect("defined");
        assert_eq!((size.group.as_deref(), size.order, size.label()), (Some("Main"), 2, "size"));
    }
}
