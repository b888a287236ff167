//! Writes to the config topic in words.

use crate::storage::config_store::ConfigRecord;

/// What a write does, in the words of `/health`, and what callers are told when it fails.
pub(super) fn describe(records: &[ConfigRecord]) -> (String, &'static str) {
    match records.last() {
        Some(ConfigRecord::Connector(name, Some(_))) => (
            format!("writing a config for connector {name} to the config topic"),
            "Error writing connector configuration to Kafka",
        ),
        Some(ConfigRecord::Commit(name, _)) => (
            format!("writing task configs for connector {name} to the config topic"),
            "Error writing task configurations to Kafka",
        ),
        Some(ConfigRecord::Target(name, None) | ConfigRecord::Connector(name, None)) => (
            format!("removing the config for connector {name} from the config topic"),
            "Error removing connector configuration from Kafka",
        ),
        Some(ConfigRecord::Target(name, Some(_))) => (
            format!("writing a target state for connector {name} to the config topic"),
            "Error writing target state to Kafka",
        ),
        Some(ConfigRecord::SessionKey(_)) => {
            ("writing a new session key to the config topic".to_owned(), "Error writing session key to Kafka")
        }
        Some(ConfigRecord::LoggerLevel(logger, _)) => (
            format!("writing the level of logger {logger} to the config topic"),
            "Failed to write cluster log level to Kafka",
        ),
        Some(ConfigRecord::TasksFencing(name, _)) => (
            format!("writing a task count record for connector {name} to the config topic"),
            "Error writing task count record to Kafka",
        ),
        _ => ("writing to the config topic".to_owned(), "Error writing to the config topic"),
    }
}
