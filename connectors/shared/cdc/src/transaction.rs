//! Transaction metadata: the block inside each event, and the topic that says when a transaction begins and ends.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use couplet_api::data::{Datum, Record, Schema, SchemaBuilder, SchemaRef, Struct, Value};

/// The schema of `transaction` in an envelope.
pub fn transaction_block_schema() -> SchemaRef {
    static SHARED: LazyLock<SchemaRef> = LazyLock::new(|| {
        SchemaBuilder::structure()
            .name("event.block")
            .version(1)
            .field("id", Schema::string())
            .field("total_order", Schema::int64())
            .field("data_collection_order", Schema::int64())
            .optional()
            .build()
    });
    SHARED.clone()
}

/// Counts the events of the running transaction and makes the records of the transaction topic.
#[derive(Debug)]
pub struct TransactionTopic {
    topic: Arc<str>,
    key_schema: SchemaRef,
    value_schema: SchemaRef,
    collection_schema: SchemaRef,
    total: i64,
    collections: BTreeMap<String, i64>,
}

impl TransactionTopic {
    /// Counts from nothing; records go to `topic`.
    pub fn new(topic: String) -> Self {
        let collection_schema = SchemaBuilder::structure()
            .name("event.collection")
            .version(1)
            .field("data_collection", Schema::string())
            .field("event_count", Schema::int64())
            .optional()
            .build();
        let key_schema = SchemaBuilder::structure()
            .name("io.debezium.connector.common.TransactionMetadataKey")
            .version(1)
            .field("id", Schema::string())
            .build();
        let value_schema = SchemaBuilder::structure()
            .name("io.debezium.connector.common.TransactionMetadataValue")
            .version(1)
            .field("status", Schema::string())
            .field("id", Schema::string())
            .field("event_count", Schema::optional_int64())
            .field("data_collections", SchemaBuilder::array(collection_schema.clone()).optional().build())
            .field("ts_ms", Schema::int64())
            .build();
        TransactionTopic {
            topic: topic.into(),
            key_schema,
            value_schema,
            collection_schema,
            total: 0,
            collections: BTreeMap::new(),
        }
    }

    /// Starts counting anew and makes the BEGIN record of the transaction `id`.
    pub fn begin(&mut self, id: &str, ts_ms: i64) -> Record {
        self.total = 0;
        self.collections.clear();
        self.record("BEGIN", id, Value::Null, Value::Null, ts_ms)
    }

    /// Goes on counting a transaction that began before a restart: events by collection so far.
    pub fn resume<'a>(&mut self, counted: impl IntoIterator<Item = &'a (String, i64)>) {
        self.collections = counted.into_iter().cloned().collect();
        self.total = self.collections.values().sum();
    }

    /// Counts one event of `collection` and makes its transaction block.
    pub fn event(&mut self, id: &str, collection: &str) -> Value {
        self.total += 1;
        let count = match self.collections.get_mut(collection) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => {
                self.collections.insert(collection.to_owned(), 1);
                1
            }
        };
        Value::from(Struct::new(
            transaction_block_schema(),
            [Value::str(id), Value::Int64(self.total), Value::Int64(count)],
        ))
    }

    /// Events counted so far, by collection.
    pub const fn collections(&self) -> &BTreeMap<String, i64> {
        &self.collections
    }

    /// Makes the END record of the transaction `id`.
    pub fn end(&self, id: &str, ts_ms: i64) -> Record {
        let counts: Vec<Value> = self
            .collections
            .iter()
            .map(|(name, count)| {
                Struct::new(self.collection_schema.clone(), [Value::str(name.as_str()), Value::Int64(*count)]).into()
            })
            .collect();
        self.record("END", id, Value::Int64(self.total), Value::Array(counts.into()), ts_ms)
    }

    fn record(&self, status: &str, id: &str, count: Value, collections: Value, ts_ms: i64) -> Record {
        let key = Struct::new(self.key_schema.clone(), [Value::str(id)]);
        let value = Struct::new(
            self.value_schema.clone(),
            [Value::str(status), Value::str(id), count, collections, Value::Int64(ts_ms)],
        );
        let mut record = Record::new(
            self.topic.clone(),
            Datum::new(self.key_schema.clone(), key),
            Datum::new(self.value_schema.clone(), value),
        );
        record.partition = Some(0);
        record
    }
}
