//! What the settings mean, parsed once at the start of a task.

use std::collections::HashMap;
use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::{ConfigValue, Password, Props};
use couplet_api::error::Error;
use couplet_cdc::{
    BinaryMode, ColumnChanges, ColumnFilter, DecimalMode, KeyColumns, NameAdjustment, Patterns, TableFilter, TimeMode,
    TopicNaming,
};

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
    /// Whether no table counts as the first, which is how Debezium marks a snapshot of several threads.
    pub unordered: bool,
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
}

/// Bytes of undecoded changes that may wait between the socket and the task when the user sets no limit.
const QUEUE_BYTES: usize = 32 << 20;

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

/// Reads settings that passed validation.
struct Reader<'a>(&'a Props);

impl Reader<'_> {
    fn opt(&self, key: &str) -> Option<&str> {
        let default = || GROUPS.iter().flat_map(|g| g.fields).find(|f| f.name == key).and_then(|f| f.default);
        self.0.get(key).or_else(default).map(str::trim).filter(|text| !text.is_empty())
    }

    fn text(&self, key: &str) -> String {
        self.opt(key).unwrap_or_default().to_owned()
    }

    fn name(&self, key: &str) -> String {
        self.text(key).to_lowercase()
    }

    fn flag(&self, key: &str) -> bool {
        self.opt(key).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    fn number<N: std::str::FromStr + Default>(&self, key: &str) -> Result<N> {
        match self.opt(key) {
            None => Ok(N::default()),
            Some(text) => {
                text.parse().map_err(|_| Error::config(couplet_cdc::invalid(key, &format!("{text} is out of range"))))
            }
        }
    }

    fn millis(&self, key: &str) -> Result<Duration> {
        self.number(key).map(Duration::from_millis)
    }

    fn patterns(&self, key: &str) -> Result<Option<Patterns>> {
        let patterns = |list| Patterns::new(list).map_err(|p| Error::config(couplet_cdc::invalid(key, &p)));
        self.opt(key).map(patterns).transpose()
    }

    fn config(&self) -> Result<PgConfig> {
        let limit: usize = self.number("guardrail.collections.max")?;
        let queue: usize = self.number("max.queue.size.in.bytes")?;
        Ok(PgConfig {
            connection: self.connection()?,
            naming: self.naming(),
            plugin: self.name("plugin.name"),
            slot: self.text("slot.name"),
            drop_slot: self.flag("slot.drop.on.stop"),
            failover_slot: self.flag("slot.failover"),
            stream_params: self.pairs("slot.stream.params", ';', '='),
            slot_retries: self.number("slot.max.retries")?,
            slot_retry_delay: self.millis("slot.retry.delay.ms")?,
            publication: self.text("publication.name"),
            publication_mode: match self.name("publication.autocreate.mode").as_str() {
                "disabled" => PublicationMode::Disabled,
                "filtered" => PublicationMode::Filtered,
                "no_tables" => PublicationMode::NoTables,
                _ => PublicationMode::AllTables,
            },
            via_partition_root: self.flag("publish.via.partition.root"),
            replica_identities: self.replica_identities()?,
            status_interval: self.millis("status.update.interval.ms")?,
            xmin_interval: Some(self.millis("xmin.fetch.interval.ms")?).filter(|interval| !interval.is_zero()),
            flush_lsn: self.flag("flush.lsn.source"),
            check_position: self.flag("internal.log.position.check.enable"),
            tables: TableFilter {
                tables_in: self.patterns("table.include.list")?,
                tables_out: self.patterns("table.exclude.list")?,
                schemas_in: self.patterns("schema.include.list")?,
                schemas_out: self.patterns("schema.exclude.list")?,
            },
            ignore_builtin: self.flag("table.ignore.builtin"),
            columns: ColumnFilter {
                included: self.patterns("column.include.list")?,
                excluded: self.patterns("column.exclude.list")?,
            },
            column_changes: ColumnChanges::new(self.0)?,
            keys: match self.opt("message.key.columns") {
                Some(text) => KeyColumns::new(text).map_err(Error::config)?,
                None => KeyColumns::default(),
            },
            snapshot: self.snapshot()?,
            values: self.values()?,
            skipped: self.name("skipped.operations").replace("none", ""),
            tombstones: self.flag("tombstones.on.delete"),
            schema_names: NameAdjustment::named(&self.name("schema.name.adjustment.mode")),
            field_names: NameAdjustment::named(&self.name("field.name.adjustment.mode")),
            heartbeat_ms: self.number("heartbeat.interval.ms")?,
            heartbeat_query: self.opt("heartbeat.action.query").map(str::to_owned),
            transactions: self.flag("provide.transaction.metadata"),
            extended_headers: self.flag("extended.headers.enabled"),
            messages: (self.patterns("message.prefix.include.list")?, self.patterns("message.prefix.exclude.list")?),
            batch_size: self.number("max.batch.size")?,
            queue_bytes: if queue == 0 { QUEUE_BYTES } else { queue },
            table_limit: (limit > 0).then(|| (limit, self.name("guardrail.collections.limit.action") == "fail")),
            skip_unchanged: self.flag("skip.messages.without.change"),
        })
    }

    fn connection(&self) -> Result<ConnectionConfig> {
        Ok(ConnectionConfig {
            host: self.text("database.hostname"),
            port: self.number("database.port")?,
            user: self.text("database.user"),
            password: self.opt("database.password").map(Password::new),
            database: self.text("database.dbname"),
            ssl: match self.name("database.sslmode").as_str() {
                "disable" => SslMode::Disable,
                "require" => SslMode::Require,
                "verify-ca" => SslMode::VerifyCa,
                "verify-full" => SslMode::VerifyFull,
                _ => SslMode::Prefer,
            },
            ssl_cert: self.opt("database.sslcert").map(str::to_owned),
            ssl_key: self.opt("database.sslkey").map(str::to_owned),
            ssl_root_cert: self.opt("database.sslrootcert").map(str::to_owned),
            keep_alive: self.flag("database.tcpKeepAlive"),
            initial_statements: statements(&self.text("database.initial.statements")),
            statement_timeout_ms: self.number("database.query.timeout.ms")?,
        })
    }

    fn naming(&self) -> TopicNaming {
        let strategy = self.text("topic.naming.strategy");
        let or = |key: &str, default: &str| self.opt(key).unwrap_or(default).to_owned();
        let old_heartbeat = self.text("heartbeat.topics.prefix");
        TopicNaming {
            prefix: self.text("topic.prefix"),
            delimiter: or("topic.delimiter", "."),
            heartbeat_prefix: or("topic.heartbeat.prefix", &old_heartbeat),
            transaction: or("topic.transaction", "transaction"),
            with_schema: strategy.contains(".Schema"),
            unicode: strategy.contains("Unicode"),
        }
    }

    fn snapshot(&self) -> Result<SnapshotConfig> {
        let based = |key: &str| self.flag(&format!("snapshot.mode.configuration.based.{key}"));
        let mode = |data, always, on_lost_position, stream| SnapshotMode { data, always, on_lost_position, stream };
        let selects = self.0.with_prefix("snapshot.select.statement.overrides.");
        Ok(SnapshotConfig {
            mode: match self.name("snapshot.mode").as_str() {
                "always" => mode(true, true, false, true),
                "initial_only" => mode(true, false, false, false),
                "no_data" => mode(false, false, false, true),
                "when_needed" => mode(true, false, true, true),
                "configuration_based" => {
                    mode(based("snapshot.data"), false, based("snapshot.on.data.error"), based("start.stream"))
                }
                _ => mode(true, false, false, true),
            },
            isolation: match self.name("snapshot.isolation.mode").as_str() {
                "repeatable_read" => IsolationMode::RepeatableRead,
                "read_committed" => IsolationMode::ReadCommitted,
                "read_uncommitted" => IsolationMode::ReadUncommitted,
                _ => IsolationMode::Serializable,
            },
            lock_tables: self.name("snapshot.locking.mode") == "shared",
            lock_timeout_ms: self.number("snapshot.lock.timeout.ms")?,
            tables: self.patterns("snapshot.include.collection.list")?,
            selects: selects.iter().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect(),
            order: match self.name("snapshot.tables.order.by.row.count").as_str() {
                "ascending" => TableOrder::Ascending,
                "descending" => TableOrder::Descending,
                _ => TableOrder::Disabled,
            },
            unordered: self.number::<u32>("snapshot.max.threads")? > 1,
            delay: self.millis("snapshot.delay.ms")?,
            streaming_delay: self.millis("streaming.delay.ms")?,
        })
    }

    fn values(&self) -> Result<ValueConfig> {
        let placeholder = self.text("unavailable.value.placeholder");
        let placeholder = match placeholder.strip_prefix("hex:") {
            Some(digits) => hex::decode(digits.replace(' ', "")).map_err(|_| {
                Error::config(couplet_cdc::invalid("unavailable.value.placeholder", "hexadecimal digits are expected"))
            })?,
            None => placeholder.into_bytes(),
        };
        Ok(ValueConfig {
            decimal: DecimalMode::named(&self.name("decimal.handling.mode")),
            time: TimeMode::named(&self.name("time.precision.mode")),
            binary: BinaryMode::named(&self.name("binary.handling.mode")),
            hstore: if self.name("hstore.handling.mode") == "map" { HstoreMode::Map } else { HstoreMode::Json },
            interval_text: self.name("interval.handling.mode") == "string",
            unknown: self.flag("include.unknown.datatypes"),
            money_digits: self.opt("money.fraction.digits").map_or(Ok(2), |_| self.number("money.fraction.digits"))?,
            placeholder,
        })
    }

    fn pairs(&self, key: &str, separator: char, equals: char) -> Vec<(String, String)> {
        let pair = |item: &str| item.split_once(equals).map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
        self.text(key).split(separator).filter_map(pair).collect()
    }

    fn replica_identities(&self) -> Result<Vec<(Patterns, String)>> {
        let key = "replica.identity.autoset.values";
        let parsed = |part: &str| -> Option<Result<(Patterns, String)>> {
            let (table, identity) = part.trim().rsplit_once(':')?;
            let patterns = Patterns::new(table).map_err(|p| Error::config(couplet_cdc::invalid(key, &p)));
            Some(patterns.map(|p| (p, identity.trim().to_owned())))
        };
        self.text(key).split(',').filter_map(parsed).collect()
    }
}

/// Statements separated by semicolons; two semicolons stand for one inside a statement.
fn statements(text: &str) -> Vec<String> {
    let parts = text.replace(";;", "\u{0}");
    parts.split(';').map(|s| s.replace('\u{0}', ";").trim().to_owned()).filter(|s| !s.is_empty()).collect()
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
            ("converters", "isbn", "The 'converters' value is invalid: custom converters are not supported"),
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
