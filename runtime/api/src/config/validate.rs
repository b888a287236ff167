//! Checks on parsed settings, in the JVM's wording.

use std::sync::Arc;

use super::Setting;

type Check = dyn Fn(&Setting) -> Result<(), String> + Send + Sync;

/// A check on one setting. The error is the sentence that follows `Invalid value V for configuration K: `.
#[derive(Clone)]
pub struct Validator {
    check: Arc<Check>,
    says_all: bool,
}

impl Validator {
    /// Whether `setting` passes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, setting: &Setting) -> Result<(), String> {
        (self.check)(setting)
    }

    /// Whether the error is the whole message, not the end of the usual sentence.
    pub const fn says_all(&self) -> bool {
        self.says_all
    }
}

/// A check of one's own.
pub fn with(check: impl Fn(&Setting) -> Result<(), String> + Send + Sync + 'static) -> Validator {
    Validator { check: Arc::new(check), says_all: false }
}

/// A check of one's own whose error is the whole message.
pub fn with_message(check: impl Fn(&Setting) -> Result<(), String> + Send + Sync + 'static) -> Validator {
    Validator { check: Arc::new(check), says_all: true }
}

/// `Range.atLeast`.
pub fn at_least(min: i64) -> Validator {
    with(move |setting| match setting {
        Setting::Int(n) if *n < min => Err(format!("Value must be at least {min}")),
        Setting::Double(d) if *d < min as f64 => Err(format!("Value must be at least {min}")),
        Setting::Null => Err("Value must be non-null".to_owned()),
        _ => Ok(()),
    })
}

/// `Range.between`, both ends included.
pub fn between(min: i64, max: i64) -> Validator {
    with(move |setting| match setting {
        Setting::Int(n) if *n < min => Err(format!("Value must be at least {min}")),
        Setting::Int(n) if *n > max => Err(format!("Value must be no more than {max}")),
        Setting::Null => Err("Value must be non-null".to_owned()),
        _ => Ok(()),
    })
}

/// `ValidString.in`.
pub fn one_of(allowed: &'static [&'static str]) -> Validator {
    with(move |setting| match setting {
        Setting::Str(text) if allowed.contains(&text.as_str()) => Ok(()),
        _ => Err(format!("String must be one of: {}", allowed.join(", "))),
    })
}

/// `CaseInsensitiveValidString.in`.
pub fn one_of_ignore_case(allowed: &'static [&'static str]) -> Validator {
    with(move |setting| match setting {
        Setting::Str(text) if allowed.iter().any(|a| a.eq_ignore_ascii_case(text)) => Ok(()),
        _ => Err(format!("String must be one of (case insensitive): {}", allowed.join(", ").to_uppercase())),
    })
}

/// `ValidList.in`.
pub fn subset_of(allowed: &'static [&'static str]) -> Validator {
    with(move |setting| match setting {
        Setting::List(items) => match items.iter().find(|item| !allowed.contains(&item.as_str())) {
            Some(_) => Err(format!("String must be one of: {}", allowed.join(", "))),
            None => Ok(()),
        },
        _ => Ok(()),
    })
}

/// `NonEmptyString`.
pub fn non_empty() -> Validator {
    with(|setting| match setting {
        Setting::Str(text) if text.is_empty() => Err("String must be non-empty".to_owned()),
        _ => Ok(()),
    })
}

/// `NonEmptyStringWithoutControlChars`.
pub fn non_empty_without_control_chars() -> Validator {
    with(|setting| match setting {
        Setting::Str(text) if text.is_empty() => Err("String may not be empty".to_owned()),
        Setting::Str(text) => {
            let codes: Vec<String> =
                text.chars().filter(|c| c.is_control()).map(|c| u32::from(c).to_string()).collect();
            match codes.is_empty() {
                true => Ok(()),
                false => Err(format!(
                    "String may not contain control sequences but had the following ASCII chars: {}",
                    codes.join(", ")
                )),
            }
        }
        _ => Ok(()),
    })
}

/// A class name from a closed list: `known` are full names.
pub fn class_name(known: &'static [&'static str]) -> Validator {
    with(move |setting| match setting {
        Setting::Str(text) if !known.contains(&text.as_str()) => {
            Err(format!("Class {text} could not be found. Known classes: {}", known.join(", ")))
        }
        _ => Ok(()),
    })
}
