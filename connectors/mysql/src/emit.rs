//! From decoded events to records. Pure but for the clock and the definitions it is given.

use std::sync::Arc;

use couplet_api::Result;
use couplet_api::data::{Position, Value};
use couplet_api::error::Error;
use couplet_cdc::{IncrementalOffset, Operation, SnapshotMarker, TransactionTopic};
use couplet_mysql_schema::SchemaChange;

use crate::binlog::{RowChange, RowKind};
use crate::config::MyConfig;
use crate::offset::{MyPosition, TransactionState};
use crate::record::{Event, Origin, Records, Sized};
use crate::schema::{Row, TableSchema};
use crate::tracker::Tracker;

/// Turns changes into records and keeps the position.
pub(crate) struct Emitter {
    config: Arc<MyConfig>,
    records: Arc<Records>,
    /// The position.
    pub(crate) tracker: Tracker,
    metadata: Option<TransactionTopic>,
    transaction: Option<String>,
    /// Nanoseconds since the epoch.
    time_ns: i64,
    thread: Option<i64>,
    query: Option<Arc<str>>,
    /// Of the last record.
    current: Arc<MyPosition>,
    /// Of the last record, while nothing but the end of its transaction came behind it.
    resting: Option<Arc<dyn Position>>,
    /// The stored position, until the transaction that it may be in has passed by.
    start: Option<Arc<MyPosition>>,
    /// How many records of the first row behind the stored position are in Kafka already.
    begun: usize,
}

impl Emitter {
    /// Takes up at `start`, where `tracker` is.
    pub(crate) fn new(config: Arc<MyConfig>, records: Arc<Records>, start: MyPosition, tracker: Tracker) -> Self {
        let start = Arc::new(start);
        Emitter {
            metadata: config.transactions.then(|| TransactionTopic::new(config.naming.transaction_topic())),
            resting: None,
            current: start.clone(),
            begun: usize::try_from(start.begun).unwrap_or(usize::MAX),
            start: Some(start),
            transaction: None,
            time_ns: 0,
            thread: None,
            query: None,
            config,
            records,
            tracker,
        }
    }

    /// Something comes next: its time, nanoseconds since the epoch.
    pub(crate) fn set_time(&mut self, time_ns: i64) {
        self.time_ns = time_ns;
        self.resting = None;
    }

    /// A record was made that stands at `position`.
    pub(crate) fn rests_at(&mut self, position: Arc<dyn Position>) {
        self.resting = Some(position);
    }

    /// What a heartbeat stores: as in Debezium the end of a transaction alone moves no offset.
    pub(crate) fn resting_position(&self) -> Arc<dyn Position> {
        self.resting.clone().unwrap_or_else(|| self.standing())
    }

    /// As [`Emitter::set_time`], unless the transaction said when it was committed: a restart begins behind that event.
    pub(crate) fn set_time_if_unknown(&mut self, time_ns: i64) {
        if self.time_ns == 0 {
            self.set_time(time_ns);
        }
    }

    /// The statement behind the changes that come next.
    pub(crate) fn set_query(&mut self, query: Option<String>) {
        self.query = query.map(Into::into);
    }

    /// A transaction begins.
    pub(crate) fn begin(&mut self, thread: Option<u32>, out: &mut Vec<Sized>) {
        let name = self.open();
        self.thread = thread.map(i64::from);
        if let Some(metadata) = &mut self.metadata {
            self.tracker.at(self.time_ns.div_euclid(1_000_000_000));
            let told = self.start.as_ref().and_then(|start| start.transaction.as_ref()).filter(|told| told.0 == name);
            let record = metadata.begin(&name, self.time_ns.div_euclid(1_000_000));
            self.transaction = Some(name);
            match told {
                Some(told) => metadata.resume(&told.1),
                None => {
                    let position = self.tracker.position(self.state());
                    out.push((self.records.at(record, position), 512));
                }
            }
        }
        if !self.is_resuming() {
            self.current = self.position();
        }
    }

    /// A statement with a GTID begins, MariaDB: nothing tells its end, so the transaction topic does not tell of it.
    pub(crate) fn begin_statement(&mut self) {
        self.open();
        self.transaction = None;
        self.thread = None;
        if !self.is_resuming() {
            self.current = self.position();
        }
    }

    fn open(&mut self) -> String {
        if self.tracker.in_transaction() {
            // Behind such a statement.
            self.start = None;
        }
        self.tracker.begin()
    }

    /// The transaction was committed.
    pub(crate) fn commit(&mut self, out: &mut Vec<Sized>) {
        let start = self.start.take();
        let told = start.is_some_and(|start| start.is_end_of(self.transaction.as_deref(), self.tracker.events()));
        if let (Some(metadata), Some(name), false) = (&self.metadata, &self.transaction, told) {
            let record = metadata.end(name, self.time_ns.div_euclid(1_000_000));
            let position = self.tracker.position(self.state());
            out.push((self.records.at(record, position), 512));
        }
        self.transaction = None;
        self.tracker.commit();
        self.current = self.tracker.position(None);
        self.thread = None;
        self.query = None;
        self.time_ns = 0;
        self.begun = 0;
    }

    /// Where a record stands that tells of no change: within a transaction, behind the last that does.
    pub(crate) fn standing(&self) -> Arc<MyPosition> {
        if self.is_resuming() || self.tracker.in_transaction() { self.current.clone() } else { self.position() }
    }

    fn is_resuming(&self) -> bool {
        self.start.as_ref().is_some_and(|start| start.is_within())
    }

    /// The position behind everything handled so far.
    pub(crate) fn position(&self) -> Arc<MyPosition> {
        self.tracker.position(self.state())
    }

    /// Notes how far an incremental snapshot is, which positions carry from here on.
    pub(crate) fn set_incremental(&mut self, progress: Option<Arc<IncrementalOffset>>) {
        if self.current.incremental != progress {
            self.current = Arc::new(MyPosition { incremental: progress.clone(), ..(*self.current).clone() });
        }
        self.tracker.set_incremental(progress);
        self.resting = None;
    }

    fn state(&self) -> Option<TransactionState> {
        let metadata = self.metadata.as_ref()?;
        let name = self.transaction.clone()?;
        Some(Arc::new((name, metadata.collections().iter().map(|(table, n)| (table.clone(), *n)).collect())))
    }

    /// What the source block of row `row` of the event at hand says.
    pub(crate) fn origin(&self, row: usize) -> Origin {
        let (file, pos, server_id, gtid) = self.tracker.place();
        Origin {
            ts_ns: self.time_ns,
            marker: SnapshotMarker::False,
            server_id,
            gtid,
            file,
            pos,
            row: i32::try_from(row).unwrap_or(i32::MAX),
            thread: self.thread,
            query: self.query.clone().filter(|_| self.config.include_query),
        }
    }

    fn transaction_block(&mut self, collection: &str) -> Value {
        match (&mut self.metadata, &self.transaction) {
            (Some(metadata), Some(name)) => metadata.event(name, collection),
            _ => Value::Null,
        }
    }

    /// A change of definitions.
    pub(crate) fn schema_change(&mut self, change: &SchemaChange, out: &mut Vec<Sized>) {
        let position = self.position();
        out.push(self.records.schema_change(change, &self.origin(0), position));
    }

    /// Notes the time of a statement in the position.
    pub(crate) fn note_time(&mut self) {
        self.tracker.at(self.time_ns.div_euclid(1_000_000_000));
    }

    /// A table was emptied.
    pub(crate) fn truncate(&mut self, table: &Arc<TableSchema>, out: &mut Vec<Sized>) {
        self.note_time();
        let transaction = self.transaction_block(&table.name);
        let event = Event {
            table,
            operation: Operation::Truncate,
            key: couplet_api::data::Datum::NULL,
            before: Value::Null,
            after: Value::Null,
            transaction,
            headers: self.records.headers.plain(),
        };
        let position = self.position();
        out.push(self.records.event(event, &self.origin(0), position));
    }

    /// The changes of one event, without the first `skip` rows, which are in Kafka already.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Fatal`] naming table and column when a value cannot be read.
    pub(crate) fn rows(
        &mut self,
        table: &Arc<TableSchema>,
        kind: RowKind,
        changes: Vec<RowChange>,
        skip: usize,
        out: &mut Vec<Sized>,
    ) -> Result<()> {
        let code = match kind {
            RowKind::Write => 'c',
            RowKind::Update => 'u',
            RowKind::Delete => 'd',
        };
        let count = changes.len();
        let fatal = |error: Error| {
            if error.kind() == couplet_api::Kind::Data { Error::fatal(error.to_string()) } else { error }
        };
        for (index, (before, after)) in changes.into_iter().enumerate().skip(skip) {
            let before = before.map(|cells| table.row(cells)).transpose().map_err(fatal)?;
            let after = after.map(|cells| table.row(cells)).transpose().map_err(fatal)?;
            self.note_time();
            if self.config.skipped.contains(code) {
                continue;
            }
            self.tracker.row(index, count);
            let from = out.len();
            match (before, after) {
                (None, Some(after)) => {
                    let key = table.key(&after);
                    let after = table.value(after);
                    self.push(table, Operation::Create, key, (Value::Null, after), index, out);
                }
                (Some(before), Some(after)) => self.update(table, before, after, index, out),
                (Some(before), None) => self.delete(table, before, index, out),
                (None, None) => {}
            }
            if out.len() > from {
                let done = std::mem::take(&mut self.begun).min(out.len() - from);
                out.drain(from..from + done);
            }
        }
        self.tracker.rows_done();
        Ok(())
    }

    /// The place in front of the row at hand, with the first `records` of its records done.
    fn begun(&self, records: u32) -> Arc<MyPosition> {
        Arc::new(MyPosition { begun: records, ..(*self.current).clone() })
    }

    fn push(
        &mut self,
        table: &Arc<TableSchema>,
        operation: Operation,
        key: couplet_api::data::Datum,
        (before, after): (Value, Value),
        row: usize,
        out: &mut Vec<Sized>,
    ) {
        let transaction = self.transaction_block(&table.name);
        let headers = self.records.headers.plain();
        let event = Event { table, operation, key, before, after, transaction, headers };
        let position = self.position();
        self.current = position.clone();
        out.push(self.records.event(event, &self.origin(row), position));
    }

    fn update(&mut self, table: &Arc<TableSchema>, before: Row, after: Row, row: usize, out: &mut Vec<Sized>) {
        let (key, old_key) = (table.key(&after), table.key(&before));
        let (before, after) = (table.value(before), table.value(after));
        if self.config.skip_unchanged && before == after {
            return;
        }
        if old_key == key {
            self.push(table, Operation::Update, key, (before, after), row, out);
            return;
        }
        let headers = self.records.headers.with_new_key(&key);
        let transaction = self.transaction_block(&table.name);
        let origin = self.origin(row);
        let delete = Event {
            table,
            operation: Operation::Delete,
            key: old_key.clone(),
            before,
            after: Value::Null,
            transaction,
            headers: headers.clone(),
        };
        out.push(self.records.event(delete, &origin, self.begun(1)));
        if self.config.tombstones {
            out.push(self.records.tombstone(table, old_key.clone(), headers, self.begun(2)));
        }
        let transaction = self.transaction_block(&table.name);
        let headers = self.records.headers.with_old_key(&old_key);
        let create =
            Event { table, operation: Operation::Create, key, before: Value::Null, after, transaction, headers };
        let position = self.position();
        self.current = position.clone();
        out.push(self.records.event(create, &origin, position));
    }

    fn delete(&mut self, table: &Arc<TableSchema>, before: Row, row: usize, out: &mut Vec<Sized>) {
        let key = table.key(&before);
        let before = table.value(before);
        if !self.config.tombstones {
            self.push(table, Operation::Delete, key, (before, Value::Null), row, out);
            return;
        }
        let transaction = self.transaction_block(&table.name);
        let event = Event {
            table,
            operation: Operation::Delete,
            key: key.clone(),
            before,
            after: Value::Null,
            transaction,
            headers: self.records.headers.plain(),
        };
        out.push(self.records.event(event, &self.origin(row), self.begun(1)));
        let position = self.position();
        self.current = position.clone();
        out.push(self.records.tombstone(table, key, self.records.headers.plain(), position));
    }
}
