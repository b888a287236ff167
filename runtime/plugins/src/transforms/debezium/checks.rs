//! Debezium checks the settings of its transforms when they are made, not when they are validated, and words problems
//! its own way. Only patterns are checked in validation too, because some of Java's cannot be mapped.

use couplet_api::config::{Setting, Validator, with};
use couplet_api::{Error, Result};

use crate::java::JavaRegex;

/// The `ConfigException` of `SmtManager.validate`.
pub(super) fn refused(key: &str, value: Option<&str>, problem: &str) -> Error {
    let shown = value.unwrap_or("null");
    Error::config(format!("Invalid value {shown} for configuration {key}: The '{key}' value is invalid: {problem}"))
}

/// `Field.isRequired`: the value, which must not be blank.
///
/// # Errors
/// When it is absent or blank.
pub(super) fn required<'a>(key: &str, value: Option<&'a String>) -> Result<&'a str> {
    match value {
        Some(text) if !text.trim().is_empty() => Ok(text),
        other => Err(refused(key, other.map(String::as_str), "A value is required")),
    }
}

/// `Field.isRequired` for a list.
///
/// # Errors
/// When it is absent or without any text.
pub(super) fn required_list(key: &str, items: Option<Vec<String>>) -> Result<Vec<String>> {
    match items {
        Some(items) if items.iter().any(|item| !item.is_empty()) => Ok(items),
        other => Err(refused(key, other.map(|items| items.join(",")).as_deref(), "A value is required")),
    }
}

/// `Field.notContainEmptyElements`.
///
/// # Errors
/// When an item is empty.
pub(super) fn no_empty_items(key: &str, items: &[String]) -> Result<()> {
    match items.iter().any(String::is_empty) {
        true => Err(refused(key, Some(&items.join(",")), "Empty string element(s) not permitted")),
        false => Ok(()),
    }
}

/// `Field.notContainSpaceInAnyElement`.
///
/// # Errors
/// When an item has a space.
pub(super) fn no_spaces(key: &str, items: &[String]) -> Result<()> {
    match items.iter().any(|item| item.contains(' ')) {
        true => Err(refused(key, Some(&items.join(",")), "Element(s) containing space not permitted")),
        false => Ok(()),
    }
}

/// `Field.isRegex`, which is part of validation here: what Java can compile and we cannot must be refused early.
pub(super) fn pattern() -> Validator {
    with(|setting| match setting {
        Setting::Str(text) if !text.is_empty() => JavaRegex::new(text)
            .map(drop)
            .map_err(|problem| format!("A valid regular expressions is expected, but {problem}")),
        _ => Ok(()),
    })
}

/// An exception of Debezium's own class.
pub(super) fn debezium_error(message: impl Into<String>) -> Error {
    Error::config(message).with_class("io.debezium.DebeziumException")
}
