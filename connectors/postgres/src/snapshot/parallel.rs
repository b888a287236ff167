//! A snapshot over several connections, `snapshot.max.threads`: tables side by side, large ones cut into ranges of pages. All
//! connections see the same snapshot. As in Debezium, no order is kept between tables then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use couplet_api::Result;
use couplet_api::error::{Error, ResultExt};
use couplet_api::spawn::{TaskKind, spawn};
use couplet_cdc::{Outbox, SnapshotMarker};
use futures::{StreamExt, pin_mut};
use tokio::sync::mpsc;

use super::{Held, Writer};
use crate::config::ConnectionConfig;
use crate::copy;
use crate::offset::PgPosition;
use crate::schema::{Row, TableSchema};
use crate::wire::{Sql, quoted_literal, sql_error};

/// Smallest table that is cut, in pages of the server (8 KiB).
const CUT_PAGES: u64 = 1024;
/// Ranges of a large table for each connection: a late one is short.
const RANGES_PER_CONNECTION: u64 = 4;
/// Bytes of lines that are handed over together.
const BATCH_BYTES: usize = 128 << 10;
/// Batches that may wait for each connection.
const BATCHES: usize = 2;

/// A table to read.
pub(super) struct Source {
    /// Its plan.
    pub(super) schema: Arc<TableSchema>,
    /// The query that reads all of it.
    pub(super) query: String,
    /// The column of the table that each column of the query is.
    pub(super) positions: Vec<Option<usize>>,
    /// Its pages when it may be cut.
    pub(super) pages: Option<u64>,
}

/// Rows of one table, or of a range of it.
struct Part {
    source: Arc<Source>,
    table: usize,
    query: String,
}

/// What happens to a table, by its number.
pub(super) enum Event {
    /// Its rows are about to be read.
    Begun(usize),
    /// They are read; how many.
    Ended(usize, u64),
}

enum Message {
    Begun(usize),
    Rows(usize, Vec<Row>),
    PartDone(usize),
    Failed(Error),
}

/// Reads `sources` over `threads` connections that share the snapshot called `name`, and returns the position behind it.
///
/// # Errors
/// As the server says, or when a value cannot be read.
pub(super) async fn read(
    (connection, name): (&ConnectionConfig, &str),
    sources: Vec<Source>,
    threads: usize,
    writer: Writer<'_>,
    outbox: &mut Outbox<PgPosition>,
    mut tell: impl FnMut(Event, &mut Outbox<PgPosition>),
) -> Result<PgPosition> {
    let sources: Vec<Arc<Source>> = sources.into_iter().map(Arc::new).collect();
    let mut merge = Merge::new(writer, &sources);
    let mut queue = VecDeque::new();
    for (table, source) in sources.iter().enumerate() {
        let queries = ranges(source.pages, threads as u64)
            .into_iter()
            .map(|range| range.map_or_else(|| source.query.clone(), |range| format!("{} WHERE {range}", source.query)));
        let parts = queries.map(|query| Part { source: source.clone(), table, query });
        queue.extend(parts);
        merge.tables[table].parts = queue.iter().filter(|part| part.table == table).count();
    }
    let queue = Arc::new(Mutex::new(queue));
    let (sender, mut messages) = mpsc::channel(threads * BATCHES);
    for _ in 0..threads {
        let (connection, name) = (connection.clone(), name.to_owned());
        let (queue, sender) = (queue.clone(), sender.clone());
        spawn(TaskKind::Client, async move {
            if let Err(error) = Box::pin(work(&connection, &name, &queue, &sender)).await {
                // Nobody listens any more when the snapshot ended already.
                let _ = sender.send(Message::Failed(error)).await;
            }
        });
    }
    drop(sender);
    while let Some(message) = messages.recv().await {
        match message {
            Message::Failed(error) => return Err(error),
            Message::Begun(table) => {
                if merge.begin(table) {
                    tell(Event::Begun(table), outbox);
                }
            }
            Message::Rows(table, rows) => merge.rows(table, rows, outbox),
            Message::PartDone(table) => {
                if let Some(rows) = merge.part_done(table, outbox) {
                    tell(Event::Ended(table, rows), outbox);
                }
            }
        }
        if outbox.is_full() {
            outbox.flush().await?;
        }
    }
    Ok(merge.finish(outbox))
}

/// One connection's work: parts, until there are none.
async fn work(
    connection: &ConnectionConfig,
    name: &str,
    queue: &Mutex<VecDeque<Part>>,
    sender: &mpsc::Sender<Message>,
) -> Result<()> {
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let gone = |_| Error::new(couplet_api::Kind::Fenced, "the snapshot ended");
    let Some(mut part) = next() else { return Ok(()) };
    let sql = Sql::connect(connection, "Debezium Snapshot").await?;
    sql.run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    sql.run(&format!("SET TRANSACTION SNAPSHOT {}", quoted_literal(name))).await?;
    sql.run("SET LOCAL statement_timeout = 0").await?;
    loop {
        let Part { source, table, query } = part;
        sender.send(Message::Begun(table)).await.map_err(gone)?;
        let failed = || format!("Snapshotting of table {} failed", source.schema.name);
        let lines = sql.copy_out(&format!("COPY ({query}) TO STDOUT")).await.context(failed)?;
        pin_mut!(lines);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| sql_error(&error)).context(failed)?;
            bytes += line.len();
            rows.push(copy::row(&source.schema, &source.positions, &line).context(failed)?);
            if bytes >= BATCH_BYTES {
                bytes = 0;
                sender.send(Message::Rows(table, std::mem::take(&mut rows))).await.map_err(gone)?;
            }
        }
        sender.send(Message::Rows(table, rows)).await.map_err(gone)?;
        sender.send(Message::PartDone(table)).await.map_err(gone)?;
        part = match next() {
            Some(part) => part,
            None => return Ok(()),
        };
    }
}

/// Conditions that cut a table of so many pages; one `None`: it is read as a whole.
fn ranges(pages: Option<u64>, threads: u64) -> Vec<Option<String>> {
    let Some(pages) = pages.filter(|pages| *pages >= CUT_PAGES) else { return vec![None] };
    let count = (threads * RANGES_PER_CONNECTION).min(pages / (CUT_PAGES / RANGES_PER_CONNECTION)).max(1);
    let start = |range: u64| pages * range / count;
    let range = |range: u64| {
        let from = format!("ctid >= '({},0)'", start(range));
        // The last one is open: what the table grew by is not visible to the snapshot, and costs nothing.
        if range + 1 == count { from } else { format!("{from} AND ctid < '({},0)'", start(range + 1)) }
    };
    (0..count).map(|number| Some(range(number))).collect()
}

/// A table on its way.
#[derive(Default)]
struct Progress {
    parts: usize,
    begun: bool,
    rows: u64,
    held: Option<Held>,
}

/// Brings the rows of all connections into one sequence with the marks they need: the last row of each table is held back
/// until the table is done, and that of the last table until all are.
struct Merge<'a> {
    writer: Writer<'a>,
    schemas: Vec<Arc<TableSchema>>,
    tables: Vec<Progress>,
    ended: Option<Held>,
}

impl<'a> Merge<'a> {
    fn new(writer: Writer<'a>, sources: &[Arc<Source>]) -> Self {
        Merge {
            writer,
            schemas: sources.iter().map(|source| source.schema.clone()).collect(),
            tables: sources.iter().map(|_| Progress::default()).collect(),
            ended: None,
        }
    }

    /// Whether this is the table's first part.
    fn begin(&mut self, table: usize) -> bool {
        !std::mem::replace(&mut self.tables[table].begun, true)
    }

    fn write(&self, held: Held, last: bool, outbox: &mut Outbox<PgPosition>) {
        let marker = SnapshotMarker::of(false, false, held.first, last);
        self.writer.write(held, marker, self.writer.running.clone(), outbox);
    }

    fn rows(&mut self, table: usize, rows: Vec<Row>, outbox: &mut Outbox<PgPosition>) {
        for row in rows {
            let progress = &mut self.tables[table];
            let first = progress.rows == 0;
            progress.rows += 1;
            let next = Held { schema: self.schemas[table].clone(), row, table, first };
            if let Some(held) = progress.held.replace(next) {
                self.write(held, false, outbox);
            }
        }
    }

    /// The number of the table's rows when this was its last part.
    fn part_done(&mut self, table: usize, outbox: &mut Outbox<PgPosition>) -> Option<u64> {
        let progress = &mut self.tables[table];
        progress.parts -= 1;
        if progress.parts > 0 {
            return None;
        }
        let rows = progress.rows;
        if let Some(held) = progress.held.take()
            && let Some(earlier) = self.ended.replace(held)
        {
            self.write(earlier, true, outbox);
        }
        Some(rows)
    }

    fn finish(mut self, outbox: &mut Outbox<PgPosition>) -> PgPosition {
        self.writer.held = self.ended.take();
        self.writer.finish(outbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_a_table_without_overlap() {
        assert_eq!(ranges(Some(CUT_PAGES - 1), 4), [None]);
        assert_eq!(ranges(None, 4), [None]);
        let cut: Vec<String> = ranges(Some(1024), 8).into_iter().flatten().collect();
        assert_eq!(
            cut,
            [
                "ctid >= '(0,0)' AND ctid < '(256,0)'",
                "ctid >= '(256,0)' AND ctid < '(512,0)'",
                "ctid >= '(512,0)' AND ctid < '(768,0)'",
                "ctid >= '(768,0)'",
            ]
        );
        assert_eq!(ranges(Some(1 << 20), 3).len(), 12);
    }
}
