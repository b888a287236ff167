//! All tables that are known.

use std::collections::BTreeMap;
use std::sync::Arc;

use couplet_cdc::TableId;

use crate::table::Table;

/// Tables by database and name.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    tables: BTreeMap<TableId, Arc<Table>>,
    ignore_case: bool,
}

impl Tables {
    /// No tables. `ignore_case`: the server's `lower_case_table_names` is not 0, names differ by more than case.
    pub const fn new(ignore_case: bool) -> Self {
        Tables { tables: BTreeMap::new(), ignore_case }
    }

    /// The table, if it is known.
    pub fn get(&self, id: &TableId) -> Option<&Arc<Table>> {
        self.tables.get(&*self.key(id))
    }

    /// All tables, ordered by database and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// How many tables are known.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Puts `table` in the place of one of its name.
    pub fn put(&mut self, table: impl Into<Arc<Table>>) {
        let table = table.into();
        let key = self.key(&table.id).into_owned();
        self.tables.insert(key, table);
    }

    /// Forgets the table.
    pub fn remove(&mut self, id: &TableId) -> Option<Arc<Table>> {
        let key = self.key(id).into_owned();
        self.tables.remove(&key)
    }

    /// Forgets all tables of `database`.
    pub fn remove_database(&mut self, database: &str) {
        self.tables.retain(|id, _| *id.schema != *database);
    }

    /// Gives the table another name; nothing happens to one that is not known.
    pub fn rename(&mut self, id: &TableId, new_id: &TableId) {
        if let Some(table) = self.remove(id) {
            let mut table = Arc::unwrap_or_clone(table);
            table.id = new_id.clone();
            self.put(table);
        }
    }

    fn key<'a>(&self, id: &'a TableId) -> std::borrow::Cow<'a, TableId> {
        if self.ignore_case {
            std::borrow::Cow::Owned(TableId::new(id.schema.clone(), id.table.to_lowercase()))
        } else {
            std::borrow::Cow::Borrowed(id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_of_names_counts_only_where_the_server_says_so() {
        for (ignore_case, found) in [(true, true), (false, false)] {
            let mut tables = Tables::new(ignore_case);
            tables.put(Table::new(TableId::new("d", "Orders")));
            assert_eq!(tables.get(&TableId::new("d", "ORDERS")).is_some(), found);
            tables.rename(&TableId::new("d", "orders"), &TableId::new("d", "New"));
            assert_eq!(tables.get(&TableId::new("d", "New")).is_some(), found);
        }
    }

    #[test]
    fn a_dropped_database_takes_its_tables_along() {
        let mut tables = Tables::new(false);
        tables.put(Table::new(TableId::new("d", "t")));
        tables.put(Table::new(TableId::new("e", "t")));
        tables.remove_database("d");
        assert_eq!(tables.iter().map(|table| table.id.to_string()).collect::<Vec<_>>(), ["e.t"]);
    }
}
