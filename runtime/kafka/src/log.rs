//! A compacted topic that is read to its end and then followed: Connect's `KafkaBasedLog`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use couplet_api::{Error, Result};
use tokio::sync::oneshot;

use crate::clients::{
    Admin, ClientSettings, Delivery, Outgoing, Producer, Report, Role, SendError, SimpleConsumer, Topic, TopicSpec,
};

/// How long reading to the end may stand still.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A record of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
}

/// A compacted topic: everything in it is given to `on_record`, old records first, then new ones as they come, its own
/// among them. What `on_record` makes of them is the only truth.
pub struct TopicLog {
    consumer: Arc<SimpleConsumer>,
    producer: Arc<Producer>,
    admin: Admin,
    topic: Arc<Topic>,
    partitions: i32,
}

impl TopicLog {
    /// Creates the topic if it is missing, checks an existing one, and returns once everything in it was given to
    /// `on_record`, which is called on a thread of its own and must not block.
    ///
    /// # Errors
    /// `Kind::Config` when the topic has another cleanup policy than `compact` or, if its number matters, other
    /// partitions; `Kind::Remote` and `Kind::Auth` when the cluster cannot be used.
    pub async fn open(
        clients: &ClientSettings,
        spec: TopicSpec,
        mut on_record: Box<dyn FnMut(LogRecord) + Send>,
    ) -> Result<TopicLog> {
        let admin = Admin::new(clients)?;
        let partitions = admin.ensure_compacted_topic(&spec).await?;
        let producer = Producer::new(&clients.native(Role::Producer)?)?;
        // Made early: the producer then finds the partitions' leaders while the topic is being read.
        let topic = producer.topic(&spec.name.as_str().into())?;
        let consumer = SimpleConsumer::start(
            &clients.native(Role::Consumer)?,
            &spec.name,
            partitions,
            Box::new(move |record| {
                on_record(LogRecord {
                    partition: record.partition,
                    offset: record.offset,
                    key: record.key,
                    value: record.value,
                    timestamp: record.timestamp,
                });
            }),
        )?;
        let log = TopicLog { consumer: Arc::new(consumer), producer, admin, topic, partitions };
        log.read_to_end().await?;
        Ok(log)
    }

    /// Returns when everything written before the call was given to `on_record`.
    ///
    /// # Errors
    /// When the brokers do not say where the topic ends, or reading stands still.
    pub async fn read_to_end(&self) -> Result<()> {
        // Not asked of the consumer: its connection is busy waiting for new records.
        let ends = self.admin.end_offsets(self.topic.name(), self.partitions).await?;
        let mut positions = self.consumer.positions();
        let reached = |now: &std::collections::HashMap<i32, i64>| {
            ends.iter().all(|(partition, end)| *end <= now.get(partition).copied().unwrap_or(0))
        };
        loop {
            if reached(&positions.borrow_and_update()) {
                return Ok(());
            }
            match tokio::time::timeout(STALL_TIMEOUT, positions.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Error::fatal(format!("the reader of topic {} has ended", self.topic.name()))),
                Err(_) => {
                    return Err(Error::remote(format!("reading topic {} to its end stands still", self.topic.name())));
                }
            }
        }
    }

    /// Writes a record to the partition of its key and returns when all in-sync replicas have it.
    ///
    /// # Errors
    /// When it cannot be delivered.
    pub async fn append(&self, key: Option<Bytes>, value: Option<Bytes>) -> Result<()> {
        self.append_all(vec![(key, value)]).await
    }

    /// Writes records and returns when all of them are acknowledged. Those of one partition keep their order.
    ///
    /// # Errors
    /// The first failure; others may have been written.
    pub async fn append_all(&self, records: Vec<(Option<Bytes>, Option<Bytes>)>) -> Result<()> {
        let what = || format!("cannot write to topic {}", self.topic.name());
        if records.is_empty() {
            return Ok(());
        }
        let (done, outcome) = oneshot::channel();
        let countdown = Countdown(Mutex::new(Some((records.len(), done))));
        let sender = self.producer.register(Arc::new(countdown));
        for (key, value) in &records {
            loop {
                let outgoing = Outgoing {
                    topic: &self.topic,
                    partition: None,
                    key: key.as_deref(),
                    value: value.as_deref(),
                    headers: &[],
                    timestamp: None,
                    token: 0,
                };
                match sender.send(&outgoing) {
                    Ok(()) => break,
                    Err(SendError::QueueFull(since)) => self.producer.room(since).await,
                    Err(SendError::Failed(failure)) => return Err(failure.into_error(what())),
                }
            }
        }
        match outcome.await {
            Ok(None) => Ok(()),
            Ok(Some(report)) => match report.failure {
                Some(failure) => Err(failure.into_error(what())),
                None => Ok(()),
            },
            Err(_) => Err(Error::fatal(format!("{}: the producer was closed", what()))),
        }
    }

    /// Stops reading; returns when `on_record` will not be called again.
    pub async fn close(self) {
        let consumer = self.consumer.clone();
        let stop = tokio::task::spawn_blocking(move || consumer.stop());
        if stop.await.is_err() {
            tracing::error!(topic = %self.topic.name(), "closing an internal topic panicked");
        }
    }
}

/// Waits for a number of reports, or for the first failure.
struct Countdown(Mutex<Option<(usize, oneshot::Sender<Option<Report>>)>>);

impl Delivery for Countdown {
    fn delivered(&self, reports: &mut Vec<Report>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for report in reports.drain(..) {
            let Some((missing, done)) = state.take() else { return };
            *state = match (report.failure.is_some(), missing) {
                (true, _) => {
                    // The receiver is gone only when nobody waits any more.
                    let _ = done.send(Some(report));
                    None
                }
                (false, 1) => {
                    let _ = done.send(None);
                    None
                }
                (false, _) => Some((missing - 1, done)),
            };
        }
    }
}
