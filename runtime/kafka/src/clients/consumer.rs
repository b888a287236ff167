//! A member of a consumer group, read on a thread of its own and handed over batch by batch.

#![allow(unsafe_code, reason = "calls librdkafka")]

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use couplet_api::data::TopicPartition;
use couplet_api::{Error, Result};
use rdkafka::bindings as native;
use rdkafka::types::RDKafkaRespErr as Code;
use tokio::sync::mpsc;

use super::Failure;
use super::batch::{BatchReader, Notice, Queue, RecordBatch};
use super::native::{Callbacks, Client, ClientKind, LastError};
use super::native_config::NativeConfig;
use super::partition_list::PartitionList;

/// Batches that wait for the task beside the one it works on.
const BATCHES_AHEAD: usize = 1;
/// The thread is woken when there is something to do; this is only a limit.
const WAIT_MS: i32 = 60_000;
/// How long a broker may take to find a position or an offset.
const SEEK_TIMEOUT_MS: i32 = 30_000;

/// Something that happened to a consumer, in order.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// Records were read. They may be of partitions that were taken away since; see [`Consumer::unassign`].
    Records(RecordBatch),
    /// The group gives these partitions; answer with [`Consumer::assign`].
    Assigned(Vec<TopicPartition>),
    /// The group takes these partitions; answer with [`Consumer::unassign`].
    Revoked {
        /// Which.
        partitions: Vec<TopicPartition>,
        /// Another member may own them already: offsets must not be committed.
        lost: bool,
    },
    /// The seek with this number is done; records of its partitions that came earlier are stale.
    Sought(u64),
    /// Reading cannot go on.
    Failed(Error),
}

/// A consumer. Leaves its group when closed or dropped.
pub struct Consumer {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    events: mpsc::Receiver<ConsumerEvent>,
    reader: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    events: mpsc::Sender<ConsumerEvent>,
    seeks: Mutex<Vec<Seek>>,
    closing: AtomicBool,
    last_error: LastError,
    client: std::sync::OnceLock<std::sync::Weak<Client>>,
}

struct Seek {
    id: u64,
    offsets: BTreeMap<TopicPartition, i64>,
}

impl Consumer {
    /// A member of the group in `config`, which subscribes to nothing yet. Hands over at most `records_max` at a time.
    ///
    /// # Errors
    /// `Kind::Config` that names the key whose value was refused.
    pub fn new(config: &NativeConfig, records_max: usize) -> Result<Consumer> {
        let (sender, events) = mpsc::channel(BATCHES_AHEAD);
        let shared = Arc::new(Shared {
            events: sender,
            seeks: Mutex::default(),
            closing: AtomicBool::new(false),
            last_error: LastError::default(),
            client: std::sync::OnceLock::new(),
        });
        let client = Client::new(ClientKind::Consumer, config, shared.clone())?;
        // Set once, before the thread that calls back exists.
        let _ = shared.client.set(Arc::downgrade(&client));
        let queue =
            Queue::of_consumer(&client).ok_or_else(|| Error::config("Missing required configuration \"group.id\""))?;
        let queue = Arc::new(queue);
        let inner = (queue.clone(), shared.clone());
        let reader = std::thread::Builder::new()
            .name("kafka-consumer".into())
            .spawn(move || read(&inner.0, &inner.1, records_max))
            .map_err(|error| Error::fatal(format!("cannot start a thread for a consumer: {error}")))?;
        Ok(Consumer { queue, shared, events, reader: Some(reader) })
    }

    /// Subscribes to exactly `topics`, of which there is at least one.
    ///
    /// # Errors
    /// When the client refuses a name.
    pub fn subscribe(&self, topics: &[String]) -> Result<()> {
        let any_partition: Vec<_> = topics.iter().map(|t| TopicPartition::new(t.as_str(), -1)).collect();
        let list = PartitionList::of(&any_partition);
        // SAFETY: client and list are alive.
        let code = unsafe { native::rd_kafka_subscribe(self.client(), list.as_ptr()) };
        Failure::check(code).map_err(|failure| failure.into_error("cannot subscribe"))
    }

    /// The next event; `None` when the reader has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<ConsumerEvent> {
        self.events.recv().await
    }

    /// Takes partitions, each from its committed offset.
    ///
    /// # Errors
    /// When the client is in no state for it.
    pub fn assign(&self, partitions: &[TopicPartition]) -> Result<()> {
        let list = PartitionList::of(partitions);
        self.change_assignment("cannot take partitions", |client| {
            // SAFETY: client and list are alive.
            unsafe {
                if self.is_cooperative() {
                    take_error(native::rd_kafka_incremental_assign(client, list.as_ptr()))
                } else {
                    Failure::check(native::rd_kafka_assign(client, list.as_ptr()))
                }
            }
        })
    }

    /// Gives partitions back. Records of them that were read before may still come as events and are to be dropped.
    ///
    /// # Errors
    /// When the client is in no state for it.
    pub fn unassign(&self, partitions: &[TopicPartition]) -> Result<()> {
        let list = PartitionList::of(partitions);
        self.change_assignment("cannot give partitions back", |client| {
            // SAFETY: client and list are alive; null gives everything back.
            unsafe {
                if self.is_cooperative() {
                    take_error(native::rd_kafka_incremental_unassign(client, list.as_ptr()))
                } else {
                    Failure::check(native::rd_kafka_assign(client, std::ptr::null()))
                }
            }
        })
    }

    fn change_assignment(
        &self,
        what: &str,
        change: impl FnOnce(*mut native::rd_kafka_t) -> Result<(), Failure>,
    ) -> Result<()> {
        change(self.client()).map_err(|failure| failure.into_error(what))
    }

    fn is_cooperative(&self) -> bool {
        // SAFETY: the client is alive; the text is static, or null before the first rebalance.
        unsafe {
            let protocol = native::rd_kafka_rebalance_protocol(self.client());
            !protocol.is_null() && CStr::from_ptr(protocol) == c"COOPERATIVE"
        }
    }

    /// Stops reading `partitions`; what was fetched ahead of the task is given up and fetched again later.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        let list = PartitionList::of(partitions);
        // SAFETY: client and list are alive.
        let code = unsafe { native::rd_kafka_pause_partitions(self.client(), list.as_ptr()) };
        log_failures("pausing", code, &list);
    }

    /// Reads `partitions` again.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        let list = PartitionList::of(partitions);
        // SAFETY: client and list are alive.
        let code = unsafe { native::rd_kafka_resume_partitions(self.client(), list.as_ptr()) };
        log_failures("resuming", code, &list);
    }

    /// Reads on from `offsets`. Records of these partitions are stale until [`ConsumerEvent::Sought`] with `id` came.
    pub fn seek(&self, id: u64, offsets: BTreeMap<TopicPartition, i64>) {
        self.shared.seeks.lock().unwrap_or_else(PoisonError::into_inner).push(Seek { id, offsets });
        self.queue.wake();
    }

    /// Commits `offsets`, the next ones to read, and returns when the coordinator has them.
    ///
    /// # Errors
    /// `Kind::Remote` where trying again may help.
    pub async fn commit(&self, offsets: BTreeMap<TopicPartition, i64>) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        self.blocking("cannot commit offsets", move |client| {
            let list = PartitionList::new(offsets.iter().map(|(partition, offset)| (partition, *offset)));
            // SAFETY: client and list are alive.
            Failure::check(unsafe { native::rd_kafka_commit(client.as_ptr(), list.as_ptr(), 0) })?;
            list.entries().into_iter().try_for_each(|(_, _, outcome)| outcome)
        })
        .await
    }

    /// The group's committed offsets of `partitions`; those without one are left out.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn committed(&self, partitions: Vec<TopicPartition>) -> Result<BTreeMap<TopicPartition, i64>> {
        self.blocking("cannot read committed offsets", move |client| {
            let list = PartitionList::of(&partitions);
            // SAFETY: client and list are alive.
            let code = unsafe { native::rd_kafka_committed(client.as_ptr(), list.as_ptr(), SEEK_TIMEOUT_MS) };
            Failure::check(code)?;
            Ok(list
                .entries()
                .into_iter()
                .filter(|e| e.1 >= 0)
                .map(|(partition, offset, _)| (partition, offset))
                .collect())
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: &str,
        call: impl FnOnce(&Client) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let client = self.queue.client().clone();
        match tokio::task::spawn_blocking(move || call(&client)).await {
            Ok(outcome) => outcome.map_err(|failure| failure.into_error(what)),
            Err(_) => Err(Error::bug(format!("{what}: the call panicked"))),
        }
    }

    /// What is wrong with the connection, if anything was; for messages.
    pub fn last_error(&self) -> Option<String> {
        self.shared.last_error.get()
    }

    /// Leaves the group and returns when the reader has ended. Uncommitted work is given to others.
    pub async fn close(mut self) {
        self.shut();
        // What the reader still hands over is nobody's any more.
        self.events.close();
        let Some(reader) = self.reader.take() else { return };
        let ended = tokio::task::spawn_blocking(move || reader.join()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::error!("the reader of a consumer panicked");
        }
    }

    fn shut(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.queue.wake();
    }

    fn client(&self) -> *mut native::rd_kafka_t {
        self.queue.client().as_ptr()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Callbacks for Shared {
    fn rebalance(&self, assigned: bool, partitions: &PartitionList) {
        let Some(client) = self.client.get().and_then(std::sync::Weak::upgrade) else { return };
        // SAFETY: the client is alive.
        let lost = unsafe { native::rd_kafka_assignment_lost(client.as_ptr()) } == 1;
        let partitions = partitions.partitions();
        let event = match assigned {
            true => ConsumerEvent::Assigned(partitions),
            false => ConsumerEvent::Revoked { partitions, lost },
        };
        let closing = self.closing.load(Ordering::Acquire);
        if closing || self.events.blocking_send(event).is_err() {
            // Nobody will answer: the consumer is on its way out.
            // SAFETY: the client is alive; null gives everything back.
            unsafe { native::rd_kafka_assign(client.as_ptr(), std::ptr::null()) };
        }
    }

    fn error(&self, failure: &Failure) {
        tracing::debug!(%failure, "consumer error");
        self.last_error.set(failure.message());
    }
}

/// # Safety
/// `error` is null or an error that is the caller's to destroy.
unsafe fn take_error(error: *mut native::rd_kafka_error_t) -> Result<(), Failure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise; the text is copied first.
    unsafe {
        let code = native::rd_kafka_error_code(error);
        let text = CStr::from_ptr(native::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        native::rd_kafka_error_destroy(error);
        Err(Failure::with_message(code, text))
    }
}

fn log_failures(what: &str, code: Code, list: &PartitionList) {
    if let Err(failure) = Failure::check(code) {
        tracing::warn!(%failure, "{what} partitions");
    }
    for (partition, _, outcome) in list.entries() {
        if let Err(failure) = outcome {
            tracing::debug!(%partition, %failure, "{what} a partition that is not assigned");
        }
    }
}

/// The consumer's thread: reads and hands over until closed, then leaves the group.
fn read(queue: &Queue, shared: &Shared, records_max: usize) {
    let mut reader = BatchReader::new(records_max);
    let mut notices = Vec::new();
    while !shared.closing.load(Ordering::Acquire) {
        let seeks = std::mem::take(&mut *shared.seeks.lock().unwrap_or_else(PoisonError::into_inner));
        let mut events: Vec<ConsumerEvent> = seeks.into_iter().map(|seek| do_seek(queue.client(), &seek)).collect();
        if events.is_empty() {
            let batch = reader.read(queue, WAIT_MS, &mut notices);
            if !batch.records.is_empty() {
                events.push(ConsumerEvent::Records(batch));
            }
            events.extend(notices.drain(..).filter_map(failed));
        }
        for event in events {
            if shared.events.blocking_send(event).is_err() {
                shared.closing.store(true, Ordering::Release);
            }
        }
    }
    // SAFETY: the client is alive. Closing serves the last rebalance on this thread.
    if let Err(failure) = Failure::check(unsafe { native::rd_kafka_consumer_close(queue.client().as_ptr()) }) {
        tracing::debug!(%failure, "leaving a consumer group");
    }
}

fn do_seek(client: &Client, seek: &Seek) -> ConsumerEvent {
    let list = PartitionList::new(seek.offsets.iter().map(|(partition, offset)| (partition, *offset)));
    // SAFETY: client and list are alive.
    let outcome =
        unsafe { take_error(native::rd_kafka_seek_partitions(client.as_ptr(), list.as_ptr(), SEEK_TIMEOUT_MS)) };
    match outcome {
        Ok(()) => {
            // A partition that was taken away meanwhile is no concern of ours any more.
            log_failures("seeking in", Code::RD_KAFKA_RESP_ERR_NO_ERROR, &list);
            ConsumerEvent::Sought(seek.id)
        }
        Err(failure) => ConsumerEvent::Failed(failure.into_error("cannot go back to earlier records")),
    }
}

/// The event of a notice that a task must hear of; the client recovers from all others by itself.
fn failed(notice: Notice) -> Option<ConsumerEvent> {
    let Notice::Failed(failure) = notice else { return None };
    let ends_reading = matches!(
        failure.code,
        Code::RD_KAFKA_RESP_ERR__FATAL
            | Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
            | Code::RD_KAFKA_RESP_ERR__NO_OFFSET
            | Code::RD_KAFKA_RESP_ERR__AUTHENTICATION
            | Code::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
            | Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
            | Code::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
            | Code::RD_KAFKA_RESP_ERR_INVALID_GROUP_ID
            | Code::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
    );
    if ends_reading {
        return Some(ConsumerEvent::Failed(failure.into_error("cannot read from Kafka")));
    }
    tracing::warn!(%failure, "reading from Kafka");
    None
}
