use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, Setting, Validator, with};
use couplet_api::data::{Record, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use crate::first_problem;
use crate::java::DateFormat;
use crate::transforms::row::require_map;
use crate::transforms::validators::non_empty_list;

config_def! {
    /// Settings of MessageTimestampRouter.
    struct MessageTimestampRouterConfig {
        /// The new topic: ${topic} stands for the old one, ${timestamp} for the timestamp in the message.
        topic_format: Str = "topic.format", High, default "${topic}-${timestamp}";
        /// Pattern by which the timestamp is read, as Java's SimpleDateFormat reads it; the time zone is UTC.
        message_format: Str = "message.timestamp.format", High, required, date_pattern();
        /// Pattern by which it is written into the topic.
        topic_timestamp_format: Str = "topic.timestamp.format", High, required, date_pattern();
        /// Fields of the value, of which the first that is there holds the timestamp.
        keys: List = "message.timestamp.keys", High, required, non_empty_list();
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    MessageTimestampRouterConfig::config_def()
}

fn date_pattern() -> Validator {
    with(|setting| match setting {
        Setting::Str(pattern) => DateFormat::new(pattern).map(drop),
        _ => Ok(()),
    })
}

/// Names topics after timestamps that stand in the messages.
struct MessageTimestampRouter {
    topic_format: String,
    message_format: DateFormat,
    topic_timestamp_format: DateFormat,
    keys: Vec<String>,
}

/// Makes the transform.
pub(super) fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(MessageTimestampRouterConfig::parse, MessageTimestampRouterConfig::config_def, props)?;
    Ok(Arc::new(MessageTimestampRouter {
        topic_format: config.topic_format,
        message_format: DateFormat::new(&config.message_format).map_err(Error::config)?,
        topic_timestamp_format: DateFormat::new(&config.topic_timestamp_format).map_err(Error::config)?,
        keys: config.keys,
    }))
}

impl Transform for MessageTimestampRouter {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        let value = &record.value.value;
        require_map(value, "timestamp routing")?;
        let found = self.keys.iter().find_map(|key| value.get(key).filter(|value| !value.is_null()));
        let text = found.and_then(Value::as_str).ok_or_else(|| {
            Error::data(format!("The message has no text in any of the fields {}", self.keys.join(", ")))
        })?;
        let timestamp = self.message_format.parse(text).map_err(Error::data)?;
        let topic = self.topic_format.replace("${topic}", &record.topic);
        record.topic = topic.replace("${timestamp}", &self.topic_timestamp_format.format(timestamp)).into();
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::Datum;

    use super::*;

    const SETTINGS: [(&str, &str); 4] = [
        ("topic.format", "foo-${topic}-${timestamp}"),
        ("message.timestamp.format", "yyyy-MM-dd"),
        ("topic.timestamp.format", "yyyy.MM.dd"),
        ("message.timestamp.keys", "timestamp,time,ts"),
    ];

    #[test]
    fn timestamps_name_topics() {
        let transform = create(&SETTINGS.into_iter().collect()).expect("settings");
        let rows = [
            ("time", "2019-08-06", Some("foo-bar-2019.08.06")),
            ("time", "yesterday", None),
            ("when", "2019-08-06", None),
        ];
        for (key, text, want) in rows {
            let value = Value::Map([(Value::str(key), Value::str(text))].into());
            let record = Record::new("bar", Datum::NULL, Datum::schemaless(value));
            let topic = transform.apply(record).ok().flatten().map(|r| r.topic.to_string());
            assert_eq!(topic.as_deref(), want, "{key} {text}");
        }
        assert!(create(&SETTINGS[..3].iter().copied().collect()).is_err(), "the fields must be given");
    }
}
