//! Runs an incremental snapshot: what signals ask for, chunk after chunk.

use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::data::{Datum, SourceRecord};
use couplet_api::error::Error;
use couplet_api::{Kind, Result};

use super::state::{DataCollection, IncrementalOffset, IncrementalState, expanded};
use super::window::Window;
use crate::filter::TableId;
use crate::java_object::{JavaObject, RowKey};
use crate::notification::{Notice, Snapshot};
use crate::signal::{Action, SnapshotRequest};
use crate::time::{Fraction, iso_timestamp};

/// How the stream shows where a chunk was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Not at all: there can be no incremental snapshot.
    None,
    /// By rows of the signal table; `delete`: the end is shown by the removal of the row in front
    /// (`incremental.snapshot.watermarking.strategy=insert_delete`).
    Rows {
        /// Whether it is.
        delete: bool,
    },
    /// By places in the log, for which nothing is written (`read.only=true`). The connector calls
    /// [`Incremental::close_window`] when the stream has passed the place.
    Places,
}

/// What the attempt to look at a table came to.
#[derive(Debug)]
pub enum Planned<P> {
    /// It is read in this way.
    Read(P),
    /// It is left out: the status as notifications name it.
    LeftOut(&'static str),
}

/// A row of a chunk.
#[derive(Debug)]
pub struct ChunkRow<R> {
    /// Key of its record.
    pub key: Datum,
    /// Its values.
    pub row: R,
    /// Where a restart goes on behind it.
    pub position: RowKey,
}

/// The connector's part, lent by its stream: how rows are read, marked and sent.
#[async_trait]
pub trait ChunkReader: Send {
    /// How a table is read.
    type Plan: Send + Sync;
    /// The values of a row.
    type Row: Send;

    /// Names of the captured tables, in Debezium's order.
    async fn known_tables(&mut self) -> Result<Vec<String>>;
    /// How `wanted` is read.
    async fn plan(&mut self, wanted: &DataCollection) -> Result<Planned<Self::Plan>>;
    /// The largest key of a table; `None`: no rows.
    async fn largest_key(&mut self, plan: &Self::Plan) -> Result<Option<RowKey>>;
    /// The next rows, with every change in them that the stream had so far: the first ones, or those behind the first key of `bounds` and up to the second. `None`: the stream has not
    /// come to what the table looks like now; it will have behind the marks of this chunk.
    async fn rows(
        &mut self,
        plan: &Self::Plan,
        bounds: Option<(&RowKey, &RowKey)>,
    ) -> Result<Option<Vec<ChunkRow<Self::Row>>>>;
    /// Writes a row of the signal table.
    async fn insert_mark(&mut self, id: &str, kind: &str, data: &str) -> Result<()>;
    /// Removes a row of the signal table.
    async fn delete_mark(&mut self, id: &str) -> Result<()>;
    /// Notes the place in the log that the stream has to pass.
    async fn note_place(&mut self) -> Result<()>;
    /// The table that `plan` is for.
    fn table<'a>(&self, plan: &'a Self::Plan) -> &'a TableId;
    /// Whether the table still looks to the stream as it did when `plan` was made.
    fn is_current(&mut self, plan: &Self::Plan) -> bool;
    /// Sends a row; from there on positions have `progress`.
    fn send(&mut self, plan: &Self::Plan, row: ChunkRow<Self::Row>, progress: Option<Arc<IncrementalOffset>>);
    /// Positions of what comes next have `progress`.
    fn set_progress(&mut self, progress: Option<Arc<IncrementalOffset>>);
    /// Sends a notification.
    fn notify(&mut self, notice: Notice);
    /// Microseconds since the epoch, now.
    fn now_us(&self) -> i64;
}

/// The incremental snapshot of a connector, running or not.
///
/// `P` is [`ChunkReader::Plan`], `R` [`ChunkReader::Row`].
pub struct Incremental<P, R> {
    marks: Marks,
    state: IncrementalState,
    window: Window<R>,
    /// How the rows in the window were read.
    plan: Option<P>,
    /// Key in front of them, and rows of the table read up to there.
    before: (Option<RowKey>, u64),
    /// Rows read of the current table.
    rows: u64,
    /// Attempts, one after another, to read a table that the stream knew otherwise.
    lagging: u32,
    /// Id of the chunk.
    chunk: String,
    /// When the chunk's window was opened.
    opened: String,
}

/// What became of an attempt to read a chunk of a table.
enum Filled {
    /// The window holds rows.
    Rows,
    /// The table is to be looked at again behind the marks.
    Later,
    /// The table is done; the status as notifications name it.
    Done(&'static str),
}

/// So often a table may look different from what the stream knows of it: once is enough when definitions are read well.
const LAGGING_MAX: u32 = 3;

fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), Kind::Remote | Kind::Fenced)
}

impl<P, R> Incremental<P, R>
where
    P: Send + Sync,
    R: Send,
{
    /// Takes up where `stored` stands. `namespace`: the member of source blocks with the first part of a table's name.
    pub fn new(marks: Marks, namespace: &'static str, stored: Option<&IncrementalOffset>) -> Self {
        Incremental {
            marks,
            state: IncrementalState::load(stored),
            window: Window::new(namespace),
            plan: None,
            before: (None, 0),
            rows: 0,
            lagging: 0,
            chunk: String::new(),
            opened: String::new(),
        }
    }

    /// Goes on with a snapshot that a restart interrupted.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn resume_after_restart(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) -> Result<()> {
        if !self.state.running() {
            return Ok(());
        }
        tracing::info!(tables = self.state.names(), "going on with an incremental snapshot");
        self.read_chunk(reader).await
    }

    /// Does what the signal `id` asks for, unless that is no business of incremental snapshots.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn on_signal(
        &mut self,
        id: &str,
        action: Action,
        reader: &mut impl ChunkReader<Plan = P, Row = R>,
    ) -> Result<()> {
        match action {
            Action::Execute(request) if !request.blocking => self.execute(id, &request, reader).await,
            Action::Stop(names) => {
                self.state.request_stop(names);
                Ok(())
            }
            Action::Pause => {
                self.pause(reader);
                Ok(())
            }
            Action::Resume => self.resume(reader).await,
            Action::OpenWindow => {
                self.state.open_window(id);
                Ok(())
            }
            Action::CloseWindow => self.close_window(id, reader).await,
            Action::Log(_) | Action::Execute(_) => Ok(()),
        }
    }

    /// Reads tables, on the signal `id`.
    async fn execute(
        &mut self,
        id: &str,
        request: &SnapshotRequest,
        reader: &mut impl ChunkReader<Plan = P, Row = R>,
    ) -> Result<()> {
        if self.marks == Marks::None {
            tracing::warn!(id, "no incremental snapshot without signal.data.collection or read.only=true");
            return Ok(());
        }
        let names = match expanded(&request.collections, &reader.known_tables().await?) {
            Ok(names) => names,
            Err(problem) => {
                tracing::warn!(id, problem, "a signal is ignored");
                return Ok(());
            }
        };
        let begins = !self.state.running();
        self.state.add(id, names, request);
        reader.set_progress(self.state.offset());
        if !begins {
            return Ok(());
        }
        tracing::info!(id, tables = self.state.names(), "an incremental snapshot begins");
        self.rows = 0;
        self.notify("STARTED", vec![("data_collections", self.state.names())], reader);
        self.read_chunk(reader).await
    }

    /// Pauses.
    fn pause(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) {
        if self.state.set_paused(true) {
            self.notify("PAUSED", vec![("data_collections", self.state.names())], reader);
        }
    }

    /// Goes on.
    async fn resume(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) -> Result<()> {
        if !self.state.set_paused(false) {
            return Ok(());
        }
        self.notify("RESUMED", vec![("data_collections", self.state.names())], reader);
        // While rows wait for their mark, that leads to the next chunk.
        if self.window.is_empty() { self.read_chunk(reader).await } else { Ok(()) }
    }

    /// The id of the chunk whose rows wait.
    pub fn chunk(&self) -> &str {
        &self.chunk
    }

    /// The mark `id` behind a chunk was met: its rows are sent, and the next ones read.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn close_window(&mut self, id: &str, reader: &mut impl ChunkReader<Plan = P, Row = R>) -> Result<()> {
        if !self.state.close_window(id) {
            tracing::info!(id, "a mark of an earlier chunk is ignored");
            return Ok(());
        }
        self.send_window(reader);
        self.read_chunk(reader).await
    }

    /// The stream had these records.
    pub fn met<'a>(&mut self, records: impl IntoIterator<Item = &'a SourceRecord>) {
        if self.state.window_is_open() && !self.window.is_empty() {
            let rows = self.window.leave_out(records);
            if rows > 0 {
                tracing::debug!(rows, "rows of a chunk are newer in the stream");
            }
        }
    }

    /// The stream had `table` emptied.
    pub fn met_truncate(&mut self, table: &TableId) {
        if self.state.window_is_open() {
            self.window.leave_out_table(table);
        }
    }

    fn notify(
        &self,
        kind: &'static str,
        data: Vec<(&'static str, String)>,
        reader: &mut impl ChunkReader<Plan = P, Row = R>,
    ) {
        reader.set_progress(self.state.offset());
        let id = self.state.correlation_id().map(str::to_owned);
        reader.notify(Notice { id, about: Snapshot::Incremental, kind, data });
    }

    /// Goes on with the next table, or ends the snapshot.
    fn next(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) {
        self.state.next();
        self.rows = 0;
        if !self.state.running() {
            tracing::info!("the incremental snapshot is complete");
            self.notify("COMPLETED", Vec::new(), reader);
            self.state.unset_correlation_id();
        }
    }

    /// Does what stop signals asked for.
    async fn stop_as_asked(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) -> Result<()> {
        let asked = self.state.take_stops();
        if asked.is_empty() || !self.state.running() {
            return Ok(());
        }
        let mut known = reader.known_tables().await?;
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
            self.next(reader);
        }
        tracing::info!(tables = stopped.join(","), "the incremental snapshot of tables was stopped");
        self.notify("ABORTED", vec![("data_collections", stopped.join(","))], reader);
        if !self.state.running() {
            self.state.unset_correlation_id();
        }
        Ok(())
    }

    /// Reads the next chunk between two marks. An error of the server ends the snapshot; a lost connection is returned, and
    /// the snapshot goes on with the next one.
    async fn read_chunk(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) -> Result<()> {
        self.stop_as_asked(reader).await?;
        if self.state.running() && !self.state.paused() {
            match self.read_between_marks(reader).await {
                Err(error) if is_gone(&error) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, tables = self.state.names(), "the incremental snapshot was given up");
                    let names = self.state.names();
                    while self.state.running() {
                        self.state.next();
                    }
                    self.window.take();
                    self.notify("ABORTED", vec![("data_collections", names)], reader);
                }
                Ok(()) => {}
            }
        }
        reader.set_progress(self.state.offset());
        Ok(())
    }

    async fn read_between_marks(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) -> Result<()> {
        self.chunk = self.state.start_chunk().to_owned();
        self.mark_open(reader).await?;
        while let Some(current) = self.state.current().cloned() {
            match self.fill(&current, reader).await? {
                Filled::Rows => {
                    let text = |key: Option<&RowKey>| key.map(key_text).unwrap_or_default();
                    let data = vec![
                        ("data_collections", self.state.names()),
                        ("current_collection_in_progress", current.id),
                        ("maximum_key", text(self.state.maximum())),
                        ("last_processed_key", text(self.state.read_up_to())),
                    ];
                    self.notify("IN_PROGRESS", data, reader);
                    break;
                }
                Filled::Later => break,
                Filled::Done(status) => {
                    let data = vec![
                        ("data_collections", self.state.names()),
                        ("scanned_collection", current.id),
                        ("total_rows_scanned", self.rows.to_string()),
                        ("status", status.to_owned()),
                    ];
                    self.notify("TABLE_SCAN_COMPLETED", data, reader);
                    self.next(reader);
                }
            }
        }
        self.mark_close(reader).await
    }

    /// Reads the next rows of `current` into the window.
    async fn fill(
        &mut self,
        current: &DataCollection,
        reader: &mut impl ChunkReader<Plan = P, Row = R>,
    ) -> Result<Filled> {
        let table = &current.id;
        let failed = |error: Error| -> Result<Filled> {
            if is_gone(&error) {
                return Err(error);
            }
            tracing::error!(%error, table, "an incremental snapshot leaves out a table that cannot be read");
            Ok(Filled::Done("SQL_EXCEPTION"))
        };
        let plan = match reader.plan(current).await {
            Ok(Planned::Read(plan)) => plan,
            Ok(Planned::LeftOut(status)) => {
                tracing::warn!(table, status, "an incremental snapshot leaves out a table");
                return Ok(Filled::Done(status));
            }
            Err(error) => return failed(error),
        };
        if self.state.maximum().is_none() {
            match reader.largest_key(&plan).await {
                Ok(Some(key)) => self.state.set_maximum(key),
                Ok(None) => return Ok(Filled::Done("EMPTY")),
                Err(error) => return failed(error),
            }
        }
        let bounds = self.state.read_up_to().zip(self.state.maximum());
        let rows = match reader.rows(&plan, bounds).await {
            Ok(Some(rows)) => rows,
            Ok(None) if self.lagging < LAGGING_MAX => {
                self.lagging += 1;
                return Ok(Filled::Later);
            }
            Ok(None) => return failed(Error::data("its definition is not that of the table")),
            Err(error) => return failed(error),
        };
        self.lagging = 0;
        let Some(last) = rows.last() else { return Ok(Filled::Done("SUCCEEDED")) };
        self.before = (self.state.read_up_to().cloned(), self.rows);
        self.state.set_read(Some(last.position.clone()));
        self.rows += rows.len() as u64;
        self.window.fill(reader.table(&plan).clone(), rows);
        self.plan = Some(plan);
        Ok(Filled::Rows)
    }

    /// Sends the rows that are left in the window. They stand in front of the change the stream is at, so that a restart
    /// among them repeats that change, and goes on behind the last of them.
    fn send_window(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) {
        let rows = self.window.take();
        let Some(plan) = self.plan.take() else { return };
        if !reader.is_current(&plan) {
            tracing::info!(table = %reader.table(&plan), "the table was altered while a chunk of it was read; reading it again");
            let (read, rows) = std::mem::take(&mut self.before);
            self.state.set_read(read);
            self.rows = rows;
            return;
        }
        tracing::debug!(rows = rows.len(), table = %reader.table(&plan), "a chunk is sent");
        for row in rows {
            self.state.set_sent(row.position.clone());
            reader.send(&plan, row, self.state.offset());
        }
        reader.set_progress(self.state.offset());
    }

    async fn mark_open(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) -> Result<()> {
        // The window is open from here on, not only from the mark: a transaction whose end the log has in front of the mark
        // may become visible to others behind it.
        self.state.open_window(&self.chunk.clone());
        if self.marks == Marks::Places {
            return Ok(());
        }
        self.opened = iso_now(reader);
        let data = format!("{{\"openWindowTimestamp\": \"{}\"}}", self.opened);
        reader.insert_mark(&format!("{}-open", self.chunk), "snapshot-window-open", &data).await
    }

    async fn mark_close(&mut self, reader: &mut impl ChunkReader<Plan = P, Row = R>) -> Result<()> {
        match self.marks {
            Marks::Places => reader.note_place().await,
            Marks::Rows { delete: true } => reader.delete_mark(&format!("{}-open", self.chunk)).await,
            Marks::Rows { delete: false } | Marks::None => {
                let (open, close) = (&self.opened, iso_now(reader));
                let data = format!("{{\"openWindowTimestamp\": \"{open}\", \"closeWindowTimestamp\": \"{close}\"}}");
                reader.insert_mark(&format!("{}-close", self.chunk), "snapshot-window-close", &data).await
            }
        }
    }
}

fn iso_now(reader: &impl ChunkReader) -> String {
    let now = reader.now_us();
    iso_timestamp(now.div_euclid(1_000_000), now.rem_euclid(1_000_000), Fraction::Shortest)
}

/// A key as notifications show it.
fn key_text(key: &RowKey) -> String {
    let part = |object: &JavaObject| object.to_text().unwrap_or_else(|| "<null>".to_owned());
    key.iter().map(part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_in_a_key_is_shown() {
        assert_eq!(key_text(&vec![JavaObject::Integer(2), JavaObject::Null]), "2,<null>");
    }
}
