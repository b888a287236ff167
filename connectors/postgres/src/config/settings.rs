//! What the settings mean, parsed once at the start of a task.

use std::collections::HashMap;
use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::{ConfigValue, Password, Props};
use couplet_api::error::Error;
use couplet_cdc::{
    BinaryMode, ColumnChanges, ColumnFilter, DecimalMode, KeyColumns, NameAdjustment, NotificationConfig, Patterns,
    SignalConfig, TableFilter, TableId, TimeMode, TopicNaming,
};

use super::reader::Reader;
use super::{GROUPS, not_built};

/// `database.sslmode`, as libpq means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never encrypt.
    Disable,
    /// Encrypt if the server can; certificates are not checked. Stands for `allow` too.
    Prefer,
    /// Encrypt; certificates are not checked unless authorities are given.
    Require,
    /// Encrypt and check the certificate's authority.
    VerifyCa,
    /// Encrypt and check authority and host name.
    VerifyFull,
}

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password.
    pub password: Option<Password>,
    /// Database.
    pub database: String,
    /// Encryption.
    pub ssl: SslMode,
    /// Client certificate file.
    pub ssl_cert: Option<String>,
    /// Client key file.
    pub ssl_key: Option<String>,
    /// Authorities' file.
    pub ssl_root_cert: Option<String>,
    /// TCP keep-alive.
    pub keep_alive: bool,
    /// Statements for each new SQL connection.
    pub initial_statements: Vec<String>,
    /// Limit of one statement, milliseconds.
    pub statement_timeout_ms: u64,
}

/// `publication.autocreate.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicationMode {
    /// Make nothing.
    Disabled,
    /// For all tables.
    AllTables,
    /// For the captured tables.
    Filtered,
    /// For no table.
    NoTables,
}

/// What `snapshot.mode` comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotMode {
    /// Rows are read when no snapshot was completed.
    pub data: bool,
    /// Rows are read at every start.
    pub always: bool,
    /// A lost position leads to a new snapshot.
    pub on_lost_position: bool,
    /// Changes are streamed.
    pub stream: bool,
}

/// `snapshot.isolation.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationMode {
    /// SERIALIZABLE, DEFERRABLE.
    Serializable,
    /// REPEATABLE READ.
    RepeatableRead,
    /// READ COMMITTED.
    ReadCommitted,
    /// READ UNCOMMITTED.
    ReadUncommitted,
}

/// `snapshot.tables.order.by.row.count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableOrder {
    /// By name.
    Disabled,
    /// Small tables first.
    Ascending,
    /// Large tables first.
    Descending,
}

/// How snapshots are taken.
#[derive(Debug, Clone)]
pub struct SnapshotConfig {
    /// When.
    pub mode: SnapshotMode,
    /// Isolation of a snapshot that does not come from the slot.
    pub isolation: IsolationMode,
    /// Whether tables are locked against changes of their definition.
    pub lock_tables: bool,
    /// Longest wait for a lock, milliseconds.
    pub lock_timeout_ms: u64,
    /// Subset of the captured tables.
    pub tables: Option<Patterns>,
    /// SELECT of its own by `schema.table`.
    pub selects: HashMap<String, String>,
    /// Order of tables.
    pub order: TableOrder,
    /// Connections that read at once.
    pub threads: usize,
    /// Most rows each second.
    pub rows_per_second: Option<u64>,
    /// Pause before.
    pub delay: Duration,
    /// Pause after.
    pub streaming_delay: Duration,
}

/// `hstore.handling.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HstoreMode {
    /// JSON text.
    Json,
    /// MAP.
    Map,
}

/// How values are represented.
#[derive(Debug, Clone)]
pub struct ValueConfig {
    /// numeric, money.
    pub decimal: DecimalMode,
    /// Dates and times.
    pub time: TimeMode,
    /// bytea and unknown types.
    pub binary: BinaryMode,
    /// hstore.
    pub hstore: HstoreMode,
    /// Whether intervals are ISO text.
    pub interval_text: bool,
    /// Whether unknown types are sent as bytes.
    pub unknown: bool,
    /// Scale of money.
    pub money_digits: i32,
    /// Stands for a large value that was not sent.
    pub placeholder: Vec<u8>,
}

/// All settings of a task.
#[derive(Debug, Clone)]
pub struct PgConfig {
    /// Where to connect.
    pub connection: ConnectionConfig,
    /// Names of topics.
    pub naming: TopicNaming,
    /// Plugin.
    pub plugin: String,
    /// Slot.
    pub slot: String,
    /// Whether a graceful stop drops the slot.
    pub drop_slot: bool,
    /// Whether the slot is made for failover.
    pub failover_slot: bool,
    /// More options of START_REPLICATION.
    pub stream_params: Vec<(String, String)>,
    /// Attempts on a busy slot after the first.
    pub slot_retries: u32,
    /// Pause between them.
    pub slot_retry_delay: Duration,
    /// Publication.
    pub publication: String,
    /// What to make when it is missing.
    pub publication_mode: PublicationMode,
    /// Whether it reports partitions as their root.
    pub via_partition_root: bool,
    /// Replica identities to set: `schema.table` pattern, identity.
    pub replica_identities: Vec<(Patterns, String)>,
    /// Longest time between status reports.
    pub status_interval: Duration,
    /// How often the slot's xmin is read.
    pub xmin_interval: Option<Duration>,
    /// Whether positions are confirmed.
    pub flush_lsn: bool,
    /// Whether the stored position is checked.
    pub check_position: bool,
    /// Captured tables.
    pub tables: TableFilter,
    /// Whether system tables are left out.
    pub ignore_builtin: bool,
    /// Captured columns.
    pub columns: ColumnFilter,
    /// Masks, truncation, source types.
    pub column_changes: ColumnChanges,
    /// Keys of one's own.
    pub keys: KeyColumns,
    /// Snapshots.
    pub snapshot: SnapshotConfig,
    /// Values.
    pub values: ValueConfig,
    /// Operations left out, by letter.
    pub skipped: String,
    /// Whether deletes are followed by tombstones.
    pub tombstones: bool,
    /// Schema names.
    pub schema_names: NameAdjustment,
    /// Field names.
    pub field_names: NameAdjustment,
    /// Time between heartbeats, milliseconds.
    pub heartbeat_ms: u64,
    /// Statement of a heartbeat.
    pub heartbeat_query: Option<String>,
    /// Whether transactions are reported.
    pub transactions: bool,
    /// Context headers.
    pub extended_headers: bool,
    /// Wanted logical messages.
    pub messages: (Option<Patterns>, Option<Patterns>),
    /// Most records in one poll.
    pub batch_size: usize,
    /// Most bytes waiting in memory.
    pub queue_bytes: usize,
    /// Most captured tables, and whether more is an error.
    pub table_limit: Option<(usize, bool)>,
    /// Whether updates that change no captured column are left out.
    pub skip_unchanged: bool,
    /// Signals and incremental snapshots.
    pub signals: SignalConfig,
    /// Notifications.
    pub notifications: NotificationConfig,
}

/// Checks all settings: Debezium's checks, and refusals of what is not built. One value per key, in order.
pub(crate) fn validate(props: &Props) -> Vec<ConfigValue> {
    let mut values = couplet_cdc::validate(GROUPS, props);
    let mut note = |key: &str, problem: String| {
        if let Some(value) = values.iter_mut().find(|v| v.name == key).filter(|v| v.errors.is_empty()) {
            value.add_error(problem);
        }
    };
    for (key, problem) in not_built::refusals(props) {
        note(key, problem);
    }
    values
}

impl PgConfig {
    /// Whether the changes of `table` are captured: the lists let it through, or it is the signal table.
    pub fn captures(&self, table: &TableId) -> bool {
        self.tables.includes(table) || self.signals.table.as_ref() == Some(table)
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] with one line per problem.
    pub fn new(props: &Props) -> Result<Self> {
        let mut problems: Vec<String> = validate(props).into_iter().flat_map(|v| v.errors).collect();
        let known = |key: &str| GROUPS.iter().flat_map(|g| g.fields).any(|f| f.name == key);
        problems.extend(not_built::refusals(props).into_iter().filter(|(key, _)| !known(key)).map(|(_, p)| p));
        if !problems.is_empty() {
            return Err(Error::config(problems.join("\n")));
        }
        Reader(props).config()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: [(&str, &str); 6] = [
        ("topic.prefix", "p"),
        ("database.hostname", "h"),
        ("database.user", "u"),
        ("database.password", "s3cret"),
        ("database.dbname", "d"),
        ("plugin.name", "pgoutput"),
    ];

    fn with(more: &[(&str, &str)]) -> Props {
        BASE.iter().chain(more).copied().collect()
    }

    #[test]
    fn all_keys_of_debezium_are_there_in_its_order() {
        let def = couplet_cdc::config_def(GROUPS);
        let names: Vec<&str> = def.keys().iter().map(|k| &*k.name).collect();
        assert_eq!(names.len(), 118);
        assert_eq!((names[0], names[30], names[117]), ("topic.prefix", "flush.lsn.source", "sourceinfo.struct.maker"));
        assert!(def.keys().iter().all(|k| !k.doc.is_empty()));
    }

    #[test]
    fn problems_name_their_key() {
        let rows: &[(&str, &str, &str)] = &[
            ("slot.name", "Slot-1", "The 'slot.name' value is invalid: Valid replication slot name"),
            (
                "max.queue.size",
                "10",
                "The 'max.queue.size' value is invalid: Must be larger than the maximum batch size",
            ),
            (
                "snapshot.mode",
                "never",
                "The 'snapshot.mode' value is invalid: Value must be one of always, initial_only",
            ),
            ("skipped.operations", "m", "The 'skipped.operations' value is invalid: Invalid operation: m"),
            (
                "signal.enabled.channels",
                "source,pigeon",
                "The 'signal.enabled.channels' value is invalid: pigeon is not one of source, kafka, file",
            ),
            (
                "notification.enabled.channels",
                "sink",
                "The 'notification.sink.topic.name' value is invalid: Notification topic name must be provided",
            ),
            ("message.key.columns", "t", "The 'message.key.columns' value is invalid: t has an invalid format"),
            ("database.port", "70000", "The 'database.port' value is invalid: 70000 is out of range"),
        ];
        for (key, value, want) in rows {
            let error = PgConfig::new(&with(&[(key, value)])).expect_err(key);
            assert!(error.message().starts_with(want), "{key}: {}", error.message());
        }
        let missing = PgConfig::new(&Props::from_iter([("plugin.name", "pgoutput")])).expect_err("4 missing");
        assert_eq!(missing.message().lines().count(), 4, "{}", missing.message());
    }

    #[test]
    fn settings_mean_what_debezium_means() {
        let config = PgConfig::new(&with(&[
            ("snapshot.mode", "when_needed"),
            ("unavailable.value.placeholder", "hex:70006c"),
            ("database.initial.statements", "set a='x;;y';select 1"),
            ("skipped.operations", "none"),
        ]))
        .expect("valid");
        let mode = config.snapshot.mode;
        assert!(mode.data && !mode.always && mode.on_lost_position && mode.stream);
        assert_eq!(config.values.placeholder, [0x70, 0, 0x6c]);
        assert_eq!(config.connection.initial_statements, ["set a='x;y'", "select 1"]);
        assert_eq!(config.skipped, "");
        assert_eq!(config.naming.heartbeat_topic(), "__debezium-heartbeat.p");
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
