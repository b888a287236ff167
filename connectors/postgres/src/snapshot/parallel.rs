//! A snapshot over several connections, `snapshot.max.threads`: tables side by side, large ones cut into ranges of pages. All
//! connections see the same snapshot.

use std::sync::Arc;

use couplet_api::Result;
use couplet_api::error::ResultExt;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_cdc::parallel::{Gather, Gathered, Reader, range_count};
use couplet_cdc::{Outbox, ScannedRows, SnapshotMarker, Throttle};
use futures::{StreamExt, pin_mut};

use super::{Held, Writer};
use crate::config::{ConnectionConfig, SnapshotConfig};
use crate::copy;
use crate::offset::PgPosition;
use crate::schema::{Row, TableSchema};
use crate::wire::{Sql, quoted_literal, sql_error};

/// Smallest table that is cut, in pages of the server (8 KiB).
const CUT_PAGES: u64 = 1024;

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
    query: String,
}

/// What happens to a table, by its number.
pub(super) enum Event {
    /// Its rows are about to be read.
    Begun(usize),
    /// They are read; how many.
    Ended(usize, u64),
}

/// Reads `sources` over the connections that `config` asks for, which share the snapshot called `name`, counts their rows in `scanned`, and
/// returns the position behind it.
///
/// # Errors
/// As the server says, or when a value cannot be read.
pub(super) async fn read(
    (connection, name): (&ConnectionConfig, &str),
    (sources, scanned): (Vec<Source>, Vec<ScannedRows>),
    config: &SnapshotConfig,
    mut writer: Writer<'_>,
    outbox: &mut Outbox<PgPosition>,
    mut tell: impl FnMut(Event, &mut Outbox<PgPosition>),
) -> Result<PgPosition> {
    let (threads, mut throttle) = (config.threads, Throttle::new(config.rows_per_second));
    let schemas: Vec<Arc<TableSchema>> = sources.iter().map(|source| source.schema.clone()).collect();
    let parts = sources.into_iter().map(|source| {
        let source = Arc::new(source);
        let queries = ranges(source.pages, threads)
            .into_iter()
            .map(|range| range.map_or_else(|| source.query.clone(), |range| format!("{} WHERE {range}", source.query)));
        queries.map(|query| Part { source: source.clone(), query }).collect()
    });
    let (mut gather, readers) = Gather::new(parts.collect(), threads);
    for mut reader in readers {
        let (connection, name) = (connection.clone(), name.to_owned());
        spawn(TaskKind::Client, async move {
            if let Err(error) = Box::pin(work(&connection, &name, &mut reader)).await {
                reader.fail(error).await;
            }
        });
    }
    while let Some(gathered) = gather.next().await? {
        match gathered {
            Gathered::Begun(table) => tell(Event::Begun(table), outbox),
            Gathered::Ended(table, rows) => tell(Event::Ended(table, rows), outbox),
            Gathered::Rows(rows) => {
                for (table, row, marker) in rows {
                    scanned[table].add(1);
                    let held = Held { schema: schemas[table].clone(), row, table, first: false };
                    match marker {
                        SnapshotMarker::Last => writer.held = Some(held),
                        marker => writer.write(held, marker, writer.running.clone(), outbox),
                    }
                    throttle.row(outbox).await?;
                }
            }
        }
        if outbox.is_full() {
            outbox.flush().await?;
        }
    }
    Ok(writer.finish(outbox))
}

/// One connection's work: parts, until there are none.
async fn work(connection: &ConnectionConfig, name: &str, reader: &mut Reader<Part, Row>) -> Result<()> {
    let Some(mut part) = reader.next().await? else { return Ok(()) };
    let sql = Sql::connect(connection, "Debezium Snapshot").await?;
    sql.run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    sql.run(&format!("SET TRANSACTION SNAPSHOT {}", quoted_literal(name))).await?;
    sql.run("SET LOCAL statement_timeout = 0").await?;
    loop {
        let Part { source, query } = part;
        let failed = || format!("Snapshotting of table {} failed", source.schema.name);
        let lines = sql.copy_out(&format!("COPY ({query}) TO STDOUT")).await.context(failed)?;
        pin_mut!(lines);
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| sql_error(&error)).context(failed)?;
            let row = copy::row(&source.schema, &source.positions, &line).context(failed)?;
            reader.push(row, line.len()).await?;
        }
        part = match reader.next().await? {
            Some(part) => part,
            None => return Ok(()),
        };
    }
}

/// Conditions that cut a table of so many pages; one `None`: it is read as a whole.
fn ranges(pages: Option<u64>, threads: usize) -> Vec<Option<String>> {
    let Some(pages) = pages.filter(|pages| *pages >= CUT_PAGES) else { return vec![None] };
    let count = range_count(pages, CUT_PAGES, threads);
    let start = |range: u64| pages * range / count;
    let range = |range: u64| {
        let from = format!("ctid >= '({},0)'", start(range));
        // The last one is open: what the table grew by is not visible to the snapshot, and costs nothing.
        if range + 1 == count { from } else { format!("{from} AND ctid < '({},0)'", start(range + 1)) }
    };
    (0..count).map(|number| Some(range(number))).collect()
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
