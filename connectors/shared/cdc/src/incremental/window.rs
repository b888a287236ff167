//! The rows of one chunk of an incremental snapshot, until the stream has passed the mark behind them. Pure.

use std::collections::HashMap;

use couplet_api::data::{Datum, SourceRecord, Value};

use super::run::ChunkRow;
use crate::filter::TableId;

/// The rows that wait, in order.
#[derive(Debug)]
pub(super) struct Window<R> {
    /// Member of the source block that holds the first part of a table's name.
    namespace: &'static str,
    table: Option<TableId>,
    /// `None`: the stream had it newer.
    rows: Vec<Option<ChunkRow<R>>>,
    /// Place of each key in `rows`.
    places: HashMap<String, usize>,
}

impl<R> Window<R> {
    /// Without rows.
    pub(super) fn new(namespace: &'static str) -> Self {
        Window { namespace, table: None, rows: Vec::new(), places: HashMap::new() }
    }

    /// Whether no row waits.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts the rows of `table` that were read in place of all others.
    pub(super) fn fill(&mut self, table: TableId, rows: Vec<ChunkRow<R>>) {
        let places = rows.iter().enumerate().filter_map(|(place, row)| Some((name(&row.key)?, place)));
        self.places = places.collect();
        self.table = Some(table);
        self.rows = rows.into_iter().map(Some).collect();
    }

    /// Leaves out the rows that `records`, which the stream just had, are about. Returns how many.
    pub(super) fn leave_out<'a>(&mut self, records: impl IntoIterator<Item = &'a SourceRecord>) -> usize {
        let Some(table) = &self.table else { return 0 };
        let before = self.places.len();
        for record in records {
            let source = record.record.value.value.as_struct().and_then(|envelope| envelope.get("source")?.as_struct());
            let same = source.is_some_and(|source| {
                let is = |member: &str, text: &str| source.get(member).and_then(Value::as_str) == Some(text);
                is(self.namespace, &table.schema) && is("table", &table.table)
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
    pub(super) fn leave_out_table(&mut self, table: &TableId) {
        if self.table.as_ref() == Some(table) {
            self.rows.iter_mut().for_each(|row| *row = None);
            self.places.clear();
        }
    }

    /// Takes the rows that are left.
    pub(super) fn take(&mut self) -> Vec<ChunkRow<R>> {
        self.places.clear();
        self.table = None;
        std::mem::take(&mut self.rows).into_iter().flatten().collect()
    }
}

/// A text that equal keys share; `None`: the row has no key.
fn name(key: &Datum) -> Option<String> {
    match &key.value {
        Value::Struct(values) => Some(format!("{:?}", values.values())),
        _ => None,
    }
}
