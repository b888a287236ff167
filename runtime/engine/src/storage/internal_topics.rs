//! The internal topics as they are created.

use couplet_api::config::Props;
use couplet_api::{Error, Result};
use couplet_kafka::TopicSpec;

use crate::worker_config::DistributedConfig;

/// The config topic: one partition, since its records have an order.
pub fn config(own: &DistributedConfig, worker: &Props) -> TopicSpec {
    spec(worker, "config", &own.config_storage_topic, 1, own.config_storage_replication_factor)
}

/// Checks that the config topic, which may be older than its worker, has one partition, as `KafkaConfigBackingStore` does.
///
/// # Errors
/// `Kind::Config` when it has more.
pub fn check_config_partitions(topic: &str, partitions: i32) -> Result<()> {
    if partitions <= 1 {
        return Ok(());
    }
    Err(Error::config(format!(
        "Topic '{topic}' supplied via the 'config.storage.topic' property is required to have a single partition in order \
         to guarantee consistency of connector configurations, but found {partitions} partitions."
    )))
}

/// The status topic.
pub fn status(own: &DistributedConfig, worker: &Props) -> TopicSpec {
    let (partitions, replicas) = (own.status_storage_partitions, own.status_storage_replication_factor);
    spec(worker, "status", &own.status_storage_topic, partitions, replicas)
}

/// The offsets topic `name`, the worker's or a connector's own.
pub fn offsets(own: &DistributedConfig, worker: &Props, name: &str) -> TopicSpec {
    spec(worker, "offset", name, own.offset_storage_partitions, own.offset_storage_replication_factor)
}

fn spec(worker: &Props, store: &str, name: &str, partitions: i32, replication_factor: i16) -> TopicSpec {
    TopicSpec { name: name.to_owned(), partitions, replication_factor, configs: topic_settings(worker, store) }
}

/// Settings of an internal topic: `<store>.storage.*` but for what has keys of its own (KIP-605). It is compacted
/// whatever a user says.
fn topic_settings(props: &Props, store: &str) -> Vec<(String, String)> {
    let mut settings = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    for (key, value) in props.with_prefix(&format!("{store}.storage.")).iter() {
        match (key, value) {
            ("topic" | "partitions" | "replication.factor", _) | (_, None) => {}
            ("cleanup.policy", Some(_)) => {
                tracing::warn!("{store}.storage.cleanup.policy is ignored: the topic is always compacted");
            }
            (key, Some(value)) => settings.push((key.to_owned(), value.to_owned())),
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_topics_are_compacted_and_take_other_settings() {
        let props = Props::from_iter([
            ("config.storage.topic", "c"),
            ("config.storage.replication.factor", "1"),
            ("config.storage.cleanup.policy", "delete"),
            ("config.storage.min.insync.replicas", "2"),
            ("offset.storage.segment.bytes", "9"),
        ]);
        let want = [("cleanup.policy", "compact"), ("min.insync.replicas", "2")];
        assert_eq!(topic_settings(&props, "config"), want.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
