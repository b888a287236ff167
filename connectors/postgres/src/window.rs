//! The rows of one chunk of an incremental snapshot, until the stream has passed the mark behind them. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_api::data::{Datum, Value};
use couplet_cdc::RowKey;

use crate::record::Sized;
use crate::schema::{Row, TableSchema};

/// A row that waits.
pub(crate) struct WindowRow {
    /// Its record's key.
    pub(crate) key: Datum,
    /// Its values.
    pub(crate) row: Row,
    /// Where a restart goes on behind it.
    pub(crate) position: RowKey,
}

/// The rows that wait, in order.
#[derive(Default)]
pub(crate) struct Window {
    table: Option<Arc<TableSchema>>,
    /// `None`: the stream had it newer.
    rows: Vec<Option<WindowRow>>,
    /// Place of each key in `rows`.
    places: HashMap<String, usize>,
}

impl Window {
    /// Whether no row waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a row of `table`.
    pub(crate) fn add(&mut self, table: &Arc<TableSchema>, row: WindowRow) {
        self.table = Some(table.clone());
        if let Some(name) = name(&row.key) {
            self.places.insert(name, self.rows.len());
        }
        self.rows.push(Some(row));
    }

    /// Leaves out the rows that `records`, which the stream just had, are about. Returns how many.
    pub(crate) fn leave_out(&mut self, records: &[Sized]) -> usize {
        let Some(table) = &self.table else { return 0 };
        let before = self.places.len();
        for (record, _) in records {
            let source = record.record.value.value.as_struct().and_then(|envelope| envelope.get("source")?.as_struct());
            let same = source.is_some_and(|source| {
                source.get("schema") == Some(&table.schema_value) && source.get("table") == Some(&table.table_value)
            });
            if !same {
                continue;
            }
            if let Some(place) = name(&record.record.key).and_then(|name| self.places.remove(&name)) {
                self.rows[place] = None;
            }
        }
        before - self.places.len()
    }

    /// Leaves out all rows when they are of `table`, which was emptied.
    pub(crate) fn leave_out_table(&mut self, table: &TableSchema) {
        if self.table.as_ref().is_some_and(|own| own.id == table.id) {
            self.rows.iter_mut().for_each(|row| *row = None);
            self.places.clear();
        }
    }

    /// Takes the rows that are left, with their table.
    pub(crate) fn take(&mut self) -> Option<(Arc<TableSchema>, Vec<WindowRow>)> {
        self.places.clear();
        let rows = std::mem::take(&mut self.rows).into_iter().flatten().collect();
        self.table.take().map(|table| (table, rows))
    }
}

/// A text that equal keys share; `None`: the row has no key.
fn name(key: &Datum) -> Option<String> {
    match &key.value {
        Value::Struct(values) => Some(format!("{:?}", values.values())),
        _ => None,
    }
}
