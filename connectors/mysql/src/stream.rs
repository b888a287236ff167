//! The stream of changes: events to records. Event-driven: whatever is there is handed over before it waits.

mod requests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use couplet_api::Result;
use couplet_api::data::Position as _;
use couplet_api::error::Error;
use couplet_cdc::{Channels, Heartbeat, Incremental, Outbox, SnapshotRequest, TableId};
use couplet_mysql_schema::SchemaChangeKind;
use couplet_mysql_wire::Dump;
use tokio::time::{Instant, sleep_until};

use crate::binlog::{Body, Event, Format, Header, Payload, Rows, TableMap};
use crate::chunk::ChunkPlan;
use crate::config::{Inconsistency, MyConfig};
use crate::definitions::{self, Definitions, gtid_source_counts};
use crate::emit::Emitter;
use crate::gtid::uuid_text;
use crate::offset::MyPosition;
use crate::record::{Records, Sized};
use crate::schema::{Row, TableSchema};
use crate::server::{LogEnd, Server};

const DEBEZIUM_ERROR: &str = "io.debezium.DebeziumException";
/// A silent connection without keep-alive is looked at again after this long.
const FOR_EVER: Duration = Duration::from_secs(86_400);

/// What streaming needs besides the dump.
pub(crate) struct Streaming {
    /// Settings.
    pub(crate) config: Arc<MyConfig>,
    /// Maker of records.
    pub(crate) records: Arc<Records>,
    /// For heartbeats and snapshots.
    pub(crate) server: Server,
    /// What tables look like.
    pub(crate) definitions: Definitions,
    /// Where records go.
    pub(crate) outbox: Outbox<MyPosition>,
    /// Maker of events.
    pub(crate) emitter: Emitter,
    /// What is done already of the first transaction: events, rows.
    pub(crate) done: (u64, u64),
    /// The incremental snapshot, running or not.
    pub(crate) incremental: Incremental<ChunkPlan, Row>,
    /// Where the window of its chunk ends in the log, when no rows mark it.
    pub(crate) place: Option<LogEnd>,
    /// Signals that come through other channels than the signal table.
    pub(crate) channels: Channels,
    /// Blocking snapshots that wait for the end of the transaction.
    pub(crate) blocking: VecDeque<SnapshotRequest>,
}

/// What is known of the log at the moment.
struct Log {
    format: Format,
    maps: HashMap<u64, Arc<TableMap>>,
    /// Events of the first transaction that are still to be left out, and whether they are passing by.
    skip_events: u64,
    skipping: bool,
    skip_rows: usize,
    /// Whether the transaction comes from a server that does not count.
    ignored: bool,
    /// How long was waited since the server sent anything.
    silent: Duration,
}

impl Streaming {
    /// Streams from `dump` until the connection fails.
    ///
    /// # Errors
    /// As the server or the network says, or when a change cannot be read.
    pub(crate) async fn run(mut self, mut dump: Dump) -> Result<()> {
        let prefix = &self.config.naming.prefix;
        let mut heartbeat = Heartbeat::new(self.config.heartbeat_ms, self.config.naming.heartbeat_topic(), prefix);
        let mut log = Log {
            format: Format { checksum: false },
            maps: HashMap::new(),
            skip_events: self.done.0,
            skipping: false,
            skip_rows: usize::try_from(self.done.1).unwrap_or(usize::MAX),
            ignored: false,
            silent: Duration::ZERO,
        };
        self.resume_snapshot().await?;
        loop {
            while let Some(bytes) = dump.buffered()? {
                let event = Event::parse(&bytes, log.format).map_err(processing_failed)?;
                self.on_event(event, &mut log).await.map_err(processing_failed)?;
                if self.outbox.is_full() {
                    self.outbox.flush().await?;
                }
            }
            self.outbox.flush().await?;
            self.wait(&mut dump, &mut heartbeat, &mut log).await?;
        }
    }

    /// Waits for more of the log, or for a heartbeat.
    async fn wait(&mut self, dump: &mut Dump, heartbeat: &mut Heartbeat, log: &mut Log) -> Result<()> {
        let beat = heartbeat.deadline();
        // Only waiting counts, and all of it since the server's last word: heartbeats of ours and signals are no such word.
        let began = Instant::now();
        let silence = began + self.config.silence.unwrap_or(FOR_EVER).saturating_sub(log.silent);
        tokio::select! {
            read = dump.fill() => {
                log.silent = Duration::ZERO;
                read
            }
            () = sleep_until(beat.unwrap_or(silence)), if beat.is_some() => {
                log.silent += began.elapsed();
                self.beat(heartbeat).await
            }
            () = self.channels.ready() => {
                log.silent += began.elapsed();
                self.look_for_signals().await
            }
            () = sleep_until(silence) => match self.config.silence {
                // The server was asked to show that it lives more often than that.
                Some(_) => Err(Error::remote("the server sent nothing within connect.keep.alive.interval.ms")),
                None => {
                    log.silent = Duration::ZERO;
                    Ok(())
                }
            },
        }
    }

    async fn beat(&mut self, heartbeat: &mut Heartbeat) -> Result<()> {
        let record = heartbeat.beat(self.records.now_ms());
        let position = self.emitter.resting_position();
        self.outbox.push((self.records.at(record, position), 256));
        if let Some(query) = &self.config.heartbeat_query
            && let Err(error) = self.server.sql().run(query).await
        {
            if error.kind() == couplet_api::Kind::Remote {
                return Err(error.context("Could not execute heartbeat action query (heartbeat.action.query)"));
            }
            tracing::error!(%error, "could not execute heartbeat action query");
        }
        Ok(())
    }

    async fn on_event(&mut self, Event { header, body }: Event, log: &mut Log) -> Result<()> {
        self.emitter.tracker.event(&header);
        let seconds = i64::from(header.timestamp) * 1_000_000_000;
        match body {
            Body::Format(format) => log.format = format,
            Body::Rotate { file, position } => {
                self.emitter.tracker.rotate(&file, position);
                log.maps.clear();
            }
            Body::Gtid { uuid, number, commit_us } => {
                let uuid = uuid_text(&uuid);
                self.emitter.set_time(moment(commit_us, seconds));
                log.ignored = self.is_ignored_source(&uuid);
                self.emitter.tracker.gtid(format!("{uuid}:{number}"), |set| set.add_mysql(&uuid, number));
            }
            Body::AnonymousGtid { commit_us } => self.emitter.set_time(moment(commit_us, seconds)),
            Body::MariaDbGtid { domain, number, standalone } => {
                self.emitter.set_time(seconds);
                let server = header.server_id;
                log.ignored = self.is_ignored_source(&format!("{domain}-{server}"));
                let name = format!("{domain}-{server}-{number}");
                self.emitter.tracker.gtid(name, |set| set.add_mariadb(domain, server, number));
                if standalone {
                    self.emitter.begin_statement();
                    log.skipping = log.skip_events > 0;
                } else {
                    self.begin(None, log);
                }
            }
            Body::Query { thread, database, sql } => {
                self.emitter.set_time_if_unknown(seconds);
                self.on_query(thread, &database, sql.trim(), log).await?;
            }
            Body::Commit => self.commit(log).await?,
            Body::TableMap(map) => self.on_table_map(map, log)?,
            Body::Rows(rows) => self.on_rows(&header, &rows, log).await?,
            Body::Payload(payload) => return Box::pin(self.on_payload(&header, payload, log)).await,
            Body::Statement(sql) => self.emitter.set_query(Some(sql)),
            Body::Incident => tracing::warn!(
                position = header.position(),
                "the server's log has an incident: changes may be missing; compare, and take a new snapshot if so"
            ),
            Body::Unsupported(what) => {
                return Err(Error::fatal(format!("the binary log has {what}, which is not supported; switch it off")));
            }
            Body::Heartbeat | Body::Other => {}
        }
        self.emitter.tracker.done();
        if log.skipping {
            log.skip_events = log.skip_events.saturating_sub(1);
            log.skipping = log.skip_events > 0;
        }
        self.end_window().await
    }

    /// A transaction in one event: what is in it counts, not the event around it.
    async fn on_payload(&mut self, header: &Header, mut payload: Payload, log: &mut Log) -> Result<()> {
        while let Some(event) = payload.next(header)? {
            self.on_event(event, log).await?;
            if self.outbox.is_full() {
                self.outbox.flush().await?;
            }
        }
        Ok(())
    }

    fn is_ignored_source(&self, source: &str) -> bool {
        self.config.filter_gtid_events && !gtid_source_counts(&self.config, source)
    }

    /// Counts what `emit` puts into the outbox, and leaves out of an open window what it is about.
    fn emit<T>(&mut self, emit: impl FnOnce(&mut Emitter, &mut Vec<Sized>) -> T) -> T {
        let before = self.outbox.records.len();
        let result = emit(&mut self.emitter, &mut self.outbox.records);
        self.outbox.count(before);
        self.incremental.met(self.outbox.records[before..].iter().map(|(record, _)| record));
        if let Some((record, _)) = self.outbox.records[before..].last() {
            self.emitter.rests_at(record.source_offset.clone());
        }
        result
    }

    fn begin(&mut self, thread: Option<u32>, log: &mut Log) {
        self.emit(|emitter, out| emitter.begin(thread, out));
        log.skipping = log.skip_events > 0;
    }

    async fn commit(&mut self, log: &mut Log) -> Result<()> {
        // As in Debezium they begin in front of the end of the transaction that asked for them.
        self.blocking_snapshots().await?;
        if self.emitter.tracker.in_transaction() {
            self.emit(Emitter::commit);
        }
        log.skipping = false;
        log.skip_events = 0;
        log.skip_rows = 0;
        log.ignored = false;
        Ok(())
    }

    async fn on_query(&mut self, thread: u32, database: &str, sql: &str, log: &mut Log) -> Result<()> {
        if sql.eq_ignore_ascii_case("BEGIN") {
            self.begin(Some(thread), log);
            return Ok(());
        }
        if sql.eq_ignore_ascii_case("COMMIT") {
            return self.commit(log).await;
        }
        let done = self.on_statement(database, sql).await;
        self.emitter.tracker.statement_done();
        done
    }

    async fn on_statement(&mut self, database: &str, sql: &str) -> Result<()> {
        let upper = definitions::without_set_statement(sql).get(..12).unwrap_or(sql).to_ascii_uppercase();
        if upper.starts_with("XA ") || definitions::is_ignored(sql) {
            return Ok(());
        }
        if ["INSERT ", "UPDATE ", "DELETE ", "REPLACE "].iter().any(|head| upper.starts_with(head)) {
            tracing::warn!(
                database,
                "the log has a statement that changes rows: it cannot be captured; use binlog_format=ROW"
            );
            return Ok(());
        }
        self.on_ddl(database, sql).await
    }

    async fn on_ddl(&mut self, database: &str, sql: &str) -> Result<()> {
        let changes = self.definitions.apply(database, sql)?;
        self.emitter.note_time();
        for change in &changes {
            match (change.kind, &change.id) {
                (SchemaChangeKind::Truncate, Some(id)) => {
                    let wanted = !self.config.skipped.contains('t') && definitions::is_captured(&self.config, id);
                    if let Some(plan) = self.definitions.plan(id).filter(|_| wanted) {
                        self.emit(|emitter, out| emitter.truncate(&plan, out));
                    }
                    self.incremental.met_truncate(id);
                }
                _ => {
                    self.definitions.keep(change, self.emitter.position().to_map()).await?;
                    if self.config.schema_changes {
                        self.emit(|emitter, out| emitter.schema_change(change, out));
                    }
                }
            }
        }
        Ok(())
    }

    fn on_table_map(&mut self, map: TableMap, log: &mut Log) -> Result<()> {
        let id = TableId::new(map.database.as_str(), map.table.as_str());
        if definitions::is_captured(&self.config, &id) && self.definitions.plan(&id).is_none() {
            match self.config.inconsistency {
                Inconsistency::Fail => {
                    let text =
                        format!("Encountered change event for table {id} whose schema isn't known to this connector");
                    return Err(Error::fatal(text).with_class(DEBEZIUM_ERROR));
                }
                Inconsistency::Warn => {
                    tracing::warn!(table = %id, "a change of a table without known definition is left out")
                }
                Inconsistency::Skip => {}
            }
        }
        log.maps.insert(map.number, Arc::new(map));
        Ok(())
    }

    async fn on_rows(&mut self, header: &Header, rows: &Rows, log: &mut Log) -> Result<()> {
        if log.skipping || log.ignored {
            return Ok(());
        }
        let skip = std::mem::take(&mut log.skip_rows);
        let Some(map) = log.maps.get(&rows.table) else {
            return Err(Error::fatal(format!("rows of an unknown table at {} of the log", header.position())));
        };
        let id = TableId::new(map.database.as_str(), map.table.as_str());
        if !definitions::is_captured(&self.config, &id) {
            return Ok(());
        }
        let Some(plan) = self.definitions.plan(&id) else { return Ok(()) };
        let changes = || {
            rows.changes(map).ok_or_else(|| {
                Error::fatal(format!(
                    "rows of table {id} at {} of the log are damaged or of an unknown form",
                    header.position()
                ))
            })
        };
        if self.config.signals.table.as_ref() == Some(&id) {
            let signals = self.signals(&plan, rows.kind, changes()?, skip)?;
            // What a signal changes is part of the position of its own row: a restart behind it must not forget it.
            for signal in signals {
                self.on_signal(&signal).await?;
            }
        }
        let changes = changes()?;
        self.emit(|emitter, out| emitter.rows(&plan, rows.kind, changes, skip, out))
    }
}

/// `commit_us` where the log has it, else `seconds` in nanoseconds.
fn moment(commit_us: u64, seconds: i64) -> i64 {
    match i64::try_from(commit_us) {
        Ok(us) if us > 0 => us.saturating_mul(1_000),
        _ => seconds,
    }
}

fn processing_failed(error: Error) -> Error {
    if matches!(error.kind(), couplet_api::Kind::Remote | couplet_api::Kind::Fenced) {
        return error;
    }
    Error::fatal("Error processing binlog event").with_class(DEBEZIUM_ERROR).caused_by(error)
}
