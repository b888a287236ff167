//! A herder's beginning and end.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use couplet_api::Result;
use couplet_api::clock::{Clock, SystemClock};
use couplet_api::spawn::{TaskKind, spawn};
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::driver::{Driver, Logs, SetLoggerLevel};
use super::event::Event;
use super::group_port::Membership;
use super::runner::Runner;
use super::session_key::SessionKeys;
use super::state::HerderState;
use super::{ClusterSnapshot, HerderHandle};
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::plugins::Plugins;
use crate::storage::inbox::Inbox;
use crate::worker_config::{ExactlyOnce, ModeConfig, WorkerConfig};

/// Most requests that wait for the herder; more wait at its door.
const REQUESTS_MAX: usize = 64;

/// How long Kafka clients may take to close when the worker ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a herder is started with.
pub struct HerderSetup {
    /// The worker's settings.
    pub config: Arc<WorkerConfig>,
    /// What there is to run.
    pub plugins: Plugins,
    /// `host:port` of the worker, as states name it.
    pub worker_id: String,
    /// URL of the worker's REST server, as other workers reach it.
    pub url: String,
    /// Where the worker notes its figures.
    pub metrics: Arc<Metrics>,
    /// Called with loggers whose level changes on all workers.
    pub set_logger_level: Arc<SetLoggerLevel>,
}

/// A herder that is starting, working, or ending.
pub struct StartedHerder {
    /// For REST.
    pub handle: HerderHandle,
    /// Ends the herder: connectors and tasks are stopped, offsets and states written.
    pub stop: CancellationToken,
    /// Is done when the herder is; an error means that it could not begin.
    pub done: JoinHandle<Result<()>>,
}

/// What a herder needs of Kafka, or of files; made while REST answers already.
pub(super) struct Opened {
    pub(super) logs: Logs,
    pub(super) runner: Arc<dyn Runner>,
    /// Closes all of it.
    pub(super) close: BoxFuture<'static, ()>,
}

/// Where the id of the cluster is noted as soon as it is known: REST answers from then on.
pub(super) type ClusterId = Arc<OnceLock<String>>;

/// Starts a herder; `open` makes what it needs. Returns at once.
///
/// # Errors
/// `Kind::Config` when a setting is wrong.
pub(super) fn begin<F>(
    setup: HerderSetup,
    open: impl FnOnce(Arc<Inbox<Event>>, ClusterId) -> F,
) -> Result<StartedHerder>
where
    F: Future<Output = Result<Opened>> + Send + 'static,
{
    let HerderSetup { config, plugins, worker_id, url, set_logger_level, metrics } = setup;
    let (membership, session_keys) = match &config.mode {
        ModeConfig::Distributed(_) => {
            (Some(Membership::new(&config.props, &url, metrics.join_group())?), Some(SessionKeys::new(&config.props)?))
        }
        ModeConfig::Standalone(_) => (None, None),
    };
    let (sender, requests) = mpsc::channel(REQUESTS_MAX);
    let door = sender.downgrade();
    let handle = HerderHandle {
        requests: sender,
        published: Arc::new(ArcSwap::from_pointee(starting())),
        cluster_id: Arc::default(),
        runner: Arc::default(),
        plugins: plugins.clone(),
        config: config.clone(),
        peers: Arc::new(Peers::new(&config.props)?),
    };
    let (inbox, stop) = (Arc::<Inbox<Event>>::default(), CancellationToken::new());
    let topic_tracking = config.common.topic_tracking_enable;
    let driver = Driver {
        state: HerderState::new(
            membership.as_ref().map(|group| group.settings),
            worker_id,
            plugins.clone(),
            topic_tracking,
        )
        .with_exactly_once(config.exactly_once() == ExactlyOnce::Enabled)
        .with_restart_defaults(&config.props),
        inbox: inbox.clone(),
        requests,
        door,
        plugins,
        published: handle.published.clone(),
        session_keys,
        membership,
        peers: handle.peers.clone(),
        stop: stop.clone(),
        set_logger_level,
    };
    let opening = open(inbox, handle.cluster_id.clone());
    let done = spawn(TaskKind::Herder, run(driver, opening, handle.runner.clone()));
    Ok(StartedHerder { handle, stop, done })
}

fn starting() -> ClusterSnapshot {
    ClusterSnapshot {
        stage: "initializing and reading to the end of internal topics".to_owned(),
        stage_began_ms: SystemClock.now_ms(),
        ..ClusterSnapshot::default()
    }
}

async fn run(
    driver: Driver,
    opening: impl Future<Output = Result<Opened>>,
    known_runner: Arc<OnceLock<Arc<dyn Runner>>>,
) -> Result<()> {
    let stop = driver.stop.clone();
    let opened = tokio::select! {
        opened = opening => opened?,
        () = stop.cancelled() => return Ok(()),
    };
    // It is set here only, so it is empty until now.
    let _ = known_runner.set(opened.runner.clone());
    tracing::info!("Herder started");
    let ended = driver.run(opened.runner, opened.logs).await;
    if tokio::time::timeout(CLOSE_TIMEOUT, opened.close).await.is_err() {
        tracing::warn!("Kafka clients were not closed in time");
    }
    tracing::info!("Herder stopped");
    ended
}
