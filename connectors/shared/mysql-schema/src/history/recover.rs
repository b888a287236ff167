//! Brings tables to the shape that they had at an offset.

use couplet_api::data::OffsetMap;
use couplet_api::{Error, Result};

use super::{GtidOrder, HistoryRecord, HistoryStore, is_at_or_before};
use crate::change::{ChangeKind, TableChange};
use crate::ddl::Ddl;
use crate::tables::Tables;

/// What of the history is applied, and how.
pub struct Recovery<'a> {
    /// The source partition; records of others are left out.
    pub source: &'a OffsetMap,
    /// Up to where.
    pub until: &'a OffsetMap,
    /// How transaction ids are compared.
    pub gtids: &'a dyn GtidOrder,
    /// Statements that are left out (`schema.history.internal.ddl.filter`).
    pub filtered: &'a (dyn Fn(&str) -> bool + Sync),
    /// `schema.history.internal.skip.unparseable.ddl`.
    pub skip_unparseable: bool,
}

/// How much was read and applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records in the history.
    pub read: u64,
    /// Of these, those applied.
    pub applied: u64,
}

impl Recovery<'_> {
    /// Applies the records in `store` to `tables`, and lets `ddl` learn from those that hold no shape of a table.
    ///
    /// # Errors
    /// `Kind::Fatal` for a record that cannot be understood, and what the store returns.
    pub async fn run(&self, store: &mut dyn HistoryStore, ddl: &mut Ddl, tables: &mut Tables) -> Result<Recovered> {
        let mut recovered = Recovered::default();
        store
            .load(&mut |text| {
                recovered.read += 1;
                let Some(record) = HistoryRecord::parse(text)? else {
                    tracing::warn!("a record of the schema history is not one and is skipped");
                    return Ok(());
                };
                recovered.applied += u64::from(self.apply(&record, ddl, tables)?);
                Ok(())
            })
            .await?;
        Ok(recovered)
    }

    /// Applies one record, if it is of this source and not behind the offset. Returns whether it was applied.
    fn apply(&self, record: &HistoryRecord, ddl: &mut Ddl, tables: &mut Tables) -> Result<bool> {
        if !same(&record.source, self.source) || !is_at_or_before(&record.position, self.until, self.gtids)? {
            return Ok(false);
        }
        if let Some(changes) = record.changes.as_deref().filter(|changes| !changes.is_empty()) {
            changes.iter().for_each(|change| apply_change(change, tables));
            return Ok(true);
        }
        let Some(statement) = record.ddl.as_deref().filter(|statement| !(self.filtered)(statement)) else {
            return Ok(false);
        };
        match ddl.apply(tables, record.database.as_deref().unwrap_or_default(), statement) {
            Ok(_) => Ok(true),
            Err(error) if self.skip_unparseable => {
                tracing::warn!(%error, "a statement of the schema history cannot be understood and is skipped");
                Ok(false)
            }
            Err(error) => Err(Error::fatal(format!(
                "a statement of the schema history cannot be understood: {error}; with \
                 schema.history.internal.skip.unparseable.ddl=true it would be skipped"
            ))),
        }
    }
}

fn apply_change(change: &TableChange, tables: &mut Tables) {
    if let Some(previous) = &change.previous_id {
        tables.remove(previous);
    }
    match (&change.kind, &change.table) {
        (ChangeKind::Create | ChangeKind::Alter, Some(table)) => tables.put(table.clone()),
        _ => {
            tables.remove(&change.id);
        }
    }
}

/// Whether both hold the same members, in whatever order.
fn same(a: &OffsetMap, b: &OffsetMap) -> bool {
    let within = |a: &OffsetMap, b: &OffsetMap| a.entries().iter().all(|entry| b.entries().contains(entry));
    within(a, b) && within(b, a)
}
