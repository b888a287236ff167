//! Notifications: how snapshots come along, as records of a topic and as lines of the log.

use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::data::{Datum, Record, Schema, SchemaBuilder, SchemaRef, Struct, Value};

use crate::filter::TableId;
use crate::java_object::java_set_order;

const CHANNELS: &str = "notification.enabled.channels";
const TOPIC: &str = "notification.sink.topic.name";

/// Where notifications go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationConfig {
    /// A topic.
    pub topic: Option<String>,
    /// The log.
    pub log: bool,
}

impl NotificationConfig {
    /// Reads `notification.enabled.channels` and `notification.sink.topic.name`.
    pub fn new(props: &Props) -> Self {
        let channel = |name| is_listed(props.get(CHANNELS), name);
        if channel("jmx") {
            tracing::info!("there is no JMX here: its channel of {CHANNELS} has no effect");
        }
        let topic = props.get(TOPIC).map(str::trim).filter(|topic| channel("sink") && !topic.is_empty());
        NotificationConfig { topic: topic.map(str::to_owned), log: channel("log") }
    }
}

fn is_listed(list: Option<&str>, name: &str) -> bool {
    list.is_some_and(|list| list.split(',').any(|item| item.trim() == name))
}

/// What is wrong with a list of channels that may name those `known`.
pub fn unknown_channel(value: Option<&str>, known: &[&str]) -> Option<String> {
    let mut names = value?.split(',').map(str::trim).filter(|name| !name.is_empty());
    let unknown = names.find(|name| !known.contains(name))?;
    Some(format!("{unknown} is not one of {}", known.join(", ")))
}

/// Checks `notification.enabled.channels`: channels that are there.
pub fn check_notification_channels(value: Option<&str>, _props: &Props) -> Option<String> {
    unknown_channel(value, &["sink", "log", "jmx"])
}

/// Checks `notification.sink.topic.name`: given where the channel `sink` is enabled.
pub fn check_notification_topic(value: Option<&str>, props: &Props) -> Option<String> {
    let wanted = value.is_none() && is_listed(props.get(CHANNELS), "sink");
    wanted.then(|| "Notification topic name must be provided when kafka notification channel is enabled".to_owned())
}

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

impl Notice {
    /// About the initial snapshot, or a blocking one, as a whole.
    pub const fn of_initial(kind: &'static str) -> Self {
        Notice { id: None, about: Snapshot::Initial, kind, data: Vec::new() }
    }
}

/// What is said of the tables of an initial or blocking snapshot.
#[derive(Debug, Clone)]
pub struct TableNotices {
    /// All tables, when one begins.
    begun_of: String,
    /// All tables, when one is done.
    done_of: String,
}

impl TableNotices {
    /// Of a snapshot that reads `read` out of the tables `counted`, in order.
    pub fn new(read: &[TableId], counted: &[TableId]) -> Self {
        let names = |tables: &[TableId]| tables.iter().map(ToString::to_string).collect::<Vec<_>>();
        // Debezium has the first in a hash set.
        TableNotices { begun_of: java_set_order(names(read)).join(","), done_of: names(counted).join(",") }
    }

    /// The table `id` begins.
    pub fn begun(&self, id: &TableId) -> Notice {
        let data =
            vec![("current_collection_in_progress", id.to_string()), ("data_collections", self.begun_of.clone())];
        Notice { data, ..Notice::of_initial("IN_PROGRESS") }
    }

    /// All `rows` of the table `id` were read.
    pub fn ended(&self, id: &TableId, rows: u64) -> Notice {
        let data = vec![
            ("scanned_collection", id.to_string()),
            ("data_collections", self.done_of.clone()),
            ("total_rows_scanned", rows.to_string()),
            ("status", "SUCCEEDED".to_owned()),
        ];
        Notice { data, ..Notice::of_initial("TABLE_SCAN_COMPLETED") }
    }
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
    /// Sends where `config` says; `connector` is the server's logical name.
    pub fn new(config: &NotificationConfig, connector: &str) -> Self {
        let additional_data = SchemaBuilder::map(Schema::string(), Schema::string()).optional().build();
        Notifications {
            topic: config.topic.as_deref().map(Into::into),
            log: config.log,
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

    fn sending(topic: Option<&str>, log: bool) -> Notifications {
        Notifications::new(&NotificationConfig { topic: topic.map(str::to_owned), log }, "p")
    }

    #[test]
    fn channels_are_read_and_checked() {
        let props = |channels: &str| Props::from_iter([(CHANNELS, channels), (TOPIC, "t")]);
        for (channels, topic, log) in
            [("", None, false), ("sink", Some("t"), false), ("log, jmx", None, true), (" sink ,log", Some("t"), true)]
        {
            let config = NotificationConfig::new(&props(channels));
            assert_eq!((config.topic.as_deref(), config.log), (topic, log), "{channels:?}");
            assert_eq!(check_notification_channels(Some(channels), &Props::new()), None);
        }
        let problem = check_notification_channels(Some("log,mail"), &Props::new());
        assert_eq!(problem.as_deref(), Some("mail is not one of sink, log, jmx"));
        assert!(check_notification_topic(None, &props("log,sink")).is_some(), "a sink needs a topic");
        assert!(check_notification_topic(None, &props("log")).is_none());
    }

    #[test]
    fn records_say_what_who_and_when() {
        let record = sending(Some("n"), true).notify(notice(Some("7")), 5).expect("a record");
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
        assert!(sending(None, true).notify(notice(None), 5).is_none());
        let channel = sending(Some("n"), false);
        let id = |record: Option<Record>| record.and_then(|r| Some(r.key.value.as_struct()?.values()[0].clone()));
        assert_ne!(id(channel.notify(notice(None), 5)), id(channel.notify(notice(None), 5)));
    }
}
