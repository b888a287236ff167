//! Where the connector stands, in Debezium's form: the two connectors can take over from each other.

use std::any::Any;
use std::sync::Arc;

use couplet_api::data::{OffsetMap, Position, Value};
use couplet_api::error::Error;
use couplet_cdc::IncrementalOffset;

use crate::wire::Lsn;

/// How many changes at the position's LSN are done, when it is more than one; without it a restart within a group of
/// rows that share an LSN (`COPY`, multi-row inserts) would lose the rest. Debezium ignores it.
const PROCESSED: &str = "lsn_events_processed";

/// LSN of a change of several records (a new key, a delete with its tombstone) some of which are done, and how many: a batch
/// may end among them. Debezium ignores both.
const BEGUN: &str = "lsn_begun";
const BEGUN_RECORDS: &str = "lsn_begun_records";

/// The running transaction, and with a table's name behind it, events of the table in it.
const TRANSACTION: &str = "transaction_id";
const COUNTED: &str = "transaction_data_collection_order_";

/// What kind of message the position follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageType {
    Begin,
    Commit,
    Insert,
    Update,
    Delete,
    Truncate,
    Message,
}

const MESSAGE_TYPES: [(MessageType, &str); 7] = [
    (MessageType::Begin, "BEGIN"),
    (MessageType::Commit, "COMMIT"),
    (MessageType::Insert, "INSERT"),
    (MessageType::Update, "UPDATE"),
    (MessageType::Delete, "DELETE"),
    (MessageType::Truncate, "TRUNCATE"),
    (MessageType::Message, "MESSAGE"),
];

/// The kinds of snapshots, by the names they have in offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotKind {
    /// The one before streaming; a restart takes it again.
    Initial,
    /// One that a signal asked for, with the stream standing still.
    Blocking,
    /// A chunk of an incremental one.
    Incremental,
}

const SNAPSHOT_KINDS: [(SnapshotKind, &str); 3] = [
    (SnapshotKind::Initial, "INITIAL"),
    (SnapshotKind::Blocking, "BLOCKING"),
    (SnapshotKind::Incremental, "INCREMENTAL"),
];

/// How far a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotState {
    /// Which one.
    pub(crate) kind: SnapshotKind,
    /// Whether this is its last record.
    pub(crate) last: bool,
    /// Whether it is complete.
    pub(crate) completed: bool,
}

/// The running transaction's number and events by table, with `provide.transaction.metadata`.
pub(crate) type TransactionState = Arc<(String, Vec<(String, i64)>)>;

/// A position. Compact; the map is made only when it is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PgPosition {
    /// Of the change.
    pub(crate) lsn: Lsn,
    /// Of the last change that is done completely.
    pub(crate) processed_lsn: Option<Lsn>,
    /// End of the last transaction that is done.
    pub(crate) commit_lsn: Option<Lsn>,
    /// Changes at `lsn` that are done; 0 or 1: nothing special.
    pub(crate) processed: u32,
    /// Number of the transaction.
    pub(crate) tx_id: Option<i64>,
    /// Time of the change, microseconds since the epoch.
    pub(crate) ts_us: Option<i64>,
    /// Kind of the change.
    pub(crate) message: Option<MessageType>,
    /// The slot's xmin, when it is asked for.
    pub(crate) xmin: Option<i64>,
    /// Set while and right after a snapshot.
    pub(crate) snapshot: Option<SnapshotState>,
    /// Transaction metadata.
    pub(crate) transaction: Option<TransactionState>,
    /// LSN of the change behind this place, and how many of its records are done although it is not.
    pub(crate) begun: Option<(Lsn, u32)>,
    /// Progress of an incremental snapshot.
    pub(crate) incremental: Option<Arc<IncrementalOffset>>,
}

impl PgPosition {
    /// Reads a stored offset.
    pub(crate) fn from_map(map: &OffsetMap) -> Self {
        let number = |key: &str| map.get(key).and_then(Value::as_i64);
        let lsn = |key: &str| number(key).map(Lsn::from);
        let flag = |key: &str| map.get(key).and_then(Value::as_bool);
        let text = |key: &str| map.get(key).and_then(Value::as_str);
        // Older versions stored `true` for a running snapshot.
        let snapshotting = text("snapshot").is_some() || flag("snapshot") == Some(true);
        let processed_lsn = lsn("lsn_proc");
        PgPosition {
            lsn: lsn("lsn").or(processed_lsn).unwrap_or_default(),
            processed_lsn,
            commit_lsn: lsn("lsn_commit"),
            processed: number(PROCESSED).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            tx_id: number("txId"),
            ts_us: number("ts_usec"),
            message: text("messageType").and_then(|name| MESSAGE_TYPES.iter().find(|(_, n)| *n == name)).map(|m| m.0),
            xmin: number("xmin"),
            snapshot: snapshotting.then(|| {
                let last = flag("last_snapshot_record").unwrap_or(false);
                let named = SNAPSHOT_KINDS.iter().find(|(_, name)| text("snapshot") == Some(name));
                SnapshotState {
                    kind: named.map_or(SnapshotKind::Initial, |(kind, _)| *kind),
                    last,
                    completed: flag("snapshot_completed").unwrap_or(last),
                }
            }),
            transaction: text(TRANSACTION).map(|id| Arc::new((id.to_owned(), counted(map)))),
            begun: lsn(BEGUN).zip(number(BEGUN_RECORDS).and_then(|n| u32::try_from(n).ok())),
            incremental: IncrementalOffset::from_map(map).map(Arc::new),
        }
    }

    /// Whether the initial snapshot was begun and not finished.
    pub(crate) fn in_snapshot(&self) -> bool {
        self.snapshot.is_some_and(|s| s.kind == SnapshotKind::Initial && !s.completed && !s.last)
    }

    /// Whether it is within a transaction.
    pub(crate) fn is_within(&self) -> bool {
        let initial = self.snapshot.is_some_and(|s| s.kind == SnapshotKind::Initial);
        !initial && !matches!(self.message, None | Some(MessageType::Commit))
    }

    /// Where streaming takes up: behind everything that is done.
    pub(crate) fn stream_from(&self) -> Lsn {
        self.commit_lsn.map_or(self.lsn, |commit| commit.max(self.lsn))
    }

    /// What the slot must still have: the position Debezium compares with the slot's restart position.
    pub(crate) fn needed(&self) -> Option<Lsn> {
        self.commit_lsn.or(self.processed_lsn)
    }

    /// The text Debezium prints a position as.
    pub(crate) fn describe(&self) -> String {
        let entries = self.to_map();
        let pairs: Vec<String> = entries
            .entries()
            .iter()
            .map(|(key, value)| {
                let text = value.as_i64().map(|n| n.to_string()).or_else(|| value.as_str().map(str::to_owned));
                let text = text.unwrap_or_else(|| value.as_bool().map_or("null".to_owned(), |b| b.to_string()));
                format!("{}={text}", key.as_str().unwrap_or_default())
            })
            .collect();
        format!("{{{}}}", pairs.join(", "))
    }

    /// Why the event at this position cannot be written, in Debezium's words.
    pub(crate) fn processing_failed(&self, error: Error) -> Error {
        Error::new(error.kind(), format!("Error while processing event at offset {}", self.describe()))
            .with_class("org.apache.kafka.connect.errors.ConnectException")
            .caused_by(error)
    }
}

/// Events by table in the running transaction, as an offset tells them.
fn counted(map: &OffsetMap) -> Vec<(String, i64)> {
    let count =
        |(key, value): &(Value, Value)| Some((key.as_str()?.strip_prefix(COUNTED)?.to_owned(), value.as_i64()?));
    map.entries().iter().filter_map(count).collect()
}

impl Position for PgPosition {
    fn committed_ms(&self) -> Option<i64> {
        self.ts_us.map(|us| us / 1000)
    }

    fn to_map(&self) -> OffsetMap {
        let mut entries: Vec<(&str, Value)> = Vec::with_capacity(8);
        let mut add = |key: &'static str, value: Option<Value>| entries.extend(value.map(|v| (key, v)));
        let lsn = |lsn: Lsn| Value::Int64(lsn.as_i64());
        add(TRANSACTION, self.transaction.as_ref().map(|t| Value::str(t.0.as_str())));
        add("last_snapshot_record", self.snapshot.map(|s| Value::Bool(s.last)));
        add("lsn_proc", self.processed_lsn.map(lsn));
        let message = self.message.and_then(|kind| MESSAGE_TYPES.iter().find(|(k, _)| *k == kind));
        add("messageType", message.map(|(_, name)| Value::str(*name)));
        add("lsn_commit", self.commit_lsn.map(lsn));
        add("lsn", Some(lsn(self.lsn)));
        add("xmin", self.xmin.map(Value::Int64));
        add("txId", self.tx_id.map(Value::Int64));
        add("ts_usec", self.ts_us.map(Value::Int64));
        let kind = self.snapshot.and_then(|s| SNAPSHOT_KINDS.iter().find(|(kind, _)| *kind == s.kind));
        add("snapshot", kind.map(|(_, name)| Value::str(*name)));
        add("snapshot_completed", self.snapshot.map(|s| Value::Bool(s.completed)));
        add(PROCESSED, (self.processed > 1).then(|| Value::Int64(self.processed.into())));
        add(BEGUN, self.begun.map(|(at, _)| lsn(at)));
        add(BEGUN_RECORDS, self.begun.map(|(_, records)| Value::Int64(records.into())));
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
    fn offsets_have_debeziums_form_and_come_back() {
        let streaming = PgPosition {
            lsn: Lsn(50),
            processed_lsn: Some(Lsn(50)),
            commit_lsn: Some(Lsn(40)),
            processed: 3,
            tx_id: Some(7),
            ts_us: Some(9),
            message: Some(MessageType::Insert),
            begun: Some((Lsn(60), 2)),
            transaction: Some(Arc::new(("7".to_owned(), vec![("public.t".to_owned(), 4)]))),
            ..PgPosition::default()
        };
        let snapshot = PgPosition {
            lsn: Lsn(30),
            tx_id: Some(7),
            ts_us: Some(9),
            snapshot: Some(SnapshotState { kind: SnapshotKind::Initial, last: true, completed: true }),
            ..PgPosition::default()
        };
        for position in [&streaming, &snapshot] {
            assert_eq!(&PgPosition::from_map(&position.to_map()), position);
        }
        let map = snapshot.to_map();
        let keys: Vec<&str> = map.entries().iter().filter_map(|(k, _)| k.as_str()).collect();
        assert_eq!(keys, ["last_snapshot_record", "lsn", "txId", "ts_usec", "snapshot", "snapshot_completed"]);
        assert_eq!((streaming.stream_from(), snapshot.stream_from()), (Lsn(50), Lsn(30)));
        assert!(!snapshot.in_snapshot());
    }

    #[test]
    fn an_unfinished_snapshot_is_seen() {
        let map = OffsetMap::new([
            ("lsn", Value::Int64(1)),
            ("snapshot", Value::str("INITIAL")),
            ("last_snapshot_record", Value::Bool(false)),
            ("snapshot_completed", Value::Bool(false)),
        ]);
        assert!(PgPosition::from_map(&map).in_snapshot());
    }

    #[test]
    fn only_an_initial_snapshot_is_taken_again() {
        for (kind, again) in [("INITIAL", true), ("BLOCKING", false), ("INCREMENTAL", false), ("true", true)] {
            let map = OffsetMap::new([
                ("lsn", Value::Int64(1)),
                ("snapshot", Value::str(kind)),
                ("last_snapshot_record", Value::Bool(false)),
                ("snapshot_completed", Value::Bool(false)),
            ]);
            assert_eq!(PgPosition::from_map(&map).in_snapshot(), again, "{kind}");
        }
    }
}
