//! The herder of a distributed worker: config, status and offsets in topics, work by agreement with its group.

use std::sync::Arc;
use std::time::Duration;

use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_api::error::ResultExt;
use couplet_api::{Error, Result};
use couplet_kafka::clients::ClientSettings;
use couplet_kafka::{LogClients, TopicLog, TopicSpec};

use super::driver::{Logs, config_record, status_record};
use super::event::Event;
use super::start::{HerderSetup, Opened, StartedHerder, begin};
use super::worker_runner::WorkerRunner;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::storage::inbox::Inbox;
use crate::storage::{KafkaOffsetStore, OffsetStore};
use crate::worker::Worker;
use crate::worker_config::{DistributedConfig, ModeConfig, WorkerConfig};

/// How long brokers may take to answer at the start, as Java's admin client waits.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts the herder. Returns at once; the rest goes on in the background.
///
/// # Errors
/// `Kind::Config` when a setting is wrong.
pub fn start(setup: HerderSetup) -> Result<StartedHerder> {
    let (config, plugins, metrics) = (setup.config.clone(), setup.plugins.clone(), setup.metrics.clone());
    let ModeConfig::Distributed(own) = &config.mode else { return Err(Error::bug("settings of another mode")) };
    refuse_exactly_once(own)?;
    let own = own.clone();
    begin(setup, move |inbox| open(config, own, plugins, metrics, inbox))
}

/// Sources deliver at least once. Who asks for more must hear so, rather than get less without a word.
fn refuse_exactly_once(own: &DistributedConfig) -> Result<()> {
    let asked = &own.exactly_once_source_support;
    if asked.eq_ignore_ascii_case("disabled") {
        return Ok(());
    }
    Err(Error::config(format!(
        "Invalid value {asked} for configuration exactly.once.source.support: exactly-once sources are not there yet; set it to \
         disabled and sources deliver at least once"
    )))
}

async fn open(
    config: Arc<WorkerConfig>,
    own: DistributedConfig,
    plugins: Plugins,
    metrics: Arc<Metrics>,
    inbox: Arc<Inbox<Event>>,
) -> Result<Opened> {
    let clients = LogClients::new(&ClientSettings::of_worker(&config.props));
    let cluster_id = clients.admin()?.with_timeout(CONNECT_TIMEOUT).cluster_id().await?;
    tracing::info!(cluster_id, "Kafka cluster found");
    let spec = |store: &str, name: &str, partitions, replication_factor| TopicSpec {
        name: name.to_owned(),
        partitions,
        replication_factor,
        configs: topic_settings(&config.props, store),
    };
    let config_topic = spec("config", &own.config_storage_topic, 1, own.config_storage_replication_factor);
    let status_topic =
        spec("status", &own.status_storage_topic, own.status_storage_partitions, own.status_storage_replication_factor);
    let offset_topic =
        spec("offset", &own.offset_storage_topic, own.offset_storage_partitions, own.offset_storage_replication_factor);
    let (for_config, for_status) = (inbox.clone(), inbox);
    let (in_config, in_status, in_offset) =
        (unusable("config", &config_topic), unusable("status", &status_topic), unusable("offset", &offset_topic));
    let config_log =
        TopicLog::open(&clients, config_topic, Box::new(move |record| config_record(&for_config, &record)));
    let status_log =
        TopicLog::open(&clients, status_topic, Box::new(move |record| status_record(&for_status, &record)));
    let offsets = KafkaOffsetStore::open(&clients, offset_topic);
    let (config_log, status_log, offsets) = tokio::try_join!(
        async { config_log.await.context(|| in_config) },
        async { status_log.await.context(|| in_status) },
        async { offsets.await.context(|| in_offset) },
    )?;
    let (config_log, status_log) = (Arc::new(config_log), Arc::new(status_log));
    let offsets: Arc<dyn OffsetStore> = Arc::new(offsets);
    let worker =
        Worker::new(config.clone(), Arc::new(plugins.clone()), offsets.clone(), Arc::new(SystemClock), metrics);
    let runner = Arc::new(WorkerRunner { worker, config, plugins, offsets: offsets.clone() });
    let logs = Logs { config: Some(config_log), status: Some(status_log) };
    let open_logs = logs.clone();
    let close = Box::pin(async move {
        offsets.close().await;
        // The herder has ended, so nobody else holds them.
        for log in [open_logs.config, open_logs.status].into_iter().flatten() {
            if let Ok(log) = Arc::try_unwrap(log) {
                log.close().await;
            }
        }
    });
    Ok(Opened { logs, runner, cluster_id, close })
}

/// What is said in front of the reason when a topic cannot be used.
fn unusable(store: &str, topic: &TopicSpec) -> String {
    format!(
        "cannot use {store}.storage.topic={} with {store}.storage.replication.factor={}",
        topic.name, topic.replication_factor
    )
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
