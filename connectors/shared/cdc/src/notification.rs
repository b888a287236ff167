//! Notifications: how snapshots come along, as records of a topic and as lines of the log.

use std::sync::Arc;

use couplet_api::data::{Datum, Record, Schema, SchemaBuilder, SchemaRef, Struct, Value};

/// What is said.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Name of the signal that asked for it; `None`: a random one.
    pub id: Option<String>,
    /// What it is about.
    pub about: Snapshot,
    /// What happened: `STARTED`, `COMPLETED` …
    pub kind: &'static str,
    /// Particulars.
    pub data: Vec<(&'static str, String)>,
}

/// The kinds of snapshots that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshot {
    /// The first one, and blocking ones.
    Initial,
    /// An incremental one.
    Incremental,
}

impl Snapshot {
    const fn name(self) -> &'static str {
        match self {
            Snapshot::Initial => "Initial Snapshot",
            Snapshot::Incremental => "Incremental Snapshot",
        }
    }
}

/// Sends notifications where `notification.enabled.channels` says.
#[derive(Debug)]
pub struct Notifications {
    topic: Option<Arc<str>>,
    log: bool,
    connector: String,
    key_schema: SchemaRef,
    value_schema: SchemaRef,
}

impl Notifications {
    /// Records go to `topic`, lines to the log if `log`; `connector` is the server's logical name.
    pub fn new(topic: Option<&str>, log: bool, connector: &str) -> Self {
        let additional_data = SchemaBuilder::map(Schema::string(), Schema::string()).optional().build();
        Notifications {
            topic: topic.map(Into::into),
            log,
            connector: connector.to_owned(),
            key_schema: SchemaBuilder::structure()
                .name("io.debezium.connector.common.NotificationKey")
                .version(1)
                .field("id", Schema::string())
                .build(),
            value_schema: SchemaBuilder::structure()
                .name("io.debezium.connector.common.Notification")
                .version(1)
                .field("id", Schema::string())
                .field("type", Schema::string())
                .field("aggregate_type", Schema::string())
                .field("additional_data", additional_data)
                .field("timestamp", Schema::int64())
                .build(),
        }
    }

    /// Logs `notice`, and makes its record, if these are wanted. `now_ms`: milliseconds since the epoch.
    pub fn notify(&self, notice: Notice, now_ms: i64) -> Option<Record> {
        let Notice { id, about, kind, data } = notice;
        if !self.log && self.topic.is_none() {
            return None;
        }
        let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        if self.log {
            tracing::info!(id, aggregate_type = about.name(), r#type = kind, ?data, "[Notification Service]");
        }
        let topic = self.topic.clone()?;
        let entry = |(name, text): (&str, String)| (Value::str(name), Value::str(text));
        let data = data.into_iter().chain([("connector_name", self.connector.clone())]).map(entry);
        let key = Struct::new(self.key_schema.clone(), [Value::str(id.as_str())]);
        let value = Struct::new(
            self.value_schema.clone(),
            [
                Value::str(id),
                Value::str(kind),
                Value::str(about.name()),
                Value::Map(data.collect()),
                Value::Int64(now_ms),
            ],
        );
        let (key, value) = (Datum::new(self.key_schema.clone(), key), Datum::new(self.value_schema.clone(), value));
        Some(Record::new(topic, key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(id: Option<&str>) -> Notice {
        let data = vec![("data_collections", "s.t".to_owned())];
        Notice { id: id.map(str::to_owned), about: Snapshot::Incremental, kind: "STARTED", data }
    }

    #[test]
    fn records_say_what_who_and_when() {
        let record = Notifications::new(Some("n"), true, "p").notify(notice(Some("7")), 5).expect("a record");
        let value = record.value.value.as_struct().expect("a struct");
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        assert_eq!(
            (text("id"), text("type"), text("aggregate_type")),
            (Some("7"), Some("STARTED"), Some("Incremental Snapshot"))
        );
        let data = value.get("additional_data").expect("particulars");
        assert_eq!(data.get("connector_name"), Some(&Value::str("p")));
        assert_eq!(data.get("data_collections"), Some(&Value::str("s.t")));
        assert_eq!((&*record.topic, value.get("timestamp")), ("n", Some(&Value::Int64(5))));
    }

    #[test]
    fn nothing_is_sent_where_nobody_listens_and_names_are_random() {
        assert!(Notifications::new(None, true, "p").notify(notice(None), 5).is_none());
        let channel = Notifications::new(Some("n"), false, "p");
        let id = |record: Option<Record>| record.and_then(|r| Some(r.key.value.as_struct()?.values()[0].clone()));
        assert_ne!(id(channel.notify(notice(None), 5)), id(channel.notify(notice(None), 5)));
    }
}
