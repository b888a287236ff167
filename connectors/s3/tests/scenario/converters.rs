//! Records of a scenario: raw text through the converters that its settings name.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use couplet_api::Plugin;
use couplet_api::config::Props;
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Header, Record, Schema, SinkRecord, TimestampType, TopicPartition};
use serde_json::Value;

/// The converters of keys and values.
pub struct Converters {
    key: Arc<dyn Converter>,
    value: Arc<dyn Converter>,
}

impl Converters {
    pub fn new(props: &Props) -> Self {
        Converters { key: converter(props, "key.converter", true), value: converter(props, "value.converter", false) }
    }

    /// The sink record of a recorded one.
    pub fn record(&self, json: &Value) -> SinkRecord {
        let topic = json["topic"].as_str().expect("a topic");
        let partition = i32::try_from(json["partition"].as_i64().expect("a partition")).expect("a partition");
        let offset = json["offset"].as_i64().expect("an offset");
        let convert = |converter: &Arc<dyn Converter>, json: &Value| {
            converter.to_connect(topic, bytes(json).as_ref()).expect("recorded data converts")
        };
        let mut record = Record::new(topic, convert(&self.key, &json["key"]), convert(&self.value, &json["value"]));
        record.partition = Some(partition);
        record.offset = Some(offset);
        record.timestamp = json["timestamp"].as_i64();
        let headers = json["headers"].as_array().into_iter().flatten();
        record.headers = headers.map(header).collect();
        SinkRecord {
            original: TopicPartition::new(topic, partition),
            original_offset: offset,
            timestamp_type: TimestampType::CreateTime,
            record,
        }
    }
}

fn header(json: &Value) -> Header {
    let value = match json[1].as_str() {
        Some(text) => Datum::new(Schema::string(), text),
        None => Datum::NULL,
    };
    Header { key: json[0].as_str().expect("a name").into(), value }
}

fn converter(props: &Props, key: &str, is_key: bool) -> Arc<dyn Converter> {
    let class = props.get(key).expect("a converter");
    let settings = props.with_prefix(&format!("{key}."));
    let plugins = couplet_plugins::plugins();
    let found = plugins.iter().find_map(|plugin| match plugin {
        Plugin::Converter(factory) if factory.class == class => Some(factory.clone()),
        _ => None,
    });
    (found.unwrap_or_else(|| panic!("no converter {class}")).create)(&settings, is_key).expect("a valid converter")
}

/// Text, `{"base64": …}`, `{"repeat": {"text": …, "count": …}}` or null.
fn bytes(json: &Value) -> Option<Bytes> {
    if let Some(text) = json.as_str() {
        return Some(Bytes::from(text.to_owned()));
    }
    if let Some(base64) = json["base64"].as_str() {
        return Some(Bytes::from(STANDARD.decode(base64).expect("base64")));
    }
    let repeat = json.get("repeat")?;
    let count = usize::try_from(repeat["count"].as_u64().expect("a count")).expect("a count");
    Some(Bytes::from(repeat["text"].as_str().expect("text").repeat(count)))
}
