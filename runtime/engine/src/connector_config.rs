//! Settings every connector has, beside those of its own class.

use couplet_api::config::{
    ConfigDef, Setting, Validator, at_least, non_empty, non_empty_without_control_chars, one_of, one_of_ignore_case,
    with,
};
use couplet_api::config_def;
use couplet_plugins::JavaRegex;

/// Prefix of the settings of a transform: `transforms.<alias>.`.
pub const TRANSFORMS: &str = "transforms";
/// Prefix of the settings of a predicate: `predicates.<alias>.`.
pub const PREDICATES: &str = "predicates";
/// Prefix of topic creation rules.
pub const TOPIC_CREATION_PREFIX: &str = "topic.creation.";
/// Prefix of the settings of automatic restarts.
pub const RESTART_PREFIX: &str = "couplet.restart.";
/// The dead letter queue's topic.
pub const DLQ_TOPIC: &str = "errors.deadletterqueue.topic.name";

config_def! {
    /// Settings of sources and sinks.
    pub struct ConnectorConfig {
        /// Name of the connector, unique in the cluster.
        name: Str = "name", High, required, non_empty_without_control_chars()
            => { group: "Common", order: 1, width: Medium, display: "Connector name" };
        /// Class of the connector: its full name, its simple name, or the simple name without `Connector`.
        connector_class: Str = "connector.class", High, required
            => { group: "Common", order: 2, width: Long, display: "Connector class" };
        /// Version of the connector, or a range of versions in Maven's notation.
        connector_plugin_version: Str = "connector.plugin.version", Medium, optional
            => { group: "Common", order: 3, width: Medium, display: "Connector version" };
        /// Most tasks the connector may be split into.
        tasks_max: Int = "tasks.max", High, default "1", at_least(1)
            => { group: "Common", order: 4, width: Short, display: "Tasks max" };
        /// Whether a connector that asks for more tasks than `tasks.max` fails. Deprecated.
        tasks_max_enforce: Bool = "tasks.max.enforce", Low, default "true"
            => { group: "Common", order: 5, width: Short, display: "Enforce tasks max" };
        /// Converter of record keys; the worker's when absent. Its own settings follow as `key.converter.<setting>`.
        key_converter: Class = "key.converter", Low, optional
            => { group: "Common", order: 6, width: Short, display: "Key converter class" };
        /// Version of the key converter.
        key_converter_plugin_version: Str = "key.converter.plugin.version", Low, optional
            => { group: "Common", order: 7, width: Short, display: "Key converter version" };
        /// Converter of record values; the worker's when absent. Its own settings follow as `value.converter.<setting>`.
        value_converter: Class = "value.converter", Low, optional
            => { group: "Common", order: 8, width: Short, display: "Value converter class" };
        /// Version of the value converter.
        value_converter_plugin_version: Str = "value.converter.plugin.version", Low, optional
            => { group: "Common", order: 9, width: Short, display: "Value converter version" };
        /// Converter of header values; the worker's when absent. Its own settings follow as `header.converter.<setting>`.
        header_converter: Class = "header.converter", Low, optional
            => { group: "Common", order: 10, width: Short, display: "Header converter class" };
        /// Version of the header converter.
        header_converter_plugin_version: Str = "header.converter.plugin.version", Low, optional
            => { group: "Common", order: 11, width: Short, display: "Header converter version" };
        /// Names of the transforms that records pass through, in this order.
        transforms: List = "transforms", Low, default "", unique_aliases()
            => { group: "Transforms", order: 12, width: Long, display: "Transforms" };
        /// Names of the predicates that transforms refer to.
        predicates: List = "predicates", Low, default "", unique_aliases()
            => { group: "Predicates", order: 13, width: Long, display: "Predicates" };
        /// What happens when a config provider says that a value has changed: `restart` the connector, or `none`.
        config_action_reload: Str = "config.action.reload", Low, default "restart", one_of(&["none", "restart"])
            => { group: "Common", order: 14, width: Medium, display: "Reload Action" };
        /// Milliseconds for which a failed operation is tried again; -1: for ever.
        errors_retry_timeout: Long = "errors.retry.timeout", Medium, default "0"
            => { group: "Error Handling", order: 1, width: Medium, display: "Retry Timeout for Errors" };
        /// Longest pause between two tries, in milliseconds.
        errors_retry_delay_max_ms: Long = "errors.retry.delay.max.ms", Medium, default "60000"
            => { group: "Error Handling", order: 2, width: Medium, display: "Maximum Delay Between Retries for Errors" };
        /// Whether a record that cannot be processed fails the task (`none`) or is skipped (`all`).
        errors_tolerance: Str = "errors.tolerance", Medium, default "none", one_of(&["none", "all"])
            => { group: "Error Handling", order: 3, width: Short, display: "Error Tolerance" };
        /// Whether tolerated errors are logged.
        errors_log_enable: Bool = "errors.log.enable", Medium, default "false"
            => { group: "Error Handling", order: 4, width: Short, display: "Log Errors" };
        /// Whether logged errors say which record they belong to.
        errors_log_include_messages: Bool = "errors.log.include.messages", Medium, default "false"
            => { group: "Error Handling", order: 5, width: Short, display: "Log Error Details" };
    }
}

config_def! {
    /// Settings of sinks only.
    pub struct SinkConfig {
        /// Topics to read, by name.
        topics: List = "topics", High, default ""
            => { group: "Common", order: 4, width: Long, display: "Topics" };
        /// Topics to read, by regular expression; instead of `topics`.
        topics_regex: Str = "topics.regex", High, default "", regular_expression()
            => { group: "Common", order: 4, width: Long, display: "Topics regex" };
        /// Topic that takes records which cannot be processed; none when empty.
        dlq_topic_name: Str = "errors.deadletterqueue.topic.name", Medium, default ""
            => { group: "Error Handling", order: 6, width: Medium, display: "Dead Letter Queue Topic Name" };
        /// Replication factor of that topic when it has to be created.
        dlq_topic_replication_factor: Short = "errors.deadletterqueue.topic.replication.factor", Medium, default "3"
            => { group: "Error Handling", order: 7, width: Medium, display: "Dead Letter Queue Topic Replication Factor" };
        /// Whether records in that topic carry headers that describe the error.
        dlq_context_headers_enable: Bool = "errors.deadletterqueue.context.headers.enable", Medium, default "false"
            => { group: "Error Handling", order: 8, width: Medium, display: "Enable Error Context Headers" };
    }
}

config_def! {
    /// Settings of sources only.
    pub struct SourceConfig {
        /// Names of rules for the topics this source creates; their settings follow as `topic.creation.<name>.<setting>`.
        topic_creation_groups: List = "topic.creation.groups", Low, default "", unique_aliases()
            => { group: "Topic Creation", order: 1, width: Long, display: "Topic Creation Groups" };
        /// `required`: refuse the connector unless it is known to deliver exactly once; `requested`: do not ask.
        exactly_once_support: Str = "exactly.once.support", Medium, default "requested",
            one_of_ignore_case(&["required", "requested"])
            => { group: "Exactly Once Support", order: 2, width: Short, display: "Exactly once support" };
        /// Where a transaction ends: with each `poll`, after an `interval`, or where the `connector` says.
        transaction_boundary: Str = "transaction.boundary", Medium, default "poll",
            one_of_ignore_case(&["interval", "poll", "connector"])
            => { group: "Exactly Once Support", order: 3, width: Short, display: "Transaction Boundary" };
        /// Milliseconds between two commits of transactions; the worker's `offset.flush.interval.ms` when absent.
        transaction_boundary_interval_ms: Long = "transaction.boundary.interval.ms", Low, optional, unless_null(at_least(0))
            => { group: "Exactly Once Support", order: 4, width: Short, display: "Transaction boundary interval" };
        /// Topic for this connector's offsets; the worker's when absent.
        offsets_storage_topic: Str = "offsets.storage.topic", Low, optional, non_empty()
            => { group: "offsets.topic", order: 1, width: Long, display: "Offsets topic" };
    }
}

config_def! {
    /// Automatic restarts, of a worker's connectors or of one connector. Kafka Connect has none, so these keys show only
    /// where one of them is given.
    pub struct RestartConfig {
        /// Whether connectors and tasks that fail with an error which may pass are restarted.
        policy: Str = "couplet.restart.policy", Medium, default "never", one_of(&["never", "on-retriable-failure"])
            => { group: "Restarts", order: 1, width: Medium, display: "Restart Policy" };
        /// Restarts in a row before a connector or task stays failed.
        max_attempts: Int = "couplet.restart.max.attempts", Low, default "5", at_least(1)
            => { group: "Restarts", order: 2, width: Short, display: "Most Restarts in a Row" };
        /// Milliseconds before the first restart; the pause doubles each time, and is cut by up to a half at random.
        backoff_ms: Long = "couplet.restart.backoff.ms", Low, default "1000", at_least(1)
            => { group: "Restarts", order: 3, width: Short, display: "First Pause Before a Restart" };
        /// Longest pause in milliseconds.
        backoff_max_ms: Long = "couplet.restart.backoff.max.ms", Low, default "300000", at_least(1)
            => { group: "Restarts", order: 4, width: Short, display: "Longest Pause Before a Restart" };
        /// Milliseconds of running after which the restarts before do not count any more.
        reset_ms: Long = "couplet.restart.reset.ms", Low, default "600000", at_least(0)
            => { group: "Restarts", order: 5, width: Short, display: "Time Until Restarts Are Forgotten" };
    }
}

/// The settings of a sink that are not its class's, as `SinkConnectorConfig.configDef`.
pub fn sink_config_def() -> ConfigDef {
    joined(ConnectorConfig::config_def(), SinkConfig::config_def())
}

/// The settings of a source that are not its class's, as `SourceConnectorConfig.configDef`.
pub fn source_config_def() -> ConfigDef {
    joined(ConnectorConfig::config_def(), SourceConfig::config_def())
}

fn joined(first: ConfigDef, second: ConfigDef) -> ConfigDef {
    second.keys().iter().cloned().fold(first, ConfigDef::define)
}

fn unique_aliases() -> Validator {
    with(|setting| match setting {
        Setting::Null => Err("entry must be non null".to_owned()),
        Setting::List(items) if items.iter().enumerate().any(|(i, item)| items[..i].contains(item)) => {
            Err("Duplicate alias provided.".to_owned())
        }
        _ => Ok(()),
    })
}

fn regular_expression() -> Validator {
    with(|setting| match setting {
        Setting::Str(text) => JavaRegex::new(text).map(|_| ()).map_err(|error| format!("Invalid regex: {error}")),
        _ => Ok(()),
    })
}

fn unless_null(validator: Validator) -> Validator {
    with(move |setting| match setting {
        Setting::Null => Ok(()),
        other => validator.check(other),
    })
}

#[cfg(test)]
mod tests {
    use couplet_api::config::Props;

    use super::*;

    #[test]
    fn order_is_the_jvms() {
        let names = |def: &ConfigDef| def.keys().iter().map(|k| k.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&sink_config_def())[..2], ["name", "connector.class"]);
        assert_eq!(names(&sink_config_def())[19..21], ["topics", "topics.regex"]);
        assert_eq!(names(&source_config_def()).last().map(String::as_str), Some("offsets.storage.topic"));
        assert_eq!(
            source_config_def().groups(),
            [
                "Common",
                "Transforms",
                "Predicates",
                "Error Handling",
                "Topic Creation",
                "Exactly Once Support",
                "offsets.topic"
            ]
        );
    }

    #[test]
    fn problems_are_worded_as_by_the_jvm() {
        let rows = [
            ("transforms", "a,a", "Invalid value [a, a] for configuration transforms: Duplicate alias provided."),
            (
                "transaction.boundary",
                "zzz",
                "Invalid value zzz for configuration transaction.boundary: String must be one of (case insensitive): \
                 INTERVAL, POLL, CONNECTOR",
            ),
            (
                "transaction.boundary.interval.ms",
                "-5",
                "Invalid value -5 for configuration transaction.boundary.interval.ms: Value must be at least 0",
            ),
        ];
        for (key, value, want) in rows {
            let values = source_config_def().validate(&Props::from_iter([(key, value)]));
            let found = values.into_iter().find(|v| v.name == key).map(|v| v.errors).unwrap_or_default();
            assert!(found.iter().any(|e| e.contains(want)), "{key}={value}: {found:?}");
        }
    }
}
