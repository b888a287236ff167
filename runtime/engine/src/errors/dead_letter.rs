//! The dead letter queue: a topic that takes records which could not be processed.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use couplet_api::{Error, Result};
use couplet_kafka::TopicSpec;
use couplet_kafka::clients::{Admin, ConsumedRecord, Delivery, Failure, Outgoing, Producer, Report, SendError, Sender};
use couplet_kafka::clients::{NativeConfig, Topic};
use tokio::sync::Notify;

use super::StageError;
use crate::secrets::redact;
use crate::worker::TaskId;

/// Prefix of the headers that describe the error.
const PREFIX: &str = "__connect.errors.";

/// Where a dead letter came from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// The topic, partition and offset of the record.
    Kafka,
    /// A source, at its own partition and offset, in JSON.
    Source {
        /// Which part of the source.
        partition: &'a str,
        /// Where in it.
        offset: &'a str,
    },
}

/// A record for the queue: as it was read, or as near to that as can be.
pub struct DeadLetter<'a> {
    /// The record.
    pub record: &'a ConsumedRecord,
    /// Where it came from.
    pub origin: Origin<'a>,
    /// Why it is here.
    pub failed: &'a StageError,
}

/// Writes to the topic of `errors.deadletterqueue.topic.name`.
pub struct DeadLetterQueue {
    task: TaskId,
    context_headers: bool,
    sender: Sender,
    topic: Arc<Topic>,
    outstanding: Arc<Outstanding>,
}

/// Letters that are on their way.
#[derive(Default)]
struct Outstanding {
    state: Mutex<(usize, Option<Failure>)>,
    changed: Notify,
}

impl Delivery for Outstanding {
    fn delivered(&self, reports: &mut Vec<Report>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for report in reports.drain(..) {
            state.0 = state.0.saturating_sub(1);
            state.1 = state.1.take().or(report.failure);
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

impl DeadLetterQueue {
    /// Opens the queue; the topic is created with one partition when it is missing.
    ///
    /// # Errors
    /// When the topic cannot be created, or the producer's settings are wrong.
    pub async fn open(
        task: TaskId,
        topic: &str,
        replication_factor: i16,
        context_headers: bool,
        admin: &Admin,
        producer: &NativeConfig,
    ) -> Result<Self> {
        let failed = || format!("Could not initialize dead letter queue with topic={topic}");
        if admin.partition_count(topic).await.map_err(|e| e.context(failed()))?.is_none() {
            let spec = TopicSpec { name: topic.to_owned(), partitions: 1, replication_factor, configs: Vec::new() };
            let outcome = admin.create_topic(&spec).await.map_err(|e| e.context(failed()))?;
            outcome
                .map_err(|failure| Error::fatal(failed()).caused_by(failure.into_error("cannot create the topic")))?;
        }
        let producer = Producer::new(producer)?;
        let outstanding = Arc::new(Outstanding::default());
        let topic = producer.topic(&topic.into())?;
        Ok(DeadLetterQueue {
            task,
            context_headers,
            sender: producer.register(outstanding.clone()),
            topic,
            outstanding,
        })
    }

    /// Writes a letter; see [`DeadLetterQueue::settled`] for when it is durable.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn send(&self, letter: &DeadLetter<'_>) -> Result<()> {
        self.post(letter.record, &self.headers(letter)).await
    }

    /// The headers that a letter is written with: the record's own, and those about the error.
    pub(super) fn headers(&self, letter: &DeadLetter<'_>) -> Vec<(Arc<str>, Option<Bytes>)> {
        let mut headers = letter.record.headers.clone();
        if self.context_headers {
            headers.extend(self.context(letter));
        }
        headers
    }

    /// Writes `record` with `headers` instead of its own.
    pub(super) async fn post(&self, record: &ConsumedRecord, headers: &[(Arc<str>, Option<Bytes>)]) -> Result<()> {
        let outgoing = Outgoing {
            topic: &self.topic,
            partition: None,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers,
            timestamp: record.timestamp,
            token: 0,
        };
        self.outstanding.state.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
        loop {
            match self.sender.send(&outgoing) {
                Ok(()) => return Ok(()),
                Err(SendError::QueueFull(since)) => self.sender.producer().room(since).await,
                Err(SendError::Failed(failure)) => {
                    self.outstanding.state.lock().unwrap_or_else(PoisonError::into_inner).0 -= 1;
                    return Err(self.refused(failure));
                }
            }
        }
    }

    /// Returns when all letters are durable.
    ///
    /// # Errors
    /// When one is not, now and at every later call.
    pub async fn settled(&self) -> Result<()> {
        loop {
            let changed = self.outstanding.changed.notified();
            let (count, failure) = {
                let state = self.outstanding.state.lock().unwrap_or_else(PoisonError::into_inner);
                (state.0, state.1.clone())
            };
            match (count, failure) {
                (_, Some(failure)) => return Err(self.refused(failure)),
                (0, None) => return Ok(()),
                (_, None) => changed.await,
            }
        }
    }

    fn refused(&self, failure: Failure) -> Error {
        failure.into_error(format!("Could not produce message to dead letter queue. topic={}", self.topic.name()))
    }

    fn context(&self, letter: &DeadLetter<'_>) -> Vec<(Arc<str>, Option<Bytes>)> {
        let (record, failed) = (letter.record, letter.failed);
        let header = |name: &str, value: String| (Arc::from(format!("{PREFIX}{name}")), Some(Bytes::from(value)));
        let place = match letter.origin {
            Origin::Kafka => {
                [header("partition", record.partition.to_string()), header("offset", record.offset.to_string())]
            }
            Origin::Source { partition, offset } => {
                [header("source.partition", partition.to_owned()), header("source.offset", offset.to_owned())]
            }
        };
        let about = [
            header("connector.name", self.task.connector.to_string()),
            header("task.id", self.task.task.to_string()),
            header("stage", failed.stage.name().to_owned()),
            header("class.name", failed.class.to_owned()),
            header("exception.class.name", failed.error.class().to_owned()),
            header("exception.message", redact(failed.error.message()).into_owned()),
            header("exception.stacktrace", redact(&failed.error.trace()).into_owned()),
        ];
        std::iter::once(header("topic", record.topic.to_string())).chain(place).chain(about).collect()
    }
}
