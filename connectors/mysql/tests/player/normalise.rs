//! Replaces what differs from run to run: clock readings, positions, transaction numbers. The rules are `replay.py`'s.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

/// Clock readings.
const TIMES: [&str; 5] = ["ts_ms", "ts_us", "ts_ns", "ts_sec", "ts_usec"];
/// Members of offsets that are positions.
const POSITIONS: [&str; 5] = ["file", "pos", "gtids", "server_id", "transaction_id"];

/// What is compared of a recording: status of the creation, state of the task, its trace, the last offset, and the
/// records by topic.
///
/// `loose`: the number of records depends on time, so ranks say nothing.
pub fn recording(raw: &Value, loose: bool) -> Value {
    let mut ranks = Ranks { loose, ..Ranks::default() };
    let mut topics: Map<String, Value> = Map::new();
    for event in raw["events"].as_array().into_iter().flatten() {
        let topic = event["topic"].as_str().unwrap_or_default().to_owned();
        let records = topics.entry(topic.clone()).or_insert_with(|| json!([]));
        let Some(records) = records.as_array_mut() else { continue };
        // The number of heartbeats depends on time.
        if topic.starts_with("__debezium-heartbeat") && !records.is_empty() {
            continue;
        }
        records.push(ranks.event(event));
    }
    let task = &raw["status"]["tasks"][0];
    // Clients look at the first line; what follows names Java's threads and wrappers.
    let trace = task["trace"].get(0).map(scrub_trace);
    let offset = &raw["offsets_rest"]["offsets"][0]["offset"];
    json!({
        "create": raw["create"]["status"],
        "state": task["state"],
        "trace": trace,
        "offset": offset_shape(offset),
        "topics": topics,
    })
}

/// Positions become their order of first appearance, so that two events of one transaction must still share theirs.
#[derive(Default)]
struct Ranks {
    seen: HashMap<(&'static str, String), usize>,
    loose: bool,
}

impl Ranks {
    fn rank(&mut self, kind: &'static str, value: &Value) -> Value {
        if value.is_null() {
            return Value::Null;
        }
        if self.loose {
            return json!(format!("<{kind}>"));
        }
        let next = self.seen.keys().filter(|(k, _)| *k == kind).count() + 1;
        let rank = *self.seen.entry((kind, value.to_string())).or_insert(next);
        json!(format!("<{kind}#{rank}>"))
    }

    fn event(&mut self, event: &Value) -> Value {
        let notification = event["topic"].as_str().is_some_and(|topic| topic.contains("notification"));
        let (mut key, value) = (scrub(&event["key"], notification), scrub(&event["value"], notification));
        let value = &value;
        let payload = |v: &Value| v.get("payload").unwrap_or(v).clone();
        let (key_payload, value_payload) = (payload(&key), payload(value));
        let boundary = matches!(value_payload["status"].as_str(), Some("BEGIN" | "END"));
        if boundary && key_payload["id"] == value_payload["id"] {
            let id = self.rank("tx", &key_payload["id"]);
            match key.get_mut("payload") {
                Some(payload) => payload["id"] = id,
                None => key["id"] = id,
            }
        }
        let headers: Vec<Value> = event["headers"].as_array().into_iter().flatten().cloned().collect();
        json!({ "key": self.generic(&key), "value": self.generic(value), "headers": headers })
    }

    fn generic(&mut self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.generic(item)).collect(),
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| (name.clone(), self.member(name, value, members));
                Value::Object(members.iter().map(member).collect())
            }
            Value::String(text) if text.starts_with("Struct{") => json!(scrub_struct(text)),
            other => other.clone(),
        }
    }

    fn member(&mut self, name: &str, value: &Value, members: &Map<String, Value>) -> Value {
        match (name, value) {
            ("schema", Value::Object(schema)) if schema.contains_key("type") => value.clone(),
            ("source", Value::Object(source)) => self.source(source, "gtid"),
            ("transaction", Value::Object(transaction)) if transaction.contains_key("id") => {
                let mut block = transaction.clone();
                block.insert("id".to_owned(), self.rank("tx", &transaction["id"]));
                Value::Object(block)
            }
            ("position", Value::Object(_)) => offset_shape(value),
            ("before" | "after", _) => value.clone(),
            ("id", Value::String(_)) if members.contains_key("status") => self.rank("tx", value),
            (name, Value::Number(n)) if TIMES.contains(&name) => {
                if n.as_i64() == Some(0) {
                    value.clone()
                } else {
                    json!("<ts>")
                }
            }
            _ => self.generic(value),
        }
    }

    fn source(&mut self, source: &Map<String, Value>, position: &'static str) -> Value {
        let member = |(name, value): (&String, &Value)| {
            let value = match name.as_str() {
                "gtid" => self.rank(position, value),
                "file" | "pos" | "thread" if !value.is_null() => json!(format!("<{name}>")),
                "server_id" if value.as_i64() != Some(0) => json!("<server>"),
                name if TIMES.contains(&name) && !value.is_null() => {
                    if value.as_i64() == Some(0) {
                        value.clone()
                    } else {
                        json!("<ts>")
                    }
                }
                _ => value.clone(),
            };
            (name.clone(), value)
        };
        Value::Object(source.iter().map(member).collect())
    }
}

/// Random names and clock readings in the rows of a signal table and in notifications.
fn scrub(value: &Value, notification: bool) -> Value {
    static MARK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[0-9a-f]{8}-[0-9a-f-]{27}-(open|close)$").expect("a constant expression"));
    static RANDOM: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[0-9a-f]{8}-[0-9a-f-]{27}$").expect("a constant expression"));
    static CLOCK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"WindowTimestamp": "[^"]*""#).expect("a constant expression"));
    match value {
        Value::String(text) if MARK.is_match(text) => json!(MARK.replace(text, "<uuid>-$1")),
        Value::String(text) if notification && RANDOM.is_match(text) => json!("<uuid>"),
        Value::String(text) if text.contains("openWindowTimestamp") => {
            json!(CLOCK.replace_all(text, "WindowTimestamp\": \"<ts>\""))
        }
        Value::Array(items) => items.iter().map(|item| scrub(item, notification)).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match name.as_str() {
                "timestamp" if members.contains_key("aggregate_type") => (name.clone(), json!("<ts>")),
                _ => (name.clone(), scrub(value, notification)),
            };
            Value::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

/// The text that `StringConverter` writes.
fn scrub_struct(text: &str) -> String {
    static VOLATILE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b(ts_ms|ts_us|ts_ns|pos|gtid|file|server_id|thread)=(\[[^\]]*\]|[^,}]*)")
            .expect("a constant expression")
    });
    VOLATILE.replace_all(text, "$1=#").into_owned()
}

fn offset_shape(offset: &Value) -> Value {
    let Some(members) = offset.as_object() else { return Value::Null };
    let member = |(name, value): (&String, &Value)| {
        let volatile = TIMES.contains(&name.as_str()) || POSITIONS.contains(&name.as_str());
        (name.clone(), if volatile { json!(format!("<{name}>")) } else { value.clone() })
    };
    Value::Object(members.iter().map(member).collect())
}

fn scrub_trace(line: &Value) -> Value {
    static POSITION: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b(lsn|lsn_proc|lsn_commit|txId|ts_usec|PID)([= ])\d+").expect("a constant expression")
    });
    static LSN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"LSN\{[0-9A-F/]+\}").expect("a constant expression"));
    let text = line.as_str().unwrap_or_default();
    let text = LSN.replace_all(text, "LSN{#}");
    json!(POSITION.replace_all(&text, "$1$2#"))
}
