//! WRITE_ROWS, UPDATE_ROWS and DELETE_ROWS.

use bytes::Bytes;
use couplet_mysql_wire::read::{Reader, slice_of};

use super::cell::{self, Cell};
use super::table_map::TableMap;

/// What happened to the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// Inserted.
    Write,
    /// Updated.
    Update,
    /// Deleted.
    Delete,
}

/// An event about rows; their values are read with the table's map.
#[derive(Debug)]
pub(crate) struct Rows {
    /// What happened.
    pub(crate) kind: RowKind,
    /// Number of the table.
    pub(crate) table: u64,
    columns: usize,
    present: Bytes,
    present_after: Bytes,
    data: Bytes,
}

/// One changed row: before, after.
pub(crate) type RowChange = (Option<Vec<Cell>>, Option<Vec<Cell>>);

impl Rows {
    /// Reads the body; `extra`: version 2, which has room for more.
    pub(super) fn parse(kind: RowKind, extra: bool, body: &Bytes) -> Option<Self> {
        let mut reader = Reader::new(body);
        let table = reader.le(6)?;
        reader.take(2)?;
        if extra {
            let length = usize::from(reader.u16()?);
            reader.take(length.checked_sub(2)?)?;
        }
        let columns = usize::try_from(reader.lenenc()?).ok()?;
        let bitmap = columns.div_ceil(8);
        let present = slice_of(body, reader.take(bitmap)?);
        let present_after = match kind {
            RowKind::Update => slice_of(body, reader.take(bitmap)?),
            _ => present.clone(),
        };
        Some(Rows { kind, table, columns, present, present_after, data: slice_of(body, reader.rest()) })
    }

    /// The changes, in order; `None` when they do not fit `map`.
    pub(crate) fn changes(&self, map: &TableMap) -> Option<Vec<RowChange>> {
        if map.columns.len() != self.columns {
            return None;
        }
        let mut reader = Reader::new(&self.data);
        let mut changes = Vec::new();
        while !reader.is_empty() {
            let first = self.row(map, &self.present, &mut reader)?;
            changes.push(match self.kind {
                RowKind::Write => (None, Some(first)),
                RowKind::Delete => (Some(first), None),
                RowKind::Update => (Some(first), Some(self.row(map, &self.present_after, &mut reader)?)),
            });
        }
        Some(changes)
    }

    fn row(&self, map: &TableMap, present: &Bytes, reader: &mut Reader<'_>) -> Option<Vec<Cell>> {
        let width = (0..self.columns).filter(|i| is_set(present, *i)).count();
        let nulls = reader.take(width.div_ceil(8))?;
        let mut row = Vec::with_capacity(width);
        for (_, column) in map.columns.iter().enumerate().filter(|(i, _)| is_set(present, *i)) {
            let null = is_set(nulls, row.len());
            row.push(if null { Cell::Null } else { cell::read(*column, &self.data, reader)? });
        }
        Some(row)
    }
}

fn is_set(bitmap: &[u8], index: usize) -> bool {
    bitmap.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
}
