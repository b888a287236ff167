//! What handlers work with.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::java_text::instant;
use super::loggers::Loggers;
use super::respond::Failure;
use crate::herder::{ClusterSnapshot, Herder};
use crate::plugins::Plugins;
use crate::worker_config::WorkerConfig;

/// Longest time a request may wait for the herder or a plugin.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// Longest time `/health` may wait for the herder.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// What the REST server answers from. Cheap to clone.
#[derive(Clone)]
pub struct RestState {
    /// The herder.
    pub herder: Arc<dyn Herder>,
    /// The plugins of this worker.
    pub plugins: Arc<Plugins>,
    /// The worker's settings.
    pub config: Arc<WorkerConfig>,
    /// Levels of the worker's loggers.
    pub loggers: Arc<Loggers>,
    /// The version clients decide by: that of the Kafka Connect whose contract this is.
    pub version: &'static str,
    /// The commit of that version.
    pub commit: &'static str,
}

impl RestState {
    /// Waits for `answer`, but not longer than [`REQUEST_TIMEOUT`].
    ///
    /// # Errors
    /// The answer's own, or 500 that says what the herder is doing instead.
    pub(super) async fn within_limit<T, E: Into<Failure>>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
            Ok(answered) => answered.map_err(Into::into),
            Err(_) => Err(Failure::internal(format!("Request timed out{}", stage_sentence(&self.herder.snapshot())))),
        }
    }
}

/// `. The worker is currently …`, or nothing when the herder does not say.
pub(super) fn stage_sentence(snapshot: &ClusterSnapshot) -> String {
    match snapshot.stage.as_str() {
        "" => String::new(),
        stage => format!(". The worker is currently {stage}, which began at {}.", instant(snapshot.stage_began_ms)),
    }
}
