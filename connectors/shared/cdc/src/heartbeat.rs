//! Heartbeats: small records on a topic of their own, so that offsets move while nothing else is written.

use std::sync::Arc;
use std::time::Duration;

use couplet_api::data::{Datum, Record, Schema, SchemaBuilder, SchemaRef, Struct, Value};
use tokio::time::Instant;

/// Says when a heartbeat is due and makes its record.
#[derive(Debug)]
pub struct Heartbeat {
    interval: Option<Duration>,
    due: Instant,
    topic: Arc<str>,
    key: Datum,
    value_schema: SchemaRef,
}

impl Heartbeat {
    /// A heartbeat every `interval_ms` milliseconds (0: never) on `topic`, for the server called `logical_name`.
    pub fn new(interval_ms: u64, topic: String, logical_name: &str) -> Self {
        let key_schema = SchemaBuilder::structure()
            .name("io.debezium.connector.common.ServerNameKey")
            .version(1)
            .field("serverName", Schema::string())
            .build();
        let value_schema = SchemaBuilder::structure()
            .name("io.debezium.connector.common.Heartbeat")
            .version(1)
            .field("ts_ms", Schema::int64())
            .build();
        let interval = (interval_ms > 0).then(|| Duration::from_millis(interval_ms));
        let key = Struct::new(key_schema.clone(), [Value::str(logical_name)]);
        Heartbeat {
            interval,
            due: Instant::now() + interval.unwrap_or_default(),
            topic: topic.into(),
            key: Datum::new(key_schema, key),
            value_schema,
        }
    }

    /// When the next one is due; `None` when heartbeats are off.
    pub fn deadline(&self) -> Option<Instant> {
        self.interval.map(|_| self.due)
    }

    /// Whether one is due now.
    pub fn is_due(&self) -> bool {
        self.deadline().is_some_and(|due| due <= Instant::now())
    }

    /// The record, and the start of the next interval. `now_ms`: milliseconds since the epoch.
    pub fn beat(&mut self, now_ms: i64) -> Record {
        self.due = Instant::now() + self.interval.unwrap_or_default();
        let value = Struct::new(self.value_schema.clone(), [Value::Int64(now_ms)]);
        let mut record =
            Record::new(self.topic.clone(), self.key.clone(), Datum::new(self.value_schema.clone(), value));
        record.partition = Some(0);
        record
    }
}
