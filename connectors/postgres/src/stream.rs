//! The stream of changes: socket to records. Event-driven: whatever is there is handed over before it waits, a transaction as
//! a whole if it comes at once.

mod pace;
mod requests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use couplet_api::error::Error;
use couplet_api::own_topic::OwnTopics;
use couplet_api::{Kind, Result};
use couplet_cdc::{Channels, Heartbeat, Incremental, Outbox, SnapshotRequest, TableId};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::catalog::{self, Column, Table};
use crate::chunk::ChunkPlan;
use crate::config::PgConfig;
use crate::decode::{Change, Relation, as_debezium_reads, decode};
use crate::emit::Emitter;
use crate::incremental::incremental;
use crate::offset::PgPosition;
use crate::record::Records;
use crate::schema::{Row, TableSchema};
use crate::types::{TypeRegistry, relation_length_and_scale};
use crate::wire::{Lsn, Sql, WalEvent, WalSender};
use pace::{PAUSE, Pace};

/// Bytes of log without interest that are worth a stored position of their own.
const ADVANCE_BYTES: u64 = 1 << 10;
/// Bytes of it, a segment, that are worth one after one status interval: what an idle database keeps of what a busy one
/// beside it writes is bounded by bytes, not only by time.
const ADVANCE_SOON_BYTES: u64 = 16 << 20;
/// So many status intervals without a change of interest make a stream idle. A restart within them repeats nothing, and
/// an offset that is stored without a record differs from what Debezium would have stored.
const IDLE_INTERVALS: u32 = 6;
/// Time between questions where the server stands, while an incremental snapshot waits for it.
const PING_INTERVAL: Duration = Duration::from_millis(5);
/// Longest time that records wait for the rest of their transaction.
const HOLD: Duration = Duration::from_millis(1);
/// Longest time between status reports, below the server's default time-out of a minute.
const STATUS_INTERVAL_MAX: Duration = Duration::from_secs(20);

/// What streaming needs besides the session.
pub(crate) struct Streaming {
    /// Settings.
    pub(crate) config: Arc<PgConfig>,
    /// Maker of records.
    pub(crate) records: Arc<Records>,
    /// Where a topic of signals would be.
    pub(crate) topics: Arc<dyn OwnTopics>,
    /// For the catalogue and heartbeats.
    pub(crate) sql: Sql,
    /// Known types.
    pub(crate) types: TypeRegistry,
    /// Where records go.
    pub(crate) outbox: Outbox<PgPosition>,
    /// Up to where everything is durable.
    pub(crate) confirmed: watch::Receiver<Lsn>,
}

/// The running stream.
struct Loop {
    wal: WalSender,
    emitter: Emitter,
    heartbeat: Heartbeat,
    /// End of what was received.
    received: Lsn,
    pace: Pace,
    next_status: Instant,
    /// Position last said without a record, or with one.
    told: Lsn,
    told_at: Instant,
    /// Whether no record did.
    idle: bool,
    /// End of the log as the server last said it, with nothing sent since.
    idle_end: Lsn,
    next_xmin: Instant,
    incremental: Incremental<ChunkPlan, Row>,
    /// Where the window of its chunk ends in the log, when no rows mark it.
    place: Option<Lsn>,
    channels: Channels,
    /// Blocking snapshots that wait for the end of the transaction.
    blocking: VecDeque<SnapshotRequest>,
}

impl Streaming {
    /// Streams from behind `start` until the connection fails.
    ///
    /// # Errors
    /// As the server or the network says, or when a change cannot be read.
    pub(crate) async fn run(mut self, wal: WalSender, start: PgPosition) -> Result<()> {
        let from = start.stream_from();
        let wal = self.begin(wal, from).await?;
        tracing::info!(%from, slot = self.config.slot, "streaming");
        let now = Instant::now();
        let mut state = Loop {
            wal,
            heartbeat: Heartbeat::new(
                self.config.heartbeat_ms,
                self.config.naming.heartbeat_topic(),
                &self.config.naming.prefix,
            ),
            incremental: incremental(&self.config, &start),
            place: None,
            channels: Channels::open(&self.config.signals.channels, &*self.topics).await?,
            blocking: VecDeque::new(),
            emitter: Emitter::new(self.config.clone(), self.records.clone(), start),
            received: from,
            pace: Pace::new(now),
            next_status: now,
            told: from,
            told_at: now,
            idle: false,
            idle_end: Lsn::default(),
            next_xmin: now,
        };
        self.resume_snapshot(&mut state).await?;
        let mut read = 0;
        loop {
            let mut messages = 0;
            while let Some(event) = state.wal.buffered()? {
                messages += 1;
                self.on_event(event, &mut state).await?;
                if self.outbox.is_full() {
                    self.deliver(&mut state).await?;
                }
            }
            // The server has the whole of a transaction when it begins to send it: the rest is on its way.
            if read == 0 || !state.emitter.in_transaction() {
                self.deliver(&mut state).await?;
            }
            if state.pace.is_busy(read, messages, Instant::now()) {
                sleep(PAUSE).await;
            }
            read = self.wait(&mut state).await?;
        }
    }

    fn status_interval(&self) -> Duration {
        self.config.status_interval.min(STATUS_INTERVAL_MAX)
    }

    /// Starts replication; a slot that is busy is tried again as `slot.max.retries` allows.
    async fn begin(&self, mut wal: WalSender, from: Lsn) -> Result<WalSender> {
        let version = catalog::parameter(&self.sql, "server_version_num").await?;
        let version: u32 = version.and_then(|v| v.parse().ok()).unwrap_or(0);
        let publication = crate::wire::quoted(&self.config.publication);
        let mut options = self.config.stream_params.clone();
        options.push(("proto_version".to_owned(), "1".to_owned()));
        options.push(("publication_names".to_owned(), publication));
        if version >= 140_000 {
            options.push(("messages".to_owned(), "true".to_owned()));
        }
        let mut attempt = 0;
        loop {
            let Err(error) = wal.start(&self.config.slot, from, &options).await else { return Ok(wal) };
            if attempt >= self.config.slot_retries || !error.message().contains("is active") {
                return Err(failed_start(from, error));
            }
            attempt += 1;
            tracing::warn!(%error, attempt, "the slot is busy; waiting");
            tokio::time::sleep(self.config.slot_retry_delay).await;
        }
    }

    async fn on_event(&mut self, event: WalEvent, state: &mut Loop) -> Result<()> {
        match event {
            WalEvent::Data { start, body } => {
                state.received = state.received.max(start);
                match decode(body)? {
                    Change::Relation(relation) => self.on_relation(relation, state).await?,
                    change => self.on_change(change, start, state).await?,
                }
            }
            WalEvent::KeepAlive { end, reply } => {
                state.received = state.received.max(end);
                if reply {
                    state.next_status = Instant::now();
                }
                state.idle_end = end;
                self.between_transactions(end, state).await?;
                self.on_idle(state, reply);
            }
        }
        Ok(())
    }

    async fn on_change(&mut self, change: Change, at: Lsn, state: &mut Loop) -> Result<()> {
        self.fetch_xmin(state).await?;
        // What a signal changes is part of the position of its own row: a restart behind it must not forget it.
        if let Some(signal) = state.emitter.signal(&change, at)? {
            self.on_signal(&signal, at, state).await?;
        }
        if let Change::Truncate { relations } = &change {
            let tables = relations.iter().filter_map(|id| state.emitter.relation(*id));
            tables.for_each(|table| state.incremental.met_truncate(&table.id));
        }
        let committed = matches!(change, Change::Commit { .. });
        let before = self.outbox.records.len();
        let emitted = state.emitter.on(change, at, &mut self.outbox.records);
        emitted.map_err(|error| match error.kind() {
            Kind::Data => state.emitter.position().processing_failed(error),
            _ => error,
        })?;
        self.outbox.count(before);
        if self.outbox.records.len() > before {
            state.incremental.met(self.outbox.records[before..].iter().map(|(record, _)| record));
            state.told = state.emitter.position().stream_from();
            state.told_at = Instant::now();
            state.idle = false;
        }
        if committed {
            self.between_transactions(at, state).await?;
        }
        Ok(())
    }

    /// Reads the slot's xmin as often as `xmin.fetch.interval.ms` asks.
    async fn fetch_xmin(&self, state: &mut Loop) -> Result<()> {
        let Some(interval) = self.config.xmin_interval else { return Ok(()) };
        if Instant::now() >= state.next_xmin {
            state.emitter.set_xmin(catalog::slot_xmin(&self.sql, &self.config.slot).await?);
            state.next_xmin = Instant::now() + interval;
        }
        Ok(())
    }

    /// Says now and then where the stream stands although no record does, so that the slot can move: behind transactions
    /// without a change of interest, and behind everything the server sent.
    ///
    /// `asked`: the server wants an answer, as it does when it shuts down: it waits until everything is confirmed.
    fn on_idle(&mut self, state: &mut Loop, asked: bool) {
        let worth = if asked { 1 } else { ADVANCE_BYTES };
        let ahead = |at: Lsn, bytes: u64| at.0 >= state.told.0.saturating_add(bytes);
        let much = ahead(state.idle_end.max(state.emitter.position().stream_from()), ADVANCE_SOON_BYTES);
        // The server lets go of log in steps, each after another answer: an idle stream goes on as it began.
        let pause = if much || state.idle { self.status_interval() } else { self.status_interval() * IDLE_INTERVALS };
        if !asked && state.told_at.elapsed() < pause {
            return;
        }
        let idle = ahead(state.idle_end, worth);
        let reached = if idle { state.emitter.reached(state.idle_end) } else { None };
        let position = reached.unwrap_or_else(|| state.emitter.position().clone());
        let at = position.stream_from();
        if at.0 >= state.told.0.saturating_add(worth) {
            state.told = at;
            state.told_at = Instant::now();
            state.idle = true;
            self.outbox.advance(position);
        }
    }

    /// Resolves a table's definition against the catalogue, which knows what the message does not say: nullability,
    /// defaults, keys.
    async fn on_relation(&mut self, relation: Relation, state: &mut Loop) -> Result<()> {
        let schema = if relation.schema.is_empty() { "pg_catalog" } else { &relation.schema };
        let id = TableId::new(schema, relation.table.as_str());
        if !self.config.captures(&id) {
            state.emitter.set_relation(relation.id, None);
            return Ok(());
        }
        let oids: Vec<u32> = relation.columns.iter().map(|c| c.type_oid).collect();
        self.types.complete(&self.sql, &oids).await?;
        // Debezium asks the catalogue by the names it read; where those are wrong it finds nothing, and neither do we.
        let named = TableId::new(as_debezium_reads(&id.schema), as_debezium_reads(&id.table));
        let (known, mut key) = match named == id {
            true => (
                catalog::columns(&self.sql, &mut self.types, relation.id).await?,
                catalog::key_columns(&self.sql, relation.id).await?,
            ),
            false => (Vec::new(), Vec::new()),
        };
        if known.is_empty() && named == id {
            // The table is gone already: what was known of its key is better than nothing.
            key = state.emitter.relation(relation.id).map(|t| t.key_names.clone()).unwrap_or_default();
        }
        let columns = relation.columns.iter().map(|column| {
            let (length, scale) = relation_length_and_scale(&self.types, column.type_oid, column.modifier);
            let name = as_debezium_reads(&column.name);
            // Debezium asks only for captured columns, so that a key column left out of values counts as optional.
            let captured = self.config.columns.includes(&named, &name);
            let in_catalogue = known.iter().find(|k| captured && *k.name == *name);
            Column {
                name: name.into(),
                type_oid: column.type_oid,
                length,
                scale,
                optional: in_catalogue.is_none_or(|k| k.optional),
                default: in_catalogue.and_then(|k| k.default.clone()),
            }
        });
        let columns = columns.collect();
        let table = Table { id: named, columns, key };
        let schema = TableSchema::new(&table, &self.types, &self.records.source_schema, &self.config);
        state.emitter.set_relation(relation.id, Some(Arc::new(schema)));
        Ok(())
    }

    /// Hands over what was collected. While there is no room, the server still hears from us.
    async fn deliver(&mut self, state: &mut Loop) -> Result<()> {
        while !self.outbox.is_empty() {
            tokio::select! {
                biased;
                room = self.outbox.room() => {
                    let room = room?;
                    self.outbox.send(room);
                }
                () = sleep_until(state.next_status) => self.report(state).await?,
                changed = self.confirmed.changed() => {
                    gone(changed)?;
                    self.report(state).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits for the next thing to do, and does it. Returns how many bytes were read.
    async fn wait(&mut self, state: &mut Loop) -> Result<usize> {
        let beat = state.heartbeat.deadline();
        if state.place.is_some() {
            // A quiet server says only on demand that there is nothing more.
            state.next_status = state.next_status.min(Instant::now() + PING_INTERVAL);
        }
        tokio::select! {
            read = state.wal.fill() => return read,
            () = sleep(HOLD), if !self.outbox.is_empty() => {}
            () = sleep_until(state.next_status) => {
                self.on_idle(state, false);
                // One that is busy says by itself only every half minute where it stands.
                self.tell(state, true).await?;
            }
            changed = self.confirmed.changed() => {
                gone(changed)?;
                self.report(state).await?;
            }
            () = sleep_until(beat.unwrap_or(state.next_status)), if beat.is_some() => self.beat(state).await?,
            () = state.channels.ready() => self.look_for_signals(state).await?,
        }
        Ok(0)
    }

    async fn report(&mut self, state: &mut Loop) -> Result<()> {
        let ask = state.place.is_some();
        self.tell(state, ask).await
    }

    /// Tells the server what is durable; `ask`: it is to say where it stands.
    async fn tell(&mut self, state: &mut Loop, ask: bool) -> Result<()> {
        let durable = *self.confirmed.borrow_and_update();
        let flushed = if self.config.flush_lsn { durable } else { Lsn::default() };
        state.next_status = Instant::now() + self.status_interval();
        state.wal.status(state.received, flushed, ask).await
    }

    async fn beat(&mut self, state: &mut Loop) -> Result<()> {
        if state.heartbeat.is_due() {
            let record = state.heartbeat.beat(self.records.now_ms());
            let position = state.emitter.position().clone();
            state.told = position.stream_from();
            self.outbox.push((self.records.at(record, position), 256));
            if let Some(query) = &self.config.heartbeat_query {
                self.run_heartbeat_query(query).await?;
            }
        }
        Ok(())
    }

    /// As in Debezium, only a server that is going away and a missing table are errors.
    async fn run_heartbeat_query(&self, query: &str) -> Result<()> {
        let Err(error) = self.sql.run(query).await else { return Ok(()) };
        let text = error.message();
        if error.kind() == couplet_api::Kind::Remote || text.contains("does not exist") {
            let text = format!("Could not execute heartbeat action query (heartbeat.action.query): {text}");
            return Err(Error::new(error.kind(), text).caused_by(error));
        }
        tracing::error!(%error, "could not execute heartbeat action query");
        Ok(())
    }
}

fn gone(changed: Result<(), watch::error::RecvError>) -> Result<()> {
    changed.map_err(|_| Error::new(couplet_api::Kind::Fenced, "the task stopped"))
}

fn failed_start(from: Lsn, error: Error) -> Error {
    let mut text = format!("Failed to start replication stream at LSN{{{from}}}");
    if error.message().contains("is active") {
        text.push_str(
            "; when setting up multiple connectors for the same database host, please make sure to use a distinct \
             replication slot name for each.",
        );
    }
    if error.message().contains("has already been removed") {
        text = "The offset to start reading from has been removed from the database write-ahead log. Create a new \
                snapshot and consider setting of PostgreSQL parameter wal_keep_segments = 0."
            .to_owned();
    }
    Error::new(error.kind(), text).with_class("io.debezium.DebeziumException").caused_by(error)
}
