//! Sink tasks: from Kafka into an external system.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::config::Props;
use crate::data::{SinkRecord, TopicPartition};
use crate::{Error, Result};

/// The next offset to read, per partition.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// Takes a record that the task could not write (KIP-610): logged and sent to the dead letter queue as configured.
#[async_trait]
pub trait ErrantRecordReporter: Send + Sync {
    /// Reports `record`. Offsets are not committed before the report is durable, so a task need not wait for that.
    ///
    /// # Errors
    /// When `errors.tolerance` is `none`, or the report cannot be handed over: the task must fail with it.
    async fn report(&self, record: &SinkRecord, error: Error) -> Result<()>;
}

/// What a task asked of its worker since the worker last looked.
#[derive(Debug, Default)]
pub struct SinkRequests {
    /// Positions to read from next.
    pub rewind: Offsets,
    /// How long to wait before the batch that failed is given again.
    pub retry_after: Option<Duration>,
    /// Whether offsets are to be committed as soon as possible.
    pub commit: bool,
    /// Partitions not to be read for now.
    pub pause: Vec<TopicPartition>,
    /// Partitions to be read again.
    pub resume: Vec<TopicPartition>,
}

/// What a sink task is given at its start, and its way to ask things of the worker. Cheap to clone.
#[derive(Clone)]
pub struct SinkTaskContext {
    /// Name of the connector.
    pub connector: Arc<str>,
    /// Number of the task, from 0.
    pub task: u32,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where records that cannot be written go; `None`: the task must fail instead.
    pub reporter: Option<Arc<dyn ErrantRecordReporter>>,
    requests: Arc<Mutex<SinkRequests>>,
}

impl SinkTaskContext {
    /// A context without requests.
    pub fn new(
        connector: impl Into<Arc<str>>,
        task: u32,
        clock: Arc<dyn Clock>,
        reporter: Option<Arc<dyn ErrantRecordReporter>>,
    ) -> Self {
        SinkTaskContext { connector: connector.into(), task, clock, reporter, requests: Arc::default() }
    }

    fn ask(&self, what: impl FnOnce(&mut SinkRequests)) {
        what(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Reads `partition` from `offset` next.
    pub fn rewind(&self, partition: TopicPartition, offset: i64) {
        self.ask(|r| {
            r.rewind.insert(partition, offset);
        });
    }

    /// Waits this long before a batch that failed with `Kind::Remote` is given again.
    pub fn retry_after(&self, pause: Duration) {
        self.ask(|r| r.retry_after = Some(pause));
    }

    /// Commits offsets as soon as possible.
    pub fn request_commit(&self) {
        self.ask(|r| r.commit = true);
    }

    /// Stops reading `partitions` until resumed.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        self.ask(|r| r.pause.extend_from_slice(partitions));
    }

    /// Reads `partitions` again.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        self.ask(|r| r.resume.extend_from_slice(partitions));
    }

    /// The engine's side: takes what was asked since the last call.
    pub fn take_requests(&self) -> SinkRequests {
        std::mem::take(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes one share of Kafka's partitions to an external system.
///
/// The engine calls one method at a time: `start`, `open`, then `put` and `pre_commit` in any order, `close` for
/// partitions that are taken away, then `stop` once.
#[async_trait]
pub trait SinkTask: Send {
    /// Connects.
    ///
    /// # Errors
    /// Any: the task becomes FAILED.
    async fn start(&mut self, props: &Props, context: SinkTaskContext) -> Result<()>;

    /// Partitions are now this task's.
    ///
    /// # Errors
    /// Any: the task becomes FAILED.
    async fn open(&mut self, added: &[TopicPartition]) -> Result<()> {
        let _ = added;
        Ok(())
    }

    /// Accepts the whole batch or none of it: on `Kind::Remote` the same batch is given again after a pause.
    /// Called with an empty batch when nothing arrives, so that time-based work can be done.
    ///
    /// # Errors
    /// `Kind::Remote` is retried; any other kind fails the task.
    async fn put(&mut self, batch: &[SinkRecord]) -> Result<()>;

    /// Makes data durable as far as the task wants and returns what may be committed: per partition, at most `seen`,
    /// the offset after the last record that was put. A partition left out is not committed.
    ///
    /// # Errors
    /// The consumer goes back to the last committed offsets.
    async fn pre_commit(&mut self, seen: &Offsets) -> Result<Offsets>;

    /// Partitions are no longer this task's; what was written for them and not committed will be given to another.
    ///
    /// # Errors
    /// Any: the task becomes FAILED.
    async fn close(&mut self, lost: &[TopicPartition]) -> Result<()> {
        let _ = lost;
        Ok(())
    }

    /// How long the engine may wait for records before it calls `put` with an empty batch; `None`: the engine's own
    /// default. A task that has a file to close at a certain time shortens the wait.
    fn next_wakeup(&self) -> Option<Duration> {
        None
    }

    /// Ends all work and closes connections. Also called after a failed `start`.
    ///
    /// # Errors
    /// Logged only.
    async fn stop(&mut self) -> Result<()>;
}
