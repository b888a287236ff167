//! Incremental snapshots: tables read again, chunk by chunk, while changes are streamed.
//!
//! A chunk lies between two marks in the log: two rows of the signal table, or, with `read.only`, the end of the log before
//! and after. What the stream has of its rows in between is newer, so those are left out of the window.

use std::sync::Arc;

use couplet_api::data::Value;
use couplet_api::error::Error;
use couplet_api::{Kind, Result};
use couplet_cdc::time::{Fraction, iso_timestamp};
use couplet_cdc::{
    DataCollection, IncrementalState, Notice, Operation, RowKey, Snapshot, SnapshotMarker, SnapshotRequest, TableId,
    expanded, java_map_order,
};

use crate::catalog;
use crate::chunk::{self, Chunk};
use crate::config::PgConfig;
use crate::emit::Emitter;
use crate::feed::Outbox;
use crate::offset::{PgPosition, SnapshotKind, SnapshotState};
use crate::publication::{captured_tables, quoted_table};
use crate::record::{Event, Origin, Records};
use crate::types::TypeRegistry;
use crate::window::{Window, WindowRow};
use crate::wire::{Lsn, Sql, quoted_literal};

/// What the snapshot works with, lent by the stream.
pub(crate) struct Parts<'a> {
    /// For queries and marks.
    pub(crate) sql: &'a Sql,
    /// Known types.
    pub(crate) types: &'a mut TypeRegistry,
    /// Knows the position, and is told the progress.
    pub(crate) emitter: &'a mut Emitter,
    /// Where records go.
    pub(crate) outbox: &'a mut Outbox,
    /// Where the stream stands.
    pub(crate) at: Lsn,
}

/// The running snapshot, if there is one.
pub(crate) struct Incremental {
    config: Arc<PgConfig>,
    records: Arc<Records>,
    state: IncrementalState,
    window: Window,
    /// Rows read of the current table.
    rows: u64,
    /// When the chunk's window was opened.
    opened: String,
    /// Its end in the log, where there are no rows to mark it.
    end: Option<Lsn>,
    /// Id of the chunk.
    chunk: String,
}

/// What became of an attempt to read a chunk of a table.
enum Filled {
    /// The window holds rows.
    Rows,
    /// The table is done; the status as notifications name it.
    Done(&'static str),
}

impl Incremental {
    /// Takes up where `start` stands.
    pub(crate) fn new(config: Arc<PgConfig>, records: Arc<Records>, start: &PgPosition) -> Self {
        Incremental {
            config,
            records,
            state: IncrementalState::load(start.incremental.as_deref()),
            window: Window::default(),
            rows: 0,
            opened: String::new(),
            end: None,
            chunk: String::new(),
        }
    }

    /// Goes on with a snapshot that a restart interrupted.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn resume_after_restart(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        if !self.state.running() {
            return Ok(());
        }
        tracing::info!(tables = self.state.names(), "going on with an incremental snapshot");
        self.read_chunk(parts).await
    }

    /// Reads tables, on the signal `id`.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn execute(&mut self, id: &str, request: &SnapshotRequest, parts: &mut Parts<'_>) -> Result<()> {
        if self.config.signals.table.is_none() && !self.config.signals.read_only {
            tracing::warn!(id, "no incremental snapshot without signal.data.collection or read.only=true");
            return Ok(());
        }
        let names = match expanded(&request.collections, &self.known_tables(parts.sql).await?) {
            Ok(names) => names,
            Err(problem) => {
                tracing::warn!(id, problem, "a signal is ignored");
                return Ok(());
            }
        };
        let begins = !self.state.running();
        self.state.add(id, names, request);
        parts.emitter.set_incremental(self.state.offset());
        if !begins {
            return Ok(());
        }
        tracing::info!(id, tables = self.state.names(), "an incremental snapshot begins");
        self.rows = 0;
        self.notify("STARTED", vec![("data_collections", self.state.names())], parts);
        self.read_chunk(parts).await
    }

    /// Pauses.
    pub(crate) fn pause(&mut self, parts: &mut Parts<'_>) {
        if self.state.set_paused(true) {
            self.notify("PAUSED", vec![("data_collections", self.state.names())], parts);
        }
    }

    /// Goes on.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn resume(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        if !self.state.set_paused(false) {
            return Ok(());
        }
        self.notify("RESUMED", vec![("data_collections", self.state.names())], parts);
        // While rows wait for their mark, that leads to the next chunk.
        if self.window.is_empty() { self.read_chunk(parts).await } else { Ok(()) }
    }

    /// Stops reading tables before the next chunk.
    pub(crate) fn stop(&mut self, names: Vec<String>) {
        self.state.request_stop(names);
    }

    /// The mark `id` in front of a chunk was met in the stream.
    pub(crate) fn open_window(&mut self, id: &str) {
        self.state.open_window(id);
    }

    /// The mark `id` behind a chunk was met: its rows are sent, and the next ones read.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn close_window(&mut self, id: &str, parts: &mut Parts<'_>) -> Result<()> {
        if !self.state.close_window(id) {
            tracing::info!(id, "a mark of an earlier chunk is ignored");
            return Ok(());
        }
        self.send_window(parts);
        self.read_chunk(parts).await
    }

    /// The stream has everything up to `parts.at`, and no transaction is open: a window without marks may end here.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn passed(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        if self.end.is_none_or(|end| end > parts.at) {
            return Ok(());
        }
        self.end = None;
        let id = self.chunk.clone();
        self.close_window(&id, parts).await
    }

    /// Whether a window waits for the stream to come to a place in the log.
    pub(crate) const fn waits(&self) -> bool {
        self.end.is_some()
    }

    /// The stream had these records.
    pub(crate) fn met(&mut self, records: &[crate::record::Sized]) {
        if self.state.window_is_open() && !self.window.is_empty() {
            let rows = self.window.leave_out(records);
            if rows > 0 {
                tracing::debug!(rows, "rows of a chunk are newer in the stream");
            }
        }
    }

    /// The stream had `table` emptied.
    pub(crate) fn met_truncate(&mut self, table: &crate::schema::TableSchema) {
        if self.state.window_is_open() {
            self.window.leave_out_table(table);
        }
    }

    /// Names of the captured tables, in Debezium's order.
    async fn known_tables(&self, sql: &Sql) -> Result<Vec<String>> {
        let tables = captured_tables(sql, &self.config).await?;
        Ok(java_map_order(tables.into_iter().map(|(table, _)| table.to_string()).collect()))
    }

    fn notify(&self, kind: &'static str, data: Vec<(&'static str, String)>, parts: &mut Parts<'_>) {
        parts.emitter.set_incremental(self.state.offset());
        let id = self.state.correlation_id().map(str::to_owned);
        let notice = Notice { id, about: Snapshot::Incremental, kind, data };
        let position = parts.emitter.position().clone();
        self.records.notice(notice, position, parts.outbox);
    }

    /// Goes on with the next table, or ends the snapshot.
    fn next(&mut self, parts: &mut Parts<'_>) {
        self.state.next();
        self.rows = 0;
        if !self.state.running() {
            tracing::info!("the incremental snapshot is complete");
            self.notify("COMPLETED", Vec::new(), parts);
            self.state.unset_correlation_id();
        }
    }

    /// Does what stop signals asked for.
    async fn stop_as_asked(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let asked = self.state.take_stops();
        if asked.is_empty() || !self.state.running() {
            return Ok(());
        }
        let mut known = self.known_tables(parts.sql).await?;
        // A table that is not captured can be read all the same, and so stopped.
        known.extend(self.state.names().split(',').map(str::to_owned));
        let names = expanded(&asked, &known).unwrap_or_else(|problem| {
            tracing::warn!(problem, "a stop signal is ignored");
            Vec::new()
        });
        let current = self.state.current().map(|c| c.id.clone()).unwrap_or_default();
        let mut stopped: Vec<String> = Vec::new();
        stopped.extend(names.iter().filter(|name| **name != current && self.state.remove(name)).cloned());
        if names.contains(&current) {
            stopped.push(current);
            self.next(parts);
        }
        tracing::info!(tables = stopped.join(","), "the incremental snapshot of tables was stopped");
        self.notify("ABORTED", vec![("data_collections", stopped.join(","))], parts);
        if !self.state.running() {
            self.state.unset_correlation_id();
        }
        Ok(())
    }

    /// Reads the next chunk between two marks. An error of the server ends the snapshot; a lost connection is returned, and
    /// the snapshot goes on with the next one.
    async fn read_chunk(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.stop_as_asked(parts).await?;
        if self.state.running() && !self.state.paused() {
            match self.read_between_marks(parts).await {
                Err(error) if matches!(error.kind(), Kind::Remote | Kind::Fenced) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, tables = self.state.names(), "the incremental snapshot was given up");
                    let names = self.state.names();
                    while self.state.running() {
                        self.state.next();
                    }
                    self.window.take();
                    self.notify("ABORTED", vec![("data_collections", names)], parts);
                }
                Ok(()) => {}
            }
        }
        parts.emitter.set_incremental(self.state.offset());
        Ok(())
    }

    async fn read_between_marks(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.chunk = self.state.start_chunk().to_owned();
        self.mark_open(parts.sql).await?;
        while let Some(current) = self.state.current().cloned() {
            match self.fill(&current, parts).await? {
                Filled::Rows => {
                    let text = |key: Option<&RowKey>| key.map(chunk::key_text).unwrap_or_default();
                    let data = vec![
                        ("data_collections", self.state.names()),
                        ("current_collection_in_progress", current.id),
                        ("maximum_key", text(self.state.maximum())),
                        ("last_processed_key", text(self.state.read_up_to())),
                    ];
                    self.notify("IN_PROGRESS", data, parts);
                    break;
                }
                Filled::Done(status) => {
                    let data = vec![
                        ("data_collections", self.state.names()),
                        ("scanned_collection", current.id),
                        ("total_rows_scanned", self.rows.to_string()),
                        ("status", status.to_owned()),
                    ];
                    self.notify("TABLE_SCAN_COMPLETED", data, parts);
                    self.next(parts);
                }
            }
        }
        self.mark_close(parts.sql).await
    }

    /// Reads the next rows of `current` into the window.
    async fn fill(&mut self, current: &DataCollection, parts: &mut Parts<'_>) -> Result<Filled> {
        let failed = |error: Error| -> Result<Filled> {
            if matches!(error.kind(), Kind::Remote | Kind::Fenced) {
                return Err(error);
            }
            tracing::error!(%error, table = current.id, "an incremental snapshot leaves out a table that cannot be read");
            Ok(Filled::Done("SQL_EXCEPTION"))
        };
        let id = parsed(&current.id);
        let Some(table) = catalog::table(parts.sql, parts.types, &id).await? else {
            tracing::warn!(table = current.id, "an incremental snapshot leaves out an unknown table");
            return Ok(Filled::Done("UNKNOWN_SCHEMA"));
        };
        let chunk = match Chunk::new(&table, current, parts.types, &self.records.source_schema, &self.config) {
            Ok(chunk) => chunk,
            Err(error) => return failed(error),
        };
        if chunk.is_unordered() {
            tracing::warn!(table = current.id, "an incremental snapshot leaves out a table without a primary key");
            return Ok(Filled::Done("NO_PRIMARY_KEY"));
        }
        if self.state.maximum().is_none() {
            match chunk.largest_key(parts.sql).await {
                Ok(Some(key)) => self.state.set_maximum(key),
                Ok(None) => return Ok(Filled::Done("EMPTY")),
                Err(error) => return failed(error),
            }
        }
        let bounds = self.state.read_up_to().zip(self.state.maximum());
        let rows = match chunk.rows(parts.sql, bounds, self.config.signals.chunk_rows).await {
            Ok(rows) => rows,
            Err(error) => return failed(error),
        };
        let Some((_, last)) = rows.last() else { return Ok(Filled::Done("SUCCEEDED")) };
        self.state.set_read(last.clone());
        self.rows += rows.len() as u64;
        for (row, position) in rows {
            self.window.add(&chunk.schema, WindowRow { key: chunk.schema.key(&row), row, position });
        }
        Ok(Filled::Rows)
    }

    /// Sends the rows that are left in the window. They stand in front of the change the stream is at, so that a restart
    /// among them repeats that change, and goes on behind the last of them.
    fn send_window(&mut self, parts: &mut Parts<'_>) {
        let Some((table, rows)) = self.window.take() else { return };
        tracing::debug!(rows = rows.len(), table = table.name, "a chunk is sent");
        let before = parts.emitter.position().clone();
        let seen = parts.emitter.standing_at(parts.at);
        for WindowRow { key, row, position } in rows {
            self.state.set_sent(position);
            let standing = PgPosition {
                incremental: self.state.offset(),
                snapshot: Some(SnapshotState { kind: SnapshotKind::Incremental, last: true, completed: true }),
                ..(*before).clone()
            };
            let origin = Origin {
                ts_us: self.records.now_us(),
                marker: SnapshotMarker::Incremental,
                tx_id: None,
                position: seen.clone(),
            };
            let event = Event {
                table: &table,
                operation: Operation::Read,
                key,
                before: Value::Null,
                after: table.value(row),
                transaction: Value::Null,
                headers: self.records.headers.plain(),
            };
            parts.outbox.push(self.records.event(event, &origin, Arc::new(standing)));
        }
        parts.emitter.set_incremental(self.state.offset());
    }

    async fn mark_open(&mut self, sql: &Sql) -> Result<()> {
        if self.config.signals.read_only {
            self.state.open_window(&self.chunk.clone());
            return Ok(());
        }
        self.opened = self.now();
        let data = format!("{{\"openWindowTimestamp\": \"{}\"}}", self.opened);
        self.insert_mark(sql, "open", &data).await
    }

    async fn mark_close(&mut self, sql: &Sql) -> Result<()> {
        let signals = &self.config.signals;
        if signals.read_only {
            self.end = Some(catalog::log_insert_end(sql).await?);
            return Ok(());
        }
        if signals.delete_marks {
            let Some(table) = &signals.table else { return Ok(()) };
            let id = quoted_literal(&format!("{}-open", self.chunk));
            return sql.run(&format!("DELETE FROM {} WHERE id = {id}", quoted_table(table))).await;
        }
        let (open, close) = (&self.opened, self.now());
        let data = format!("{{\"openWindowTimestamp\": \"{open}\", \"closeWindowTimestamp\": \"{close}\"}}");
        self.insert_mark(sql, "close", &data).await
    }

    async fn insert_mark(&self, sql: &Sql, which: &str, data: &str) -> Result<()> {
        let Some(table) = &self.config.signals.table else { return Ok(()) };
        let values = [format!("{}-{which}", self.chunk), format!("snapshot-window-{which}"), data.to_owned()];
        let values: Vec<String> = values.iter().map(|value| quoted_literal(value)).collect();
        sql.run(&format!("INSERT INTO {} VALUES ({})", quoted_table(table), values.join(", "))).await
    }

    fn now(&self) -> String {
        let now = self.records.now_us();
        iso_timestamp(now.div_euclid(1_000_000), now.rem_euclid(1_000_000), Fraction::Shortest)
    }
}

/// The table a signal means: its last two parts, a database in front is known anyway.
pub(crate) fn parsed(name: &str) -> TableId {
    let bare = |part: &str| part.trim().trim_matches('"').to_owned();
    let mut parts = name.rsplitn(3, '.');
    let table = parts.next().map(bare).unwrap_or_default();
    let schema = parts.next().map_or_else(|| "public".to_owned(), bare);
    TableId::new(schema, table)
}
