//! What the settings mean, parsed once at the start of a task.

use std::collections::HashMap;
use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::{ConfigValue, Props};
use couplet_api::error::Error;
use couplet_cdc::{
    BinaryMode, ColumnChanges, ColumnFilter, DecimalMode, KeyColumns, NameAdjustment, NotificationConfig, Patterns,
    SignalConfig, TableFilter, TimeMode, TopicNaming,
};
use couplet_mysql_wire::Access;

use super::reader::Reader;
use super::{groups, not_built};
use crate::flavour::Flavour;
use crate::values::CustomConverters;

/// What `snapshot.mode` comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotMode {
    /// Definitions are read when no snapshot was completed.
    pub(crate) schema: bool,
    /// Rows are read when no snapshot was completed.
    pub(crate) data: bool,
    /// Both are read at every start.
    pub(crate) always: bool,
    /// A lost position leads to a new snapshot.
    pub(crate) on_lost_position: bool,
    /// A lost history of definitions leads to a new one.
    pub(crate) on_lost_history: bool,
    /// Changes are streamed.
    pub(crate) stream: bool,
}

/// `snapshot.locking.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockMode {
    /// Nothing is locked.
    None,
    /// While definitions are read.
    Minimal,
    /// While everything is read.
    Extended,
    /// `LOCK TABLES FOR BACKUP` of Percona's server, and whether table locks may stand in.
    Percona {
        /// Whether they may.
        table_locks: bool,
    },
}

/// `snapshot.tables.order.by.row.count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableOrder {
    /// By name.
    Disabled,
    /// Small tables first.
    Ascending,
    /// Large tables first.
    Descending,
}

/// `inconsistent.schema.handling.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inconsistency {
    /// The task fails.
    Fail,
    /// The change is left out with a warning.
    Warn,
    /// The change is left out.
    Skip,
}

/// Where the schema history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HistoryPlace {
    /// A Kafka topic; the settings below `schema.history.internal.`.
    Kafka,
    /// A file.
    File(String),
    /// Nowhere.
    Memory,
}

/// How snapshots are taken.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotConfig {
    /// When.
    pub(crate) mode: SnapshotMode,
    /// What is locked.
    pub(crate) lock: LockMode,
    /// Longest wait for a lock.
    pub(crate) lock_timeout: Duration,
    /// Subset of the captured tables.
    pub(crate) tables: Option<Patterns>,
    /// SELECT of its own by `database.table`.
    pub(crate) selects: HashMap<String, String>,
    /// Order of tables.
    pub(crate) order: TableOrder,
    /// Connections that read at once.
    pub(crate) threads: usize,
    /// Most rows each second.
    pub(crate) rows_per_second: Option<u64>,
    /// Pause before.
    pub(crate) delay: Duration,
    /// Pause after.
    pub(crate) streaming_delay: Duration,
}

/// The history of definitions.
#[derive(Debug, Clone)]
pub(crate) struct HistoryConfig {
    /// Where.
    pub(crate) place: HistoryPlace,
    /// Whether statements that cannot be read are skipped.
    pub(crate) skip_unparseable: bool,
    /// Whether only captured tables are kept.
    pub(crate) captured_tables_only: bool,
    /// Whether only captured databases are kept.
    pub(crate) captured_databases_only: bool,
}

/// How values are represented.
#[derive(Debug, Clone)]
pub(crate) struct ValueConfig {
    /// DECIMAL.
    pub(crate) decimal: DecimalMode,
    /// Dates and times.
    pub(crate) time: TimeMode,
    /// Bytes.
    pub(crate) binary: BinaryMode,
    /// Whether BIGINT UNSIGNED is a decimal.
    pub(crate) bigint_unsigned_precise: bool,
    /// Whether years of two digits are completed.
    pub(crate) adjust_years: bool,
}

/// All settings of a task.
#[derive(Debug, Clone)]
pub(crate) struct MyConfig {
    /// Which connector.
    pub(crate) flavour: Flavour,
    /// Where to connect.
    pub(crate) access: Access,
    /// Statements for each new SQL connection.
    pub(crate) initial_statements: Vec<String>,
    /// Number among the server's replicas.
    pub(crate) server_id: u32,
    /// How long the connection may be silent; `None`: for ever.
    pub(crate) silence: Option<Duration>,
    /// Names of topics.
    pub(crate) naming: TopicNaming,
    /// Whether the stored position is checked.
    pub(crate) check_position: bool,
    /// Captured tables.
    pub(crate) tables: TableFilter,
    /// Whether system tables are left out.
    pub(crate) ignore_builtin: bool,
    /// Captured columns.
    pub(crate) columns: ColumnFilter,
    /// Masks, truncation, source types.
    pub(crate) column_changes: ColumnChanges,
    /// Keys of one's own.
    pub(crate) keys: KeyColumns,
    /// Snapshots.
    pub(crate) snapshot: SnapshotConfig,
    /// The history of definitions.
    pub(crate) history: HistoryConfig,
    /// Whether changes of definitions are told.
    pub(crate) schema_changes: bool,
    /// Whether comments are kept.
    pub(crate) comments: bool,
    /// Whether events carry their statement.
    pub(crate) include_query: bool,
    /// Servers whose changes count, and those that do not.
    pub(crate) gtid_sources: (Option<Patterns>, Option<Patterns>),
    /// Whether changes of the latter are dropped.
    pub(crate) filter_gtid_events: bool,
    /// What a change of an unknown table means.
    pub(crate) inconsistency: Inconsistency,
    /// Values.
    pub(crate) values: ValueConfig,
    /// Custom converters.
    pub(crate) converters: CustomConverters,
    /// Signals, and the incremental snapshots that they start.
    pub(crate) signals: SignalConfig,
    /// Where notifications go.
    pub(crate) notifications: NotificationConfig,
    /// Operations left out, by letter.
    pub(crate) skipped: String,
    /// Whether deletes are followed by tombstones.
    pub(crate) tombstones: bool,
    /// Schema names.
    pub(crate) schema_names: NameAdjustment,
    /// Field names.
    pub(crate) field_names: NameAdjustment,
    /// Time between heartbeats, milliseconds.
    pub(crate) heartbeat_ms: u64,
    /// Statement of a heartbeat.
    pub(crate) heartbeat_query: Option<String>,
    /// Whether transactions are reported.
    pub(crate) transactions: bool,
    /// Context headers.
    pub(crate) extended_headers: bool,
    /// Most records in one poll.
    pub(crate) batch_size: usize,
    /// Most bytes waiting in memory.
    pub(crate) queue_bytes: usize,
    /// Most captured tables, and whether more is an error.
    pub(crate) table_limit: Option<(usize, bool)>,
    /// Whether updates that change no captured column are left out.
    pub(crate) skip_unchanged: bool,
}

/// Checks all settings: Debezium's checks, and refusals of what is not built. One value per key, in order.
pub(crate) fn validate(flavour: Flavour, props: &Props) -> Vec<ConfigValue> {
    let mut values = couplet_cdc::validate(groups(flavour), props);
    for (key, problem) in not_built::refusals(props) {
        if let Some(value) = values.iter_mut().find(|v| v.name == key).filter(|v| v.errors.is_empty()) {
            value.add_error(problem);
        }
    }
    values
}

impl MyConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] with one line per problem.
    pub(crate) fn new(flavour: Flavour, props: &Props) -> Result<Self> {
        let mut problems: Vec<String> = validate(flavour, props).into_iter().flat_map(|v| v.errors).collect();
        let known = |key: &str| groups(flavour).iter().flat_map(|g| g.fields).any(|f| f.name == key);
        problems.extend(not_built::refusals(props).into_iter().filter(|(key, _)| !known(key)).map(|(_, p)| p));
        if !problems.is_empty() {
            return Err(Error::config(problems.join("\n")));
        }
        Reader { flavour, props }.config()
    }
}
