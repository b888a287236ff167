//! Topic configuration: the keys of Kafka 4.1 with their defaults, and the values this broker acts on.

use std::collections::BTreeMap;

/// Type of a value, with the code that DescribeConfigs answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// One known key.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) value_type: ValueType,
    /// Permitted values; empty when every value of the type will do.
    permitted: &'static [&'static str],
}

const fn key(name: &'static str, default: &'static str, value_type: ValueType) -> Definition {
    Definition { name, default, value_type, permitted: &[] }
}

const fn choice(name: &'static str, default: &'static str, permitted: &'static [&'static str]) -> Definition {
    Definition { name, default, value_type: ValueType::String, permitted }
}

const LONG_MAX: &str = "9223372036854775807";

/// Every topic key of Kafka 4.1. Those that make no sense on one node are stored and described, and nothing more.
/// Source: Kafka's `TopicConfig` and `LogConfig`.
pub(crate) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "cleanup.policy",
        default: "delete",
        value_type: ValueType::List,
        permitted: &["compact", "delete"],
    },
    key("compression.gzip.level", "-1", ValueType::Int),
    key("compression.lz4.level", "9", ValueType::Int),
    choice("compression.type", "producer", &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
    key("compression.zstd.level", "3", ValueType::Int),
    key("delete.retention.ms", "86400000", ValueType::Long),
    key("file.delete.delay.ms", "60000", ValueType::Long),
    key("flush.messages", LONG_MAX, ValueType::Long),
    key("flush.ms", LONG_MAX, ValueType::Long),
    key("follower.replication.throttled.replicas", "", ValueType::List),
    key("index.interval.bytes", "4096", ValueType::Int),
    key("leader.replication.throttled.replicas", "", ValueType::List),
    key("local.retention.bytes", "-2", ValueType::Long),
    key("local.retention.ms", "-2", ValueType::Long),
    key("max.compaction.lag.ms", LONG_MAX, ValueType::Long),
    key("max.message.bytes", "1048588", ValueType::Int),
    key("message.timestamp.after.max.ms", "3600000", ValueType::Long),
    key("message.timestamp.before.max.ms", LONG_MAX, ValueType::Long),
    choice("message.timestamp.type", "CreateTime", &["CreateTime", "LogAppendTime"]),
    key("min.cleanable.dirty.ratio", "0.5", ValueType::Double),
    key("min.compaction.lag.ms", "0", ValueType::Long),
    key("min.insync.replicas", "1", ValueType::Int),
    key("preallocate", "false", ValueType::Boolean),
    key("remote.log.copy.disable", "false", ValueType::Boolean),
    key("remote.log.delete.on.disable", "false", ValueType::Boolean),
    key("remote.storage.enable", "false", ValueType::Boolean),
    key("retention.bytes", "-1", ValueType::Long),
    key("retention.ms", "604800000", ValueType::Long),
    key("segment.bytes", "1073741824", ValueType::Int),
    key("segment.index.bytes", "10485760", ValueType::Int),
    key("segment.jitter.ms", "0", ValueType::Long),
    key("segment.ms", "604800000", ValueType::Long),
    key("unclean.leader.election.enable", "false", ValueType::Boolean),
];

/// The definition of a key, when it is known.
pub(crate) fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name == name)
}

impl Definition {
    fn accepts(&self, value: &str) -> bool {
        let known = |one: &str| self.permitted.is_empty() || self.permitted.contains(&one);
        match self.value_type {
            ValueType::Boolean => matches!(value, "true" | "false"),
            ValueType::Int => value.trim().parse::<i32>().is_ok(),
            ValueType::Long => value.trim().parse::<i64>().is_ok(),
            ValueType::Double => value.trim().parse::<f64>().is_ok(),
            ValueType::String => known(value),
            ValueType::List => value.split(',').all(|item| known(item.trim())),
        }
    }
}

/// The effective configuration of one topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicConfig {
    /// What was set for this topic; every other key has its default.
    pub(crate) overrides: BTreeMap<String, String>,
    pub(crate) compact: bool,
    pub(crate) delete: bool,
    /// Negative: no limit.
    pub(crate) retention_ms: i64,
    /// Per partition; negative: no limit.
    pub(crate) retention_bytes: i64,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
    pub(crate) message_bytes_max: usize,
    /// How long compaction keeps a tombstone.
    pub(crate) delete_retention_ms: i64,
    pub(crate) dirty_ratio_min: f64,
    pub(crate) log_append_time: bool,
    /// How far a record's time may lie in the future.
    pub(crate) timestamp_after_max_ms: i64,
}

impl TopicConfig {
    /// Checks and reads a topic's settings.
    ///
    /// # Errors
    /// A sentence naming the key that is unknown or whose value does not fit.
    pub(crate) fn new(overrides: BTreeMap<String, String>) -> Result<TopicConfig, String> {
        for (name, value) in &overrides {
            let definition = definition(name).ok_or_else(|| format!("Unknown topic config name: {name}"))?;
            if !definition.accepts(value) {
                return Err(format!("Invalid value {value} for configuration {name}"));
            }
        }
        let text = |name: &str| match overrides.get(name) {
            Some(value) => value.as_str(),
            None => definition(name).map_or("", |definition| definition.default),
        };
        let long = |name: &str| text(name).trim().parse::<i64>().unwrap_or(i64::MAX);
        let policy = text("cleanup.policy");
        Ok(TopicConfig {
            compact: policy.split(',').any(|item| item.trim() == "compact"),
            delete: policy.split(',').any(|item| item.trim() == "delete"),
            retention_ms: long("retention.ms"),
            retention_bytes: long("retention.bytes"),
            segment_bytes: long("segment.bytes").max(1) as u64,
            segment_ms: long("segment.ms"),
            message_bytes_max: long("max.message.bytes").max(0) as usize,
            delete_retention_ms: long("delete.retention.ms"),
            dirty_ratio_min: text("min.cleanable.dirty.ratio").trim().parse().unwrap_or(0.5),
            log_append_time: text("message.timestamp.type") == "LogAppendTime",
            timestamp_after_max_ms: long("message.timestamp.after.max.ms"),
            overrides,
        })
    }
}

impl Default for TopicConfig {
    /// No overrides.
    fn default() -> TopicConfig {
        TopicConfig {
            overrides: BTreeMap::new(),
            compact: false,
            delete: true,
            retention_ms: 604_800_000,
            retention_bytes: -1,
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            message_bytes_max: 1_048_588,
            delete_retention_ms: 86_400_000,
            dirty_ratio_min: 0.5,
            log_append_time: false,
            timestamp_after_max_ms: 3_600_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<TopicConfig, String> {
        TopicConfig::new(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn no_overrides_is_the_default() {
        assert_eq!(config(&[]), Ok(TopicConfig::default()));
    }

    #[test]
    fn every_default_is_a_permitted_value() {
        for definition in DEFINITIONS {
            assert!(definition.accepts(definition.default), "{}", definition.name);
        }
    }

    #[test]
    fn values_are_checked() {
        for (name, value, good) in [
            ("cleanup.policy", "compact", true),
            ("cleanup.policy", "compact,delete", true),
            ("cleanup.policy", "shred", false),
            ("retention.ms", "-1", true),
            ("retention.ms", "soon", false),
            ("segment.bytes", "99999999999", false),
            ("preallocate", "yes", false),
            ("message.timestamp.type", "LogAppendTime", true),
            ("compression.type", "rar", false),
            ("no.such.key", "1", false),
        ] {
            assert_eq!(config(&[(name, value)]).is_ok(), good, "{name}={value}");
        }
    }

    #[test]
    fn both_policies_can_hold() {
        let both = config(&[("cleanup.policy", "compact,delete")]).unwrap();
        assert!(both.compact && both.delete);
        let compact = config(&[("cleanup.policy", "compact")]).unwrap();
        assert!(compact.compact && !compact.delete);
    }
}
