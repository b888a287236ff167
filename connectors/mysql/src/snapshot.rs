//! Snapshots: the definitions of all tables and the rows of the captured ones, as of one position of the log; and blocking
//! ones, which read the rows of some tables while the stream stands still.

mod parallel;
mod reading;
mod writer;

use std::sync::Arc;

use couplet_api::data::Position as _;
use couplet_api::error::Error;
use couplet_api::{Kind, Result};
use couplet_cdc::{Notice, Outbox, Patterns, SnapshotRequest, TableId, TableNotices, Throttle};
use couplet_mysql_schema::SchemaChange;

use self::reading::Reading;
use self::writer::Writer;
use crate::config::{LockMode, MyConfig, SnapshotMode, TableOrder};
use crate::definitions::{Definitions, is_built_in, is_captured, is_database_captured};
use crate::java_order;
use crate::offset::{MyPosition, SnapshotKind};
use crate::record::{Origin, Records};
use crate::schema::TableSchema;
use crate::server::{Server, quoted, quoted_table};

const DEBEZIUM_ERROR: &str = "io.debezium.DebeziumException";

/// What a snapshot has to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// Read definitions.
    schema: bool,
    /// Read rows.
    data: bool,
    /// The position that stays, when only the history is made anew.
    keep: Option<MyPosition>,
}

impl Plan {
    /// What is due with `mode`, when streaming got as far as `done` (none: never), and the history has records or not.
    ///
    /// # Errors
    /// In Debezium's words when the history is missing and the mode does not allow for that.
    pub(crate) fn new(mode: SnapshotMode, done: Option<&MyPosition>, history: bool) -> Result<Self> {
        let fatal = |text: &str| Err(Error::fatal(text).with_class(DEBEZIUM_ERROR));
        let nothing = Plan { schema: false, data: false, keep: None };
        let recovery = mode.on_lost_history && !mode.data;
        match done {
            None if recovery => {
                fatal("Could not find existing redo log information while attempting schema only recovery snapshot")
            }
            None => Ok(Plan { schema: mode.schema, data: mode.data, keep: None }),
            Some(_) if mode.always => Ok(Plan { schema: true, data: mode.data, keep: None }),
            Some(position) if recovery => Ok(Plan { schema: true, data: false, keep: Some(position.clone()) }),
            Some(_) if history || !mode.stream => Ok(nothing),
            Some(_) if mode.on_lost_history => Ok(Plan { schema: true, data: mode.data, keep: None }),
            // Without a snapshot of definitions there was never a history to begin with.
            Some(_) if !mode.schema => Ok(nothing),
            Some(_) => fatal(
                "The db history topic or its content is fully or partially missing. Please check database schema history \
                 topic configuration and re-execute the snapshot.",
            ),
        }
    }

    /// Reads rows, as a blocking snapshot does.
    pub(crate) const fn of_rows() -> Self {
        Plan { schema: false, data: true, keep: None }
    }

    /// Whether there is anything to do.
    pub(crate) const fn is_due(&self) -> bool {
        self.schema || self.data
    }
}

/// A snapshot about to be taken.
pub(crate) struct Taking<'a> {
    /// Settings.
    pub(crate) config: &'a Arc<MyConfig>,
    /// Maker of records.
    pub(crate) records: &'a Records,
    /// What is to be done.
    pub(crate) plan: &'a Plan,
    /// What tables look like, to be filled.
    pub(crate) definitions: &'a mut Definitions,
    /// For a blocking snapshot: the signal that asked for it, and where the stream stands.
    pub(crate) request: Option<(&'a SnapshotRequest, Standing)>,
}

/// Where the stream stands during a blocking snapshot.
pub(crate) struct Standing {
    /// The position.
    pub(crate) position: Arc<MyPosition>,
    /// What source blocks say of it.
    pub(crate) origin: Origin,
}

/// A change of definitions that the initial snapshot told of, as it did.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    change: SchemaChange,
    origin: Origin,
    position: Arc<MyPosition>,
}

impl Told {
    /// The table that it was about.
    pub(crate) fn table(&self) -> Option<&TableId> {
        self.change.tables.first()
    }
}

/// What is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locked {
    Nothing,
    Everything,
    Tables,
}

impl Taking<'_> {
    /// Takes it and returns the position behind it.
    ///
    /// # Errors
    /// As the server says, or when rights are missing.
    pub(crate) async fn run(self, outbox: &mut Outbox<MyPosition>) -> Result<MyPosition> {
        let records = self.records;
        let taken = Box::pin(self.take(outbox)).await;
        if taken.as_ref().is_err_and(|error| !matches!(error.kind(), Kind::Remote | Kind::Fenced)) {
            // As in Debezium, nothing that waits to be sent is sent when a snapshot fails: this is for the log.
            records.notice(Notice::of_initial("ABORTED"), Arc::new(MyPosition::default()), outbox);
        }
        taken
    }

    async fn take(mut self, outbox: &mut Outbox<MyPosition>) -> Result<MyPosition> {
        let mut server = Server::connect(self.config).await?;
        let timeout = self.config.snapshot.lock_timeout.as_secs().max(1);
        server.sql().run(&format!("SET SESSION lock_wait_timeout = {timeout}")).await?;
        server.sql().run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        let mut others = match self.plan.data {
            true => parallel::connections(self.config, &mut server).await?,
            false => Vec::new(),
        };
        let mut locked = self.lock_everything(&mut server).await?;
        if locked != Locked::Tables {
            server.sql().run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
        }
        let all = server.tables().await?;
        let captured = self.wanted(&all)?;
        if locked == Locked::Tables {
            lock_tables(&mut server, &captured).await?;
        }
        let begin = self.begin(&mut server).await?;
        // Behind the position: without a lock they see more than the first connection, and the stream repeats that.
        parallel::begin(&mut others).await?;
        let standing = self.request.as_ref().map(|(_, standing)| standing.origin.clone());
        let mut writer = Writer::new(self.records, &begin, standing);
        self.records.notice(Notice::of_initial("STARTED"), writer.running.clone(), outbox);
        match self.request {
            Some(_) => self.tell_definitions_again(&captured, outbox).await?,
            None => self.read_definitions(&mut server, &all, &begin, &mut writer, outbox).await?,
        }
        if self.config.snapshot.lock != LockMode::Extended && locked == Locked::Everything {
            server.sql().run("UNLOCK TABLES").await?;
            locked = Locked::Nothing;
        }
        if self.plan.data {
            let tables = self.tables(&mut server, captured).await?;
            match others.is_empty() {
                true => self.read_rows(&mut server, tables, &mut writer, outbox).await?,
                false => self.read_rows_at_once(&mut server, others, tables, &mut writer, outbox).await?,
            }
        }
        if locked != Locked::Nothing {
            server.sql().run("UNLOCK TABLES").await?;
        }
        server.sql().run("ROLLBACK").await?;
        let (end, told) = writer.finish(outbox);
        if self.request.is_none() {
            self.definitions.remember(told);
        }
        let behind = Arc::new(end.clone());
        self.records.notice(Notice::of_initial("COMPLETED"), behind.clone(), outbox);
        outbox.advance(behind);
        outbox.flush().await?;
        Ok(end)
    }

    /// Keeps all others from writing, if that is asked for and allowed.
    async fn lock_everything(&mut self, server: &mut Server) -> Result<Locked> {
        let (statement, or_tables) = match self.config.snapshot.lock {
            LockMode::None => return Ok(Locked::Nothing),
            LockMode::Minimal | LockMode::Extended => ("FLUSH TABLES WITH READ LOCK", true),
            LockMode::Percona { table_locks } => ("LOCK TABLES FOR BACKUP", table_locks),
        };
        let Err(error) = server.sql().run(statement).await else { return Ok(Locked::Everything) };
        tracing::info!(%error, "cannot lock everything; tables are locked one by one");
        if !or_tables {
            return Err(Error::fatal(
                "Cannot perform two-phase schema snapshot because global read lock was not acquired and table locks are \
                 not allowed in *_no_table_locks mode.",
            )
            .with_class(DEBEZIUM_ERROR));
        }
        if server.has_right("LOCK TABLES").await? {
            return Ok(Locked::Tables);
        }
        let text = "User does not have the 'LOCK TABLES' privilege required to obtain a consistent snapshot by preventing \
                    concurrent writes to tables.";
        let cause = Error::fatal(text).with_class(DEBEZIUM_ERROR);
        Err(Error::fatal(format!("{DEBEZIUM_ERROR}: {text}")).with_class(DEBEZIUM_ERROR).caused_by(cause))
    }

    /// The captured tables among `all`, or those of them that a signal names.
    fn wanted(&self, all: &[TableId]) -> Result<Vec<TableId>> {
        let captured = all.iter().filter(|id| is_captured(self.config, id)).cloned();
        let Some((request, _)) = &self.request else { return Ok(captured.collect()) };
        let named = Patterns::new(&request.collections.join(",")).map_err(Error::config)?;
        Ok(captured.filter(|id| named.matches(&id.to_string()) || named.matches(&quoted_table(id))).collect())
    }

    async fn begin(&mut self, server: &mut Server) -> Result<MyPosition> {
        if let Some((_, standing)) = &self.request {
            return Ok(MyPosition { snapshot: Some(SnapshotKind::Blocking), ..(*standing.position).clone() });
        }
        if let Some(kept) = &self.plan.keep {
            return Ok(MyPosition { snapshot: Some(SnapshotKind::Initial), ..kept.clone() });
        }
        let end = server.log_end().await?;
        Ok(MyPosition {
            file: end.file.into(),
            pos: end.position,
            gtids: end.gtids.map(|set| set.to_string().into()),
            ts_sec: Some(self.records.now_ms().div_euclid(1_000)),
            snapshot: Some(SnapshotKind::Initial),
            ..MyPosition::default()
        })
    }

    /// Reads the definitions of all tables as statements, the way Debezium's history has them.
    async fn read_definitions(
        &mut self,
        server: &mut Server,
        all: &[TableId],
        begin: &MyPosition,
        writer: &mut Writer<'_>,
        outbox: &mut Outbox<MyPosition>,
    ) -> Result<()> {
        if !self.plan.schema {
            return Ok(());
        }
        let history = &self.config.history;
        let wanted = |id: &&TableId| {
            let eligible = !(self.config.ignore_builtin && is_built_in(&id.schema));
            let in_database = !history.captured_databases_only || is_database_captured(self.config, &id.schema);
            eligible && in_database && (!history.captured_tables_only || is_captured(self.config, id))
        };
        let tables: Vec<&TableId> = all.iter().filter(wanted).collect();
        let mut statements = vec![(String::new(), charset_statement(server).await?)];
        for id in &tables {
            statements.push((id.schema.to_string(), format!("DROP TABLE IF EXISTS {}", quoted_table(id))));
        }
        let mut databases: Vec<&str> = tables.iter().map(|id| &*id.schema).collect();
        databases.dedup();
        for database in databases {
            let name = quoted(database);
            statements.push((database.to_owned(), format!("DROP DATABASE IF EXISTS {name}")));
            statements.push((database.to_owned(), create_database(server, database).await?));
            statements.push((database.to_owned(), format!("USE {name}")));
            let mut of_database: Vec<&TableId> = tables.iter().copied().filter(|id| &*id.schema == database).collect();
            // Without locks Debezium reads them at once, and collects them in a hash map.
            if self.config.snapshot.lock == LockMode::None {
                java_order::sort(&mut of_database);
            }
            for id in of_database {
                let row = server.sql().first(&format!("SHOW CREATE TABLE {}", quoted_table(id))).await?;
                statements.extend(row.and_then(|row| row.text(1)).map(|ddl| (database.to_owned(), ddl)));
            }
        }
        for (database, ddl) in statements {
            let changes = self.definitions.apply(&database, &ddl)?;
            for change in changes {
                self.definitions.keep(&change, begin.to_map()).await?;
                if self.config.schema_changes {
                    writer.schema_change(change, outbox);
                }
            }
            if outbox.is_full() {
                outbox.flush().await?;
            }
        }
        Ok(())
    }

    /// Tells once more, as Debezium does in front of a blocking snapshot, what the initial snapshot told of its tables.
    async fn tell_definitions_again(&mut self, tables: &[TableId], outbox: &mut Outbox<MyPosition>) -> Result<()> {
        for Told { change, origin, position } in self.definitions.told_of(tables) {
            self.definitions.keep(&change, position.to_map()).await?;
            if self.config.schema_changes {
                outbox.push(self.records.schema_change(&change, &origin, position));
            }
        }
        Ok(())
    }

    /// The tables whose rows are read, in order.
    async fn tables(&mut self, server: &mut Server, mut captured: Vec<TableId>) -> Result<Vec<TableId>> {
        if let Some(subset) = self.config.snapshot.tables.as_ref().filter(|_| self.request.is_none()) {
            captured.retain(|id| subset.matches(&id.to_string()));
        }
        let tables = self.config.tables.in_order(captured);
        if self.config.snapshot.order == TableOrder::Disabled {
            return Ok(tables);
        }
        let mut sized = Vec::with_capacity(tables.len());
        for id in tables {
            sized.push((server.row_count(&id).await?, id));
        }
        sized.sort_by_key(|(rows, _)| *rows);
        if self.config.snapshot.order == TableOrder::Descending {
            sized.reverse();
        }
        Ok(sized.into_iter().map(|(_, id)| id).collect())
    }

    async fn read_rows(
        &mut self,
        server: &mut Server,
        tables: Vec<TableId>,
        writer: &mut Writer<'_>,
        outbox: &mut Outbox<MyPosition>,
    ) -> Result<()> {
        let notices = TableNotices::new(&tables, &tables);
        let scanned = self.records.progress.tables(&tables);
        let mut throttle = Throttle::new(self.config.snapshot.rows_per_second);
        for (index, id) in tables.iter().enumerate() {
            let Some(plan) = self.definitions.plan(id) else { continue };
            self.records.notice(notices.begun(id), writer.running.clone(), outbox);
            let query = self.select(&plan);
            let mut reading = Reading::begin(server, &plan, &query).await?;
            let mut count = 0_u64;
            while let Some((row, _)) = reading.next().await? {
                writer.row(&plan, row, index, count == 0, outbox);
                count += 1;
                scanned[index].add(1);
                throttle.row(outbox).await?;
            }
            tracing::info!(table = %id, rows = count, "read");
            self.records.notice(notices.ended(id, count), writer.running.clone(), outbox);
        }
        Ok(())
    }

    async fn read_rows_at_once(
        &mut self,
        server: &mut Server,
        connections: Vec<Server>,
        tables: Vec<TableId>,
        writer: &mut Writer<'_>,
        outbox: &mut Outbox<MyPosition>,
    ) -> Result<()> {
        let notices = TableNotices::new(&tables, &tables);
        let mut sources = Vec::with_capacity(tables.len());
        for id in &tables {
            let Some(plan) = self.definitions.plan(id) else { continue };
            let query = self.select(&plan);
            let cut = self.own_select(&plan).is_none();
            let queries = match cut {
                true => parallel::cut(server, id, query, connections.len()).await?,
                false => vec![query],
            };
            sources.push(parallel::Source { plan, queries });
        }
        let ids: Vec<TableId> = sources.iter().map(|source| source.plan.id.clone()).collect();
        let records = self.records;
        let tell = |event, writer: &Writer<'_>, outbox: &mut Outbox<MyPosition>| {
            let notice = match event {
                parallel::Event::Begun(table) => notices.begun(&ids[table]),
                parallel::Event::Ended(table, rows) => {
                    tracing::info!(table = %ids[table], rows, "read");
                    notices.ended(&ids[table], rows)
                }
            };
            records.notice(notice, writer.running.clone(), outbox);
        };
        let tables = (sources, records.progress.tables(&ids));
        let throttle = Throttle::new(self.config.snapshot.rows_per_second);
        parallel::read(connections, tables, writer, (throttle, outbox), tell).await
    }

    /// The SELECT that the user gave for a table.
    fn own_select(&self, plan: &TableSchema) -> Option<&str> {
        let own = match &self.request {
            // The filter of a blocking snapshot is a whole SELECT.
            Some((request, _)) => request.condition(&plan.name),
            None => self.config.snapshot.selects.get(&plan.name).map(String::as_str),
        };
        own.map(|own| own.trim().trim_end_matches(';'))
    }

    /// The query of a table.
    fn select(&self, plan: &TableSchema) -> String {
        if let Some(own) = self.own_select(plan) {
            return own.to_owned();
        }
        let names: Vec<String> = plan.read_columns().map(|(_, name)| quoted(name)).collect();
        let names = if names.is_empty() { "1".to_owned() } else { names.join(", ") };
        format!("SELECT {names} FROM {}", quoted_table(&plan.id))
    }
}

async fn lock_tables(server: &mut Server, captured: &[TableId]) -> Result<()> {
    if captured.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = captured.iter().map(quoted_table).collect();
    server.sql().run(&format!("FLUSH TABLES {} WITH READ LOCK", names.join(","))).await
}

/// The server's character set, as a statement.
async fn charset_statement(server: &mut Server) -> Result<String> {
    let mut parts = Vec::new();
    for name in ["character_set_server", "collation_server"] {
        if let Some(value) = server.variable(name).await? {
            // A comma or blank makes a value that must be quoted.
            let value = if value.contains([',', ';']) { format!("'{value}'") } else { value };
            parts.push(format!("{name}={value}"));
        }
    }
    Ok(format!("SET {}", parts.join(", ")))
}

async fn create_database(server: &mut Server, database: &str) -> Result<String> {
    let query = format!(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{}'",
        database.replace('\\', "\\\\").replace('\'', "''")
    );
    let mut statement = format!("CREATE DATABASE {}", quoted(database));
    if let Some(row) = server.sql().first(&query).await? {
        if let Some(charset) = row.text(0) {
            statement.push_str(&format!(" CHARSET {charset}"));
        }
        if let Some(collation) = row.text(1) {
            statement.push_str(&format!(" COLLATE {collation}"));
        }
    }
    Ok(statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(data: bool, on_lost_history: bool) -> SnapshotMode {
        SnapshotMode { schema: true, data, always: false, on_lost_position: false, on_lost_history, stream: true }
    }

    #[test]
    fn a_missing_history_is_an_error_unless_the_mode_makes_it_anew() {
        let done = MyPosition::default();
        assert!(Plan::new(mode(true, false), Some(&done), false).is_err());
        assert!(Plan::new(mode(true, true), Some(&done), false).is_ok_and(|plan| plan.schema && plan.data));
        let recovery = Plan::new(mode(false, true), Some(&done), false).expect("a plan");
        assert_eq!(recovery, Plan { schema: true, data: false, keep: Some(done.clone()) });
        assert!(Plan::new(mode(false, true), None, false).is_err(), "nothing to recover for");
        assert!(Plan::new(mode(true, false), Some(&done), true).is_ok_and(|plan| !plan.is_due()));
        assert!(Plan::new(mode(true, false), None, false).is_ok_and(|plan| plan.is_due()));
    }
}
