//! What is compared: of recordings and of what happened, the same members.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couplet_api::Error;
use couplet_api::data::SinkRecord;
use couplet_api::sink::Offsets;
use serde_json::{Map, Value, json};

use crate::support::{Object, Server};

/// Events without messages, which are for information.
pub fn comparable_events(events: &Value) -> Value {
    let mut events = events.as_array().cloned().unwrap_or_default();
    for event in &mut events {
        let members = event.as_object_mut().expect("an object");
        members.remove("message");
        if let Some(state) = members.get("state") {
            let state = comparable_objects(state);
            members.insert("state".to_owned(), state);
        }
        if members.get("cause").is_none_or(|cause| !is_data_exception(cause)) {
            members.remove("cause");
        }
    }
    Value::Array(events)
}

/// Only the cause that says which record failed is the contract's.
fn is_data_exception(cause: &Value) -> bool {
    cause.as_str().is_some_and(|class| class.ends_with("DataException"))
}

/// Objects by name, kind and content; lines of JSON as JSON.
pub fn comparable_objects(objects: &Value) -> Value {
    let objects = objects.as_array().cloned().unwrap_or_default();
    Value::Array(objects.iter().map(comparable_object).collect())
}

fn comparable_object(object: &Value) -> Value {
    let mut kept = Map::new();
    for name in ["key", "contentType", "multipart"] {
        kept.insert(name.to_owned(), object[name].clone());
    }
    let tags = object.get("tags").filter(|tags| !tags.is_null());
    kept.insert("tags".to_owned(), tags.cloned().unwrap_or_else(|| json!({})));
    let text = object["gunzipped"].as_str().or_else(|| object["text"].as_str());
    let content = match text {
        Some(text) if object["key"].as_str().is_some_and(|key| key.contains(".json")) => Value::Array(
            text.split('\n').map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line))).collect(),
        ),
        Some(text) => json!(text),
        None => object["base64"].clone(),
    };
    kept.insert("content".to_owned(), content);
    Value::Object(kept)
}

/// All objects of the bucket, as recordings show them.
pub async fn objects(server: &Server) -> Value {
    let json = |object: &Object| {
        let mut json = json!({
            "key": object.key,
            "contentType": object.content_type,
            "multipart": object.multipart,
            "tags": object.tags,
        });
        let text = match object.key.ends_with(".gz") {
            true => Some(object.text()),
            false => String::from_utf8(object.bytes.clone()).ok(),
        };
        match text {
            Some(text) => json["text"] = json!(text),
            None => json["base64"] = json!(STANDARD.encode(&object.bytes)),
        }
        json
    };
    Value::Array(server.objects().await.iter().map(json).collect())
}

/// A record that was reported.
pub fn errant((record, error): &(SinkRecord, Error)) -> Value {
    json!({
        "topic": &*record.record.topic,
        "partition": record.original.partition,
        "offset": record.original_offset,
        "error": error.class(),
    })
}

/// Offsets as recordings name partitions.
pub fn offsets(offsets: &Offsets) -> Value {
    Value::Object(offsets.iter().map(|(partition, offset)| (partition.to_string(), json!(offset))).collect())
}
