use couplet_api::config::Setting;
use couplet_api::config::{Validator, with};
use couplet_api::{Error, Result};

use crate::failure::serialization;

const PACKAGE: &str = "io.confluent.kafka.serializers.subject.";

/// How the subject is found under which a schema is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectNames {
    /// `topic-key`, `topic-value`.
    Topic,
    /// The schema's full name.
    Record,
    /// `topic-` and the schema's full name.
    TopicRecord,
}

impl SubjectNames {
    /// The strategy of a Java class.
    ///
    /// # Errors
    /// `Kind::Config` for other classes.
    pub fn of_class(class: &str) -> Result<Self> {
        match class.strip_prefix(PACKAGE) {
            Some("TopicNameStrategy") => Ok(SubjectNames::Topic),
            Some("RecordNameStrategy") => Ok(SubjectNames::Record),
            Some("TopicRecordNameStrategy") => Ok(SubjectNames::TopicRecord),
            _ => Err(Error::config(unknown(class))),
        }
    }

    /// Whether the schema's name is part of the subject.
    pub const fn uses_schema(self) -> bool {
        !matches!(self, SubjectNames::Topic)
    }

    /// The subject of keys or values of `topic` with a schema called `record`.
    ///
    /// # Errors
    /// `Kind::Data` when the strategy needs the name of a schema that has none.
    pub fn subject(self, topic: &str, is_key: bool, record: Option<&str>) -> Result<String> {
        let role = if is_key { "key" } else { "value" };
        let named = |class: &str| {
            record.ok_or_else(|| {
                serialization(format!(
                    "In configuration {role}.subject.name.strategy = {PACKAGE}{class}, the message {role} must only be a \
                     record schema"
                ))
            })
        };
        Ok(match self {
            SubjectNames::Topic => format!("{topic}-{role}"),
            SubjectNames::Record => named("RecordNameStrategy")?.to_owned(),
            SubjectNames::TopicRecord => format!("{topic}-{}", named("TopicRecordNameStrategy")?),
        })
    }
}

fn unknown(class: &str) -> String {
    format!(
        "Class {class} could not be found. Known here: {PACKAGE}TopicNameStrategy, {PACKAGE}RecordNameStrategy, \
         {PACKAGE}TopicRecordNameStrategy"
    )
}

/// Checks a strategy's class name.
pub(crate) fn known_strategy() -> Validator {
    with(|setting| match setting {
        Setting::Str(class) => SubjectNames::of_class(class).map(drop).map_err(|_| unknown(class)),
        _ => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_by_strategy() {
        let rows = [
            ("TopicNameStrategy", false, None, Ok("t-value")),
            ("TopicNameStrategy", true, Some("a.R"), Ok("t-key")),
            ("RecordNameStrategy", true, Some("a.R"), Ok("a.R")),
            ("TopicRecordNameStrategy", false, Some("a.R"), Ok("t-a.R")),
            (
                "RecordNameStrategy",
                false,
                None,
                Err("In configuration value.subject.name.strategy = \
                     io.confluent.kafka.serializers.subject.RecordNameStrategy, the message value must only be a record \
                     schema"),
            ),
        ];
        for (class, is_key, record, want) in rows {
            let names = SubjectNames::of_class(&format!("{PACKAGE}{class}")).expect("known");
            let got = names.subject("t", is_key, record);
            assert_eq!(got.as_deref().map_err(Error::message), want, "{class}");
        }
        assert!(SubjectNames::of_class("com.acme.Mine").is_err());
    }
}
