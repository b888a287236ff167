//! How incremental snapshots read tables: chunks by queries, marks as rows of the signal table, or places in the log.

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

use crate::chunk::ChunkPlan;
use crate::config::MyConfig;
use crate::definitions::{Definitions, is_captured};
use crate::emit::Emitter;
use crate::flavour::Flavour;
use crate::offset::MyPosition;
use crate::record::{Event, Origin, Records};
use crate::schema::Row;
use crate::server::{LogEnd, Server, literal, quoted_table};

/// Longest wait, in seconds, until the server shows what its log has already.
const VISIBLE_WITHIN: u32 = 60;
/// Pause between looks.
const VISIBLE_PAUSE: Duration = Duration::from_millis(1);

/// What an incremental snapshot works with, lent by the stream.
pub(crate) struct Reader<'a> {
    /// Settings.
    pub(crate) config: &'a MyConfig,
    /// Maker of records.
    pub(crate) records: &'a Records,
    /// For queries and marks.
    pub(crate) server: &'a mut Server,
    /// What tables look like to the stream.
    pub(crate) definitions: &'a mut Definitions,
    /// Knows the position, and is told the progress.
    pub(crate) emitter: &'a mut Emitter,
    /// Where records go.
    pub(crate) outbox: &'a mut Outbox<MyPosition>,
    /// Where the window ends in the log, if there are no rows to mark it.
    pub(crate) place: &'a mut Option<LogEnd>,
}

/// The incremental snapshot of a stream that takes up at `start`.
pub(crate) fn incremental(config: &MyConfig, start: &MyPosition) -> Incremental<ChunkPlan, Row> {
    Incremental::new(config.signals.marks(), "db", start.incremental.as_deref())
}

#[async_trait]
impl ChunkReader for Reader<'_> {
    type Plan = ChunkPlan;
    type Row = Row;

    async fn known_tables(&mut self) -> Result<Vec<String>> {
        let tables = self.server.tables().await?;
        let captured = tables.iter().filter(|id| is_captured(self.config, id));
        Ok(java_map_order(captured.map(ToString::to_string).collect()))
    }

    async fn plan(&mut self, wanted: &DataCollection) -> Result<Planned<ChunkPlan>> {
        let id = parsed(&wanted.id);
        let known = self.definitions.table(&id).cloned().zip(self.definitions.plan(&id));
        let Some((table, schema)) = known else { return Ok(Planned::LeftOut("UNKNOWN_SCHEMA")) };
        let plan = ChunkPlan::new(table, schema, wanted, self.config)?;
        Ok(if plan.is_unordered() { Planned::LeftOut("NO_PRIMARY_KEY") } else { Planned::Read(plan) })
    }

    async fn largest_key(&mut self, plan: &ChunkPlan) -> Result<Option<RowKey>> {
        plan.largest_key(self.server).await
    }

    async fn rows(
        &mut self,
        plan: &ChunkPlan,
        bounds: Option<(&RowKey, &RowKey)>,
    ) -> Result<Option<Vec<ChunkRow<Row>>>> {
        if self.config.signals.read_only {
            self.see_what_was_streamed().await?;
        }
        let rows = plan.rows(self.server, bounds, self.config.signals.chunk_rows).await;
        let end = self.server.sql().run("COMMIT").await;
        let rows = rows?;
        end.map(|()| rows)
    }

    async fn insert_mark(&mut self, id: &str, kind: &str, data: &str) -> Result<()> {
        let Some(table) = &self.config.signals.table else { return Ok(()) };
        let values = [id, kind, data].map(literal).join(", ");
        self.server.sql().run(&format!("INSERT INTO {} VALUES ({values})", quoted_table(table))).await
    }

    async fn delete_mark(&mut self, id: &str) -> Result<()> {
        let Some(table) = &self.config.signals.table else { return Ok(()) };
        self.server.sql().run(&format!("DELETE FROM {} WHERE id = {}", quoted_table(table), literal(id))).await
    }

    async fn note_place(&mut self) -> Result<()> {
        *self.place = Some(self.server.log_end().await?);
        Ok(())
    }

    fn table<'a>(&self, plan: &'a ChunkPlan) -> &'a TableId {
        &plan.schema.id
    }

    fn is_current(&mut self, plan: &ChunkPlan) -> bool {
        self.definitions.table(&plan.schema.id) == Some(&plan.table)
    }

    fn send(&mut self, plan: &ChunkPlan, row: ChunkRow<Row>, progress: Option<Arc<IncrementalOffset>>) {
        let table = &plan.schema;
        let standing = MyPosition { incremental: progress, ..(*self.emitter.standing()).clone() };
        let origin = Origin {
            ts_ns: self.records.now_ns(),
            marker: SnapshotMarker::Incremental,
            query: None,
            ..self.emitter.origin(0)
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
        let position = self.emitter.standing();
        self.records.notice(notice, position, self.outbox);
    }

    fn now_us(&self) -> i64 {
        self.records.now_ns().div_euclid(1_000)
    }
}

impl Reader<'_> {
    /// Makes queries see all that the stream had so far: a transaction is in the log before others can see it. A row that
    /// marks a chunk becomes visible in its turn, so that this is only needed without such rows.
    async fn see_what_was_streamed(&mut self) -> Result<()> {
        if self.config.flavour == Flavour::MySql {
            let done = self.emitter.tracker.gtids().map(ToString::to_string).unwrap_or_default();
            let wait = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{done}', {VISIBLE_WITHIN})");
            self.server.sql().first(&wait).await?;
            return Ok(());
        }
        // MariaDB says which place in the log a consistent snapshot is of.
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(VISIBLE_WITHIN.into()) {
            self.server.sql().run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
            let (file, position) = self.server.snapshot_place().await?;
            if self.emitter.tracker.is_at_most(&file, position) {
                return Ok(());
            }
            self.server.sql().run("ROLLBACK").await?;
            sleep(VISIBLE_PAUSE).await;
        }
        Err(Error::remote("transactions that were streamed are still not visible to others"))
    }
}

/// The table that a signal or a setting means: `database.table`, with or without backquotes.
pub(crate) fn parsed(name: &str) -> TableId {
    let bare = |part: &str| part.trim().trim_matches('`').to_owned();
    match name.split_once('.') {
        Some((database, table)) => TableId::new(bare(database), bare(table)),
        None => TableId::new("", bare(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_with_their_database() {
        for name in ["d.t", "`d`.`t`", " d . t "] {
            assert_eq!(parsed(name), TableId::new("d", "t"), "{name}");
        }
        assert_eq!(parsed("d.t.x"), TableId::new("d", "t.x"));
    }
}
