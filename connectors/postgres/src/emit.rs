//! From decoded changes to records. Pure but for the clock: relations are resolved by the caller.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_api::Result;
use couplet_api::data::Value;
use couplet_api::error::Error;
use couplet_cdc::{IncrementalOffset, Operation, Signal, SnapshotMarker, TransactionTopic};

use crate::config::PgConfig;
use crate::decode::{Change, Tuple};
use crate::lately::Lately;
use crate::offset::{MessageType, PgPosition, TransactionState};
use crate::record::{Event, Origin, Records, Sized};
use crate::schema::{Row, TableSchema};
use crate::types::{Decoder, Phase};
use crate::wire::Lsn;

/// The running transaction.
#[derive(Debug, Clone, Copy)]
struct Transaction {
    xid: i64,
    commit_us: i64,
}

/// Changes of the first transaction after a restart that are in Kafka already.
#[derive(Debug, Clone, Copy)]
struct Resume {
    xid: i64,
    lsn: Lsn,
    /// Changes at `lsn` still to be left out.
    at_lsn: u32,
}

/// Turns changes into records and keeps the position.
pub(crate) struct Emitter {
    config: Arc<PgConfig>,
    records: Arc<Records>,
    /// By object id; `None`: not captured.
    relations: HashMap<u32, Option<Arc<TableSchema>>>,
    transaction: Option<Transaction>,
    metadata: Option<TransactionTopic>,
    commit_lsn: Option<Lsn>,
    /// LSN of the last change and how many changes of its transaction have it.
    group: (Lsn, u32),
    /// Behind everything handled.
    current: Arc<PgPosition>,
    resume: Option<Resume>,
    /// The transaction whose BEGIN is in Kafka already, with the events counted in it.
    open: Option<(i64, Option<TransactionState>)>,
    /// The first change after a restart, if some of its records are in Kafka already: its LSN, and how many.
    begun: Option<(Lsn, u32)>,
    content: Decoder,
    xmin: Option<i64>,
    incremental: Option<Arc<IncrementalOffset>>,
    lately: Lately,
}

impl Emitter {
    /// Takes up at `start`.
    pub(crate) fn new(config: Arc<PgConfig>, records: Arc<Records>, start: PgPosition) -> Self {
        let done_within = start.tx_id.filter(|_| start.is_within() && start.message != Some(MessageType::Begin));
        Emitter {
            relations: HashMap::new(),
            transaction: None,
            metadata: config.transactions.then(|| TransactionTopic::new(config.naming.transaction_topic())),
            commit_lsn: start.commit_lsn,
            group: (Lsn::default(), 0),
            resume: done_within.map(|xid| Resume { xid, lsn: start.lsn, at_lsn: start.processed.max(1) }),
            xmin: None,
            incremental: start.incremental.clone(),
            lately: Lately::default(),
            open: start.tx_id.filter(|_| start.is_within()).map(|xid| (xid, start.transaction.clone())),
            begun: start.begun,
            current: Arc::new(PgPosition { begun: None, ..start }),
            content: Decoder::Opaque(config.values.binary),
            config,
            records,
        }
    }

    /// The position behind everything handled so far.
    pub(crate) const fn position(&self) -> &Arc<PgPosition> {
        &self.current
    }

    /// The schema of a relation, if it is known and captured.
    pub(crate) fn relation(&self, id: u32) -> Option<&Arc<TableSchema>> {
        self.relations.get(&id).and_then(Option::as_ref)
    }

    /// Notes the slot's xmin, which positions carry from here on.
    pub(crate) fn set_xmin(&mut self, xmin: Option<i64>) {
        self.xmin = xmin;
    }

    /// Notes how far an incremental snapshot is, which positions carry from here on.
    pub(crate) fn set_incremental(&mut self, progress: Option<Arc<IncrementalOffset>>) {
        if self.incremental != progress {
            self.incremental.clone_from(&progress);
            self.current = Arc::new(PgPosition { incremental: progress, ..(*self.current).clone() });
        }
    }

    /// Whether a transaction is open.
    pub(crate) const fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Whether the transaction `xid` was among those streamed last.
    pub(crate) fn had_lately(&self, xid: i64) -> bool {
        self.lately.has(xid)
    }

    /// What events that are no changes themselves say about their place when the stream is at `lsn`.
    pub(crate) fn standing_at(&self, lsn: Lsn) -> Arc<PgPosition> {
        Arc::new(PgPosition { lsn, commit_lsn: self.commit_lsn, ..PgPosition::default() })
    }

    /// The signal in `change`, which comes from `lsn`; `None`: it is no new row of the signal table.
    ///
    /// # Errors
    /// As [`Emitter::on`].
    pub(crate) fn signal(&self, change: &Change, lsn: Lsn) -> Result<Option<Signal>> {
        let signals = &self.config.signals;
        let (relation, tuple, deleted) = match change {
            Change::Insert { relation, new } => (*relation, new, false),
            Change::Delete { relation, old } if signals.delete_marks => (*relation, old, true),
            _ => return Ok(None),
        };
        let Some(table) = self.relation(relation).filter(|table| Some(&table.id) == signals.table.as_ref()) else {
            return Ok(None);
        };
        let done = self.resume.is_some_and(|r| lsn < r.lsn || (lsn == r.lsn && r.at_lsn > 0));
        if done {
            return Ok(None);
        }
        let row = table.row(tuple, None).map_err(|error| Error::fatal(error.to_string()))?;
        let row = table.value(row);
        let values = row.as_struct().map(|row| row.values()).unwrap_or_default();
        let signal = if deleted { Signal::from_deleted_row(values) } else { Signal::from_row(values) };
        // Marks of our own chunks are never left out.
        Ok(signal.filter(|signal| signals.from_table || signal.kind.starts_with("snapshot-window-")))
    }

    /// Notes what a relation looks like from here on; `None`: its changes are not captured.
    pub(crate) fn set_relation(&mut self, id: u32, schema: Option<Arc<TableSchema>>) {
        self.relations.insert(id, schema);
    }

    /// Everything up to `end` of the log was handled and holds nothing of interest. Returns the new position, or `None`
    /// when there is none: within a transaction, or when `end` is not ahead.
    pub(crate) fn reached(&mut self, end: Lsn) -> Option<Arc<PgPosition>> {
        if self.transaction.is_some() || end <= self.current.stream_from() {
            return None;
        }
        let mut position = (*self.current).clone();
        position.lsn = end;
        position.processed_lsn = Some(end);
        position.commit_lsn = Some(end);
        position.processed = 0;
        position.message = Some(MessageType::Commit);
        position.snapshot = None;
        self.commit_lsn = Some(end);
        self.resume = None;
        self.current = Arc::new(position);
        Some(self.current.clone())
    }

    /// Handles one change that comes from `lsn`.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Fatal`] naming table and column when a value cannot be read.
    pub(crate) fn on(&mut self, change: Change, lsn: Lsn, out: &mut Vec<Sized>) -> Result<()> {
        match change {
            Change::Begin { commit_us, xid } => self.begin(lsn, commit_us, i64::from(xid), out),
            Change::Commit { commit_us } => self.commit(lsn, commit_us, out),
            Change::Insert { relation, new } => self.row_change(relation, lsn, None, Some(&new), out)?,
            Change::Update { relation, old, new } => {
                self.row_change(relation, lsn, Some(old.as_ref()), Some(&new), out)?;
            }
            Change::Delete { relation, old } => self.row_change(relation, lsn, Some(Some(&old)), None, out)?,
            Change::Truncate { relations } => self.truncate(&relations, lsn, out),
            Change::Message { transactional, prefix, content } => {
                self.message(transactional, &prefix, &content, lsn, out)?;
            }
            Change::Relation(_) => return Err(Error::bug("relations are resolved before they get here")),
            Change::Other => {}
        }
        Ok(())
    }

    fn begin(&mut self, lsn: Lsn, commit_us: i64, xid: i64, out: &mut Vec<Sized>) {
        self.transaction = Some(Transaction { xid, commit_us });
        self.group = (Lsn::default(), 0);
        if self.resume.is_some_and(|resume| resume.xid != xid) {
            self.resume = None;
        }
        let open = self.open.take().filter(|(open, _)| *open == xid);
        let Some(metadata) = &mut self.metadata else { return };
        let record = metadata.begin(&format!("{xid}:{}", lsn.as_i64()), commit_us.div_euclid(1_000));
        if let Some((_, counted)) = open {
            metadata.resume(counted.iter().flat_map(|counted| &counted.1));
            return;
        }
        let position = self.position_at(lsn, MessageType::Begin, 0);
        out.push((self.records.at(record, position.clone()), 512));
        self.current = position;
    }

    fn commit(&mut self, lsn: Lsn, commit_us: i64, out: &mut Vec<Sized>) {
        let xid = self.transaction.map_or(0, |t| t.xid);
        self.commit_lsn = Some(lsn);
        let position = self.position_at(lsn, MessageType::Commit, 0);
        if let Some(metadata) = &self.metadata {
            let record = metadata.end(&format!("{xid}:{}", lsn.as_i64()), commit_us.div_euclid(1_000));
            out.push((self.records.at(record, position.clone()), 512));
        }
        self.current = position;
        self.transaction = None;
        self.resume = None;
        self.lately.add(xid);
    }

    /// Counts the change within its LSN; `false`: it is in Kafka already.
    fn is_new(&mut self, lsn: Lsn) -> bool {
        self.group = if self.group.0 == lsn { (lsn, self.group.1 + 1) } else { (lsn, 1) };
        match &mut self.resume {
            Some(resume) if lsn < resume.lsn => false,
            Some(resume) if lsn == resume.lsn && resume.at_lsn > 0 => {
                resume.at_lsn -= 1;
                false
            }
            resume => {
                *resume = None;
                true
            }
        }
    }

    fn position_at(&self, lsn: Lsn, message: MessageType, processed: u32) -> Arc<PgPosition> {
        let transaction = self.metadata.as_ref().zip(self.transaction).map(|(metadata, transaction)| {
            let counts = metadata.collections().iter().map(|(table, n)| (table.clone(), *n)).collect();
            Arc::new((transaction.xid.to_string(), counts))
        });
        Arc::new(PgPosition {
            lsn,
            processed_lsn: if message == MessageType::Begin { self.current.processed_lsn } else { Some(lsn) },
            commit_lsn: self.commit_lsn,
            processed,
            tx_id: self.transaction.map(|t| t.xid),
            ts_us: self.transaction.map(|t| t.commit_us).or(self.current.ts_us),
            message: Some(message),
            snapshot: None,
            xmin: self.xmin,
            transaction,
            begun: None,
            incremental: self.incremental.clone(),
        })
    }

    /// The place in front of the change at `lsn`, with the first `records` of its records done.
    fn begun(&self, lsn: Lsn, records: u32) -> Arc<PgPosition> {
        Arc::new(PgPosition { begun: Some((lsn, records)), ..(*self.current).clone() })
    }

    /// Takes those records of the change at `lsn` out of `out`, where they begin at `from`, that are in Kafka already.
    fn leave_out_begun(&mut self, lsn: Lsn, from: usize, out: &mut Vec<Sized>) {
        if out.len() > from
            && let Some((at, records)) = self.begun.take()
            && at == lsn
        {
            let end = out.len().min(from + records as usize);
            out.drain(from..end);
        }
    }

    fn origin(&self, position: &Arc<PgPosition>) -> Origin {
        Origin {
            ts_us: position.ts_us.unwrap_or_else(|| self.records.now_us()),
            marker: SnapshotMarker::False,
            tx_id: position.tx_id,
            position: position.clone(),
        }
    }

    fn transaction_block(&mut self, lsn: Lsn, collection: &str) -> Value {
        match (&mut self.metadata, self.transaction) {
            (Some(metadata), Some(transaction)) => {
                metadata.event(&format!("{}:{}", transaction.xid, lsn.as_i64()), collection)
            }
            _ => Value::Null,
        }
    }

    /// `old`: `None` for an insert, `Some(None)` when the replica identity gives nothing.
    fn row_change(
        &mut self,
        relation: u32,
        lsn: Lsn,
        old: Option<Option<&Tuple>>,
        new: Option<&Tuple>,
        out: &mut Vec<Sized>,
    ) -> Result<()> {
        let new_to_us = self.is_new(lsn);
        let Some(table) = self.relation(relation).cloned() else { return Ok(()) };
        let (code, message) = match (old, new) {
            (None, _) => ('c', MessageType::Insert),
            (Some(_), Some(_)) => ('u', MessageType::Update),
            (Some(_), None) => ('d', MessageType::Delete),
        };
        if self.config.skipped.contains(code) || !new_to_us {
            return Ok(());
        }
        let fatal = |error: Error| Error::fatal(error.to_string());
        let before = old.flatten().map(|tuple| table.row(tuple, None)).transpose().map_err(fatal)?;
        let after = new.map(|tuple| table.row(tuple, before.as_ref())).transpose().map_err(fatal)?;
        let position = self.position_at(lsn, message, self.group.1);
        let from = out.len();
        match (before, after) {
            (None, Some(after)) if message == MessageType::Insert => {
                let key = table.key(&after);
                let after = table.value(after);
                self.push(&table, Operation::Create, key, (Value::Null, after), &position, out);
            }
            (before, Some(after)) => self.update(&table, before, after, &position, out),
            (Some(before), None) => self.delete(&table, before, &position, out),
            (None, None) => {}
        }
        self.leave_out_begun(lsn, from, out);
        self.current = self.last_position(out).unwrap_or(position);
        Ok(())
    }

    /// Transaction metadata may have counted more since a position was made, so the record's own is the right one.
    fn last_position(&self, out: &[Sized]) -> Option<Arc<PgPosition>> {
        let last = out.last()?.0.source_offset.as_any().downcast_ref::<PgPosition>()?;
        self.metadata.as_ref().map(|_| Arc::new(last.clone()))
    }

    fn update(
        &mut self,
        table: &Arc<TableSchema>,
        before: Option<Row>,
        after: Row,
        position: &Arc<PgPosition>,
        out: &mut Vec<Sized>,
    ) {
        let key = table.key(&after);
        let old_key = before.as_ref().map(|row| table.key(row));
        let before = before.map_or(Value::Null, |row| table.value(row));
        let after = table.value(after);
        if self.config.skip_unchanged && before == after {
            return;
        }
        let Some(old_key) = old_key.filter(|old| *old != key) else {
            self.push(table, Operation::Update, key, (before, after), position, out);
            return;
        };
        let headers = self.records.headers.with_new_key(&key);
        let transaction = self.transaction_block(position.lsn, &table.name);
        let origin = self.origin(position);
        let delete = Event {
            table,
            operation: Operation::Delete,
            key: old_key.clone(),
            before,
            after: Value::Null,
            transaction,
            headers: headers.clone(),
        };
        out.push(self.records.event(delete, &origin, self.begun(position.lsn, 1)));
        if self.config.tombstones {
            out.push(self.records.tombstone(table, old_key.clone(), headers, self.begun(position.lsn, 2)));
        }
        let transaction = self.transaction_block(position.lsn, &table.name);
        let headers = self.records.headers.with_old_key(&old_key);
        let create =
            Event { table, operation: Operation::Create, key, before: Value::Null, after, transaction, headers };
        let end = self.refreshed(position);
        out.push(self.records.event(create, &origin, end));
    }

    fn delete(&mut self, table: &Arc<TableSchema>, before: Row, position: &Arc<PgPosition>, out: &mut Vec<Sized>) {
        let key = table.key(&before);
        let before = table.value(before);
        if !self.config.tombstones {
            self.push(table, Operation::Delete, key, (before, Value::Null), position, out);
            return;
        }
        let transaction = self.transaction_block(position.lsn, &table.name);
        let event = Event {
            table,
            operation: Operation::Delete,
            key: key.clone(),
            before,
            after: Value::Null,
            transaction,
            headers: self.records.headers.plain(),
        };
        out.push(self.records.event(event, &self.origin(position), self.begun(position.lsn, 1)));
        let end = self.refreshed(position);
        out.push(self.records.tombstone(table, key, self.records.headers.plain(), end));
    }

    fn push(
        &mut self,
        table: &Arc<TableSchema>,
        operation: Operation,
        key: couplet_api::data::Datum,
        (before, after): (Value, Value),
        position: &Arc<PgPosition>,
        out: &mut Vec<Sized>,
    ) {
        let transaction = self.transaction_block(position.lsn, &table.name);
        let headers = self.records.headers.plain();
        let origin = self.origin(position);
        let end = self.refreshed(position);
        let event = Event { table, operation, key, before, after, transaction, headers };
        out.push(self.records.event(event, &origin, end));
    }

    /// `position` with the transaction's counts as they are now.
    fn refreshed(&self, position: &Arc<PgPosition>) -> Arc<PgPosition> {
        match (self.metadata.is_some(), position.message) {
            (true, Some(message)) => self.position_at(position.lsn, message, position.processed),
            _ => position.clone(),
        }
    }

    /// All tables of one truncation are one change.
    fn truncate(&mut self, relations: &[u32], lsn: Lsn, out: &mut Vec<Sized>) {
        let new_to_us = self.is_new(lsn);
        if self.config.skipped.contains('t') || !new_to_us {
            return;
        }
        let tables: Vec<Arc<TableSchema>> = relations.iter().filter_map(|id| self.relation(*id).cloned()).collect();
        let position = self.position_at(lsn, MessageType::Truncate, self.group.1);
        let from = out.len();
        for (table, number) in tables.iter().zip(1_u32..) {
            let transaction = self.transaction_block(lsn, &table.name);
            let event = Event {
                table,
                operation: Operation::Truncate,
                key: couplet_api::data::Datum::NULL,
                before: Value::Null,
                after: Value::Null,
                transaction,
                headers: self.records.headers.plain(),
            };
            let last = number as usize == tables.len();
            let end = if last { self.refreshed(&position) } else { self.begun(lsn, number) };
            out.push(self.records.event(event, &self.origin(&position), end));
        }
        self.leave_out_begun(lsn, from, out);
        if !tables.is_empty() {
            self.current = position;
        }
    }

    fn message(
        &mut self,
        transactional: bool,
        prefix: &str,
        content: &bytes::Bytes,
        lsn: Lsn,
        out: &mut Vec<Sized>,
    ) -> Result<()> {
        if transactional {
            if !self.is_new(lsn) {
                return Ok(());
            }
        } else {
            let repeated = self.current.message == Some(MessageType::Message) && lsn <= self.current.lsn;
            if repeated || self.commit_lsn.is_some_and(|commit| lsn < commit && self.transaction.is_none()) {
                return Ok(());
            }
            // Nothing follows that would end it: it is done with itself.
            self.commit_lsn = Some(lsn);
        }
        let (wanted, unwanted) = &self.config.messages;
        let passes = match (wanted, unwanted) {
            (Some(wanted), _) => wanted.matches(prefix),
            (None, Some(unwanted)) => !unwanted.matches(prefix),
            (None, None) => true,
        };
        let position = self.position_at(lsn, MessageType::Message, if transactional { self.group.1 } else { 0 });
        if passes && !self.config.skipped.contains('m') {
            let content = self.content.decode(content, content, Phase::Stream)?;
            let transaction = self.transaction_block(lsn, &format!("{}.message", self.config.naming.prefix));
            let origin = self.origin(&position);
            let end = self.refreshed(&position);
            out.push(self.records.message(prefix, content, &origin, transaction, end));
        }
        self.current = position;
        Ok(())
    }
}
