//! Makes source records: the parts that snapshot and stream share.

use std::sync::Arc;

use couplet_api::clock::Clock;
use couplet_api::data::{Datum, Header, OffsetMap, Position, Record, SchemaRef, SourceRecord, Struct, Utf8, Value};
use couplet_api::metrics::PluginMetrics;
use couplet_cdc::{
    ContextHeaders, Notice, Notifications, Operation, Outbox, SnapshotMarker, SnapshotProgress, java_set_order,
};
use couplet_mysql_schema::{SchemaChange, SchemaChangeTopic};

use crate::config::MyConfig;
use crate::offset::MyPosition;
use crate::schema::{TableSchema, source_block_schema};

/// A record and about how many bytes it takes.
pub(crate) type Sized = (SourceRecord, usize);

/// What a record takes besides its row: key, headers, envelope, source block, offset.
const OVERHEAD: usize = 640;

/// The moment and place an event comes from: what its source block says.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Nanoseconds since the epoch.
    pub(crate) ts_ns: i64,
    /// Mark of a snapshot record.
    pub(crate) marker: SnapshotMarker,
    /// Server that wrote it; 0 in a snapshot.
    pub(crate) server_id: u32,
    /// Transaction.
    pub(crate) gtid: Option<Arc<str>>,
    /// File of the log.
    pub(crate) file: Arc<str>,
    /// Where the event begins.
    pub(crate) pos: u64,
    /// Number of the row within the event.
    pub(crate) row: i32,
    /// Thread that ran the statement.
    pub(crate) thread: Option<i64>,
    /// The statement.
    pub(crate) query: Option<Arc<str>>,
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
    partition: OffsetMap,
    clock: Arc<dyn Clock>,
    version: Value,
    connector: Value,
    name: Value,
    schema_topic: Arc<str>,
    schema_changes: SchemaChangeTopic,
    notifications: Notifications,
    /// How far snapshots have come.
    pub(crate) progress: SnapshotProgress,
}

/// The source partition of the server called `prefix`.
pub(crate) fn source_partition(prefix: &str) -> OffsetMap {
    OffsetMap::new([("server", Value::str(prefix))])
}

/// Whether a statement makes or drops a database.
fn is_about_database(sql: &str) -> bool {
    let mut words = sql.split_ascii_whitespace();
    let is =
        |word: Option<&str>, known: [&str; 2]| word.is_some_and(|w| known.iter().any(|k| k.eq_ignore_ascii_case(w)));
    is(words.next(), ["CREATE", "DROP"]) && is(words.next(), ["DATABASE", "SCHEMA"])
}

impl Records {
    /// For the task numbered `task`.
    pub(crate) fn new(config: &MyConfig, task: u32, clock: Arc<dyn Clock>, metrics: Arc<dyn PluginMetrics>) -> Self {
        let prefix = config.naming.prefix.as_str();
        let source_schema = source_block_schema(config.flavour);
        Records {
            headers: ContextHeaders::new(config.extended_headers, prefix, task, config.flavour.name()),
            partition: source_partition(prefix),
            clock,
            version: Value::Str(Utf8::from_static(config.flavour.version())),
            connector: Value::Str(Utf8::from_static(config.flavour.name())),
            name: Value::str(prefix),
            schema_topic: prefix.into(),
            schema_changes: SchemaChangeTopic::new(config.flavour.name(), source_schema.clone()),
            notifications: Notifications::new(&config.notifications, prefix),
            progress: SnapshotProgress::new(metrics, config.flavour.name(), prefix),
            source_schema,
        }
    }

    /// The source partition of all records.
    pub(crate) const fn partition(&self) -> &OffsetMap {
        &self.partition
    }

    /// Milliseconds since the epoch, now.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Nanoseconds since the epoch, now.
    pub(crate) fn now_ns(&self) -> i64 {
        self.clock.now_ns()
    }

    /// Sends `notice` where notifications are wanted; its record stands at `position`.
    pub(crate) fn notice(&self, notice: Notice, position: Arc<MyPosition>, outbox: &mut Outbox<MyPosition>) {
        self.progress.note(&notice);
        if let Some(record) = self.notifications.notify(notice, self.now_ms()) {
            outbox.push((self.at(record, position), OVERHEAD));
        }
    }

    /// A record about a row, standing at `position`.
    pub(crate) fn event(&self, event: Event<'_>, origin: &Origin, position: Arc<MyPosition>) -> Sized {
        let bytes = OVERHEAD + event.before.size() + event.after.size();
        let source = self.source(origin, &event.table.database_value, event.table.table_value.clone());
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
        position: Arc<MyPosition>,
    ) -> Sized {
        let mut record = Record::new(table.topic.clone(), key, Datum::NULL);
        record.headers = headers;
        (self.at(record, position), OVERHEAD)
    }

    /// A record of the schema change topic.
    pub(crate) fn schema_change(&self, change: &SchemaChange, origin: &Origin, position: Arc<MyPosition>) -> Sized {
        // Debezium's list is a hash set of whole names.
        let names = java_set_order(change.tables.iter().map(ToString::to_string).collect());
        let named = |name: &String| change.tables.iter().find(|id| id.to_string() == *name).map(|id| id.table.clone());
        let tables: Vec<Arc<str>> = names.iter().filter_map(named).collect();
        // A statement of the stream that is about nothing that is known names an empty table.
        let nothing = tables.is_empty() && (origin.marker != SnapshotMarker::False || is_about_database(&change.ddl));
        let table = if nothing { Value::Null } else { Value::str(tables.join(",")) };
        let source = self.source(origin, &Value::str(change.database.as_str()), table);
        let (key, value) = self.schema_changes.record(change, source, self.now_ms());
        let mut record = Record::new(self.schema_topic.clone(), key, value);
        record.partition = Some(0);
        record.headers = self.headers.plain();
        (self.at(record, position), OVERHEAD + 2 * change.ddl.len() + 2048)
    }

    /// `record`, standing at `position`.
    pub(crate) fn at(&self, record: Record, position: Arc<dyn Position>) -> SourceRecord {
        SourceRecord { record, source_partition: self.partition.clone(), source_offset: position }
    }

    fn source(&self, origin: &Origin, database: &Value, table: Value) -> Value {
        let values = [
            self.version.clone(),
            self.connector.clone(),
            self.name.clone(),
            Value::Int64(origin.ts_ns.div_euclid(1_000_000)),
            // Null in the stream; most converters show the field's default, "false", instead.
            match origin.marker {
                SnapshotMarker::False => Value::Null,
                marker => Value::Str(Utf8::from_static(marker.name())),
            },
            database.clone(),
            Value::Null,
            Value::Int64(origin.ts_ns.div_euclid(1_000)),
            Value::Int64(origin.ts_ns),
            table,
            Value::Int64(origin.server_id.into()),
            origin.gtid.as_deref().map_or(Value::Null, Value::str),
            Value::str(&*origin.file),
            Value::Int64(origin.pos.cast_signed()),
            Value::Int32(origin.row),
            Value::from(origin.thread),
            origin.query.as_deref().map_or(Value::Null, Value::str),
        ];
        Struct::new(self.source_schema.clone(), values).into()
    }
}
