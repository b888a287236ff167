//! Where the connector stands, in Debezium's form: the two connectors can take over from each other.

use std::any::Any;
use std::sync::Arc;

use couplet_api::data::{OffsetMap, Position, Value};
use couplet_cdc::IncrementalOffset;

/// How many records of the next row (a new key, a delete with its tombstone) are done: a batch may end among them. Debezium
/// ignores it.
const BEGUN: &str = "row_begun_records";

/// The running transaction, and with a table's name behind it, events of the table in it.
const TRANSACTION: &str = "transaction_id";
const COUNTED: &str = "transaction_data_collection_order_";

/// The running transaction's name and events by table, with `provide.transaction.metadata`.
pub(crate) type TransactionState = Arc<(String, Vec<(String, i64)>)>;

/// The kinds of snapshots that rows of a position may belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotKind {
    /// The one before streaming; a restart takes it again.
    Initial,
    /// One that a signal asked for, with the stream standing still.
    Blocking,
}

impl SnapshotKind {
    const fn name(self) -> &'static str {
        match self {
            SnapshotKind::Initial => "INITIAL",
            SnapshotKind::Blocking => "BLOCKING",
        }
    }
}

/// A position: where to restart, and how much of what follows is done. Compact; the map is made only when it is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct MyPosition {
    /// File of the log.
    pub(crate) file: Arc<str>,
    /// Begin of the running transaction, or end of the last event.
    pub(crate) pos: u64,
    /// Transactions that are done completely.
    pub(crate) gtids: Option<Arc<str>>,
    /// Events of the running transaction that are done.
    pub(crate) events: u64,
    /// Rows of the next event that are done.
    pub(crate) rows: u64,
    /// Server that wrote the event; 0: none yet.
    pub(crate) server_id: u32,
    /// Time of the event, seconds since the epoch.
    pub(crate) ts_sec: Option<i64>,
    /// The snapshot that is running.
    pub(crate) snapshot: Option<SnapshotKind>,
    /// Records of the next row that are done.
    pub(crate) begun: u32,
    /// Transaction metadata.
    pub(crate) transaction: Option<TransactionState>,
    /// Progress of an incremental snapshot.
    pub(crate) incremental: Option<Arc<IncrementalOffset>>,
}

impl MyPosition {
    /// Reads a stored offset.
    pub(crate) fn from_map(map: &OffsetMap) -> Self {
        let number = |key: &str| map.get(key).and_then(Value::as_i64);
        let count = |key: &str| number(key).and_then(|n| u64::try_from(n).ok());
        let text = |key: &str| map.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        // Older versions stored `true` for a running snapshot. Chunks of incremental ones are told apart by their progress.
        let snapshot = match text("snapshot") {
            Some("BLOCKING") => Some(SnapshotKind::Blocking),
            Some("INCREMENTAL") => None,
            Some(_) => Some(SnapshotKind::Initial),
            None => (map.get("snapshot").and_then(Value::as_bool) == Some(true)).then_some(SnapshotKind::Initial),
        };
        MyPosition {
            file: text("file").unwrap_or_default().into(),
            pos: count("pos").unwrap_or(4),
            gtids: text("gtids").map(|gtids| gtids.replace(['\n', '\r'], "").into()),
            events: count("event").unwrap_or(0),
            rows: count("row").unwrap_or(0),
            server_id: number("server_id").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            ts_sec: number("ts_sec"),
            snapshot,
            begun: number(BEGUN).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            transaction: text(TRANSACTION).map(|name| Arc::new((name.to_owned(), counted(map)))),
            incremental: IncrementalOffset::from_map(map).map(Arc::new),
        }
    }

    /// Whether the snapshot before streaming was begun and not finished.
    pub(crate) fn in_snapshot(&self) -> bool {
        self.snapshot == Some(SnapshotKind::Initial)
    }

    /// Whether part of the transaction that begins here is done.
    pub(crate) fn is_within(&self) -> bool {
        self.events > 0 || self.rows > 0 || self.begun > 0 || self.transaction.is_some()
    }

    /// Whether the last record here was the end of `transaction`, which had so many events: records of changes stand
    /// within their event.
    pub(crate) fn is_end_of(&self, transaction: Option<&str>, events: u64) -> bool {
        let named = self.transaction.as_ref().is_some_and(|own| Some(own.0.as_str()) == transaction);
        named && (self.events, self.rows, self.begun) == (events, 0, 0)
    }

    /// The text Debezium prints a position as.
    pub(crate) fn describe(&self) -> String {
        let gtids = self.gtids.as_deref().map(|g| format!(", gtids={g}")).unwrap_or_default();
        format!("{{file={}, pos={}{gtids}, row={}, event={}}}", self.file, self.pos, self.rows, self.events)
    }
}

/// Events of the running transaction by table.
fn counted(map: &OffsetMap) -> Vec<(String, i64)> {
    let count =
        |(key, value): &(Value, Value)| Some((key.as_str()?.strip_prefix(COUNTED)?.to_owned(), value.as_i64()?));
    map.entries().iter().filter_map(count).collect()
}

impl Position for MyPosition {
    fn to_map(&self) -> OffsetMap {
        let mut entries: Vec<(&str, Value)> = Vec::with_capacity(10);
        let mut add = |key: &'static str, value: Option<Value>| entries.extend(value.map(|v| (key, v)));
        let count = |n: u64| (n > 0).then(|| Value::Int64(n.cast_signed()));
        add(TRANSACTION, self.transaction.as_ref().map(|t| Value::str(t.0.as_str())));
        add("ts_sec", self.ts_sec.map(Value::Int64));
        add("file", Some(Value::str(&*self.file)));
        add("pos", Some(Value::Int64(self.pos.cast_signed())));
        add("gtids", self.gtids.as_deref().map(Value::str));
        add("row", count(self.rows));
        add("server_id", count(self.server_id.into()));
        add("event", count(self.events));
        add("snapshot", self.snapshot.map(|kind| Value::str(kind.name())));
        add(BEGUN, count(self.begun.into()));
        let counts = self.transaction.iter().flat_map(|t| &t.1);
        let counts = counts.map(|(table, n)| (Value::str(format!("{COUNTED}{table}")), Value::Int64(*n)));
        entries.extend(self.incremental.iter().flat_map(|progress| progress.entries()));
        OffsetMap::new(entries.into_iter().map(|(k, v)| (Value::str(k), v)).chain(counts))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_being_stored() {
        let position = MyPosition {
            file: "mysql-bin.000002".into(),
            pos: 8145,
            gtids: Some("u:1-26".into()),
            events: 2,
            rows: 1,
            server_id: 3308,
            ts_sec: Some(1_795_360_460),
            snapshot: None,
            begun: 2,
            transaction: Some(Arc::new(("u:27".to_owned(), vec![("a.b".to_owned(), 3)]))),
            incremental: None,
        };
        assert_eq!(MyPosition::from_map(&position.to_map()), position);
        let running = |snapshot| MyPosition { snapshot: Some(snapshot), ..MyPosition::default() };
        assert!(!MyPosition::from_map(&running(SnapshotKind::Blocking).to_map()).in_snapshot());
        let running = running(SnapshotKind::Initial);
        assert!(MyPosition::from_map(&running.to_map()).in_snapshot());
        for key in ["event", BEGUN, TRANSACTION] {
            assert!(running.to_map().get(key).is_none(), "{key}: what is not is not stored");
        }
    }
}
