//! Makes source records out of rows: the parts that snapshot and stream share.

use std::sync::Arc;

use couplet_api::clock::Clock;
use couplet_api::data::{
    Datum, Header, OffsetMap, Position, Record, Schema, SchemaBuilder, SchemaRef, SourceRecord, Struct, Utf8, Value,
};
use couplet_api::metrics::PluginMetrics;
use couplet_cdc::{
    ContextHeaders, DEBEZIUM_VERSION, Notice, Notifications, Operation, Outbox, SnapshotMarker, SnapshotProgress,
};

use crate::config::PgConfig;
use crate::offset::PgPosition;
use crate::schema::{TableSchema, source_block_schema};

/// A record and about how many bytes it takes.
pub(crate) type Sized = (SourceRecord, usize);

/// What a record takes besides its row: key, headers, envelope, source block, offset.
const OVERHEAD: usize = 640;

/// The moment and place an event comes from: what its source block says.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Microseconds since the epoch.
    pub(crate) ts_us: i64,
    /// Mark of a snapshot record.
    pub(crate) marker: SnapshotMarker,
    /// Transaction.
    pub(crate) tx_id: Option<i64>,
    /// Its position.
    pub(crate) position: Arc<PgPosition>,
}

/// One event about a row.
pub(crate) struct Event<'a> {
    /// Its table.
    pub(crate) table: &'a TableSchema,
    /// What happened.
    pub(crate) operation: Operation,
    /// Key of the record.
    pub(crate) key: Datum,
    /// Row before.
    pub(crate) before: Value,
    /// Row after.
    pub(crate) after: Value,
    /// Transaction block.
    pub(crate) transaction: Value,
    /// Headers.
    pub(crate) headers: Vec<Header>,
}

/// Makes records.
pub(crate) struct Records {
    /// Headers of every record.
    pub(crate) headers: ContextHeaders,
    /// Schema of `source`.
    pub(crate) source_schema: SchemaRef,
    notifications: Notifications,
    /// How far snapshots have come.
    pub(crate) progress: SnapshotProgress,
    partition: OffsetMap,
    clock: Arc<dyn Clock>,
    version: Value,
    connector: Value,
    name: Value,
    database: Value,
    message_topic: Arc<str>,
    message_schemas: MessageSchemas,
}

struct MessageSchemas {
    key: SchemaRef,
    value: SchemaRef,
    message: SchemaRef,
}

/// The source partition of the server called `prefix`.
pub(crate) fn source_partition(prefix: &str) -> OffsetMap {
    OffsetMap::new([("server", Value::str(prefix))])
}

impl Records {
    /// For the task numbered `task`.
    pub(crate) fn new(config: &PgConfig, task: u32, clock: Arc<dyn Clock>, metrics: Arc<dyn PluginMetrics>) -> Self {
        let prefix = config.naming.prefix.as_str();
        let source_schema = source_block_schema();
        Records {
            headers: ContextHeaders::new(config.extended_headers, prefix, task, "postgresql"),
            notifications: Notifications::new(&config.notifications, prefix),
            progress: SnapshotProgress::new(metrics, "postgres", prefix),
            partition: source_partition(prefix),
            clock,
            version: Value::Str(Utf8::from_static(DEBEZIUM_VERSION)),
            connector: Value::Str(Utf8::from_static("postgresql")),
            name: Value::str(prefix),
            database: Value::str(config.connection.database.as_str()),
            message_topic: format!("{prefix}{}message", config.naming.delimiter).into(),
            message_schemas: message_schemas(&source_schema, config),
            source_schema,
        }
    }

    /// Milliseconds since the epoch, now.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Microseconds since the epoch, now.
    pub(crate) fn now_us(&self) -> i64 {
        self.clock.now_ns().div_euclid(1_000)
    }

    /// Sends `notice` where notifications are wanted, and measures what it tells; its record stands at `position`.
    pub(crate) fn notice(&self, notice: Notice, position: Arc<PgPosition>, outbox: &mut Outbox<PgPosition>) {
        self.progress.note(&notice);
        if let Some(record) = self.notifications.notify(notice, self.now_ms()) {
            outbox.push((self.at(record, position), OVERHEAD));
        }
    }

    /// A record about a row, standing at `position`.
    pub(crate) fn event(&self, event: Event<'_>, origin: &Origin, position: Arc<PgPosition>) -> Sized {
        let source = self.source_of(event.table, origin);
        self.event_from(source, event, position)
    }

    /// The source block of records of `table`.
    pub(crate) fn source_of(&self, table: &TableSchema, origin: &Origin) -> Value {
        self.source(origin, &table.schema_value, &table.table_value)
    }

    /// As [`Records::event`], with a source block that is there already.
    pub(crate) fn event_from(&self, source: Value, event: Event<'_>, position: Arc<PgPosition>) -> Sized {
        let bytes = OVERHEAD + event.before.size() + event.after.size();
        let now = self.clock.now_ns();
        let envelope = &event.table.envelope;
        let value = envelope.value(event.operation, event.before, event.after, source, event.transaction, now);
        let mut record =
            Record::new(event.table.topic.clone(), event.key, Datum::new(envelope.schema().clone(), value));
        record.headers = event.headers;
        (self.at(record, position), bytes)
    }

    /// The null value that follows a delete.
    pub(crate) fn tombstone(
        &self,
        table: &TableSchema,
        key: Datum,
        headers: Vec<Header>,
        position: Arc<PgPosition>,
    ) -> Sized {
        let mut record = Record::new(table.topic.clone(), key, Datum::NULL);
        record.headers = headers;
        (self.at(record, position), OVERHEAD)
    }

    /// A logical message.
    pub(crate) fn message(
        &self,
        prefix: &str,
        content: Value,
        origin: &Origin,
        transaction: Value,
        position: Arc<PgPosition>,
    ) -> Sized {
        let schemas = &self.message_schemas;
        let bytes = OVERHEAD + content.size();
        let empty = Value::Str(Utf8::from_static(""));
        let key = Struct::new(schemas.key.clone(), [Value::str(prefix)]);
        let message = Struct::new(schemas.message.clone(), [Value::str(prefix), content]);
        let value = Struct::new(
            schemas.value.clone(),
            [
                Value::Str(Utf8::from_static(Operation::Message.code())),
                Value::Int64(self.now_ms()),
                self.source(origin, &empty, &empty),
                transaction,
                message.into(),
            ],
        );
        // Debezium gives messages no context headers.
        let record = Record::new(
            self.message_topic.clone(),
            Datum::new(schemas.key.clone(), key),
            Datum::new(schemas.value.clone(), value),
        );
        (self.at(record, position), bytes)
    }

    /// `record`, standing at `position`.
    pub(crate) fn at(&self, record: Record, position: Arc<PgPosition>) -> SourceRecord {
        SourceRecord { record, source_partition: self.partition.clone(), source_offset: position as Arc<dyn Position> }
    }

    fn source(&self, origin: &Origin, schema: &Value, table: &Value) -> Value {
        let position = &origin.position;
        // Rows of an incremental snapshot are of no transaction and from no place in the log.
        let placed = origin.marker != SnapshotMarker::Incremental;
        let values = [
            self.version.clone(),
            self.connector.clone(),
            self.name.clone(),
            Value::Int64(origin.ts_us.div_euclid(1_000)),
            // Null in the stream; most converters show the field's default, "false", instead.
            match origin.marker {
                SnapshotMarker::False => Value::Null,
                marker => Value::Str(Utf8::from_static(marker.name())),
            },
            self.database.clone(),
            Value::str(sequence(position)),
            Value::Int64(origin.ts_us),
            Value::Int64(origin.ts_us.wrapping_mul(1_000)),
            schema.clone(),
            table.clone(),
            Value::from(origin.tx_id),
            if placed { Value::Int64(position.lsn.as_i64()) } else { Value::Null },
            Value::from(position.xmin.filter(|_| placed)),
        ];
        Struct::new(self.source_schema.clone(), values).into()
    }
}

/// `["commit","lsn"]`, the first null before any commit was seen.
fn sequence(position: &PgPosition) -> String {
    let mut text = String::with_capacity(48);
    let mut digits = itoa::Buffer::new();
    text.push('[');
    match position.commit_lsn {
        Some(commit) => {
            text.push('"');
            text.push_str(digits.format(commit.as_i64()));
            text.push('"');
        }
        None => text.push_str("null"),
    }
    text.push_str(",\"");
    text.push_str(digits.format(position.lsn.as_i64()));
    text.push_str("\"]");
    text
}

fn message_schemas(source: &SchemaRef, config: &PgConfig) -> MessageSchemas {
    let name = |part: &str| config.schema_names.schema_name(&format!("io.debezium.connector.postgresql.{part}"));
    let structure = |part: &str| SchemaBuilder::structure().name(name(part)).version(1);
    let content = match config.values.binary {
        couplet_cdc::BinaryMode::Bytes => Schema::optional_bytes(),
        _ => Schema::optional_string(),
    };
    let message = structure("Message").field("prefix", Schema::optional_string()).field("content", content).build();
    MessageSchemas {
        key: structure("MessageKey").field("prefix", Schema::optional_string()).build(),
        value: structure("MessageValue")
            .field("op", Schema::string())
            .field("ts_ms", Schema::optional_int64())
            .field("source", source.clone())
            .field("transaction", couplet_cdc::transaction_block_schema())
            .field("message", message.clone())
            .build(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Lsn;

    #[test]
    fn a_sequence_names_the_last_commit_and_the_change() {
        let mut position = PgPosition { lsn: Lsn(20), ..PgPosition::default() };
        assert_eq!(sequence(&position), r#"[null,"20"]"#);
        position.commit_lsn = Some(Lsn(10));
        assert_eq!(sequence(&position), r#"["10","20"]"#);
    }
}
