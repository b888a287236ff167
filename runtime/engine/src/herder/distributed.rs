//! The herder of a distributed worker: config, status and offsets in topics, work by agreement with its group.

use std::sync::Arc;
use std::time::Duration;

use couplet_api::clock::SystemClock;
use couplet_api::error::ResultExt;
use couplet_api::{Error, Result};
use couplet_kafka::clients::ClientSettings;
use couplet_kafka::{LogClients, TopicLog, TopicSpec};

use super::driver::Logs;
use super::event::Event;
use super::inflow::{config_record, status_record};
use super::start::{ClusterId, HerderSetup, Opened, StartedHerder, begin};
use super::worker_runner::WorkerRunner;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::storage::config_writer::ConfigWriter;
use crate::storage::inbox::Inbox;
use crate::storage::internal_topics;
use crate::storage::{KafkaOffsetStore, OffsetStore};
use crate::worker::Worker;
use crate::worker_config::{DistributedConfig, ExactlyOnce, ModeConfig, WorkerConfig};

/// How long brokers may take to answer at the start, as Java's admin client waits.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Why internal topics are not read uncommitted.
const READ_COMMITTED: &str = "for the worker's internal topic consumers when exactly-once source support is enabled";

/// Starts the herder. Returns at once; the rest goes on in the background.
///
/// # Errors
/// `Kind::Config` when a setting is wrong.
pub fn start(setup: HerderSetup) -> Result<StartedHerder> {
    let (config, plugins, metrics) = (setup.config.clone(), setup.plugins.clone(), setup.metrics.clone());
    let ModeConfig::Distributed(own) = &config.mode else { return Err(Error::bug("settings of another mode")) };
    let own = own.clone();
    begin(setup, move |inbox, cluster| open(config, own, plugins, metrics, inbox, cluster))
}

async fn open(
    config: Arc<WorkerConfig>,
    own: DistributedConfig,
    plugins: Plugins,
    metrics: Arc<Metrics>,
    inbox: Arc<Inbox<Event>>,
    cluster: ClusterId,
) -> Result<Opened> {
    let exactly_once = config.exactly_once();
    let settings = ClientSettings::of_worker(&config.props);
    let settings = match exactly_once {
        ExactlyOnce::Enabled => settings.ensure("isolation.level", "read_committed", READ_COMMITTED),
        ExactlyOnce::Disabled | ExactlyOnce::Preparing => settings,
    };
    let clients = LogClients::new(&settings);
    let cluster_id = clients.admin()?.with_timeout(CONNECT_TIMEOUT).cluster_id().await?;
    tracing::info!(cluster_id, "Kafka cluster found");
    // Set here only, so it is empty until now.
    let _ = cluster.set(cluster_id);
    let config_topic = internal_topics::config(&own, &config.props);
    let status_topic = internal_topics::status(&own, &config.props);
    let offset_topic = internal_topics::offsets(&own, &config.props, &own.offset_storage_topic);
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
    internal_topics::check_config_partitions(&own.config_storage_topic, config_log.partitions())?;
    let (config_log, status_log) = (Arc::new(config_log), Arc::new(status_log));
    let writer = Arc::new(match exactly_once {
        ExactlyOnce::Disabled => ConfigWriter::plain(config_log.clone()),
        ExactlyOnce::Preparing | ExactlyOnce::Enabled => {
            ConfigWriter::transactional(config_log.clone(), &config.props)?
        }
    });
    let offsets: Arc<dyn OffsetStore> = Arc::new(offsets);
    let worker =
        Worker::new(config.clone(), Arc::new(plugins.clone()), offsets.clone(), Arc::new(SystemClock), metrics);
    let runner = Arc::new(WorkerRunner { worker, config, plugins });
    let logs = Logs { config: Some(writer), status: Some(status_log.clone()) };
    let close = Box::pin(async move {
        offsets.close().await;
        // The herder has ended, so nobody else holds them.
        for log in [config_log, status_log] {
            if let Ok(log) = Arc::try_unwrap(log) {
                log.close().await;
            }
        }
    });
    Ok(Opened { logs, runner, close })
}

/// What is said in front of the reason when a topic cannot be used.
fn unusable(store: &str, topic: &TopicSpec) -> String {
    format!(
        "cannot use {store}.storage.topic={} with {store}.storage.replication.factor={}",
        topic.name, topic.replication_factor
    )
}
