//! The initial snapshot, and blocking ones: all captured tables, one after another, in one transaction, at `COPY` speed;
//! over several connections when `snapshot.max.threads` says so.

mod parallel;

use std::sync::Arc;

use couplet_api::data::Value;
use couplet_api::error::Error;
use couplet_api::{Kind, Result};
use couplet_cdc::{
    Notice, Operation, Outbox, Patterns, ScannedRows, SnapshotMarker, SnapshotRequest, TableId, TableNotices, Throttle,
};
use futures::{StreamExt, pin_mut};

use crate::catalog;
use crate::config::{IsolationMode, PgConfig, TableOrder};
use crate::copy;
use crate::incremental::parsed;
use crate::offset::{PgPosition, SnapshotKind, SnapshotState};
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
    /// The signal that asked for it, and where the stream stands meanwhile; `None`: the initial snapshot.
    pub(crate) request: Option<(&'a SnapshotRequest, &'a PgPosition)>,
}

/// Reads all captured tables, or those that a signal names, into `outbox` and returns the position from which to stream.
///
/// # Errors
/// As the server says, or when a value cannot be read.
pub(crate) async fn take(
    plan: Plan<'_>,
    types: &mut TypeRegistry,
    outbox: &mut Outbox<PgPosition>,
) -> Result<PgPosition> {
    let sql = Sql::connect(&plan.config.connection, "Debezium Snapshot").await?;
    begin(&sql, plan.config, plan.exported.as_ref().map(|(_, name)| name.as_str())).await?;
    let position = Arc::new(plan.position(&sql).await?);
    plan.notify("STARTED", &position, outbox);
    let read = Box::pin(plan.read(&sql, position.clone(), types, outbox)).await;
    match &read {
        Ok(end) => plan.notify("COMPLETED", &Arc::new(end.clone()), outbox),
        Err(error) if matches!(error.kind(), Kind::Remote | Kind::Fenced) => {}
        // As in Debezium, nothing that waits to be sent is sent when the initial snapshot fails: this is for the log.
        Err(_) => plan.notify("ABORTED", &position, outbox),
    }
    read
}

/// What is told of tables.
struct Told<'a> {
    notices: TableNotices,
    /// Where the records stand.
    position: &'a Arc<PgPosition>,
}

impl Plan<'_> {
    /// Where the records stand.
    async fn position(&self, sql: &Sql) -> Result<PgPosition> {
        let snapshot = |kind| Some(SnapshotState { kind, last: false, completed: false });
        let ts_us = Some(self.records.now_us());
        if let Some((_, streaming)) = self.request {
            // Nothing may have been streamed yet.
            let tx_id = match streaming.tx_id {
                Some(known) => Some(known),
                None => catalog::transaction_id(sql).await?,
            };
            return Ok(PgPosition { tx_id, ts_us, snapshot: snapshot(SnapshotKind::Blocking), ..streaming.clone() });
        }
        let lsn = match &self.exported {
            Some((point, _)) => *point,
            None => catalog::log_end(sql).await?,
        };
        let tx_id = catalog::transaction_id(sql).await?;
        Ok(PgPosition { lsn, tx_id, ts_us, snapshot: snapshot(SnapshotKind::Initial), ..PgPosition::default() })
    }

    fn notify(&self, kind: &'static str, position: &Arc<PgPosition>, outbox: &mut Outbox<PgPosition>) {
        self.records.notice(Notice::of_initial(kind), position.clone(), outbox);
    }

    async fn read(
        &self,
        sql: &Sql,
        position: Arc<PgPosition>,
        types: &mut TypeRegistry,
        outbox: &mut Outbox<PgPosition>,
    ) -> Result<PgPosition> {
        let Plan { config, records, .. } = self;
        let all = self.tables(sql).await?;
        // The signal table is counted among the tables of a snapshot, and its rows are not read.
        let mut tables = all.clone();
        tables.retain(|table| Some(table) != config.signals.table.as_ref());
        lock(sql, config, &tables).await?;
        tracing::info!(tables = tables.len(), lsn = %position.lsn, "taking a snapshot");
        let writer = Writer::new(records, position.clone());
        let told = Told { notices: TableNotices::new(&tables, &all), position: &position };
        if config.snapshot.threads > 1 {
            return self.read_at_once(sql, tables, types, writer, &told, outbox).await;
        }
        let mut writer = writer;
        let scanned = records.progress.tables(&tables);
        let mut throttle = Throttle::new(config.snapshot.rows_per_second);
        for (index, id) in tables.into_iter().enumerate() {
            let Some(table) = catalog::table(sql, types, &id).await? else { continue };
            self.table_begun(&id, &told, outbox);
            let schema = Arc::new(TableSchema::new(&table, types, &records.source_schema, config));
            let rows = self
                .copy_table(sql, &schema, (index, &scanned[index]), &mut writer, (&mut throttle, outbox))
                .await
                .map_err(|error| table_failed(error, &id, &position))?;
            self.table_ended(&id, rows, &told, outbox);
        }
        sql.run("COMMIT").await?;
        Ok(writer.finish(outbox))
    }

    /// Reads `tables` over several connections.
    async fn read_at_once(
        &self,
        sql: &Sql,
        tables: Vec<TableId>,
        types: &mut TypeRegistry,
        writer: Writer<'_>,
        told: &Told<'_>,
        outbox: &mut Outbox<PgPosition>,
    ) -> Result<PgPosition> {
        let Plan { config, records, .. } = self;
        let mut sources = Vec::with_capacity(tables.len());
        for id in &tables {
            let Some(table) = catalog::table(sql, types, id).await? else { continue };
            let schema = Arc::new(TableSchema::new(&table, types, &records.source_schema, config));
            let (query, positions) = self.select(sql, &schema).await?;
            let pages = match self.own_select(&schema) {
                Some(_) => None,
                None => catalog::pages(sql, id).await?,
            };
            sources.push(parallel::Source { schema, query, positions, pages });
        }
        let ids: Vec<TableId> = sources.iter().map(|source| source.schema.id.clone()).collect();
        let name = match &self.exported {
            Some((_, name)) => name.clone(),
            None => catalog::export_snapshot(sql).await?,
        };
        let tell = |event: parallel::Event, outbox: &mut Outbox<PgPosition>| match event {
            parallel::Event::Begun(table) => self.table_begun(&ids[table], told, outbox),
            parallel::Event::Ended(table, rows) => self.table_ended(&ids[table], rows, told, outbox),
        };
        let session = (&config.connection, name.as_str());
        let tables = (sources, records.progress.tables(&ids));
        let end = parallel::read(session, tables, &config.snapshot, writer, outbox, tell).await?;
        sql.run("COMMIT").await?;
        Ok(end)
    }

    fn table_begun(&self, id: &TableId, told: &Told<'_>, outbox: &mut Outbox<PgPosition>) {
        self.records.notice(told.notices.begun(id), told.position.clone(), outbox);
    }

    fn table_ended(&self, id: &TableId, rows: u64, told: &Told<'_>, outbox: &mut Outbox<PgPosition>) {
        tracing::info!(table = %id, rows, "table read");
        self.records.notice(told.notices.ended(id, rows), told.position.clone(), outbox);
    }

    /// The tables to read, in order.
    async fn tables(&self, sql: &Sql) -> Result<Vec<TableId>> {
        let config = self.config;
        let mut captured = captured_tables(sql, config).await?;
        match self.request {
            Some((request, _)) => {
                let wanted = Patterns::new(&request.collections.join(",")).map_err(couplet_api::Error::config)?;
                let quoted = |table: &TableId| format!("\"{}\".\"{}\"", table.schema, table.table);
                captured.retain(|(table, _)| wanted.matches(&table.to_string()) || wanted.matches(&quoted(table)));
            }
            None => {
                if let Some(subset) = &config.snapshot.tables {
                    captured.retain(|(table, _)| subset.matches(&table.to_string()));
                }
            }
        }
        let sizes = captured.clone();
        let captured: Vec<TableId> = captured.into_iter().map(|(table, _)| table).collect();
        let mut ordered = config.tables.in_order(captured.clone());
        // The signal table is captured although no list names it.
        let signals = captured.into_iter().filter(|table| Some(table) == config.signals.table.as_ref());
        let unnamed: Vec<TableId> = signals.filter(|table| !ordered.contains(table)).collect();
        ordered.extend(unnamed);
        let size = |table: &TableId| sizes.iter().find(|(t, _)| t == table).map_or(0.0, |(_, rows)| *rows);
        match config.snapshot.order {
            TableOrder::Disabled => {}
            TableOrder::Ascending => ordered.sort_by(|a, b| size(a).total_cmp(&size(b))),
            TableOrder::Descending => ordered.sort_by(|a, b| size(b).total_cmp(&size(a))),
        }
        Ok(ordered)
    }

    async fn copy_table(
        &self,
        sql: &Sql,
        schema: &Arc<TableSchema>,
        (index, scanned): (usize, &ScannedRows),
        writer: &mut Writer<'_>,
        (throttle, outbox): (&mut Throttle, &mut Outbox<PgPosition>),
    ) -> Result<u64> {
        let (query, positions) = self.select(sql, schema).await?;
        let stream = sql.copy_out(&format!("COPY ({query}) TO STDOUT")).await?;
        pin_mut!(stream);
        let mut rows = 0_u64;
        while let Some(line) = stream.next().await {
            let line = line.map_err(|error| sql_error(&error))?;
            let row = copy::row(schema, &positions, &line)?;
            writer.row(schema, row, index, rows == 0, outbox);
            rows += 1;
            scanned.add(1);
            throttle.row(outbox).await?;
        }
        Ok(rows)
    }

    /// The SELECT that the user gave for a table.
    fn own_select(&self, schema: &TableSchema) -> Option<&str> {
        match self.request {
            // The filter of a blocking snapshot is a whole SELECT.
            Some((request, _)) => {
                let named = request.conditions.iter().find(|condition| parsed(&condition.collection) == schema.id);
                named.map(|condition| condition.filter.as_str())
            }
            None => self.config.snapshot.selects.get(&schema.name).map(String::as_str),
        }
    }

    /// The query of a table, and the column of the table that each of its columns is; `None`: of no interest.
    async fn select(&self, sql: &Sql, schema: &TableSchema) -> Result<(String, Vec<Option<usize>>)> {
        if let Some(own) = self.own_select(schema) {
            let own = own.trim().trim_end_matches(';');
            let names = sql.column_names(own).await?;
            let position = |name: &String| schema.read_columns().find(|(_, column)| column == name).map(|(i, _)| i);
            return Ok((own.to_owned(), names.iter().map(position).collect()));
        }
        let (positions, names): (Vec<_>, Vec<_>) =
            schema.read_columns().map(|(position, name)| (Some(position), quoted(name))).unzip();
        Ok((format!("SELECT {} FROM {}", names.join(", "), quoted_table(&schema.id)), positions))
    }
}

/// In Debezium's words: its threads wrap what they say of a value that no record can have, twice.
fn table_failed(error: Error, table: &TableId, position: &PgPosition) -> Error {
    if error.kind() != Kind::Data {
        return error.context(format!("Snapshotting of table {table} failed"));
    }
    let failed = position.processing_failed(error);
    let (execution, debezium) = ("java.util.concurrent.ExecutionException", "io.debezium.DebeziumException");
    let twice = format!("{}: {}", failed.class(), failed.message());
    Error::new(failed.kind(), format!("{execution}: {twice}\n\t... snapshotting table {table}"))
        .with_class(debezium)
        .caused_by(Error::new(failed.kind(), twice).with_class(execution))
        .caused_by(failed)
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

/// Holds each row back until the next one is known, since the last row of a table and of the snapshot is marked.
struct Writer<'a> {
    records: &'a Records,
    running: Arc<PgPosition>,
    held: Option<Held>,
    /// The source block of the last record: nearly always that of the next one too.
    source: Option<(Arc<TableSchema>, SnapshotMarker, Value)>,
}

struct Held {
    schema: Arc<TableSchema>,
    row: Row,
    table: usize,
    first: bool,
}

impl<'a> Writer<'a> {
    fn new(records: &'a Records, position: Arc<PgPosition>) -> Self {
        Writer { records, running: position, held: None, source: None }
    }

    fn row(&mut self, schema: &Arc<TableSchema>, row: Row, table: usize, first: bool, outbox: &mut Outbox<PgPosition>) {
        let next = Held { schema: schema.clone(), row, table, first };
        if let Some(held) = self.held.replace(next) {
            let marker = SnapshotMarker::of(held.table == 0, false, held.first, held.table != table);
            self.write(held, marker, self.running.clone(), outbox);
        }
    }

    /// Writes the last row, and returns the position behind the snapshot.
    fn finish(mut self, outbox: &mut Outbox<PgPosition>) -> PgPosition {
        let mut end = (*self.running).clone();
        end.snapshot = end.snapshot.map(|state| SnapshotState { last: true, completed: true, ..state });
        if let Some(held) = self.held.take() {
            self.write(held, SnapshotMarker::Last, Arc::new(end.clone()), outbox);
        }
        end
    }

    fn write(
        &mut self,
        held: Held,
        marker: SnapshotMarker,
        position: Arc<PgPosition>,
        outbox: &mut Outbox<PgPosition>,
    ) {
        let source = self.source(&held.schema, marker, &position);
        let event = Event {
            table: &held.schema,
            operation: Operation::Read,
            key: held.schema.key(&held.row),
            before: Value::Null,
            after: held.schema.value(held.row),
            transaction: Value::Null,
            headers: self.records.headers.plain(),
        };
        outbox.push(self.records.event_from(source, event, position));
    }

    /// All positions of a snapshot are one place in the log.
    fn source(&mut self, table: &Arc<TableSchema>, marker: SnapshotMarker, position: &Arc<PgPosition>) -> Value {
        if let Some((of, with, source)) = &self.source
            && *with == marker
            && Arc::ptr_eq(of, table)
        {
            return source.clone();
        }
        let origin = Origin {
            ts_us: position.ts_us.unwrap_or_default(),
            marker,
            tx_id: position.tx_id,
            position: position.clone(),
        };
        let source = self.records.source_of(table, &origin);
        self.source = Some((table.clone(), marker, source.clone()));
        source
    }
}
