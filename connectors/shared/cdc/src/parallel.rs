//! A snapshot over several connections, `snapshot.max.threads`: readers take parts of tables from one queue, and what they
//! read comes together in one sequence with the marks that its rows need. As in Debezium, no order is kept between tables.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use couplet_api::error::Error;
use couplet_api::{Kind, Result};
use tokio::sync::mpsc;

use crate::snapshot::SnapshotMarker;

/// Ranges of a large table for each connection: a late one is short.
const RANGES_PER_CONNECTION: u64 = 4;
/// Bytes of rows that are handed over together.
const BATCH_BYTES: usize = 128 << 10;
/// Batches that may wait for each connection.
const BATCHES: usize = 2;

/// Into how many ranges a table of `size` is cut for `connections`, when parts of `least / 4` are worth a query of their own.
pub fn range_count(size: u64, least: u64, connections: usize) -> u64 {
    if size < least {
        return 1;
    }
    (connections as u64 * RANGES_PER_CONNECTION).min(size / (least / RANGES_PER_CONNECTION).max(1)).max(1)
}

enum Message<R> {
    Begun(usize),
    Rows(usize, Vec<R>),
    Done(usize),
    Failed(Error),
}

/// One connection's side: parts `P` to read, and where rows `R` go.
pub struct Reader<P, R> {
    queue: Arc<Mutex<VecDeque<(usize, P)>>>,
    sender: mpsc::Sender<Message<R>>,
    table: Option<usize>,
    rows: Vec<R>,
    bytes: usize,
}

impl<P, R> Reader<P, R> {
    /// The next part; the one before is complete.
    ///
    /// # Errors
    /// [`Kind::Fenced`] when the snapshot ended.
    pub async fn next(&mut self) -> Result<Option<P>> {
        if let Some(table) = self.table.take() {
            self.hand_over(table).await?;
            self.send(Message::Done(table)).await?;
        }
        let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((table, part)) = next else { return Ok(None) };
        self.table = Some(table);
        self.send(Message::Begun(table)).await?;
        Ok(Some(part))
    }

    /// Adds a row of the current part, which takes about `bytes`.
    ///
    /// # Errors
    /// [`Kind::Fenced`] when the snapshot ended.
    pub async fn push(&mut self, row: R, bytes: usize) -> Result<()> {
        self.rows.push(row);
        self.bytes += bytes;
        match self.table {
            Some(table) if self.bytes >= BATCH_BYTES => self.hand_over(table).await,
            _ => Ok(()),
        }
    }

    /// Says that nothing more can be read. Nobody may be listening any more.
    pub async fn fail(self, error: Error) {
        // The snapshot ended already: for a reason that is told elsewhere.
        let _ = self.sender.send(Message::Failed(error)).await;
    }

    async fn hand_over(&mut self, table: usize) -> Result<()> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        self.send(Message::Rows(table, rows)).await
    }

    async fn send(&self, message: Message<R>) -> Result<()> {
        self.sender.send(message).await.map_err(|_| Error::new(Kind::Fenced, "the snapshot ended"))
    }
}

/// What comes together.
#[derive(Debug, PartialEq)]
pub enum Gathered<R> {
    /// The rows of a table, by its number, are about to be read.
    Begun(usize),
    /// Rows in the order in which they are written, each with the number of its table and its mark. The one marked as the
    /// last of the snapshot is the last of all that is gathered.
    Rows(Vec<(usize, R, SnapshotMarker)>),
    /// A table is read; how many rows it had.
    Ended(usize, u64),
}

/// A table on its way.
struct Progress<R> {
    parts: usize,
    begun: bool,
    rows: u64,
    held: Option<(R, bool)>,
}

/// Brings the rows of all connections into one sequence: the last row of each table is held back until the table is done,
/// and that of the last table until all are.
pub struct Gather<R> {
    messages: mpsc::Receiver<Message<R>>,
    tables: Vec<Progress<R>>,
    ended: Option<(usize, R, bool)>,
    waiting: VecDeque<Gathered<R>>,
    complete: bool,
}

impl<R> Gather<R> {
    /// For tables of which each consists of such parts, and as many readers as there are connections.
    pub fn new<P>(tables: Vec<Vec<P>>, connections: usize) -> (Self, Vec<Reader<P, R>>) {
        let (sender, messages) = mpsc::channel(connections * BATCHES);
        let begin = |parts: &Vec<P>| Progress { parts: parts.len(), begun: false, rows: 0, held: None };
        let progress = tables.iter().map(begin).collect();
        let numbered = tables.into_iter().enumerate();
        let queue: VecDeque<(usize, P)> =
            numbered.flat_map(|(table, parts)| parts.into_iter().map(move |part| (table, part))).collect();
        let queue = Arc::new(Mutex::new(queue));
        let reader =
            |_| Reader { queue: queue.clone(), sender: sender.clone(), table: None, rows: Vec::new(), bytes: 0 };
        let readers = (0..connections).map(reader).collect();
        let gather = Gather { messages, tables: progress, ended: None, waiting: VecDeque::new(), complete: false };
        (gather, readers)
    }

    /// What comes next; `None`: all tables are read.
    ///
    /// # Errors
    /// That of the first reader that failed.
    pub async fn next(&mut self) -> Result<Option<Gathered<R>>> {
        loop {
            if let Some(next) = self.waiting.pop_front() {
                return Ok(Some(next));
            }
            match self.messages.recv().await {
                Some(message) => self.take(message)?,
                None if self.complete => return Ok(None),
                None => self.complete()?,
            }
        }
    }

    fn take(&mut self, message: Message<R>) -> Result<()> {
        match message {
            Message::Failed(error) => return Err(error),
            Message::Begun(table) => {
                if !std::mem::replace(&mut self.tables[table].begun, true) {
                    self.waiting.push_back(Gathered::Begun(table));
                }
            }
            Message::Rows(table, rows) => {
                let rows = self.tables[table].marked(table, rows);
                if !rows.is_empty() {
                    self.waiting.push_back(Gathered::Rows(rows));
                }
            }
            Message::Done(table) => {
                let progress = &mut self.tables[table];
                progress.parts -= 1;
                if progress.parts == 0 {
                    let (rows, last) = (progress.rows, progress.held.take());
                    self.table_done(table, last);
                    self.waiting.push_back(Gathered::Ended(table, rows));
                }
            }
        }
        Ok(())
    }

    fn table_done(&mut self, table: usize, last: Option<(R, bool)>) {
        let Some((row, first)) = last else { return };
        let (done, held) = ((table, row, first), self.ended.take());
        // As in Debezium the last one in order ends the snapshot, whichever is read last.
        let (last, earlier) = match held {
            Some(held) if held.0 > done.0 => (held, Some(done)),
            held => (done, held),
        };
        self.ended = Some(last);
        if let Some((table, row, first)) = earlier {
            let marker = SnapshotMarker::of(false, false, first, true);
            self.waiting.push_back(Gathered::Rows(vec![(table, row, marker)]));
        }
    }

    /// All readers are gone.
    fn complete(&mut self) -> Result<()> {
        if self.tables.iter().any(|table| table.parts > 0) {
            return Err(Error::bug("a connection of the snapshot ended before its tables were read"));
        }
        self.complete = true;
        if let Some((table, row, _)) = self.ended.take() {
            self.waiting.push_back(Gathered::Rows(vec![(table, row, SnapshotMarker::Last)]));
        }
        Ok(())
    }
}

impl<R> Progress<R> {
    /// Counts rows and marks those behind which others are known.
    fn marked(&mut self, table: usize, rows: Vec<R>) -> Vec<(usize, R, SnapshotMarker)> {
        let mut marked = Vec::with_capacity(rows.len());
        for row in rows {
            let first = self.rows == 0;
            self.rows += 1;
            if let Some((row, first)) = self.held.replace((row, first)) {
                marked.push((table, row, SnapshotMarker::of(false, false, first, false)));
            }
        }
        marked
    }
}

#[cfg(test)]
mod tests {
    use super::SnapshotMarker as M;
    use super::*;

    async fn all(mut gather: Gather<u32>) -> Result<Vec<Gathered<u32>>> {
        let mut gathered = Vec::new();
        while let Some(next) = gather.next().await? {
            gathered.push(next);
        }
        Ok(gathered)
    }

    #[tokio::test]
    async fn rows_are_marked_by_their_place_in_table_and_snapshot() {
        // The parts of three tables are the rows they have; the second has none.
        let tables = vec![vec![vec![1, 2], vec![3]], vec![vec![]], vec![vec![7]]];
        let (gather, mut readers) = Gather::new(tables, 2);
        drop(readers.pop());
        let mut reader = readers.remove(0);
        let reading = async move {
            while let Some(rows) = reader.next().await? {
                for row in rows {
                    reader.push(row, BATCH_BYTES).await?;
                }
            }
            Ok(())
        };
        let (read, gathered): (Result<()>, _) = tokio::join!(reading, all(gather));
        read.expect("all is read");
        let want = [
            Gathered::Begun(0),
            Gathered::Rows(vec![(0, 1, M::FirstInDataCollection)]),
            Gathered::Rows(vec![(0, 2, M::True)]),
            Gathered::Ended(0, 3),
            Gathered::Begun(1),
            Gathered::Ended(1, 0),
            Gathered::Begun(2),
            Gathered::Rows(vec![(0, 3, M::LastInDataCollection)]),
            Gathered::Ended(2, 1),
            Gathered::Rows(vec![(2, 7, M::Last)]),
        ];
        assert_eq!(gathered.expect("all is gathered"), want);
    }

    #[tokio::test]
    async fn a_reader_that_fails_or_vanishes_is_no_end() {
        let (gather, mut readers) = Gather::<u32>::new(vec![vec![()]], 1);
        let mut reader = readers.remove(0);
        reader.next().await.expect("a part");
        reader.fail(Error::remote("gone")).await;
        assert_eq!(all(gather).await.expect_err("an error").message(), "gone");

        let (gather, readers) = Gather::<u32>::new(vec![vec![()]], 1);
        drop(readers);
        assert_eq!(all(gather).await.expect_err("an error").kind(), Kind::Bug);
    }

    #[test]
    fn large_tables_are_cut_for_all_connections() {
        for (size, connections, want) in [(999, 4, 1), (1000, 4, 4), (1000, 8, 4), (1 << 20, 3, 12)] {
            assert_eq!(range_count(size, 1000, connections), want, "{size} for {connections}");
        }
    }
}
