//! What every task is run with, and the part of its life that both kinds share.

use std::sync::Arc;
use std::time::Duration;

use couplet_api::clock::Clock;
use couplet_api::config::Props;
use couplet_api::{Error, Result};
use couplet_kafka::clients::{Admin, ClientSettings, Role};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::offset_topics::OffsetTopics;
use super::producers::Producers;
use super::{Preflight, TargetState, TaskEvent, TaskId, TaskListener};
use crate::connector_config::ConnectorConfig;
use crate::errors::{DeadLetterQueue, SourceLetters};
use crate::metrics::{Metrics, StartupKind, TaskMetrics, TaskState};
use crate::plugins::Plugins;
use crate::storage::OffsetStore;
use crate::worker_config::WorkerConfig;

/// Bytes of records on their way through one task, unless the worker says otherwise under this key.
pub(super) const IN_FLIGHT_BYTES_KEY: &str = "couplet.task.in.flight.bytes.max";
const IN_FLIGHT_BYTES_DEFAULT: usize = 32 * 1024 * 1024;

/// Topic for skipped records of a source; none unless the connector names one. Kafka Connect has no such setting.
const SOURCE_LETTERS_KEY: &str = "couplet.errors.deadletterqueue.topic.name";
/// Its replication factor when it is created; the broker's default unless given.
const SOURCE_LETTERS_REPLICAS_KEY: &str = "couplet.errors.deadletterqueue.topic.replication.factor";

/// What all tasks of a worker share.
pub(super) struct Shared {
    pub(super) config: Arc<WorkerConfig>,
    pub(super) plugins: Arc<Plugins>,
    pub(super) offsets: Arc<dyn OffsetStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) producers: Arc<Producers>,
    pub(super) offset_topics: OffsetTopics,
    pub(super) metrics: Arc<Metrics>,
}

/// One task's surroundings.
pub(super) struct TaskRun {
    pub(super) id: TaskId,
    pub(super) shared: Arc<Shared>,
    pub(super) connector_props: Props,
    pub(super) task_props: Props,
    pub(super) config: ConnectorConfig,
    pub(super) listener: Arc<dyn TaskListener>,
    pub(super) metrics: Arc<TaskMetrics>,
    pub(super) stop: CancellationToken,
    pub(super) target: watch::Receiver<TargetState>,
    pub(super) preflight: Option<Arc<dyn Preflight>>,
}

impl TaskRun {
    /// Tells the herder.
    pub(super) fn tell(&self, event: TaskEvent) {
        let state = match event {
            TaskEvent::Running => TaskState::Running,
            TaskEvent::Paused => TaskState::Paused,
            TaskEvent::Failed { .. } | TaskEvent::Fenced { .. } => TaskState::Failed,
            TaskEvent::Stopped => TaskState::Destroyed,
        };
        if self.metrics.enter(state) {
            self.shared.metrics.started(StartupKind::Task, state != TaskState::Failed);
        }
        self.listener.on_event(&self.id, event);
    }

    /// Whether the task shall rest now; marks the target state as seen.
    pub(super) fn is_paused(&mut self) -> bool {
        *self.target.borrow_and_update() != TargetState::Started
    }

    /// Waits until the target state changes; for ever when nobody can change it any more.
    pub(super) async fn target_changed(&mut self) {
        if self.target.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// A task that is paused from the first does not start before it is resumed, as in the JVM. `false`: it was stopped
    /// meanwhile.
    pub(super) async fn wait_until_resumed(&mut self) -> bool {
        if !self.is_paused() {
            return !self.stop.is_cancelled();
        }
        self.tell(TaskEvent::Paused);
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                () = self.target_changed() => if !self.is_paused() { return true },
            }
        }
    }

    /// The outcome of `start`, or `None` when the task is stopped meanwhile: starting, and looking something up, may take
    /// as long as an external system is away.
    pub(super) async fn unless_stopped<T>(&self, start: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            outcome = start => Some(outcome),
        }
    }

    /// `offset.flush.interval.ms`.
    pub(super) fn commit_interval(&self) -> Duration {
        millis(self.shared.config.common.offset_flush_interval_ms)
    }

    /// `offset.flush.timeout.ms`.
    pub(super) fn commit_timeout(&self) -> Duration {
        millis(self.shared.config.common.offset_flush_timeout_ms)
    }

    /// How long a task that is told to stop may wait for its records, so that time is left to commit.
    pub(super) fn drain_timeout(&self) -> Duration {
        let graceful = millis(self.shared.config.common.task_shutdown_graceful_timeout_ms);
        self.commit_timeout().min(graceful.mul_f64(0.8))
    }

    /// Opens a dead letter queue of this task.
    ///
    /// # Errors
    /// When its topic cannot be created, or settings of its clients are wrong.
    pub(super) async fn open_dead_letters(&self, topic: &str, replicas: i16, context: bool) -> Result<DeadLetterQueue> {
        let (worker, connector) = (&self.shared.config.props, &self.connector_props);
        let admin = Admin::new(&ClientSettings::task_admin(worker, connector, &self.id.connector))?;
        let mut producer = ClientSettings::task_producer(worker, connector);
        if producer.get("client.id") == Some("connector-producer") {
            producer = producer.with("client.id", &format!("connector-dlq-producer-{}", self.id));
        }
        DeadLetterQueue::open(self.id.clone(), topic, replicas, context, &admin, &producer.native(Role::Producer)?)
            .await
    }

    /// The dead letter queue of a source, if its connector names one.
    ///
    /// # Errors
    /// As [`TaskRun::open_dead_letters`], and for a replication factor that is no number.
    pub(super) async fn open_source_letters(&self) -> Result<Option<SourceLetters>> {
        let given = |key: &str| self.connector_props.get(key).map(str::trim).filter(|text| !text.is_empty());
        let Some(topic) = given(SOURCE_LETTERS_KEY) else { return Ok(None) };
        let replicas = given(SOURCE_LETTERS_REPLICAS_KEY).unwrap_or("-1");
        let replicas = replicas.parse().ok().filter(|n: &i16| *n == -1 || *n > 0).ok_or_else(|| {
            let key = SOURCE_LETTERS_REPLICAS_KEY;
            Error::config(format!(
                "Invalid value {replicas} for configuration {key}: a positive number, or -1, is expected"
            ))
        })?;
        let converter = self.shared.plugins.converter("org.apache.kafka.connect.json.JsonConverter");
        let converter = converter.ok_or_else(|| Error::bug("the JSON converter is in every worker"))?;
        let json = (converter.create)(&Props::from_iter([("schemas.enable", "true")]), false)?;
        let queue = self.open_dead_letters(topic, replicas, true).await?;
        Ok(Some(SourceLetters::new(queue, json, self.metrics.clone())))
    }

    /// Limit for bytes on their way (invariant LIM1).
    pub(super) fn in_flight_bytes_max(&self) -> usize {
        let given = self.shared.config.props.get(IN_FLIGHT_BYTES_KEY);
        given.and_then(|text| text.trim().parse().ok()).unwrap_or(IN_FLIGHT_BYTES_DEFAULT)
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// A number from 0 to 1 that differs between tasks: spreads out their retries.
pub(super) fn chance(clock: &dyn Clock) -> f64 {
    (clock.now_ms().rem_euclid(1009)) as f64 / 1009.0
}
