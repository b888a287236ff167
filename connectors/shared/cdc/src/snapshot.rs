//! The source block's common fields and the marks of snapshot records.

use couplet_api::data::{Schema, SchemaBuilder, Value};

use crate::semantic::enumeration;

/// The value of `source.snapshot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotMarker {
    /// Neither first nor last.
    True,
    /// First of the snapshot.
    First,
    /// First of its table.
    FirstInDataCollection,
    /// Last of its table.
    LastInDataCollection,
    /// Last of the snapshot.
    Last,
    /// Of an incremental snapshot.
    Incremental,
    /// Not a snapshot record.
    False,
}

impl SnapshotMarker {
    /// The mark of a row by its place: Debezium checks last of all, first of all, last of table, first of table.
    pub const fn of(first_table: bool, last_table: bool, first_row: bool, last_row: bool) -> Self {
        match () {
            () if last_row && last_table => SnapshotMarker::Last,
            () if first_row && first_table => SnapshotMarker::First,
            () if last_row => SnapshotMarker::LastInDataCollection,
            () if first_row => SnapshotMarker::FirstInDataCollection,
            () => SnapshotMarker::True,
        }
    }

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            SnapshotMarker::True => "true",
            SnapshotMarker::First => "first",
            SnapshotMarker::FirstInDataCollection => "first_in_data_collection",
            SnapshotMarker::LastInDataCollection => "last_in_data_collection",
            SnapshotMarker::Last => "last",
            SnapshotMarker::Incremental => "incremental",
            SnapshotMarker::False => "false",
        }
    }
}

/// A source block's schema with the nine common fields, in order: `version`, `connector`, `name`, `ts_ms`, `snapshot`,
/// `db`, `sequence`, `ts_us`, `ts_ns`. The connector appends its own.
pub fn source_schema(name: &str) -> SchemaBuilder {
    let snapshot = enumeration("true,first,first_in_data_collection,last_in_data_collection,last,false,incremental")
        .optional()
        .default(Value::str("false"))
        .build();
    SchemaBuilder::structure()
        .name(name)
        .version(1)
        .field("version", Schema::string())
        .field("connector", Schema::string())
        .field("name", Schema::string())
        .field("ts_ms", Schema::int64())
        .field("snapshot", snapshot)
        .field("db", Schema::string())
        .field("sequence", Schema::optional_string())
        .field("ts_us", Schema::optional_int64())
        .field("ts_ns", Schema::optional_int64())
}

#[cfg(test)]
mod tests {
    use super::SnapshotMarker as M;

    #[test]
    fn a_row_is_marked_by_its_place() {
        let rows = [
            ("a lone row of the only table", (true, true, true, true), M::Last),
            ("a lone row of the first table", (true, false, true, true), M::First),
            ("a lone row of a middle table", (false, false, true, true), M::LastInDataCollection),
            ("the first row of a later table", (false, true, true, false), M::FirstInDataCollection),
            ("a row between", (true, true, false, false), M::True),
        ];
        for (claim, (first_table, last_table, first, last), want) in rows {
            assert_eq!(M::of(first_table, last_table, first, last), want, "{claim}");
        }
    }
}
