//! Reads settings that passed validation.

use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::{Password, Props};
use couplet_api::error::Error;
use couplet_cdc::{
    BinaryMode, ColumnChanges, ColumnFilter, DecimalMode, KeyColumns, NameAdjustment, NotificationConfig, Patterns,
    Replacement, Routing, SignalConfig, TableFilter, TimeMode, TopicNaming,
};
use couplet_mysql_wire::Access;

use super::groups;
use super::settings::{
    HistoryConfig, HistoryPlace, Inconsistency, LockMode, MyConfig, SnapshotConfig, SnapshotMode, TableOrder,
    ValueConfig,
};
use crate::flavour::Flavour;
use crate::incremental::parsed;
use crate::tls;
use crate::values::CustomConverters;

/// Bytes of undecoded changes that may wait between the socket and the task when the user sets no limit.
const QUEUE_BYTES: usize = 32 << 20;

/// The settings, with defaults for those not given.
pub(super) struct Reader<'a> {
    /// Which connector.
    pub(super) flavour: Flavour,
    /// As the user gave them.
    pub(super) props: &'a Props,
}

impl Reader<'_> {
    fn opt(&self, key: &str) -> Option<&str> {
        let default =
            || groups(self.flavour).iter().flat_map(|g| g.fields).find(|f| f.name == key).and_then(|f| f.default);
        self.props.get(key).or_else(default).map(str::trim).filter(|text| !text.is_empty())
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

    /// What the settings mean.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] for a number out of range or a bad expression.
    pub(super) fn config(&self) -> Result<MyConfig> {
        let limit: usize = self.number("guardrail.collections.max")?;
        let queue: usize = self.number("max.queue.size.in.bytes")?;
        let keep_alive: Duration = self.millis("connect.keep.alive.interval.ms")?;
        Ok(MyConfig {
            flavour: self.flavour,
            access: self.access()?,
            initial_statements: statements(&self.text("database.initial.statements")),
            server_id: self.number("database.server.id")?,
            silence: self.flag("connect.keep.alive").then_some(keep_alive),
            naming: self.naming()?,
            check_position: self.flag("internal.log.position.check.enable"),
            tables: TableFilter {
                tables_in: self.patterns("table.include.list")?,
                tables_out: self.patterns("table.exclude.list")?,
                schemas_in: self.patterns("database.include.list")?,
                schemas_out: self.patterns("database.exclude.list")?,
            },
            ignore_builtin: self.flag("table.ignore.builtin"),
            columns: ColumnFilter {
                included: self.patterns("column.include.list")?,
                excluded: self.patterns("column.exclude.list")?,
            },
            column_changes: ColumnChanges::new(self.props)?,
            keys: match self.opt("message.key.columns") {
                Some(text) => KeyColumns::new(text).map_err(Error::config)?,
                None => KeyColumns::default(),
            },
            snapshot: self.snapshot()?,
            history: self.history()?,
            schema_changes: self.flag("include.schema.changes"),
            comments: self.flag("include.schema.comments"),
            include_query: self.flag("include.query"),
            gtid_sources: (self.patterns("gtid.source.includes")?, self.patterns("gtid.source.excludes")?),
            filter_gtid_events: self.flag("gtid.source.filter.dml.events"),
            inconsistency: match self.name("inconsistent.schema.handling.mode").as_str() {
                "warn" => Inconsistency::Warn,
                "skip" | "ignore" => Inconsistency::Skip,
                _ => Inconsistency::Fail,
            },
            values: self.values(),
            converters: CustomConverters::new(self.props)?,
            signals: SignalConfig::new(self.props, |key| self.opt(key), parsed)?,
            notifications: NotificationConfig::new(self.props),
            skipped: self.name("skipped.operations").replace("none", ""),
            tombstones: self.flag("tombstones.on.delete"),
            schema_names: NameAdjustment::named(&self.name("schema.name.adjustment.mode")),
            field_names: NameAdjustment::named(&self.name("field.name.adjustment.mode")),
            heartbeat_ms: self.number("heartbeat.interval.ms")?,
            heartbeat_query: self.opt("heartbeat.action.query").map(str::to_owned),
            transactions: self.flag("provide.transaction.metadata"),
            extended_headers: self.flag("extended.headers.enabled"),
            batch_size: self.number("max.batch.size")?,
            queue_bytes: if queue == 0 { QUEUE_BYTES } else { queue },
            table_limit: (limit > 0).then(|| (limit, self.name("guardrail.collections.limit.action") == "fail")),
            skip_unchanged: self.flag("skip.messages.without.change"),
        })
    }

    fn access(&self) -> Result<Access> {
        let store = |kind: &str| {
            let key = format!("database.ssl.{kind}");
            self.opt(&key).map(|path| (path.to_owned(), self.opt(&format!("{key}.password")).map(str::to_owned)))
        };
        Ok(Access {
            host: self.text("database.hostname"),
            port: self.number("database.port")?,
            user: self.text("database.user"),
            password: self.opt("database.password").map(Password::new),
            tls: tls::mode(&self.name("database.ssl.mode"), store("keystore"), store("truststore"))?,
            keep_alive: true,
            connect_timeout: self.millis("connect.timeout.ms")?,
        })
    }

    fn history(&self) -> Result<HistoryConfig> {
        let place = match self.text("schema.history.internal").rsplit('.').next() {
            Some("FileSchemaHistory") => {
                let key = "schema.history.internal.file.filename";
                let file =
                    self.opt(key).ok_or_else(|| Error::config(couplet_cdc::invalid(key, "A value is required")))?;
                HistoryPlace::File(file.to_owned())
            }
            Some("MemorySchemaHistory") => HistoryPlace::Memory,
            _ => HistoryPlace::Kafka,
        };
        Ok(HistoryConfig {
            place,
            skip_unparseable: self.flag("schema.history.internal.skip.unparseable.ddl"),
            captured_tables_only: self.flag("schema.history.internal.store.only.captured.tables.ddl"),
            captured_databases_only: self.flag("schema.history.internal.store.only.captured.databases.ddl"),
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
        let selects = self.props.with_prefix("snapshot.select.statement.overrides.");
        Ok(SnapshotConfig {
            mode: self.snapshot_mode(),
            lock: match self.name("snapshot.locking.mode").as_str() {
                "none" => LockMode::None,
                "extended" => LockMode::Extended,
                "minimal_percona" => LockMode::Percona { table_locks: true },
                "minimal_percona_no_table_locks" => LockMode::Percona { table_locks: false },
                _ => LockMode::Minimal,
            },
            lock_timeout: self.millis("snapshot.lock.timeout.ms")?,
            tables: self.patterns("snapshot.include.collection.list")?,
            selects: selects.iter().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect(),
            order: match self.name("snapshot.tables.order.by.row.count").as_str() {
                "ascending" => TableOrder::Ascending,
                "descending" => TableOrder::Descending,
                _ => TableOrder::Disabled,
            },
            threads: self.number::<usize>("snapshot.max.threads")?.max(1),
            rows_per_second: couplet_cdc::rows_per_second(self.props).map_err(Error::config)?,
            delay: self.millis("snapshot.delay.ms")?,
            streaming_delay: self.millis("streaming.delay.ms")?,
        })
    }

    fn snapshot_mode(&self) -> SnapshotMode {
        let based = |key: &str| self.flag(&format!("snapshot.mode.configuration.based.{key}"));
        let initial = SnapshotMode {
            schema: true,
            data: true,
            always: false,
            on_lost_position: false,
            on_lost_history: false,
            stream: true,
        };
        match self.name("snapshot.mode").as_str() {
            "always" => SnapshotMode { always: true, ..initial },
            "initial_only" => SnapshotMode { stream: false, ..initial },
            "no_data" => SnapshotMode { data: false, ..initial },
            "never" => SnapshotMode { schema: false, data: false, ..initial },
            "when_needed" => SnapshotMode { on_lost_position: true, on_lost_history: true, ..initial },
            "recovery" => SnapshotMode { data: false, on_lost_history: true, ..initial },
            "configuration_based" => SnapshotMode {
                schema: based("snapshot.schema"),
                data: based("snapshot.data"),
                always: false,
                on_lost_position: based("snapshot.on.data.error"),
                on_lost_history: based("snapshot.on.schema.error"),
                stream: based("start.stream"),
            },
            _ => initial,
        }
    }

    fn values(&self) -> ValueConfig {
        ValueConfig {
            decimal: DecimalMode::named(&self.name("decimal.handling.mode")),
            time: TimeMode::named(&self.name("time.precision.mode")),
            binary: BinaryMode::named(&self.name("binary.handling.mode")),
            bigint_unsigned_precise: self.name("bigint.unsigned.handling.mode") == "precise",
            adjust_years: self.flag("enable.time.adjuster"),
        }
    }
}

/// Statements separated by semicolons; two semicolons stand for one inside a statement.
fn statements(text: &str) -> Vec<String> {
    let parts = text.replace(";;", "\u{0}");
    parts.split(';').map(|s| s.replace('\u{0}', ";").trim().to_owned()).filter(|s| !s.is_empty()).collect()
}
