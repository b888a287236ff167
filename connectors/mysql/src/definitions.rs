//! What tables look like now: statements change it, the schema history remembers it, records are made by it.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_api::Result;
use couplet_api::data::{OffsetMap, Position as _};
use couplet_cdc::TableId;
use couplet_mysql_schema::history::{GtidOrder, HistoryRecord, HistoryStore, Recovery};
use couplet_mysql_schema::{Capture, Ddl, Dialect, SchemaChange, Table, Tables};

use crate::config::MyConfig;
use crate::flavour::Flavour;
use crate::gtid::GtidSet;
use crate::offset::MyPosition;
use crate::record::Records;
use crate::schema::TableSchema;
use crate::snapshot::Told;

/// Databases of the server itself.
const BUILT_IN: [&str; 4] = ["mysql", "performance_schema", "sys", "information_schema"];

/// Whether changes of `table` are captured.
pub(crate) fn is_captured(config: &MyConfig, table: &TableId) -> bool {
    if config.signals.table.as_ref() == Some(table) {
        return true;
    }
    !(config.ignore_builtin && is_built_in(&table.schema)) && config.tables.includes(table)
}

/// Whether `database` belongs to the server.
pub(crate) fn is_built_in(database: &str) -> bool {
    BUILT_IN.iter().any(|name| name.eq_ignore_ascii_case(database))
}

/// Whether tables of `database` may be captured.
pub(crate) fn is_database_captured(config: &MyConfig, database: &str) -> bool {
    let (included, excluded) = (&config.tables.schemas_in, &config.tables.schemas_out);
    let listed = match (included, excluded) {
        (Some(included), _) => included.matches(database),
        (None, Some(excluded)) => !excluded.matches(database),
        (None, None) => true,
    };
    listed && !(config.ignore_builtin && is_built_in(database))
}

/// The definitions, with the plans for records made of them.
pub(crate) struct Definitions {
    config: Arc<MyConfig>,
    records: Arc<Records>,
    store: Box<dyn HistoryStore>,
    tables: Tables,
    ddl: Ddl,
    capture: Capture,
    plans: HashMap<TableId, Arc<TableSchema>>,
    /// What the initial snapshot of this task told of tables.
    told: Vec<Told>,
}

impl Definitions {
    /// Knows nothing yet. `ignore_case`: the server's `lower_case_table_names` is not 0.
    pub(crate) fn new(
        config: Arc<MyConfig>,
        records: Arc<Records>,
        store: Box<dyn HistoryStore>,
        ignore_case: bool,
    ) -> Self {
        let (for_tables, for_databases) = (config.clone(), config.clone());
        let capture = Capture {
            table: Arc::new(move |id| is_captured(&for_tables, id)),
            database: Arc::new(move |name| is_database_captured(&for_databases, name)),
            only_captured_tables: config.history.captured_tables_only,
            only_captured_databases: config.history.captured_databases_only,
            skip_unparseable: config.history.skip_unparseable,
        };
        let dialect = match config.flavour {
            Flavour::MySql => Dialect::MySql,
            Flavour::MariaDb => Dialect::MariaDb,
        };
        Definitions {
            // MariaDB's parser in Debezium keeps comments whatever include.schema.comments says.
            ddl: Ddl::new(dialect).with_comments(config.comments || config.flavour == Flavour::MariaDb),
            config,
            records,
            store,
            tables: Tables::new(ignore_case),
            capture,
            plans: HashMap::new(),
            told: Vec::new(),
        }
    }

    /// Remembers what the initial snapshot told.
    pub(crate) fn remember(&mut self, told: Vec<Told>) {
        self.told = told;
    }

    /// What of that was about one of `tables`.
    pub(crate) fn told_of(&self, tables: &[TableId]) -> Vec<Told> {
        self.told.iter().filter(|told| told.table().is_some_and(|table| tables.contains(table))).cloned().collect()
    }

    /// Whether the history holds anything.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub(crate) async fn has_history(&mut self) -> Result<bool> {
        self.store.has_records().await
    }

    /// Makes the place of the history if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) async fn initialize(&mut self) -> Result<()> {
        self.store.initialize().await
    }

    /// Reads the history up to `position`.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub(crate) async fn recover(&mut self, position: &MyPosition) -> Result<()> {
        let order = Order(&self.config);
        let recovery = Recovery {
            source: self.records.partition(),
            until: &position.to_map(),
            gtids: &order,
            filtered: &is_ignored,
            skip_unparseable: self.capture.skip_unparseable,
        };
        let recovered = recovery.run(&mut *self.store, &mut self.ddl, &mut self.tables).await?;
        tracing::info!(tables = self.tables.len(), ?recovered, "read the schema history");
        self.plans.clear();
        Ok(())
    }

    /// Applies `sql`, which ran in `database`, and returns what is to be told of it.
    ///
    /// # Errors
    /// When it cannot be understood and is not to be skipped.
    pub(crate) fn apply(&mut self, database: &str, sql: &str) -> Result<Vec<SchemaChange>> {
        let changes = self.ddl.changes(&mut self.tables, database, sql, &self.capture)?;
        self.plans.clear();
        Ok(changes)
    }

    /// Keeps `change` if it belongs into the history. It happened at `position`. It is durable when this returns.
    ///
    /// # Errors
    /// When it may not be durable.
    pub(crate) async fn keep(&mut self, change: &SchemaChange, position: OffsetMap) -> Result<()> {
        if !self.capture.keeps(change) {
            return Ok(());
        }
        let record = HistoryRecord {
            source: self.records.partition().clone(),
            position,
            ts_ms: Some(self.records.now_ms()),
            database: Some(change.database.clone()),
            schema: None,
            ddl: Some(change.ddl.clone()),
            changes: Some(change.changes.clone()),
        };
        self.store.append(&record).await
    }

    /// The definition of `id`; `None`: the table is not known.
    pub(crate) fn table(&self, id: &TableId) -> Option<&Arc<Table>> {
        self.tables.get(id)
    }

    /// The plan for the records of `id`; `None`: the table is not known.
    pub(crate) fn plan(&mut self, id: &TableId) -> Option<Arc<TableSchema>> {
        if let Some(plan) = self.plans.get(id) {
            return Some(plan.clone());
        }
        let table = self.tables.get(id)?;
        let plan = Arc::new(TableSchema::new(table, &self.records.source_schema, &self.config));
        self.plans.insert(id.clone(), plan.clone());
        Some(plan)
    }
}

/// Whether a statement of the log is none that concerns tables: what Debezium's `ddl.filter` leaves out by default, and
/// views and stored programs, which it does not tell of either. `TRUNCATE` is looked at in spite of that filter.
pub(crate) fn is_ignored(sql: &str) -> bool {
    let upper = without_set_statement(sql.trim()).to_ascii_uppercase();
    let generated =
        upper.starts_with("DROP TEMPORARY TABLE IF EXISTS ") && upper.ends_with("/* GENERATED BY SERVER */");
    let mut words = upper.split_ascii_whitespace();
    let ignored = match words.next().unwrap_or_default() {
        "SAVEPOINT" | "GRANT" | "REVOKE" | "ANALYZE" | "OPTIMIZE" | "REPAIR" => true,
        "FLUSH" => words.next() == Some("RELAY"),
        "CREATE" | "ALTER" | "DROP" => words
            .find(|word| !is_attribute(word))
            .is_some_and(|word| ["VIEW", "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "USER", "ROLE"].contains(&word)),
        "#" => words.next() == Some("DUMMY"),
        _ => false,
    };
    generated || ignored
}

/// What may stand between `CREATE` and the kind of thing that is made.
fn is_attribute(word: &str) -> bool {
    ["OR", "REPLACE", "SQL", "SECURITY", "INVOKER"].contains(&word)
        || word == "DEFINER"
        || word.starts_with("DEFINER=")
        || word.starts_with("ALGORITHM=")
        || word == "AGGREGATE"
}

/// MariaDB's `SET STATEMENT … FOR` stands in front of statements.
pub(crate) fn without_set_statement(sql: &str) -> &str {
    if !sql.get(..14).is_some_and(|head| head.eq_ignore_ascii_case("SET STATEMENT ")) {
        return sql;
    }
    let upper = sql.to_ascii_uppercase();
    upper.find(" FOR ").map_or(sql, |at| sql[at + 5..].trim_start())
}

/// Compares sets as the connector's GTID filters see them.
struct Order<'a>(&'a MyConfig);

impl Order<'_> {
    fn set(&self, text: &str) -> GtidSet {
        let mut set = GtidSet::parse(self.0.flavour, text);
        set.retain(|source| gtid_source_counts(self.0, source));
        set
    }
}

/// Whether transactions of `source` (`uuid`, or `domain-server`) count.
pub(crate) fn gtid_source_counts(config: &MyConfig, source: &str) -> bool {
    match &config.gtid_sources {
        (Some(included), _) => included.matches(source),
        (None, Some(excluded)) => !excluded.matches(source),
        (None, None) => true,
    }
}

impl GtidOrder for Order<'_> {
    fn equal(&self, recorded: &str, desired: &str) -> Result<bool> {
        Ok(self.set(recorded) == self.set(desired))
    }

    fn within(&self, recorded: &str, desired: &str) -> Result<bool> {
        Ok(self.set(recorded).is_within(&self.set(desired)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_about_no_table_are_left_out() {
        let rows = [
            ("create table t(id int)", false),
            ("truncate table t", false),
            ("SET STATEMENT max_statement_time=1 FOR grant all on *.* to x", true),
            ("CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1", true),
            ("CREATE DEFINER=`a`@`%` trigger tg before insert on a for each row set new.n=1", true),
            ("drop procedure p", true),
            ("drop index i on t", false),
            ("DROP TEMPORARY TABLE IF EXISTS `t` /* generated by server */", true),
        ];
        for (sql, want) in rows {
            assert_eq!(is_ignored(sql), want, "{sql}");
        }
    }
}
