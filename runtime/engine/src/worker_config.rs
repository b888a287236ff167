//! Settings of a worker: one properties file, two modes.

use couplet_api::Result;
use couplet_api::config::{Props, at_least, one_of};
use couplet_api::config_def;

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
        override_policy: Str = "connector.client.config.override.policy", Low, default "All";
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
        config_storage_replication_factor: Short = "config.storage.replication.factor", Low, default "3", at_least(-1);
        /// Topic of source offsets.
        offset_storage_topic: Str = "offset.storage.topic", High, required;
        /// Its partitions; -1: the broker's default.
        offset_storage_partitions: Int = "offset.storage.partitions", Low, default "25", at_least(-1);
        /// Its replication factor; -1: the broker's default.
        offset_storage_replication_factor: Short = "offset.storage.replication.factor", Low, default "3", at_least(-1);
        /// Topic of states.
        status_storage_topic: Str = "status.storage.topic", High, required;
        /// Its partitions; -1: the broker's default.
        status_storage_partitions: Int = "status.storage.partitions", Low, default "5", at_least(-1);
        /// Its replication factor; -1: the broker's default.
        status_storage_replication_factor: Short = "status.storage.replication.factor", Low, default "3", at_least(-1);
        /// Exactly-once sources.
        exactly_once_source_support: Str = "exactly.once.source.support", High, default "disabled",
            one_of(&["disabled", "preparing", "enabled"]);
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

/// A worker's settings, checked.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Settings of both modes.
    pub common: CommonConfig,
    /// Settings of the worker's mode.
    pub mode: ModeConfig,
    /// All properties as given: prefixed client settings and converters' sub-keys are taken from here.
    pub props: Props,
}

impl WorkerConfig {
    /// Reads the properties of a worker in `mode`.
    ///
    /// # Errors
    /// `Kind::Config`, one line per problem.
    pub fn parse(mode: Mode, props: Props) -> Result<Self> {
        let common = CommonConfig::parse(&props);
        let mode = match mode {
            Mode::Distributed => DistributedConfig::parse(&props).map(ModeConfig::Distributed),
            Mode::Standalone => StandaloneConfig::parse(&props).map(ModeConfig::Standalone),
        };
        match (common, mode) {
            (Ok(common), Ok(mode)) => Ok(WorkerConfig { common, mode, props }),
            (Err(a), Err(b)) => Err(couplet_api::Error::config(format!("{}\n{}", a.message(), b.message()))),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        }
    }
}
