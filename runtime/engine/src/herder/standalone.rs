//! The herder of a standalone worker: config and status in memory, offsets in a file.

use std::sync::Arc;

use couplet_api::clock::SystemClock;
use couplet_api::{Error, Result};
use couplet_kafka::clients::{Admin, ClientSettings};

use super::distributed::CONNECT_TIMEOUT;
use super::driver::Logs;
use super::start::{ClusterId, HerderSetup, Opened, StartedHerder, begin};
use super::worker_runner::WorkerRunner;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::storage::{FileOffsetStore, OffsetStore};
use crate::worker::Worker;
use crate::worker_config::{ModeConfig, WorkerConfig};

/// Starts the herder. Returns at once; the rest goes on in the background.
///
/// # Errors
/// `Kind::Config` when a setting is wrong, or the offsets file cannot be read.
pub fn start(setup: HerderSetup) -> Result<StartedHerder> {
    let (config, plugins, metrics) = (setup.config.clone(), setup.plugins.clone(), setup.metrics.clone());
    let ModeConfig::Standalone(own) = &config.mode else { return Err(Error::bug("settings of another mode")) };
    let offsets: Arc<dyn OffsetStore> = Arc::new(FileOffsetStore::open(&own.offset_storage_file_filename)?);
    begin(setup, move |_, cluster| open(config, plugins, metrics, offsets, cluster))
}

async fn open(
    config: Arc<WorkerConfig>,
    plugins: Plugins,
    metrics: Arc<Metrics>,
    offsets: Arc<dyn OffsetStore>,
    cluster: ClusterId,
) -> Result<Opened> {
    let admin = Admin::new(&ClientSettings::of_worker(&config.props))?.with_timeout(CONNECT_TIMEOUT);
    let cluster_id = admin.cluster_id().await?;
    tracing::info!(cluster_id, "Kafka cluster found");
    // Set here only, so it is empty until now.
    let _ = cluster.set(cluster_id);
    let worker =
        Worker::new(config.clone(), Arc::new(plugins.clone()), offsets.clone(), Arc::new(SystemClock), metrics);
    let runner = Arc::new(WorkerRunner { worker, config, plugins });
    let close = Box::pin(async move { offsets.close().await });
    Ok(Opened { logs: Logs::default(), runner, close })
}
