//! Records of the config topic: what users want, in the bytes of Kafka's `KafkaConfigBackingStore`.

use bytes::{Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::data::{Datum, Value};
use couplet_api::{Error, Result};
use couplet_plugins::json::{JsonOptions, read_value, write_value};

use crate::herder::RestartRequest;
use crate::worker::{TargetState, TaskId};

/// A record's key and value as written; no value is a tombstone.
pub type KeyValue = (Option<Bytes>, Option<Bytes>);

const SESSION_KEY: &str = "session-key";
const TARGET_STATE: &str = "target-state-";
const CONNECTOR: &str = "connector-";
const TASK: &str = "task-";
const COMMIT: &str = "commit-";
const FENCING: &str = "tasks-fencing-";
const RESTART: &str = "restart-connector-";
const LOGGER: &str = "logger-cluster-";

/// The key that signs requests between workers (KIP-507).
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// The key itself.
    pub key: Bytes,
    /// Algorithm, `HmacSHA256` unless configured.
    pub algorithm: String,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionKey({}, {})", self.algorithm, self.created_ms)
    }
}

/// One record of the config topic.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigRecord {
    /// A connector's config; `None`: it is deleted.
    Connector(String, Option<Props>),
    /// A task's config, which counts once a [`ConfigRecord::Commit`] follows.
    Task(TaskId, Props),
    /// The tasks written before are complete: this many.
    Commit(String, u32),
    /// What a user wants a connector to be; `None`: it is deleted.
    Target(String, Option<TargetState>),
    /// A new session key.
    SessionKey(SessionKey),
    /// A user asked for a restart beyond the plain one.
    Restart(String, RestartRequest),
    /// The level of a logger on all workers; `None`: back to its default.
    LoggerLevel(String, Option<String>),
    /// Number of tasks whose producers must be fenced before new ones start.
    TasksFencing(String, u32),
}

impl ConfigRecord {
    /// Reads a record. `Ok(None)`: a tombstone that means nothing, or a kind this version does not know.
    ///
    /// # Errors
    /// `Kind::Data` when key or value is not in the store's format; the JVM logs and skips such records.
    pub fn decode(key: &Bytes, value: Option<&Bytes>) -> Result<Option<ConfigRecord>> {
        let key = std::str::from_utf8(key).map_err(|_| Error::data("a key of the config topic is not text"))?;
        let value = value.map(read_value).transpose()?.filter(|value| !value.is_null());
        let value = value.as_ref();
        let named = |prefix: &str| key.strip_prefix(prefix).map(str::to_owned);
        if let Some(name) = named(TARGET_STATE) {
            return Ok(Some(ConfigRecord::Target(name, value.map(target_state).transpose()?)));
        }
        if let Some(name) = named(CONNECTOR) {
            return Ok(Some(ConfigRecord::Connector(name, value.map(properties).transpose()?)));
        }
        if let Some(name) = named(LOGGER) {
            return Ok(Some(ConfigRecord::LoggerLevel(name, value.map(|v| text(v, "level")).transpose()?)));
        }
        let Some(value) = value else { return Ok(None) };
        if let Some(name) = named(TASK) {
            return Ok(Some(ConfigRecord::Task(task_id(&name)?, properties(value)?)));
        }
        if let Some(name) = named(COMMIT) {
            return Ok(Some(ConfigRecord::Commit(name, count(value, "tasks")?)));
        }
        if let Some(name) = named(FENCING) {
            return Ok(Some(ConfigRecord::TasksFencing(name, count(value, "task-count")?)));
        }
        if let Some(name) = named(RESTART) {
            let flag = |key| value.get(key).and_then(Value::as_bool).unwrap_or(false);
            let request = RestartRequest { include_tasks: flag("include-tasks"), only_failed: flag("only-failed") };
            return Ok(Some(ConfigRecord::Restart(name, request)));
        }
        if key == SESSION_KEY {
            return session_key(value).map(|key| Some(ConfigRecord::SessionKey(key)));
        }
        Ok(None)
    }

    /// The bytes of the record, as Jackson prints them.
    ///
    /// # Errors
    /// `Kind::Data` when a text is no valid Unicode for JSON.
    pub fn encode(&self) -> Result<KeyValue> {
        let (key, value) = match self {
            ConfigRecord::Connector(name, props) => (format!("{CONNECTOR}{name}"), props.as_ref().map(with_properties)),
            ConfigRecord::Task(id, props) => (format!("{TASK}{id}"), Some(with_properties(props))),
            ConfigRecord::Commit(name, tasks) => {
                (format!("{COMMIT}{name}"), Some(object([("tasks", i64::from(*tasks).into())])))
            }
            ConfigRecord::Target(name, target) => (format!("{TARGET_STATE}{name}"), target.map(with_target)),
            ConfigRecord::SessionKey(key) => (SESSION_KEY.to_owned(), Some(with_session_key(key))),
            ConfigRecord::Restart(name, request) => (
                format!("{RESTART}{name}"),
                Some(object([
                    ("include-tasks", request.include_tasks.into()),
                    ("only-failed", request.only_failed.into()),
                ])),
            ),
            ConfigRecord::LoggerLevel(name, level) => {
                (format!("{LOGGER}{name}"), level.as_ref().map(|level| object([("level", level.as_str().into())])))
            }
            ConfigRecord::TasksFencing(name, tasks) => {
                (format!("{FENCING}{name}"), Some(object([("task-count", i64::from(*tasks).into())])))
            }
        };
        Ok((Some(Bytes::from(key)), value.map(|value| json(&value)).transpose()?))
    }
}

/// `value` as compact JSON.
pub(super) fn json(value: &Value) -> Result<Bytes> {
    let mut out = BytesMut::new();
    write_value(&Datum::schemaless(value.clone()), &JsonOptions::default(), &mut out)?;
    Ok(out.freeze())
}

/// A JSON object.
pub(super) fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.map(|(key, value)| (Value::str(key), value)).into())
}

fn with_properties(props: &Props) -> Value {
    let entries = props.iter().map(|(key, value)| (Value::str(key), Value::from(value)));
    object([("properties", Value::Map(entries.collect()))])
}

/// Workers before KIP-875 read `state` only, so STOPPED is PAUSED to them.
fn with_target(target: TargetState) -> Value {
    let old = if target == TargetState::Stopped { TargetState::Paused } else { target };
    object([("state", old.name().into()), ("state.v2", target.name().into())])
}

fn with_session_key(key: &SessionKey) -> Value {
    object([
        ("key", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &key.key).into()),
        ("algorithm", key.algorithm.as_str().into()),
        ("creation-timestamp", key.created_ms.into()),
    ])
}

fn session_key(value: &Value) -> Result<SessionKey> {
    let key = text(value, "key")?;
    let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, key)
        .map_err(|_| Error::data("the session key in the config topic is not base64"))?;
    let created_ms = value.get("creation-timestamp").and_then(Value::as_i64);
    Ok(SessionKey {
        key: key.into(),
        algorithm: text(value, "algorithm")?,
        created_ms: created_ms.ok_or_else(|| missing("creation-timestamp"))?,
    })
}

fn properties(value: &Value) -> Result<Props> {
    let entries = value.get("properties").and_then(Value::as_map).ok_or_else(|| missing("properties"))?;
    let mut props = Props::new();
    for (key, value) in entries {
        let key = key.as_str().ok_or_else(|| missing("properties"))?;
        match value {
            Value::Null => props.set_nullable(key, None),
            Value::Str(text) => props.set(key, text.as_str()),
            _ => return Err(Error::data(format!("property {key} in the config topic is not text"))),
        }
    }
    Ok(props)
}

fn target_state(value: &Value) -> Result<TargetState> {
    let name = text(value, "state.v2").or_else(|_| text(value, "state"))?;
    let states = [TargetState::Started, TargetState::Paused, TargetState::Stopped];
    let found = states.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| Error::data(format!("unknown target state {name} in the config topic")))
}

fn task_id(name: &str) -> Result<TaskId> {
    let (connector, task) = name.rsplit_once('-').unwrap_or(("", name));
    match task.parse() {
        Ok(task) if !connector.is_empty() => Ok(TaskId { connector: connector.into(), task }),
        _ => Err(Error::data(format!("key {TASK}{name} of the config topic names no task"))),
    }
}

fn count(value: &Value, key: &str) -> Result<u32> {
    value.get(key).and_then(Value::as_i64).and_then(|n| u32::try_from(n).ok()).ok_or_else(|| missing(key))
}

pub(super) fn text(value: &Value, key: &str) -> Result<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| missing(key))
}

fn missing(key: &str) -> Error {
    Error::data(format!("a record of an internal topic lacks {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(record: &ConfigRecord) -> (String, Option<String>) {
        let (key, value) = record.encode().expect("encodes");
        let key = key.expect("a key");
        let back = ConfigRecord::decode(&key, value.as_ref()).expect("decodes");
        assert_eq!(back.as_ref(), Some(record));
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).expect("text");
        (text(key), value.map(text))
    }

    #[test]
    fn records_have_the_bytes_of_the_jvm() {
        let props = Props::from_iter([("connector.class", "C"), ("name", "größe 1")]);
        let id = TaskId { connector: "a-1".into(), task: 12 };
        let restart = RestartRequest { include_tasks: true, only_failed: false };
        let key = SessionKey { key: Bytes::from_static(b"\x00\xff"), algorithm: "HmacSHA256".into(), created_ms: 7 };
        let rows: [(ConfigRecord, &str, Option<&str>); 10] = [
            (
                ConfigRecord::Connector("größe 1".into(), Some(props.clone())),
                "connector-größe 1",
                Some(r#"{"properties":{"connector.class":"C","name":"größe 1"}}"#),
            ),
            (ConfigRecord::Connector("c".into(), None), "connector-c", None),
            (
                ConfigRecord::Task(id, props),
                "task-a-1-12",
                Some(r#"{"properties":{"connector.class":"C","name":"größe 1"}}"#),
            ),
            (ConfigRecord::Commit("c".into(), 2), "commit-c", Some(r#"{"tasks":2}"#)),
            (
                ConfigRecord::Target("c".into(), Some(TargetState::Stopped)),
                "target-state-c",
                Some(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#),
            ),
            (ConfigRecord::Target("c".into(), None), "target-state-c", None),
            (
                ConfigRecord::SessionKey(key),
                "session-key",
                Some(r#"{"key":"AP8=","algorithm":"HmacSHA256","creation-timestamp":7}"#),
            ),
            (
                ConfigRecord::Restart("c".into(), restart),
                "restart-connector-c",
                Some(r#"{"include-tasks":true,"only-failed":false}"#),
            ),
            (
                ConfigRecord::LoggerLevel("org.example.x".into(), Some("DEBUG".into())),
                "logger-cluster-org.example.x",
                Some(r#"{"level":"DEBUG"}"#),
            ),
            (ConfigRecord::TasksFencing("c".into(), 0), "tasks-fencing-c", Some(r#"{"task-count":0}"#)),
        ];
        for (record, key, value) in rows {
            assert_eq!(round_trip(&record), (key.to_owned(), value.map(str::to_owned)));
        }
    }

    #[test]
    fn target_states_of_old_workers_are_read() {
        let decode = |value: &'static str| {
            ConfigRecord::decode(&Bytes::from_static(b"target-state-c"), Some(&Bytes::from_static(value.as_bytes())))
        };
        assert_eq!(
            decode(r#"{"state":"PAUSED"}"#).expect("decodes"),
            Some(ConfigRecord::Target("c".into(), Some(TargetState::Paused)))
        );
        assert!(decode(r#"{"state":"ASLEEP"}"#).is_err());
    }

    #[test]
    fn what_is_not_in_the_format_is_an_error_or_skipped() {
        let decode = |key: &'static str, value: Option<&'static str>| {
            ConfigRecord::decode(
                &Bytes::from_static(key.as_bytes()),
                value.map(|v| Bytes::from_static(v.as_bytes())).as_ref(),
            )
        };
        assert_eq!(decode("new-kind-c", Some("{}")).expect("decodes"), None);
        assert_eq!(decode("commit-c", None).expect("decodes"), None);
        for (key, value) in [("commit-c", "{}"), ("task-c", r#"{"properties":{}}"#), ("connector-c", "[")] {
            assert!(decode(key, Some(value)).is_err(), "{key} {value}");
        }
    }
}
