//! A snapshot over several connections, `snapshot.max.threads`: tables side by side, those with an integer key over a wide
//! range cut into ranges of it. All connections begin their transactions while nobody may write, so they see the same rows.

use std::sync::Arc;

use couplet_api::Result;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_cdc::parallel::{Gather, Gathered, Reader, range_count};
use couplet_cdc::{Outbox, ScannedRows, TableId, Throttle};

use super::reading::Reading;
use super::writer::{Held, Writer};
use crate::config::MyConfig;
use crate::offset::MyPosition;
use crate::schema::{Row, TableSchema};
use crate::server::{Server, quoted, quoted_table};

/// Keys further apart than this many make a table that is cut: a smaller one has fewer rows.
const CUT_KEYS: u64 = 100_000;

/// A table to read.
pub(super) struct Source {
    /// Its plan.
    pub(super) plan: Arc<TableSchema>,
    /// The queries that read all of it.
    pub(super) queries: Vec<String>,
}

/// Rows of one table, or of a range of it.
struct Part {
    plan: Arc<TableSchema>,
    query: String,
}

/// What happens to a table, by its number.
pub(super) enum Event {
    /// Its rows are about to be read.
    Begun(usize),
    /// They are read; how many.
    Ended(usize, u64),
}

/// Connections of a snapshot beside the first one; those of a snapshot over one connection are none.
///
/// # Errors
/// As [`Server::connect`].
pub(super) async fn connections(config: &MyConfig, first: &mut Server) -> Result<Vec<Server>> {
    if config.snapshot.threads == 1 {
        return Ok(Vec::new());
    }
    // It holds the locks and waits for the others: the longest there is, a year.
    first.sql().run("SET SESSION wait_timeout = 31536000").await?;
    let mut connections = Vec::with_capacity(config.snapshot.threads);
    for _ in 0..config.snapshot.threads {
        let mut server = Server::connect(config).await?;
        server.sql().run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        connections.push(server);
    }
    Ok(connections)
}

/// Queries that read the ranges of a table that `query` reads as a whole.
///
/// # Errors
/// What the server says.
pub(super) async fn cut(server: &mut Server, id: &TableId, query: String, connections: usize) -> Result<Vec<String>> {
    let Some(key) = server.integer_key(id).await? else { return Ok(vec![query]) };
    let key = quoted(&key);
    let ends = server.sql().first(&format!("SELECT MIN({key}), MAX({key}) FROM {}", quoted_table(id))).await?;
    let end = |column| ends.as_ref()?.text(column)?.parse::<i128>().ok();
    let (Some(first), Some(last)) = (end(0), end(1)) else { return Ok(vec![query]) };
    let conditions = ranges(&key, first, last, connections);
    Ok(match conditions.as_slice() {
        [] => vec![query],
        conditions => conditions.iter().map(|condition| format!("{query} WHERE {condition}")).collect(),
    })
}

/// Conditions that cut the keys from `first` to `last`; none: the table is read as a whole. The outer ranges are open, so
/// that no key is left out whatever it is.
fn ranges(key: &str, first: i128, last: i128, connections: usize) -> Vec<String> {
    let keys = u64::try_from(last - first).unwrap_or(u64::MAX);
    let count = i128::from(range_count(keys, CUT_KEYS, connections));
    if count == 1 {
        return Vec::new();
    }
    let start = |number: i128| first + (last - first) * number / count;
    let range = |number: i128| match (start(number), start(number + 1)) {
        (_, end) if number == 0 => format!("{key} < {end}"),
        (start, _) if number + 1 == count => format!("{key} >= {start}"),
        (start, end) => format!("{key} >= {start} AND {key} < {end}"),
    };
    (0..count).map(range).collect()
}

/// Reads `sources` over `connections`, whose transactions have begun, into `writer`, and counts their rows in `scanned`.
///
/// # Errors
/// As the server says, or when a value cannot be read.
pub(super) async fn read(
    connections: Vec<Server>,
    (sources, scanned): (Vec<Source>, Vec<ScannedRows>),
    writer: &mut Writer<'_>,
    (mut throttle, outbox): (Throttle, &mut Outbox<MyPosition>),
    mut tell: impl FnMut(Event, &Writer<'_>, &mut Outbox<MyPosition>),
) -> Result<()> {
    let plans: Vec<Arc<TableSchema>> = sources.iter().map(|source| source.plan.clone()).collect();
    let parts = sources
        .into_iter()
        .map(|Source { plan, queries }| queries.into_iter().map(|query| Part { plan: plan.clone(), query }).collect());
    let (mut gather, readers) = Gather::new(parts.collect(), connections.len());
    for (mut server, mut reader) in connections.into_iter().zip(readers) {
        spawn(TaskKind::Client, async move {
            if let Err(error) = Box::pin(work(&mut server, &mut reader)).await {
                reader.fail(error).await;
            }
        });
    }
    while let Some(gathered) = gather.next().await? {
        match gathered {
            Gathered::Begun(table) => tell(Event::Begun(table), writer, outbox),
            Gathered::Ended(table, rows) => tell(Event::Ended(table, rows), writer, outbox),
            Gathered::Rows(rows) => {
                for (table, row, marker) in rows {
                    scanned[table].add(1);
                    let held = Held::Row { plan: plans[table].clone(), row, table, first: false };
                    writer.marked(held, marker, outbox);
                    throttle.row(outbox).await?;
                }
            }
        }
        if outbox.is_full() {
            outbox.flush().await?;
        }
    }
    Ok(())
}

/// One connection's work: parts, until there are none.
async fn work(server: &mut Server, reader: &mut Reader<Part, Row>) -> Result<()> {
    while let Some(Part { plan, query }) = reader.next().await? {
        let mut reading = Reading::begin(server, &plan, &query).await?;
        while let Some((row, bytes)) = reading.next().await? {
            reader.push(row, bytes).await?;
        }
    }
    server.sql().run("ROLLBACK").await
}

/// Lets `connections` see what is there now, and nothing later.
///
/// # Errors
/// What the server says.
pub(super) async fn begin(connections: &mut [Server]) -> Result<()> {
    for server in connections {
        server.sql().run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_keys_leave_out_none() {
        assert!(ranges("k", 1, 99_999, 4).is_empty(), "few keys");
        assert_eq!(
            ranges("k", -100_000, 100_000, 1),
            ["k < -50000", "k >= -50000 AND k < 0", "k >= 0 AND k < 50000", "k >= 50000"]
        );
        assert_eq!(ranges("k", i128::from(i64::MIN), i128::from(u64::MAX), 3).len(), 12);
    }
}
