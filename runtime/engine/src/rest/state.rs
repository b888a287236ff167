//! What handlers work with.

use std::sync::Arc;
use std::time::Duration;

use super::java_text::instant;
use super::loggers::Loggers;
use crate::herder::{ClusterSnapshot, Herder};
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::plugins::Plugins;
use crate::worker_config::WorkerConfig;

/// How long requests may wait; `RestRequestTimeout` of the JVM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the herder or a plugin.
    pub(super) request: Duration,
    /// For the herder's sign of life.
    pub(super) health: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { request: Duration::from_secs(90), health: Duration::from_secs(10) }
    }
}

/// What the REST server answers from. Cheap to clone.
#[derive(Clone)]
pub struct RestState {
    /// The herder.
    pub herder: Arc<dyn Herder>,
    /// The plugins of this worker.
    pub plugins: Arc<Plugins>,
    /// The worker's settings.
    pub config: Arc<WorkerConfig>,
    /// Reaches other workers.
    pub peers: Arc<Peers>,
    /// Levels of the worker's loggers.
    pub loggers: Arc<Loggers>,
    /// What the worker measures.
    pub metrics: Arc<Metrics>,
    /// The version clients decide by: that of the Kafka Connect whose contract this is.
    pub version: &'static str,
    /// The commit of that version.
    pub commit: &'static str,
}

/// `. The worker is currently …`, or nothing when the herder does not say.
pub(super) fn stage_sentence(snapshot: &ClusterSnapshot) -> String {
    match snapshot.stage.as_str() {
        "" => String::new(),
        stage => format!(". The worker is currently {stage}, which began at {}.", instant(snapshot.stage_began_ms)),
    }
}
