//! Reads settings that passed validation.

use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::{Password, Props};
use couplet_api::error::Error;
use couplet_cdc::{
    BinaryMode, ColumnChanges, ColumnFilter, DecimalMode, KeyColumns, NameAdjustment, NotificationConfig, Patterns,
    Replacement, Routing, SignalConfig, TableFilter, TimeMode, TopicNaming,
};

use super::GROUPS;
use super::settings::{
    ConnectionConfig, HstoreMode, IsolationMode, PgConfig, PublicationMode, SnapshotConfig, SnapshotMode, SslMode,
    TableOrder, ValueConfig,
};
use crate::incremental::parsed;

/// Bytes of undecoded changes that may wait between the socket and the task when the user sets no limit.
const QUEUE_BYTES: usize = 32 << 20;

/// The settings, with defaults for those not given.
pub(super) struct Reader<'a>(pub(super) &'a Props);

impl Reader<'_> {
    pub(super) fn opt(&self, key: &str) -> Option<&str> {
        let default = || GROUPS.iter().flat_map(|g| g.fields).find(|f| f.name == key).and_then(|f| f.default);
        self.0.get(key).or_else(default).map(str::trim).filter(|text| !text.is_empty())
    }

    fn text(&self, key: &str) -> String {
        self.opt(key).unwrap_or_default().to_owned()
    }

    pub(super) fn name(&self, key: &str) -> String {
        self.text(key).to_lowercase()
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.opt(key).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    pub(super) fn number<N: std::str::FromStr + Default>(&self, key: &str) -> Result<N> {
        match self.opt(key) {
            None => Ok(N::default()),
            Some(text) => {
                text.parse().map_err(|_| Error::config(couplet_cdc::invalid(key, &format!("{text} is out of range"))))
            }
        }
    }

    pub(super) fn millis(&self, key: &str) -> Result<Duration> {
        self.number(key).map(Duration::from_millis)
    }

    fn patterns(&self, key: &str) -> Result<Option<Patterns>> {
        let patterns = |list| Patterns::new(list).map_err(|p| Error::config(couplet_cdc::invalid(key, &p)));
        self.opt(key).map(patterns).transpose()
    }

    /// What the settings mean.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] for a number out of range or a bad expression.
    pub(super) fn config(&self) -> Result<PgConfig> {
        let limit: usize = self.number("guardrail.collections.max")?;
        let queue: usize = self.number("max.queue.size.in.bytes")?;
        Ok(PgConfig {
            connection: self.connection()?,
            naming: self.naming()?,
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
            signals: SignalConfig::new(self.0, |key| self.opt(key), parsed)?,
            notifications: NotificationConfig::new(self.0),
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

    fn naming(&self) -> Result<TopicNaming> {
        let strategy = self.text("topic.naming.strategy");
        let or = |key: &str, default: &str| self.opt(key).unwrap_or(default).to_owned();
        let old_heartbeat = self.text("heartbeat.topics.prefix");
        Ok(TopicNaming {
            prefix: self.text("topic.prefix"),
            delimiter: or("topic.delimiter", "."),
            heartbeat_prefix: or("topic.heartbeat.prefix", &old_heartbeat),
            transaction: or("topic.transaction", "transaction"),
            with_schema: strategy.contains(".Schema"),
            unicode: strategy.contains("Unicode"),
            routing: if strategy.contains("Regex") { Some(self.routing()?) } else { None },
        })
    }

    /// `topic.regex` and its companions, which only the strategies with regular expressions have.
    fn routing(&self) -> Result<Routing> {
        let invalid = |key: &str, problem: &str| Error::config(couplet_cdc::invalid(key, problem));
        let rule = |regex: &str, replacement: &str| -> Result<Replacement> {
            let pattern = self.opt(regex).ok_or_else(|| invalid(regex, "A value is required"))?;
            let template = self.opt(replacement).ok_or_else(|| invalid(replacement, "A value is required"))?;
            Replacement::new(pattern, template).map_err(|problem| invalid(regex, &problem))
        };
        let unique = self.opt("topic.key.enforce.uniqueness").is_none_or(|text| text.eq_ignore_ascii_case("true"));
        let field = self.opt("topic.key.field.name").unwrap_or("__dbz__physicalTableIdentifier").to_owned();
        let key_rule = match self.opt("topic.key.field.regex") {
            Some(_) => Some(rule("topic.key.field.regex", "topic.key.field.replacement")?),
            None => None,
        };
        let topic = rule("topic.regex", "topic.replacement")?;
        Ok(Routing::new(topic, unique.then_some((field, key_rule))))
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
            threads: self.number::<usize>("snapshot.max.threads")?.max(1),
            rows_per_second: couplet_cdc::rows_per_second(self.0).map_err(Error::config)?,
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
