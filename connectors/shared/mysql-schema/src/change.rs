//! What a statement did: to one table, and what of it is told to the outside.

use std::sync::Arc;

use couplet_cdc::TableId;

use crate::table::Table;

/// How a table changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Create,
    /// It has another shape or name.
    Alter,
    /// It is gone.
    Drop,
}

impl ChangeKind {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            ChangeKind::Create => "CREATE",
            ChangeKind::Alter => "ALTER",
            ChangeKind::Drop => "DROP",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [ChangeKind::Create, ChangeKind::Alter, ChangeKind::Drop].into_iter().find(|kind| kind.name() == name)
    }
}

/// A changed table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableChange {
    /// What happened to it.
    pub kind: ChangeKind,
    /// Its name afterwards.
    pub id: TableId,
    /// Its name before, when it was renamed.
    pub previous_id: Option<TableId>,
    /// Its shape afterwards; none for one that is gone.
    pub table: Option<Arc<Table>>,
}

/// What kind of change a [`SchemaChange`] tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaChangeKind {
    /// Of a table, or of nothing when the table is not known.
    Table(ChangeKind),
    /// Truncation of a table; its shape stays.
    Truncate,
    /// Of a database, a variable, or of something that has no tables.
    Database,
}

/// One record of the schema history and of the schema change topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// What kind of change.
    pub kind: SchemaChangeKind,
    /// The database, or an empty text.
    pub database: String,
    /// The statement, or the part of it that made this change.
    pub ddl: String,
    /// The table that it is about.
    pub id: Option<TableId>,
    /// All tables that the statement is about: what `source.table` names.
    pub tables: Vec<TableId>,
    /// What changed: nothing, or one table.
    pub changes: Vec<TableChange>,
}
