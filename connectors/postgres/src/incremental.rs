//! How incremental snapshots read PostgreSQL's tables: chunks by `COPY`, marks as rows of the signal table, or places in the
//! log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couplet_api::Result;
use couplet_api::data::Value;
use couplet_api::error::Error;
use couplet_cdc::{
    ChunkReader, ChunkRow, DataCollection, Incremental, IncrementalOffset, Notice, Operation, Outbox, Planned, RowKey,
    SnapshotMarker, TableId, java_map_order,
};

use tokio::time::{Instant, sleep};

use crate::catalog;
use crate::chunk::ChunkPlan;
use crate::config::PgConfig;
use crate::emit::Emitter;
use crate::offset::{PgPosition, SnapshotKind, SnapshotState};
use crate::publication::{captured_tables, quoted_table};
use crate::record::{Event, Origin, Records};
use crate::schema::Row;
use crate::types::TypeRegistry;
use crate::wire::{Lsn, Sql, quoted_literal};

/// Longest wait until a transaction that was streamed is visible, and the pause between looks.
const VISIBLE_WITHIN: Duration = Duration::from_secs(60);
const VISIBLE_PAUSE: Duration = Duration::from_millis(1);

/// What an incremental snapshot works with, lent by the stream.
pub(crate) struct Reader<'a> {
    /// Settings.
    pub(crate) config: &'a PgConfig,
    /// Maker of records.
    pub(crate) records: &'a Records,
    /// For queries and marks.
    pub(crate) sql: &'a Sql,
    /// Known types.
    pub(crate) types: &'a mut TypeRegistry,
    /// Knows the position, and is told the progress.
    pub(crate) emitter: &'a mut Emitter,
    /// Where records go.
    pub(crate) outbox: &'a mut Outbox<PgPosition>,
    /// Where the stream stands.
    pub(crate) at: Lsn,
    /// Where the window ends in the log, if there are no rows to mark it.
    pub(crate) place: &'a mut Option<Lsn>,
}

/// The incremental snapshot of a stream that takes up at `start`.
pub(crate) fn incremental(config: &PgConfig, start: &PgPosition) -> Incremental<ChunkPlan, Row> {
    Incremental::new(config.signals.marks(), "schema", start.incremental.as_deref())
}

#[async_trait]
impl ChunkReader for Reader<'_> {
    type Plan = ChunkPlan;
    type Row = Row;

    async fn known_tables(&mut self) -> Result<Vec<String>> {
        let tables = captured_tables(self.sql, self.config).await?;
        Ok(java_map_order(tables.into_iter().map(|(table, _)| table.to_string()).collect()))
    }

    async fn plan(&mut self, wanted: &DataCollection) -> Result<Planned<ChunkPlan>> {
        let Some(table) = catalog::table(self.sql, self.types, &parsed(&wanted.id)).await? else {
            return Ok(Planned::LeftOut("UNKNOWN_SCHEMA"));
        };
        let plan = ChunkPlan::new(&table, wanted, self.types, &self.records.source_schema, self.config)?;
        Ok(if plan.is_unordered() { Planned::LeftOut("NO_PRIMARY_KEY") } else { Planned::Read(plan) })
    }

    async fn largest_key(&mut self, plan: &ChunkPlan) -> Result<Option<RowKey>> {
        plan.largest_key(self.sql).await
    }

    async fn rows(
        &mut self,
        plan: &ChunkPlan,
        bounds: Option<(&RowKey, &RowKey)>,
    ) -> Result<Option<Vec<ChunkRow<Row>>>> {
        self.begin_seeing_what_was_streamed().await?;
        let rows = plan.rows(self.sql, bounds, self.config.signals.chunk_rows).await;
        let end = self.sql.run("COMMIT").await;
        let rows = rows?;
        end.map(|()| Some(rows))
    }

    async fn insert_mark(&mut self, id: &str, kind: &str, data: &str) -> Result<()> {
        let Some(table) = &self.config.signals.table else { return Ok(()) };
        let values = [id, kind, data].map(quoted_literal).join(", ");
        self.sql.run(&format!("INSERT INTO {} VALUES ({values})", quoted_table(table))).await
    }

    async fn delete_mark(&mut self, id: &str) -> Result<()> {
        let Some(table) = &self.config.signals.table else { return Ok(()) };
        self.sql.run(&format!("DELETE FROM {} WHERE id = {}", quoted_table(table), quoted_literal(id))).await
    }

    async fn note_place(&mut self) -> Result<()> {
        *self.place = Some(catalog::log_insert_end(self.sql).await?);
        Ok(())
    }

    fn table<'a>(&self, plan: &'a ChunkPlan) -> &'a TableId {
        &plan.schema.id
    }

    /// Plans are made from the catalogue as it is when rows are read.
    fn is_current(&mut self, _plan: &ChunkPlan) -> bool {
        true
    }

    fn send(&mut self, plan: &ChunkPlan, row: ChunkRow<Row>, progress: Option<Arc<IncrementalOffset>>) {
        let table = &plan.schema;
        let standing = PgPosition {
            incremental: progress,
            snapshot: Some(SnapshotState { kind: SnapshotKind::Incremental, last: true, completed: true }),
            ..(**self.emitter.position()).clone()
        };
        let origin = Origin {
            ts_us: self.records.now_us(),
            marker: SnapshotMarker::Incremental,
            tx_id: None,
            position: self.emitter.standing_at(self.at),
        };
        let event = Event {
            table,
            operation: Operation::Read,
            key: row.key,
            before: Value::Null,
            after: table.value(row.row),
            transaction: Value::Null,
            headers: self.records.headers.plain(),
        };
        self.outbox.push(self.records.event(event, &origin, Arc::new(standing)));
    }

    fn set_progress(&mut self, progress: Option<Arc<IncrementalOffset>>) {
        self.emitter.set_incremental(progress);
    }

    fn notify(&mut self, notice: Notice) {
        let position = self.emitter.position().clone();
        self.records.notice(notice, position, self.outbox);
    }

    fn now_us(&self) -> i64 {
        self.records.now_us()
    }
}

impl Reader<'_> {
    /// Begins a transaction that sees all that the stream had so far. The log has the end of a transaction, and the stream may
    /// have passed it, a moment before others see it; longer with synchronous replication.
    async fn begin_seeing_what_was_streamed(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            self.sql.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let running = catalog::running_transactions(self.sql).await?;
            if !running.iter().any(|xid| self.emitter.had_lately(*xid)) {
                return Ok(());
            }
            self.sql.run("ROLLBACK").await?;
            if began.elapsed() > VISIBLE_WITHIN {
                let text = "transactions that were streamed are still not visible to others: does a standby of \
                            synchronous_standby_names not answer?";
                return Err(Error::remote(text));
            }
            sleep(VISIBLE_PAUSE).await;
        }
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
