//! Checks that the settings of several transforms share.

use couplet_api::config::{Setting, Validator, with};

use crate::java::JavaRegex;

/// `NonEmptyListValidator`.
pub(super) fn non_empty_list() -> Validator {
    with(|setting| match setting {
        Setting::List(items) if !items.is_empty() => Ok(()),
        _ => Err("Empty list".to_owned()),
    })
}

/// `RegexValidator`: a Java regular expression that can be mapped.
pub(crate) fn regex_pattern() -> Validator {
    with(|setting| match setting {
        Setting::Str(pattern) => match JavaRegex::new(pattern) {
            Ok(_) => Ok(()),
            Err(problem) => Err(format!("Invalid regex: {problem}")),
        },
        // What Java's compiler says to null.
        _ => Err("Invalid regex: Cannot invoke \"String.isEmpty()\" because \"this.pattern\" is null".to_owned()),
    })
}

/// `NonNullValidator`.
pub(super) fn non_null() -> Validator {
    with(|setting| match setting {
        Setting::Null => Err("entry must be non null".to_owned()),
        _ => Ok(()),
    })
}
