//! A compacted topic that is read to its end and then followed: Connect's `KafkaBasedLog`.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use couplet_api::{Error, Result};
use tokio::sync::oneshot;

use crate::clients::{
    Admin, ClientSettings, Delivery, End, Followed, LogReader, Outgoing, Producer, Report, Role, Topic, TopicSpec,
};

/// How long reading to the end may stand still: longer than a transaction that somebody left open usually lives.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(120);

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

/// The clients that topic logs share: one that writes and asks, one that reads. Made when they are first needed.
pub struct LogClients {
    make_producer: Box<dyn Fn() -> Result<Arc<Producer>> + Send + Sync>,
    consumer: ClientSettings,
    writing: OnceLock<Arc<Producer>>,
    reading: OnceLock<Arc<LogReader>>,
}

impl LogClients {
    /// Clients with the same settings for all they do, such as a worker's own.
    pub fn new(settings: &ClientSettings) -> Arc<Self> {
        let producer = settings.clone();
        Self::with(move || Producer::new(&producer.native(Role::Producer)?), settings.clone())
    }

    /// Clients that write with what `make_producer` makes and read with the settings `consumer`.
    pub fn with(
        make_producer: impl Fn() -> Result<Arc<Producer>> + Send + Sync + 'static,
        consumer: ClientSettings,
    ) -> Arc<Self> {
        let make_producer = Box::new(make_producer);
        Arc::new(LogClients { make_producer, consumer, writing: OnceLock::new(), reading: OnceLock::new() })
    }

    /// What writes.
    ///
    /// # Errors
    /// `Kind::Config` that names the key whose value was refused.
    pub fn producer(&self) -> Result<Arc<Producer>> {
        get_or_make(&self.writing, &*self.make_producer)
    }

    /// What asks, over the connections of what writes.
    ///
    /// # Errors
    /// As [`LogClients::producer`].
    pub fn admin(&self) -> Result<Admin> {
        Ok(self.producer()?.admin())
    }

    /// What a reader sees at first: it does not wait for transactions that somebody left open.
    fn visible_end(&self) -> End {
        match self.consumer.get("isolation.level") {
            Some("read_committed") => End::Committed,
            _ => End::Written,
        }
    }

    pub(crate) fn reader(&self) -> Result<Arc<LogReader>> {
        get_or_make(&self.reading, || LogReader::new(&self.consumer.native(Role::Consumer)?))
    }
}

fn get_or_make<T>(cell: &OnceLock<Arc<T>>, make: impl FnOnce() -> Result<Arc<T>>) -> Result<Arc<T>> {
    match cell.get() {
        Some(made) => Ok(made.clone()),
        None => {
            let made = make()?;
            // Of two made at the same time, the first stays.
            Ok(cell.get_or_init(|| made).clone())
        }
    }
}

/// A compacted topic: everything in it is given to `on_record`, old records first, then new ones as they come, its own
/// among them. What `on_record` makes of them is the only truth.
pub struct TopicLog {
    followed: Followed,
    producer: Arc<Producer>,
    admin: Admin,
    topic: Arc<Topic>,
    partitions: i32,
}

impl TopicLog {
    /// Number of partitions of the topic.
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// Creates the topic if it is missing, checks an existing one, and returns once everything that may be seen in it was
    /// given to `on_record`, which is called on a thread of the clients' and must not block. Records of transactions that
    /// are open are not waited for: those of a worker that was killed stay open until its successor, which may be the one
    /// that is just starting, fences it.
    ///
    /// # Errors
    /// `Kind::Config` when the topic has another cleanup policy than `compact`; `Kind::Remote` and `Kind::Auth` when the
    /// cluster cannot be used.
    pub async fn open(
        clients: &LogClients,
        spec: TopicSpec,
        mut on_record: Box<dyn FnMut(LogRecord) + Send>,
    ) -> Result<TopicLog> {
        let (producer, admin) = (clients.producer()?, clients.admin()?);
        let partitions = admin.ensure_compacted_topic(&spec).await?;
        // Made early: the producer then finds the partitions' leaders while the topic is being read.
        let topic = producer.topic(&spec.name.as_str().into())?;
        let followed = clients.reader()?.follow(
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
        let log = TopicLog { followed, producer, admin, topic, partitions };
        log.read_to(clients.visible_end()).await?;
        Ok(log)
    }

    /// Name of the topic.
    pub fn topic(&self) -> &Arc<str> {
        self.topic.name()
    }

    /// Returns when everything written before the call was given to `on_record`; waits for the end of transactions that are
    /// open.
    ///
    /// # Errors
    /// When the brokers do not say where the topic ends, or reading stands still.
    pub async fn read_to_end(&self) -> Result<()> {
        self.read_to(End::Written).await
    }

    async fn read_to(&self, end: End) -> Result<()> {
        // Not asked of the consumer: its connection is busy waiting for new records.
        let ends = self.admin.end_offsets(self.topic.name(), self.partitions, end).await?;
        let mut positions = self.followed.positions();
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
        write_all(&self.producer, &self.topic, None, &records).await
    }

    /// Stops reading; returns when `on_record` will not be called again.
    pub async fn close(self) {
        // Stopping a partition waits for librdkafka.
        if tokio::task::spawn_blocking(move || drop(self.followed)).await.is_err() {
            tracing::error!(topic = %self.topic.name(), "closing an internal topic panicked");
        }
    }
}

/// Writes records and returns when all of them are acknowledged. Without a `partition`, each goes to that of its key.
pub(crate) async fn write_all(
    producer: &Arc<Producer>,
    topic: &Topic,
    partition: Option<i32>,
    records: &[(Option<Bytes>, Option<Bytes>)],
) -> Result<()> {
    let what = || format!("cannot write to topic {}", topic.name());
    if records.is_empty() {
        return Ok(());
    }
    let (done, outcome) = oneshot::channel();
    let countdown = Countdown(Mutex::new(Some((records.len(), done))));
    let sender = producer.register(Arc::new(countdown));
    for (key, value) in records {
        let outgoing = Outgoing {
            topic,
            partition,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &[],
            timestamp: None,
            token: 0,
        };
        sender.send_when_room(&outgoing).await.map_err(|failure| failure.into_error(what()))?;
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
