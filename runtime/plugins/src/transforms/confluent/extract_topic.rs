use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, Setting, Validator, with};
use couplet_api::data::{Record, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use crate::first_problem;
use crate::transforms::side::Side;

config_def! {
    /// Settings of ExtractTopic.
    struct ExtractTopicConfig {
        /// The field, or header, whose value becomes the topic. Without one it is the whole key or value.
        field: Str = "field", Medium, default "";
        /// How the field is written: PLAIN is a name, JSON_PATH a path such as $["a"]["b"] or $.a.b.
        format: Str = "field.format", Medium, default "PLAIN", field_format();
        /// Whether records without the field keep their topic; otherwise they are an error.
        skip: Bool = "skip.missing.or.null", Low, default "false";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    ExtractTopicConfig::config_def()
}

fn field_format() -> Validator {
    with(|setting| match setting {
        Setting::Str(text) if ["", "PLAIN", "JSON_PATH"].contains(&text.as_str()) => Ok(()),
        _ => Err("String must be one of: JSON_PATH, PLAIN".to_owned()),
    })
}

/// What a topic is taken from.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    /// A header.
    Header,
    /// The key or value, or a field of it.
    Side(Side),
}

/// Takes topics from records.
struct ExtractTopic {
    from: From,
    /// Names of the fields that lead to the topic.
    path: Vec<String>,
    skip: bool,
}

/// Makes the transform.
pub(super) fn create(props: &Props, from: From) -> Result<Arc<dyn Transform>> {
    let config = first_problem(ExtractTopicConfig::parse, ExtractTopicConfig::config_def, props)?;
    let json_path = config.format == "JSON_PATH";
    let path = match (config.field.as_str(), from) {
        ("", From::Header) => {
            return Err(Error::config("Invalid value  for configuration field: A header name is required"));
        }
        (_, From::Header) if json_path => {
            let problem = "Headers can only be named in the format PLAIN";
            return Err(Error::config(format!("Invalid value JSON_PATH for configuration field.format: {problem}")));
        }
        ("", From::Side(_)) => Vec::new(),
        (path, From::Side(_)) if json_path => read_path(path).ok_or_else(|| {
            let problem = "Only paths of field names are supported, such as $[\"a\"][\"b\"] or $.a.b";
            Error::config(format!("Invalid value {path} for configuration field: {problem}"))
        })?,
        (name, _) => vec![name.to_owned()],
    };
    Ok(Arc::new(ExtractTopic { from, path, skip: config.skip }))
}

/// The names of a JSON path that consists of names only.
fn read_path(path: &str) -> Option<Vec<String>> {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (name, after) = if let Some(quoted) = rest.strip_prefix("['").or_else(|| rest.strip_prefix("[\"")) {
            let quote = if rest.starts_with("['") { "']" } else { "\"]" };
            quoted.split_once(quote)?
        } else {
            let bare = match rest.strip_prefix('.') {
                Some(bare) => bare,
                None if names.is_empty() && !path.starts_with('$') => rest,
                None => return None,
            };
            bare.split_at(bare.find(['.', '[']).unwrap_or(bare.len()))
        };
        if name.is_empty() || name.contains(['*', '?', '@']) {
            return None;
        }
        names.push(name.to_owned());
        rest = after;
    }
    Some(names).filter(|names| !names.is_empty())
}

impl Transform for ExtractTopic {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        let found = match self.from {
            // The last header of the name counts, as for Java's lastWithName.
            From::Header => record.headers.iter().rev().find(|h| *h.key == *self.path[0]).map(|h| &h.value.value),
            From::Side(side) => at_path(&side.of(&record).value, &self.path),
        };
        let topic: Option<Arc<str>> = match found {
            Some(Value::Str(topic)) if !topic.as_str().is_empty() => Some(topic.as_str().into()),
            None | Some(Value::Null | Value::Str(_)) if self.skip => None,
            None | Some(Value::Null) => return Err(self.problem("is missing or null")),
            Some(Value::Str(_)) => return Err(self.problem("is empty")),
            Some(_) => return Err(self.problem("is not a string")),
        };
        if let Some(topic) = topic {
            record.topic = topic;
        }
        Ok(Some(record))
    }
}

impl ExtractTopic {
    fn problem(&self, what: &str) -> Error {
        let place = match self.from {
            From::Header => "header",
            From::Side(Side::Key) => "key",
            From::Side(Side::Value) => "value",
        };
        match self.path.join(".") {
            path if path.is_empty() => Error::data(format!("The {place} to use as topic {what}")),
            path => Error::data(format!("The {place} field {path} to use as topic {what}")),
        }
    }
}

/// The value at the end of a path through structs and maps.
fn at_path<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Struct(row) => row.get(name),
        value => value.get(name),
    })
}

#[cfg(test)]
mod tests {
    use couplet_api::data::{Datum, Header, Schema, SchemaBuilder, Struct};

    use super::*;

    type Settings = &'static [(&'static str, &'static str)];

    fn record() -> Record {
        let inner = SchemaBuilder::structure().field("b", Schema::string()).build();
        let schema = SchemaBuilder::structure()
            .field("a", inner.clone())
            .field("t", Schema::string())
            .field("n", Schema::optional_string())
            .field("i", Schema::int32())
            .build();
        let inner = Struct::new(inner, vec![Value::str("nested")]);
        let value = Struct::new(schema.clone(), vec![inner.into(), Value::str("plain"), Value::Null, Value::Int32(1)]);
        let mut record = Record::new("old", Datum::new(Schema::string(), "key"), Datum::new(schema, value));
        record.headers.push(Header { key: "h".into(), value: Datum::new(Schema::string(), "header") });
        record
    }

    #[test]
    fn topics_come_from_records() {
        let value = From::Side(Side::Value);
        let rows: [(From, Settings, Option<&str>); 11] = [
            (From::Side(Side::Key), &[], Some("key")),
            (value, &[("field", "t")], Some("plain")),
            (value, &[("field", "$[\"a\"][\"b\"]"), ("field.format", "JSON_PATH")], Some("nested")),
            (value, &[("field", "$.a['b']"), ("field.format", "JSON_PATH")], Some("nested")),
            (value, &[("field", "n")], None),
            (value, &[("field", "n"), ("skip.missing.or.null", "true")], Some("old")),
            (value, &[("field", "x"), ("skip.missing.or.null", "true")], Some("old")),
            (value, &[("field", "i"), ("skip.missing.or.null", "true")], None),
            (value, &[], None),
            (From::Header, &[("field", "h")], Some("header")),
            (From::Header, &[("field", "x")], None),
        ];
        for (from, settings, want) in rows {
            let transform = create(&settings.iter().copied().collect(), from).expect("settings");
            let topic = transform.apply(record()).ok().flatten().map(|r| r.topic.to_string());
            assert_eq!(topic.as_deref(), want, "{from:?} {settings:?}");
        }
    }

    #[test]
    fn settings_are_checked() {
        let value = From::Side(Side::Value);
        let rows: [(From, Settings); 5] = [
            (From::Header, &[]),
            (From::Header, &[("field", "h"), ("field.format", "JSON_PATH")]),
            (value, &[("field", "$.a[*]"), ("field.format", "JSON_PATH")]),
            (value, &[("field", "$..a"), ("field.format", "JSON_PATH")]),
            (value, &[("field", "a"), ("field.format", "XPATH")]),
        ];
        for (from, settings) in rows {
            assert!(create(&settings.iter().copied().collect(), from).is_err(), "{settings:?}");
        }
    }
}
