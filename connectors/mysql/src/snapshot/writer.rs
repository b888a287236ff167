//! Makes records of what a snapshot reads, with the marks of their places.

use std::sync::Arc;

use couplet_api::data::Value;
use couplet_cdc::{Operation, Outbox, SnapshotMarker};
use couplet_mysql_schema::SchemaChange;

use super::Told;
use crate::offset::MyPosition;
use crate::record::{Event, Origin, Records};
use crate::schema::{Row, TableSchema};

/// Holds each record back until the next one is known, since the last of a table and of the snapshot is marked.
pub(super) struct Writer<'a> {
    records: &'a Records,
    /// Where the records stand.
    pub(super) running: Arc<MyPosition>,
    /// What source blocks say of the place, when it is not just that of `running`.
    standing: Option<Origin>,
    held: Option<Held>,
    /// Changes of definitions that were written.
    told: Vec<Told>,
}

/// A record that waits.
pub(super) enum Held {
    /// A change of definitions.
    Schema(SchemaChange),
    /// A row of the table of this number.
    Row { plan: Arc<TableSchema>, row: Row, table: usize, first: bool },
}

impl<'a> Writer<'a> {
    /// For records at `begin`.
    pub(super) fn new(records: &'a Records, begin: &MyPosition, standing: Option<Origin>) -> Self {
        Writer { records, running: Arc::new(begin.clone()), standing, held: None, told: Vec::new() }
    }

    /// Adds a change of definitions.
    pub(super) fn schema_change(&mut self, change: SchemaChange, outbox: &mut Outbox<MyPosition>) {
        self.next(Held::Schema(change), outbox);
    }

    /// Adds a row of the table numbered `table`.
    pub(super) fn row(
        &mut self,
        plan: &Arc<TableSchema>,
        row: Row,
        table: usize,
        first: bool,
        outbox: &mut Outbox<MyPosition>,
    ) {
        self.next(Held::Row { plan: plan.clone(), row, table, first }, outbox);
    }

    fn next(&mut self, next: Held, outbox: &mut Outbox<MyPosition>) {
        let following = match &next {
            Held::Row { table, .. } => Some(*table),
            Held::Schema(_) => None,
        };
        let Some(held) = self.held.replace(next) else { return };
        let marker = match &held {
            Held::Schema(_) => SnapshotMarker::True,
            Held::Row { table, first, .. } => SnapshotMarker::of(*table == 0, false, *first, following != Some(*table)),
        };
        self.write(held, marker, self.running.clone(), outbox);
    }

    /// Adds a row whose mark is known.
    pub(super) fn marked(&mut self, row: Held, marker: SnapshotMarker, outbox: &mut Outbox<MyPosition>) {
        if marker == SnapshotMarker::Last {
            return self.next(row, outbox);
        }
        // The last definition is not the last of all.
        if let Some(held) = self.held.take() {
            self.write(held, SnapshotMarker::True, self.running.clone(), outbox);
        }
        self.write(row, marker, self.running.clone(), outbox);
    }

    /// Writes the last record, and returns the position behind the snapshot, and the changes of definitions it told of.
    pub(super) fn finish(mut self, outbox: &mut Outbox<MyPosition>) -> (MyPosition, Vec<Told>) {
        let end = MyPosition { snapshot: None, ..(*self.running).clone() };
        if let Some(held) = self.held.take() {
            self.write(held, SnapshotMarker::Last, Arc::new(end.clone()), outbox);
        }
        (end, self.told)
    }

    fn write(
        &mut self,
        held: Held,
        marker: SnapshotMarker,
        position: Arc<MyPosition>,
        outbox: &mut Outbox<MyPosition>,
    ) {
        let now = self.records.now_ns();
        let mut origin = match &self.standing {
            Some(standing) => Origin { ts_ns: now, marker, query: None, ..standing.clone() },
            None => Origin {
                ts_ns: now,
                marker,
                server_id: 0,
                gtid: None,
                file: position.file.clone(),
                pos: position.pos,
                row: 0,
                thread: None,
                query: None,
            },
        };
        match held {
            Held::Schema(change) => {
                outbox.push(self.records.schema_change(&change, &origin, position.clone()));
                self.told.push(Told { change, origin, position });
            }
            Held::Row { plan, row, .. } => {
                origin.ts_ns = self.running.ts_sec.unwrap_or_default() * 1_000_000_000;
                let event = Event {
                    table: &plan,
                    operation: Operation::Read,
                    key: plan.key(&row),
                    before: Value::Null,
                    after: plan.value(row),
                    transaction: Value::Null,
                    headers: self.records.headers.plain(),
                };
                outbox.push(self.records.event(event, &origin, position));
            }
        }
    }
}
