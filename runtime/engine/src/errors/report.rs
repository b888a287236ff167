//! Tells of failed records: in the log, in the dead letter queue, and on behalf of sink tasks.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use couplet_api::clock::{Clock, SystemClock};
use couplet_api::data::{Record, SinkRecord};
use couplet_api::sink::ErrantRecordReporter;
use couplet_api::{Error, Result};
use couplet_kafka::clients::ConsumedRecord;

use super::{DeadLetter, DeadLetterQueue, ErrorPolicy, Origin, RecordPlace, Stage, StageError};
use crate::metrics::TaskMetrics;
use crate::worker::{Pipeline, TaskId};

/// Class that stands for the sink task in reports.
const SINK_TASK: &str = "org.apache.kafka.connect.sink.SinkTask";

/// The reporters of one task.
pub struct Reporter {
    task: TaskId,
    policy: ErrorPolicy,
    dead_letters: Option<DeadLetterQueue>,
    metrics: Arc<TaskMetrics>,
    /// Class and message of the first error that a task reported and that is not tolerated.
    intolerable: Mutex<Option<(&'static str, String)>>,
}

impl Reporter {
    /// Reports as `policy` says, and to `dead_letters` if there is such a queue.
    pub(crate) fn new(
        task: TaskId,
        policy: ErrorPolicy,
        dead_letters: Option<DeadLetterQueue>,
        metrics: Arc<TaskMetrics>,
    ) -> Self {
        Reporter { task, policy, dead_letters, metrics, intolerable: Mutex::default() }
    }

    /// The settings.
    pub fn policy(&self) -> &ErrorPolicy {
        &self.policy
    }

    /// Whether tasks get a reporter of their own (KIP-610).
    pub fn serves_tasks(&self) -> bool {
        self.policy.log || self.dead_letters.is_some()
    }

    /// Reports a record on its way to Kafka, which is not always known once it is sent, and decides about it.
    ///
    /// # Errors
    /// The error that fails the task.
    pub fn report_outgoing(&self, record: Option<&Record>, failed: StageError) -> Result<()> {
        self.log(|| record.map(|record| RecordPlace::Outgoing(Box::new(record.clone()))), &failed);
        self.judge(failed)
    }

    /// Reports a record that was read from Kafka, and decides about it.
    ///
    /// # Errors
    /// The error that fails the task.
    pub async fn report_consumed(&self, record: &ConsumedRecord, failed: StageError) -> Result<()> {
        let place = || {
            let timestamp = record.timestamp.map(|timestamp| (timestamp, record.timestamp_type));
            Some(RecordPlace::Consumed { at: record.topic_partition(), offset: record.offset, timestamp })
        };
        self.log(place, &failed);
        if let Some(queue) = &self.dead_letters {
            let sent = queue.send(&DeadLetter { record, origin: Origin::Kafka, failed: &failed }).await;
            self.metrics.buried(sent.is_ok());
            sent?;
        }
        self.judge(failed)
    }

    /// As [`Reporter::report_consumed`], on behalf of a task. One that goes on after a report which it must fail with, fails
    /// at its next commit (`maybeThrowAsyncError`).
    ///
    /// # Errors
    /// The error that fails the task.
    async fn report_for_task(&self, record: &ConsumedRecord, failed: StageError) -> Result<()> {
        let reason = (failed.error.class(), failed.error.message().to_owned());
        let outcome = self.report_consumed(record, failed).await;
        if outcome.is_err() {
            self.intolerable.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        }
        outcome
    }

    /// Returns when all reports are durable.
    ///
    /// # Errors
    /// When one is not, or one was not to be tolerated.
    pub async fn settled(&self) -> Result<()> {
        let intolerable = self.intolerable.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((class, message)) = intolerable {
            let cause = Error::data(message).with_class(class);
            return Err(Error::fatal("Tolerance exceeded in error handler").caused_by(cause));
        }
        match &self.dead_letters {
            Some(queue) => queue.settled().await,
            None => Ok(()),
        }
    }

    fn judge(&self, failed: StageError) -> Result<()> {
        let verdict = self.policy.judge(failed);
        self.metrics.failed(verdict.is_ok(), SystemClock.now_ms());
        verdict
    }

    fn log(&self, place: impl FnOnce() -> Option<RecordPlace>, failed: &StageError) {
        if !self.policy.log {
            return;
        }
        self.metrics.logged();
        let (task, stage, class, error) = (&self.task, failed.stage.name(), failed.class, &failed.error);
        let place = if self.policy.log_places { place() } else { None };
        let place = place.map_or_else(String::new, |place| format!(", {place}"));
        tracing::error!(
            %error,
            "Error encountered in task {task}. Executing stage '{stage}' with class '{class}'{place}."
        );
    }
}

/// The reporter that a sink task is given.
pub struct ErrantReporter {
    reporter: Arc<Reporter>,
    pipeline: Arc<Pipeline>,
    /// What the task works on, as it was read.
    current: Arc<CurrentBatch>,
}

/// Raw records of the batch a sink task works on.
#[derive(Default)]
pub struct CurrentBatch(Mutex<Arc<Vec<ConsumedRecord>>>);

impl CurrentBatch {
    /// Replaces the batch.
    pub fn set(&self, records: Arc<Vec<ConsumedRecord>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = records;
    }

    fn find(&self, record: &SinkRecord) -> Option<ConsumedRecord> {
        let batch = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (place, offset) = (&record.original, record.original_offset);
        let same =
            |r: &&ConsumedRecord| r.offset == offset && r.partition == place.partition && *r.topic == *place.topic;
        batch.iter().find(same).cloned()
    }
}

impl ErrantReporter {
    /// Reports through `reporter`; a record that is no longer in `current` is converted back to bytes.
    pub fn new(reporter: Arc<Reporter>, pipeline: Arc<Pipeline>, current: Arc<CurrentBatch>) -> Self {
        ErrantReporter { reporter, pipeline, current }
    }
}

#[async_trait]
impl ErrantRecordReporter for ErrantReporter {
    async fn report(&self, record: &SinkRecord, error: Error) -> Result<()> {
        let raw = match self.current.find(record) {
            Some(raw) => raw,
            None => self.pipeline.to_consumed(record).await?,
        };
        let failed = StageError { stage: Stage::TaskPut, class: SINK_TASK, error };
        // Offsets wait for the letter, the task need not.
        self.reporter.report_for_task(&raw, failed).await
    }
}
