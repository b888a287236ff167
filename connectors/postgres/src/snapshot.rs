//! The initial snapshot: all captured tables, one after another, in one transaction, at `COPY` speed.

use std::sync::Arc;

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::data::Value;
use couplet_api::error::{Error, ResultExt};
use couplet_cdc::{Operation, SnapshotMarker, TableId};
use futures::{StreamExt, pin_mut};

use crate::catalog::{self, Table};
use crate::config::{IsolationMode, PgConfig, TableOrder};
use crate::feed::Outbox;
use crate::offset::{PgPosition, SnapshotState};
use crate::publication::{captured_tables, quoted_table};
use crate::record::{Event, Origin, Records};
use crate::schema::{Row, TableSchema};
use crate::types::TypeRegistry;
use crate::wire::{Lsn, Sql, quoted, quoted_literal, sql_error};

/// What a snapshot is to do.
pub(crate) struct Plan<'a> {
    /// Settings.
    pub(crate) config: &'a PgConfig,
    /// Maker of records.
    pub(crate) records: &'a Records,
    /// Consistent point and name of a slot's snapshot.
    pub(crate) exported: Option<(Lsn, String)>,
}

/// Reads all captured tables into `outbox` and returns the position from which to stream.
///
/// # Errors
/// As the server says, or when a value cannot be read.
pub(crate) async fn take(plan: Plan<'_>, types: &mut TypeRegistry, outbox: &mut Outbox) -> Result<PgPosition> {
    let Plan { config, records, exported } = plan;
    let sql = Sql::connect(&config.connection, "Debezium Snapshot").await?;
    begin(&sql, config, exported.as_ref().map(|(_, name)| name.as_str())).await?;
    let lsn = match &exported {
        Some((point, _)) => *point,
        None => catalog::log_end(&sql).await?,
    };
    let position = PgPosition {
        lsn,
        tx_id: catalog::transaction_id(&sql).await?,
        ts_us: Some(records.now_us()),
        snapshot: Some(SnapshotState { last: false, completed: false }),
        ..PgPosition::default()
    };
    let tables = tables(&sql, config).await?;
    lock(&sql, config, &tables).await?;
    tracing::info!(tables = tables.len(), %lsn, "taking a snapshot");
    let mut writer = Writer::new(records, position, config.snapshot.unordered);
    for (index, id) in tables.into_iter().enumerate() {
        let Some(table) = definition(&sql, types, &id).await? else { continue };
        let schema = Arc::new(TableSchema::new(&table, types, &records.source_schema, config));
        let rows = copy_table(&sql, config, &schema, index, &mut writer, outbox)
            .await
            .context(|| format!("Snapshotting of table {id} failed"))?;
        tracing::info!(table = %id, rows, "table read");
    }
    sql.run("COMMIT").await?;
    Ok(writer.finish(outbox))
}

async fn begin(sql: &Sql, config: &PgConfig, exported: Option<&str>) -> Result<()> {
    match exported {
        Some(name) => {
            sql.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
            sql.run(&format!("SET TRANSACTION SNAPSHOT {}", quoted_literal(name))).await?;
        }
        None => {
            let level = match config.snapshot.isolation {
                IsolationMode::Serializable => "SERIALIZABLE, READ ONLY, DEFERRABLE",
                IsolationMode::RepeatableRead => "REPEATABLE READ, READ ONLY",
                IsolationMode::ReadCommitted => "READ COMMITTED, READ ONLY",
                IsolationMode::ReadUncommitted => "READ UNCOMMITTED, READ ONLY",
            };
            sql.run(&format!("BEGIN ISOLATION LEVEL {level}")).await?;
        }
    }
    // The time-out of ordinary statements does not fit one that reads a whole table.
    sql.run("SET LOCAL statement_timeout = 0").await
}

/// The tables to read, in order.
async fn tables(sql: &Sql, config: &PgConfig) -> Result<Vec<TableId>> {
    let mut captured = captured_tables(sql, config).await?;
    if let Some(subset) = &config.snapshot.tables {
        captured.retain(|(table, _)| subset.matches(&table.to_string()));
    }
    let sizes = captured.clone();
    let mut ordered = config.tables.in_order(captured.into_iter().map(|(table, _)| table).collect());
    let size = |table: &TableId| sizes.iter().find(|(t, _)| t == table).map_or(0.0, |(_, rows)| *rows);
    match config.snapshot.order {
        TableOrder::Disabled => {}
        TableOrder::Ascending => ordered.sort_by(|a, b| size(a).total_cmp(&size(b))),
        TableOrder::Descending => ordered.sort_by(|a, b| size(b).total_cmp(&size(a))),
    }
    Ok(ordered)
}

async fn lock(sql: &Sql, config: &PgConfig, tables: &[TableId]) -> Result<()> {
    if !config.snapshot.lock_tables || tables.is_empty() {
        return Ok(());
    }
    sql.run(&format!("SET LOCAL lock_timeout = {}", config.snapshot.lock_timeout_ms)).await?;
    for table in tables {
        sql.run(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", quoted_table(table))).await?;
    }
    Ok(())
}

/// The table's definition; `None`: it is gone.
async fn definition(sql: &Sql, types: &mut TypeRegistry, id: &TableId) -> Result<Option<Table>> {
    let Some(oid) = catalog::table_oid(sql, id).await? else { return Ok(None) };
    let columns = catalog::columns(sql, types, oid).await?;
    let key = catalog::key_columns(sql, oid).await?;
    Ok(Some(Table { id: id.clone(), columns, key }))
}

async fn copy_table(
    sql: &Sql,
    config: &PgConfig,
    schema: &Arc<TableSchema>,
    index: usize,
    writer: &mut Writer<'_>,
    outbox: &mut Outbox,
) -> Result<u64> {
    let (query, positions) = select(sql, config, schema).await?;
    let stream = sql.copy_out(&format!("COPY ({query}) TO STDOUT")).await?;
    pin_mut!(stream);
    let mut rows = 0_u64;
    while let Some(line) = stream.next().await {
        let line = line.map_err(|error| sql_error(&error))?;
        let row = read_row(schema, &positions, &line)?;
        writer.row(schema, row, index, rows == 0, outbox);
        rows += 1;
        if outbox.is_full() {
            outbox.flush().await?;
        }
    }
    Ok(rows)
}

/// The query of a table, and the column of the table that each of its columns is; `None`: of no interest.
async fn select(sql: &Sql, config: &PgConfig, schema: &TableSchema) -> Result<(String, Vec<Option<usize>>)> {
    if let Some(own) = config.snapshot.selects.get(&schema.name) {
        let own = own.trim().trim_end_matches(';');
        let names = sql.column_names(own).await?;
        let position = |name: &String| schema.read_columns().find(|(_, column)| column == name).map(|(i, _)| i);
        return Ok((own.to_owned(), names.iter().map(position).collect()));
    }
    let (positions, names): (Vec<_>, Vec<_>) =
        schema.read_columns().map(|(position, name)| (Some(position), quoted(name))).unzip();
    Ok((format!("SELECT {} FROM {}", names.join(", "), quoted_table(&schema.id)), positions))
}

fn read_row(schema: &TableSchema, positions: &[Option<usize>], line: &Bytes) -> Result<Row> {
    let mut row = vec![Value::Null; schema.width()];
    let mut fields = Fields { rest: Some(line.strip_suffix(b"\n").unwrap_or(line)) };
    for position in positions {
        let field = fields.next().ok_or_else(|| Error::fatal("a row of COPY has too few columns"))?;
        let Some(position) = position else { continue };
        row[*position] = match field {
            Field::Null => schema.snapshot_value(*position, None)?,
            Field::Plain(text) => schema.snapshot_value(*position, Some((text, line)))?,
            Field::Escaped(text) => {
                let text = unescaped(text);
                schema.snapshot_value(*position, Some((&text, &text)))?
            }
        };
    }
    Ok(row)
}

/// One field of a line of `COPY`'s text format.
#[derive(Debug, PartialEq)]
enum Field<'a> {
    Null,
    /// A part of the line.
    Plain(&'a [u8]),
    /// Text whose escapes are still to be removed.
    Escaped(&'a [u8]),
}

/// The fields of one line.
struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let rest = self.rest?;
        let field = match memchr::memchr(b'\t', rest) {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                &rest[..end]
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some(match memchr::memchr(b'\\', field) {
            None => Field::Plain(field),
            Some(0) if field == b"\\N" => Field::Null,
            Some(_) => Field::Escaped(field),
        })
    }
}

fn unescaped(field: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        let escaped = match byte {
            b'\\' => bytes.next(),
            _ => None,
        };
        out.push(match escaped {
            None => *byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 11,
            Some(other) => *other,
        });
    }
    out.into()
}

/// Holds each row back until the next one is known, since the last row of a table and of the snapshot is marked.
struct Writer<'a> {
    records: &'a Records,
    running: Arc<PgPosition>,
    unordered: bool,
    held: Option<Held>,
}

struct Held {
    schema: Arc<TableSchema>,
    row: Row,
    table: usize,
    first: bool,
}

impl<'a> Writer<'a> {
    fn new(records: &'a Records, position: PgPosition, unordered: bool) -> Self {
        Writer { records, running: Arc::new(position), unordered, held: None }
    }

    fn row(&mut self, schema: &Arc<TableSchema>, row: Row, table: usize, first: bool, outbox: &mut Outbox) {
        let next = Held { schema: schema.clone(), row, table, first };
        if let Some(held) = self.held.replace(next) {
            let marker = SnapshotMarker::of(held.table == 0 && !self.unordered, false, held.first, held.table != table);
            self.write(held, marker, self.running.clone(), outbox);
        }
    }

    /// Writes the last row, and returns the position behind the snapshot.
    fn finish(mut self, outbox: &mut Outbox) -> PgPosition {
        let mut end = (*self.running).clone();
        end.snapshot = Some(SnapshotState { last: true, completed: true });
        if let Some(held) = self.held.take() {
            self.write(held, SnapshotMarker::Last, Arc::new(end.clone()), outbox);
        }
        end
    }

    fn write(&self, held: Held, marker: SnapshotMarker, position: Arc<PgPosition>, outbox: &mut Outbox) {
        let origin = Origin {
            ts_us: position.ts_us.unwrap_or_default(),
            marker,
            tx_id: position.tx_id,
            position: position.clone(),
        };
        let event = Event {
            table: &held.schema,
            operation: Operation::Read,
            key: held.schema.key(&held.row),
            before: Value::Null,
            after: held.schema.value(held.row),
            transaction: Value::Null,
            headers: self.records.headers.plain(),
        };
        outbox.push(self.records.event(event, &origin, position));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_copy_are_unescaped() {
        type Line = (&'static [u8], &'static [Option<&'static [u8]>]);
        let rows: &[Line] = &[
            (b"1\tabc\t\\N", &[Some(b"1"), Some(b"abc"), None]),
            (b"", &[Some(b"")]),
            (b"\t", &[Some(b""), Some(b"")]),
            (b"a\\tb\\n\\\\N\t\\\\N", &[Some(b"a\tb\n\\N"), Some(b"\\N")]),
            (b"\\", &[Some(b"\\")]),
        ];
        for (line, want) in rows {
            let text = |field: Field<'_>| match field {
                Field::Null => None,
                Field::Plain(text) => Some(Bytes::copy_from_slice(text)),
                Field::Escaped(text) => Some(unescaped(text)),
            };
            let got: Vec<Option<Bytes>> = Fields { rest: Some(line) }.map(text).collect();
            let want: Vec<Option<Bytes>> = want.iter().map(|w| w.map(Bytes::copy_from_slice)).collect();
            assert_eq!(got, want, "{line:?}");
        }
    }
}
