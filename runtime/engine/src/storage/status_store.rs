//! The status topic: states of connectors and tasks, and the topics they use, in the bytes of Kafka's
//! `KafkaStatusBackingStore`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use couplet_api::data::Value;
use couplet_api::{Error, Result};
use couplet_plugins::json::read_value;

use super::config_store::{KeyValue, json, object, text};
use crate::herder::{ConnectorState, ConnectorStatus};
use crate::secrets::redact;
use crate::worker::TaskId;

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
const TOPIC_SEPARATOR: &str = ":connector-";

/// Whose state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A connector's.
    Connector(String),
    /// A task's.
    Task(TaskId),
}

impl Subject {
    /// The connector it belongs to.
    pub fn connector(&self) -> &str {
        match self {
            Subject::Connector(name) => name,
            Subject::Task(id) => &id.connector,
        }
    }
}

/// A state and the generation of the group in which it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStatus {
    /// The state.
    pub status: ConnectorStatus,
    /// Generation.
    pub generation: i64,
}

/// One record of the status topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusRecord {
    /// A state; `None`: forgotten.
    Status(Subject, Option<StoredStatus>),
    /// A connector uses a topic, as seen by a task at a time in milliseconds since the epoch; `None`: forgotten.
    ActiveTopic {
        /// The connector.
        connector: String,
        /// The topic.
        topic: String,
        /// The task that used it first, and when.
        discovered: Option<(u32, i64)>,
    },
}

impl StatusRecord {
    /// The record with secrets in its trace masked: states are shown to everybody.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        if let StatusRecord::Status(_, Some(StoredStatus { status, .. })) = &mut self {
            status.trace = status.trace.take().map(|trace| redact(&trace).into_owned());
        }
        self
    }

    /// Reads a record. `Ok(None)`: of a kind this version does not know.
    ///
    /// # Errors
    /// `Kind::Data` when key or value is not in the store's format.
    pub fn decode(key: &Bytes, value: Option<&Bytes>) -> Result<Option<StatusRecord>> {
        let key = std::str::from_utf8(key).map_err(|_| Error::data("a key of the status topic is not text"))?;
        let value = value.map(read_value).transpose()?.filter(|value| !value.is_null());
        let status = || value.as_ref().map(stored_status).transpose();
        if let Some(name) = key.strip_prefix(CONNECTOR) {
            return Ok(Some(StatusRecord::Status(Subject::Connector(name.to_owned()), status()?)));
        }
        if let Some((connector, task)) = key.strip_prefix(TASK).and_then(|id| id.rsplit_once('-')) {
            let Ok(task) = task.parse() else { return Ok(None) };
            return Ok(Some(StatusRecord::Status(
                Subject::Task(TaskId { connector: connector.into(), task }),
                status()?,
            )));
        }
        if let Some((topic, connector)) = key.strip_prefix(TOPIC).and_then(|rest| rest.split_once(TOPIC_SEPARATOR)) {
            let number = |value: &Value, key| value.get("topic").and_then(|t| t.get(key)).and_then(Value::as_i64);
            let discovered = value.as_ref().map(|value| {
                let task = number(value, "task").and_then(|n| u32::try_from(n).ok());
                (task.unwrap_or(0), number(value, "discoverTimestamp").unwrap_or(0))
            });
            return Ok(Some(StatusRecord::ActiveTopic {
                connector: connector.to_owned(),
                topic: topic.to_owned(),
                discovered,
            }));
        }
        Ok(None)
    }

    /// The bytes of the record, as Jackson prints them.
    ///
    /// # Errors
    /// `Kind::Data` when a text is no valid Unicode for JSON.
    pub fn encode(&self) -> Result<KeyValue> {
        let (key, value) = match self {
            StatusRecord::Status(subject, stored) => {
                let key = match subject {
                    Subject::Connector(name) => format!("{CONNECTOR}{name}"),
                    Subject::Task(id) => format!("{TASK}{id}"),
                };
                (key, stored.as_ref().map(with_status))
            }
            StatusRecord::ActiveTopic { connector, topic, discovered } => {
                let value = discovered.map(|(task, when_ms)| {
                    let inner = object([
                        ("name", topic.as_str().into()),
                        ("connector", connector.as_str().into()),
                        ("task", i64::from(task).into()),
                        ("discoverTimestamp", when_ms.into()),
                    ]);
                    object([("topic", inner)])
                });
                (format!("{TOPIC}{topic}{TOPIC_SEPARATOR}{connector}"), value)
            }
        };
        Ok((Some(Bytes::from(key)), value.map(|value| json(&value)).transpose()?))
    }
}

fn with_status(stored: &StoredStatus) -> Value {
    let status = &stored.status;
    object([
        ("state", status.state.name().into()),
        ("trace", status.trace.as_deref().into()),
        ("worker_id", status.worker_id.as_str().into()),
        ("generation", stored.generation.into()),
        ("version", status.version.as_deref().into()),
    ])
}

fn stored_status(value: &Value) -> Result<StoredStatus> {
    let name = text(value, "state")?;
    let optional = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let status = ConnectorStatus {
        state: ConnectorState::from_name(&name)
            .ok_or_else(|| Error::data(format!("unknown state {name} in the status topic")))?,
        worker_id: text(value, "worker_id")?,
        trace: optional("trace"),
        version: optional("version"),
    };
    Ok(StoredStatus { status, generation: value.get("generation").and_then(Value::as_i64).unwrap_or(0) })
}

/// What is known of one connector.
#[derive(Debug, Clone, Default)]
struct Entry {
    connector: Option<StoredStatus>,
    tasks: BTreeMap<u32, StoredStatus>,
    topics: BTreeSet<String>,
}

/// The status topic folded into what it says now.
#[derive(Debug, Clone, Default)]
pub struct StatusTable {
    entries: BTreeMap<String, Entry>,
}

impl StatusTable {
    /// Takes the next record of the topic.
    pub fn apply(&mut self, record: StatusRecord) {
        match record {
            StatusRecord::Status(subject, stored) => {
                let entry = self.entries.entry(subject.connector().to_owned()).or_default();
                match (subject, stored) {
                    (Subject::Connector(_), stored) => entry.connector = stored,
                    (Subject::Task(id), Some(stored)) => {
                        entry.tasks.insert(id.task, stored);
                    }
                    (Subject::Task(id), None) => {
                        entry.tasks.remove(&id.task);
                    }
                }
            }
            StatusRecord::ActiveTopic { connector, topic, discovered } => {
                let topics = &mut self.entries.entry(connector).or_default().topics;
                match discovered {
                    Some(_) => topics.insert(topic),
                    None => topics.remove(&topic),
                };
            }
        }
    }

    /// The state of a connector or task.
    pub fn get(&self, subject: &Subject) -> Option<&StoredStatus> {
        let entry = self.entries.get(subject.connector())?;
        match subject {
            Subject::Connector(_) => entry.connector.as_ref(),
            Subject::Task(id) => entry.tasks.get(&id.task),
        }
    }

    /// Names of all connectors that have a state, or whose tasks have.
    pub fn connectors(&self) -> impl Iterator<Item = &str> {
        let stated = |entry: &Entry| entry.connector.is_some() || !entry.tasks.is_empty();
        self.entries.iter().filter(move |(_, entry)| stated(entry)).map(|(name, _)| name.as_str())
    }

    /// States of the tasks of `connector`, by number.
    pub fn tasks(&self, connector: &str) -> impl Iterator<Item = (u32, &StoredStatus)> {
        self.entries.get(connector).into_iter().flat_map(|entry| &entry.tasks).map(|(task, stored)| (*task, stored))
    }

    /// Topics that `connector` uses.
    pub fn topics(&self, connector: &str) -> impl Iterator<Item = &str> {
        self.entries.get(connector).into_iter().flat_map(|entry| &entry.topics).map(String::as_str)
    }

    /// Whether a worker called `worker_id` may say something new about `subject` in `generation`: not when another
    /// worker said something in a later one. Ends and failures ask; starts do not, as in the JVM.
    pub fn may_write(&self, subject: &Subject, worker_id: &str, generation: i64) -> bool {
        let before = self.get(subject);
        before.is_none_or(|stored| stored.status.worker_id == worker_id || stored.generation <= generation)
    }

    /// The highest generation anybody wrote in.
    pub fn generation_max(&self) -> i64 {
        let all = self.entries.values().flat_map(|entry| entry.connector.iter().chain(entry.tasks.values()));
        all.map(|stored| stored.generation).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(worker_id: &str, generation: i64, trace: Option<&str>) -> StoredStatus {
        let state = if trace.is_some() { ConnectorState::Failed } else { ConnectorState::Running };
        let status = ConnectorStatus {
            state,
            worker_id: worker_id.to_owned(),
            trace: trace.map(str::to_owned),
            version: Some("4.1.0".to_owned()),
        };
        StoredStatus { status, generation }
    }

    #[test]
    fn records_have_the_bytes_of_the_jvm() {
        let task = Subject::Task(TaskId { connector: "a-1".into(), task: 0 });
        let rows: [(StatusRecord, &str, Option<&str>); 4] = [
            (
                StatusRecord::Status(Subject::Connector("c".into()), Some(stored("h:1", 2, None))),
                "status-connector-c",
                Some(r#"{"state":"RUNNING","trace":null,"worker_id":"h:1","generation":2,"version":"4.1.0"}"#),
            ),
            (
                StatusRecord::Status(task.clone(), Some(stored("h:1", 2, Some("X: y\n")))),
                "status-task-a-1-0",
                Some(r#"{"state":"FAILED","trace":"X: y\n","worker_id":"h:1","generation":2,"version":"4.1.0"}"#),
            ),
            (StatusRecord::Status(task, None), "status-task-a-1-0", None),
            (
                StatusRecord::ActiveTopic { connector: "c".into(), topic: "t".into(), discovered: Some((1, 5)) },
                "status-topic-t:connector-c",
                Some(r#"{"topic":{"name":"t","connector":"c","task":1,"discoverTimestamp":5}}"#),
            ),
        ];
        for (record, key, value) in rows {
            let (k, v) = record.encode().expect("encodes");
            let k = k.expect("a key");
            assert_eq!((&k[..], v.as_deref()), (key.as_bytes(), value.map(str::as_bytes)));
            assert_eq!(StatusRecord::decode(&k, v.as_ref()).expect("decodes"), Some(record));
        }
    }

    #[test]
    fn an_old_owner_does_not_overwrite_a_newer_one() {
        let subject = Subject::Connector("c".into());
        let mut table = StatusTable::default();
        assert!(table.may_write(&subject, "a:1", 0), "nothing is there yet");
        table.apply(StatusRecord::Status(subject.clone(), Some(stored("b:1", 5, None))));
        let rows = [("a:1", 4, false), ("a:1", 5, true), ("a:1", 6, true), ("b:1", 1, true)];
        for (worker, generation, want) in rows {
            assert_eq!(table.may_write(&subject, worker, generation), want, "{worker} in {generation}");
        }
        assert_eq!(table.generation_max(), 5);
    }
}
