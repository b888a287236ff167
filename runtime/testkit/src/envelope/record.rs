use couplet_api::data::{Header, Record};
use serde_json::{Value as Json, json};

use super::{read, write};

/// The record of a recorded case: `kind`, `topic`, `partition`, `key`, `value`, `headers`, `timestamp`, `offset`.
///
/// # Errors
/// What cannot be expressed in the data model, or is malformed.
pub fn read_record(json: &Json) -> Result<Record, String> {
    let header = |h: &Json| {
        let key = h["key"].as_str().ok_or("header without a key")?;
        Ok::<_, String>(Header { key: key.into(), value: read(h)? })
    };
    let topic = json["topic"].as_str().ok_or("record without a topic")?;
    let mut record = Record::new(topic, read(&json["key"])?, read(&json["value"])?);
    record.headers = json["headers"].as_array().into_iter().flatten().map(header).collect::<Result<_, _>>()?;
    record.partition = json["partition"].as_i64().map(|p| p as i32);
    record.timestamp = json["timestamp"].as_i64();
    record.offset = json["offset"].as_i64();
    Ok(record)
}

/// `record` as a recorded case writes it; a record with an offset is a sink's.
pub fn write_record(record: &Record) -> Json {
    let header = |h: &Header| {
        let mut json = write(&h.value);
        json["key"] = json!(&*h.key);
        json
    };
    let mut json = json!({
        "kind": if record.offset.is_some() { "sink" } else { "source" },
        "topic": &*record.topic,
        "partition": record.partition,
        "key": write(&record.key),
        "value": write(&record.value),
        "headers": record.headers.iter().map(header).collect::<Vec<_>>(),
        "timestamp": record.timestamp,
    });
    if let Some(offset) = record.offset {
        json["offset"] = json!(offset);
    }
    json
}
