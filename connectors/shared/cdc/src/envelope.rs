//! The value of a change event: before, after, source, transaction, op and three clock readings.

use couplet_api::data::{Schema, SchemaBuilder, SchemaRef, Struct, Value};

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Read by a snapshot.
    Read,
    /// Inserted.
    Create,
    /// Updated.
    Update,
    /// Deleted.
    Delete,
    /// The table was emptied.
    Truncate,
    /// A logical message.
    Message,
}

impl Operation {
    /// Debezium's one-letter code.
    pub const fn code(self) -> &'static str {
        match self {
            Operation::Read => "r",
            Operation::Create => "c",
            Operation::Update => "u",
            Operation::Delete => "d",
            Operation::Truncate => "t",
            Operation::Message => "m",
        }
    }
}

/// Makes the values of one table's events.
#[derive(Debug, Clone)]
pub struct Envelope {
    schema: SchemaRef,
}

impl Envelope {
    /// An envelope called `name` around rows of `row` (an optional struct), with the given source and transaction blocks.
    pub fn new(name: &str, row: &SchemaRef, source: &SchemaRef, transaction: &SchemaRef) -> Self {
        let schema = SchemaBuilder::structure()
            .name(name)
            .version(2)
            .field("before", row.clone())
            .field("after", row.clone())
            .field("source", source.clone())
            .field("transaction", transaction.clone())
            .field("op", Schema::string())
            .field("ts_ms", Schema::optional_int64())
            .field("ts_us", Schema::optional_int64())
            .field("ts_ns", Schema::optional_int64())
            .build();
        Envelope { schema }
    }

    /// Its schema.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// One event's value. `now_ns`: nanoseconds since the epoch.
    pub fn value(
        &self,
        operation: Operation,
        before: Value,
        after: Value,
        source: Value,
        transaction: Value,
        now_ns: i64,
    ) -> Value {
        let values = [
            before,
            after,
            source,
            transaction,
            Value::Str(couplet_api::data::Utf8::from_static(operation.code())),
            Value::Int64(now_ns.div_euclid(1_000_000)),
            Value::Int64(now_ns.div_euclid(1_000)),
            Value::Int64(now_ns),
        ];
        Value::from(Struct::new(self.schema.clone(), values))
    }
}
