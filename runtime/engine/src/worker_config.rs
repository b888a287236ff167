//! Settings of a worker: one properties file, two modes.

use std::sync::Arc;

use couplet_api::config::{Props, Setting, Validator, one_of_ignore_case, with};
use couplet_api::config_def;
use couplet_api::{Error, Result};

use crate::config_provider::{Providers, Resolved};
use crate::connector_config::RestartConfig;
pub use crate::override_policy::OverridePolicy;
use crate::{secrets, worker_keys};

/// How the worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Member of a group; state in Kafka topics.
    Distributed,
    /// Alone; offsets in a file.
    Standalone,
}

config_def! {
    /// Settings of both modes.
    pub struct CommonConfig {
        /// Brokers to begin with, `host:port`.
        bootstrap_servers: List = "bootstrap.servers", High, default "localhost:9092";
        /// Converter of record keys, unless a connector names its own.
        key_converter: Class = "key.converter", High, required;
        /// Converter of record values, unless a connector names its own.
        value_converter: Class = "value.converter", High, required;
        /// Converter of record headers, unless a connector names its own.
        header_converter: Class = "header.converter", Low, default "org.apache.kafka.connect.storage.SimpleHeaderConverter";
        /// Milliseconds that all tasks together get to stop.
        task_shutdown_graceful_timeout_ms: Long = "task.shutdown.graceful.timeout.ms", Low, default "5000";
        /// Milliseconds between two commits of offsets.
        offset_flush_interval_ms: Long = "offset.flush.interval.ms", Low, default "60000";
        /// Milliseconds one commit of offsets may take.
        offset_flush_timeout_ms: Long = "offset.flush.timeout.ms", Low, default "5000";
        /// Folders that hold JVM plugins; accepted, and of no use without a JVM.
        plugin_path: List = "plugin.path", Low, optional;
        /// Addresses of the REST server.
        listeners: List = "listeners", Low, default "http://:8083";
        /// Addresses of the admin endpoints; empty: none; absent: the REST server's.
        admin_listeners: List = "admin.listeners", Low, optional;
        /// Host name told to other workers and clients.
        rest_advertised_host_name: Str = "rest.advertised.host.name", Low, optional;
        /// Port told to other workers and clients.
        rest_advertised_port: Int = "rest.advertised.port", Low, optional;
        /// Listener (`http` or `https`) told to other workers and clients.
        rest_advertised_listener: Str = "rest.advertised.listener", Low, optional;
        /// CORS: origin that may call.
        access_control_allow_origin: Str = "access.control.allow.origin", Low, default "";
        /// CORS: methods that may be called.
        access_control_allow_methods: Str = "access.control.allow.methods", Low, default "";
        /// Rules for extra response headers (KIP-577).
        response_http_headers_config: Str = "response.http.headers.config", Low, default "";
        /// Which client settings connectors may override.
        override_policy: Str = "connector.client.config.override.policy", Medium, default "All";
        /// Client settings that the policy `Allowlist` lets connectors override.
        override_allowlist: List = "connector.client.config.override.allowlist", Medium, default "";
        /// Addresses where `/metrics` is served alone; absent: it is one of the REST server's paths.
        metrics_listeners: List = "couplet.metrics.listeners", Low, optional;
        /// How lines of the log look: `text` or `json`.
        log_format: Str = "couplet.log.format", Low, default "text", one_of_ignore_case(&["text", "json"]);
        /// Classes that change the REST server: `BasicAuthSecurityRestExtension` is known.
        rest_extension_classes: List = "rest.extension.classes", Low, default "";
        /// Whether topics of sources are created by the worker.
        topic_creation_enable: Bool = "topic.creation.enable", Low, default "true";
        /// Whether active topics are tracked.
        topic_tracking_enable: Bool = "topic.tracking.enable", Low, default "true";
        /// Whether tracked topics may be reset.
        topic_tracking_allow_reset: Bool = "topic.tracking.allow.reset", Low, default "true";
        /// Names of the config providers.
        config_providers: List = "config.providers", Low, default "";
    }
}

config_def! {
    /// Settings of distributed mode.
    pub struct DistributedConfig {
        /// Name of the Connect cluster; must differ from every consumer group.
        group_id: Str = "group.id", High, required;
        /// Topic of connector configs.
        config_storage_topic: Str = "config.storage.topic", High, required;
        /// Its replication factor; -1: the broker's default.
        config_storage_replication_factor: Short = "config.storage.replication.factor", Low, default "3", replication_factor();
        /// Topic of source offsets.
        offset_storage_topic: Str = "offset.storage.topic", High, required;
        /// Its partitions; -1: the broker's default.
        offset_storage_partitions: Int = "offset.storage.partitions", Low, default "25", partitions();
        /// Its replication factor; -1: the broker's default.
        offset_storage_replication_factor: Short = "offset.storage.replication.factor", Low, default "3", replication_factor();
        /// Topic of states.
        status_storage_topic: Str = "status.storage.topic", High, required;
        /// Its partitions; -1: the broker's default.
        status_storage_partitions: Int = "status.storage.partitions", Low, default "5", partitions();
        /// Its replication factor; -1: the broker's default.
        status_storage_replication_factor: Short = "status.storage.replication.factor", Low, default "3", replication_factor();
        /// Exactly-once sources.
        exactly_once_source_support: Str = "exactly.once.source.support", High, default "disabled",
            one_of_ignore_case(&["disabled", "enabled", "preparing"]);
    }
}

config_def! {
    /// Settings of standalone mode.
    pub struct StandaloneConfig {
        /// File of source offsets.
        offset_storage_file_filename: Str = "offset.storage.file.filename", High, required;
    }
}

/// What belongs to one mode only.
#[derive(Debug, Clone)]
pub enum ModeConfig {
    /// Distributed.
    Distributed(DistributedConfig),
    /// Standalone.
    Standalone(StandaloneConfig),
}

/// `exactly.once.source.support` (KIP-618).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnce {
    /// Sources deliver at least once.
    Disabled,
    /// As disabled, but the leader writes in transactions: the first step of enabling it for a running cluster.
    Preparing,
    /// Source tasks write records and offsets in transactions.
    Enabled,
}

/// A worker's settings, checked.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Settings of both modes.
    pub common: CommonConfig,
    /// Settings of the worker's mode.
    pub mode: ModeConfig,
    /// Which client settings connectors may override.
    pub override_policy: OverridePolicy,
    /// All properties, placeholders resolved: prefixed client settings and converters' sub-keys are taken from here.
    pub props: Props,
    /// Where the values of placeholders come from.
    pub providers: Arc<Providers>,
}

impl WorkerConfig {
    /// Reads the properties of a worker in `mode`.
    ///
    /// # Errors
    /// `Kind::Config`, one line per problem.
    pub fn parse(mode: Mode, props: Props) -> Result<Self> {
        let providers = Arc::new(Providers::new(&props)?);
        let Resolved { props, values, .. } = providers.resolve(&props)?;
        // First of all: what follows may put values into messages.
        secrets::keep(values.into_iter().map(|looked| looked.value).chain(secrets::in_worker(&props)));
        let mut problems = worker_keys::problems(&props);
        let mut note = |error: Error| problems.push(error.message().to_owned());
        let common = CommonConfig::parse(&props).map_err(&mut note).ok();
        let mode = match mode {
            Mode::Distributed => DistributedConfig::parse(&props).map(ModeConfig::Distributed),
            Mode::Standalone => StandaloneConfig::parse(&props).map(ModeConfig::Standalone),
        };
        let mode = mode.map_err(&mut note).ok();
        // Herders read them for each connector, which may have its own.
        let _ = RestartConfig::parse(&props).map_err(&mut note);
        let policy = common.as_ref().map(|c| OverridePolicy::parse(&c.override_policy, &c.override_allowlist));
        let policy = policy.and_then(|policy| policy.map_err(&mut note).ok());
        match (common, mode, policy) {
            (Some(common), Some(mode), Some(override_policy)) if problems.is_empty() => {
                Ok(WorkerConfig { common, mode, override_policy, props, providers })
            }
            _ => Err(Error::config(problems.join("\n"))),
        }
    }

    /// How much of exactly-once delivery is on; standalone workers have none.
    pub fn exactly_once(&self) -> ExactlyOnce {
        match &self.mode {
            ModeConfig::Distributed(own) if own.exactly_once_source_support.eq_ignore_ascii_case("enabled") => {
                ExactlyOnce::Enabled
            }
            ModeConfig::Distributed(own) if own.exactly_once_source_support.eq_ignore_ascii_case("preparing") => {
                ExactlyOnce::Preparing
            }
            _ => ExactlyOnce::Disabled,
        }
    }

    /// The class of the converter under `key` (`key.converter`, `value.converter` or `header.converter`).
    pub fn converter_class(&self, key: &str) -> &str {
        match key {
            "key.converter" => &self.common.key_converter,
            "value.converter" => &self.common.value_converter,
            _ => &self.common.header_converter,
        }
    }

    /// Logs, once at start, each given key that has no effect here, and why.
    pub fn log_unused(&self) {
        for (key, reason) in worker_keys::unused(&self.props) {
            tracing::warn!(key, reason, "setting has no effect");
        }
    }
}

/// `Number of partitions`, as Kafka checks it.
fn partitions() -> Validator {
    with(|setting| match setting {
        Setting::Int(n) if *n == -1 || *n >= 1 => Ok(()),
        _ => Err("Number of partitions must be positive, or -1 to use the broker's default".to_owned()),
    })
}

fn replication_factor() -> Validator {
    with(|setting| match setting {
        Setting::Int(n) if *n == -1 || *n >= 1 => Ok(()),
        _ => {
            Err("Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, \
                  or -1 to use the broker's default"
                .to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTRIBUTED: &[(&str, &str)] = &[
        ("bootstrap.servers", "localhost:9092"),
        ("group.id", "connect-cluster"),
        ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("key.converter.schemas.enable", "true"),
        ("value.converter.schemas.enable", "true"),
        ("offset.storage.topic", "connect-offsets"),
        ("offset.storage.replication.factor", "1"),
        ("config.storage.topic", "connect-configs"),
        ("config.storage.replication.factor", "1"),
        ("status.storage.topic", "connect-status"),
        ("status.storage.replication.factor", "1"),
        ("offset.flush.interval.ms", "10000"),
        ("plugin.path", "/usr/local/share/java"),
    ];

    fn with_settings(more: &[(&str, &str)]) -> Result<WorkerConfig> {
        let props = DISTRIBUTED.iter().chain(more).copied().collect();
        WorkerConfig::parse(Mode::Distributed, props)
    }

    #[test]
    fn kafkas_sample_files_are_accepted_without_a_word() {
        let config = with_settings(&[]).expect("Kafka's connect-distributed.properties");
        let unused: Vec<_> = worker_keys::unused(&config.props).into_iter().map(|(key, _)| key.to_owned()).collect();
        assert_eq!(unused, ["plugin.path"], "no JVM plugins here");
        let standalone = [
            ("bootstrap.servers", "localhost:9092"),
            ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("key.converter.schemas.enable", "true"),
            ("value.converter.schemas.enable", "true"),
            ("offset.storage.file.filename", "/tmp/connect.offsets"),
            ("offset.flush.interval.ms", "10000"),
        ];
        let config = WorkerConfig::parse(Mode::Standalone, Props::from_iter(standalone));
        assert!(config.is_ok_and(|config| worker_keys::unused(&config.props).is_empty()));
    }

    #[test]
    fn each_problem_gets_one_line_with_key_and_value() {
        let rows = [
            ("exactly.once.source.support", "maybe", "must be one of (case insensitive): DISABLED, ENABLED, PREPARING"),
            ("offset.storage.partitions", "0", "Number of partitions must be positive"),
            ("metrics.num.samples", "many", "Invalid value many for configuration metrics.num.samples: Not a number"),
            ("connector.client.config.override.policy", "Some", "must be one of All, None, Principal, Allowlist"),
            ("task.shutdown.graceful.timeout.ms", "5s", "Not a number of type LONG"),
        ];
        for (key, value, want) in rows {
            let error = with_settings(&[(key, value)]).expect_err(key);
            let lines: Vec<&str> = error.message().lines().collect();
            let named = format!("Invalid value {value} for configuration {key}: ");
            assert!(lines.len() == 1 && lines[0].starts_with(&named) && lines[0].contains(want), "{lines:?}");
        }
        let error = WorkerConfig::parse(Mode::Distributed, Props::new()).expect_err("nothing given");
        assert_eq!(error.message().lines().count(), 6, "{}", error.message());
    }

    #[test]
    fn no_setting_is_ignored_in_silence() {
        let rows = [
            ("ssl.provider", Some("JVM")),
            ("security.protocol", None),
            ("producer.linger.ms", None),
            ("config.providers.file.class", None),
            ("metrics.context.x", Some("metrics")),
            ("offset.storage.cleanup.policy", None),
            ("bootstrap.severs", Some("not known")),
        ];
        for (key, want) in rows {
            let props = Props::from_iter([(key, "x")]);
            let unused = worker_keys::unused(&props);
            assert_eq!(unused.len(), usize::from(want.is_some()), "{key}: {unused:?}");
            assert!(
                unused.iter().all(|(_, reason)| want.is_some_and(|want| reason.contains(want))),
                "{key}: {unused:?}"
            );
        }
    }
}
