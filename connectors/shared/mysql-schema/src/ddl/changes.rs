//! From what a statement was about to the records that tell of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use couplet_api::{Error, Result};
use couplet_cdc::TableId;

use super::{Ddl, DdlEvent, DdlEventKind};
use crate::change::{ChangeKind, SchemaChange, SchemaChangeKind, TableChange};
use crate::tables::Tables;

/// Statements that Debezium does not look at.
const IGNORED: &[&str] = &["BEGIN", "END", "FLUSH PRIVILEGES"];

/// Which changes are told of and kept.
#[derive(Clone)]
pub struct Capture {
    /// Whether a table is captured.
    pub table: Arc<dyn Fn(&TableId) -> bool + Send + Sync>,
    /// Whether tables of a database are captured.
    pub database: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// `schema.history.internal.store.only.captured.tables.ddl`.
    pub only_captured_tables: bool,
    /// `schema.history.internal.store.only.captured.databases.ddl`.
    pub only_captured_databases: bool,
    /// `schema.history.internal.skip.unparseable.ddl`.
    pub skip_unparseable: bool,
}

impl Default for Capture {
    /// Everything is captured, and told of.
    fn default() -> Self {
        Capture {
            table: Arc::new(|_| true),
            database: Arc::new(|_| true),
            only_captured_tables: false,
            only_captured_databases: false,
            skip_unparseable: false,
        }
    }
}

impl Capture {
    /// Whether `change` goes into the schema history. All that [`Ddl::changes`] returns goes to the schema change topic.
    pub fn keeps(&self, change: &SchemaChange) -> bool {
        !self.only_captured_tables
            || is_global_set(&change.ddl, &change.database)
            || change.id.iter().any(|id| (self.table)(id))
    }

    fn is_of_interest(&self, events: &[DdlEvent]) -> bool {
        events.iter().any(|event| match (&event.table, &event.kind) {
            (Some(table), _) => (self.table)(table),
            (None, DdlEventKind::Variable(_)) if event.database.is_empty() => true,
            (None, _) => (self.database)(&event.database),
        })
    }
}

impl Ddl {
    /// Applies the statements in `sql`, which ran in `database`, to `tables`, and makes the records that tell of them.
    ///
    /// # Errors
    /// `Kind::Fatal` when a statement cannot be understood, unless such statements are skipped: then it is told of
    /// without any change.
    pub fn changes(
        &mut self,
        tables: &mut Tables,
        database: &str,
        sql: &str,
        capture: &Capture,
    ) -> Result<Vec<SchemaChange>> {
        if IGNORED.contains(&sql) {
            return Ok(Vec::new());
        }
        let events = match self.apply(tables, database, sql) {
            Ok(events) => events,
            Err(error) if capture.skip_unparseable => {
                tracing::warn!(%error, "a statement that cannot be understood is skipped");
                Vec::new()
            }
            Err(error) => {
                return Err(Error::fatal(format!(
                    "a statement in database '{database}' cannot be understood: {error}; with \
                     schema.history.internal.skip.unparseable.ddl=true it would be skipped, which may leave tables \
                     with a shape that is no longer theirs"
                )));
            }
        };
        if capture.only_captured_tables && !is_global_set(sql, database) && !capture.is_of_interest(&events) {
            return Ok(Vec::new());
        }
        if events.is_empty() {
            let kind = SchemaChangeKind::Database;
            let (database, ddl) = (database.to_owned(), sql.to_owned());
            let change = SchemaChange { kind, database, ddl, id: None, tables: Vec::new(), changes: Vec::new() };
            return Ok(told(vec![change], capture));
        }
        let groups = events.chunk_by(|a, b| a.database == b.database);
        let accepted = groups.filter(|group| {
            !capture.only_captured_tables || group[0].database.is_empty() || (capture.database)(&group[0].database)
        });
        let changes = accepted.flat_map(|group| {
            let about: BTreeSet<_> = group.iter().filter_map(|event| event.table.clone()).collect();
            let about: Vec<_> = about.into_iter().collect();
            group.iter().filter_map(move |event| change(event, &about)).collect::<Vec<_>>()
        });
        let changes = changes.map(|change| with_table(change, tables)).collect();
        Ok(told(changes, capture))
    }
}

/// Leaves out what belongs to databases that are not captured, where that is asked for.
fn told(mut changes: Vec<SchemaChange>, capture: &Capture) -> Vec<SchemaChange> {
    changes.retain(|change| {
        !capture.only_captured_databases || change.database.is_empty() || (capture.database)(&change.database)
    });
    changes
}

/// The change that `event` tells of, without the table's shape. A `SET` of several variables is told of once.
fn change(event: &DdlEvent, about: &[TableId]) -> Option<SchemaChange> {
    let kind = match &event.kind {
        DdlEventKind::Create => SchemaChangeKind::Table(ChangeKind::Create),
        DdlEventKind::Alter { .. } => SchemaChangeKind::Table(ChangeKind::Alter),
        DdlEventKind::Drop => SchemaChangeKind::Table(ChangeKind::Drop),
        DdlEventKind::Truncate => SchemaChangeKind::Truncate,
        DdlEventKind::Database | DdlEventKind::Variable(0) => SchemaChangeKind::Database,
        DdlEventKind::Variable(_) => return None,
    };
    let previous_id = match &event.kind {
        DdlEventKind::Alter { previous } => previous.clone(),
        _ => None,
    };
    let changes = match (kind, &event.table) {
        (SchemaChangeKind::Table(kind), Some(id)) => {
            vec![TableChange { kind, id: id.clone(), previous_id, table: None }]
        }
        _ => Vec::new(),
    };
    Some(SchemaChange {
        kind,
        database: event.database.clone(),
        ddl: event.statement.clone(),
        id: event.table.clone(),
        tables: about.to_vec(),
        changes,
    })
}

/// Adds the shape that the table has now; one that is not known, as a view, has no change.
fn with_table(mut change: SchemaChange, tables: &Tables) -> SchemaChange {
    change.changes.retain_mut(|change| {
        if change.kind == ChangeKind::Drop {
            return true;
        }
        change.table = tables.get(&change.id).cloned();
        change.table.is_some()
    });
    change
}

fn is_global_set(sql: &str, database: &str) -> bool {
    database.is_empty() && sql.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SET "))
}
