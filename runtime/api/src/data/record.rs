use std::sync::Arc;

use super::{OffsetMap, Position, SchemaRef, Value};

/// A value and its schema; without one the value is schemaless (Java's `SchemaAndValue`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Datum {
    /// The schema, if any.
    pub schema: Option<SchemaRef>,
    /// The value.
    pub value: Value,
}

impl Datum {
    /// No schema, null.
    pub const NULL: Datum = Datum { schema: None, value: Value::Null };

    /// A value under `schema`.
    pub fn new(schema: SchemaRef, value: impl Into<Value>) -> Self {
        Datum { schema: Some(schema), value: value.into() }
    }

    /// A value without a schema.
    pub fn schemaless(value: impl Into<Value>) -> Self {
        Datum { schema: None, value: value.into() }
    }

    /// Whether the value is null.
    pub const fn is_null(&self) -> bool {
        self.value.is_null()
    }
}

/// One header of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Its name; names may repeat.
    pub key: Arc<str>,
    /// Its value.
    pub value: Datum,
}

/// What transforms and converters work on: the part that source and sink records share.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Topic it goes to or came from.
    pub topic: Arc<str>,
    /// Partition it goes to (`None`: the producer chooses) or came from.
    pub partition: Option<i32>,
    /// Key.
    pub key: Datum,
    /// Value.
    pub value: Datum,
    /// Headers in order.
    pub headers: Vec<Header>,
    /// Milliseconds since the epoch; `None`: the producer sets it.
    pub timestamp: Option<i64>,
    /// The Kafka offset of a sink record; `None` for a source record.
    pub offset: Option<i64>,
}

impl Record {
    /// A record without headers, partition or timestamp.
    pub fn new(topic: impl Into<Arc<str>>, key: Datum, value: Datum) -> Self {
        Record { topic: topic.into(), partition: None, key, value, headers: Vec::new(), timestamp: None, offset: None }
    }

    /// Rough size in memory, in bytes.
    pub fn size(&self) -> usize {
        std::mem::size_of::<Record>()
            + self.key.value.size()
            + self.value.value.size()
            + self.headers.iter().map(|h| h.key.len() + h.value.value.size()).sum::<usize>()
    }
}

/// A record on its way from a source to Kafka.
#[derive(Debug, Clone)]
pub struct SourceRecord {
    /// What is to be written.
    pub record: Record,
    /// Which part of the source it came from; shared by all records of that part.
    pub source_partition: OffsetMap,
    /// Where the source stands after it.
    pub source_offset: Arc<dyn Position>,
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Who set a sink record's timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The record has none.
    #[default]
    None,
    /// The producer.
    CreateTime,
    /// The broker, on append.
    LogAppendTime,
}

/// A record on its way from Kafka to a sink.
#[derive(Debug, Clone)]
pub struct SinkRecord {
    /// What transforms made of it.
    pub record: Record,
    /// Where it was read, untouched by transforms (KIP-793).
    pub original: TopicPartition,
    /// Its offset in `original`.
    pub original_offset: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
}
