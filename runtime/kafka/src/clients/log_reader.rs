//! A consumer without a group that follows topics from their beginning: one client and one thread for all of them.

#![allow(unsafe_code, reason = "calls librdkafka")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use couplet_api::{Error, Result};
use rdkafka::bindings as native;
use tokio::sync::watch;

use super::Failure;
use super::batch::{BatchReader, ConsumedRecord, Notice, Queue};
use super::native::{Client, ClientKind, LastError};
use super::native_config::NativeConfig;
use super::producer::Topic;

/// Next offset to come, by partition.
pub(crate) type Positions = HashMap<i32, i64>;

/// Takes the records of a topic, in order per partition; called on the reader's thread, must not block.
pub(crate) type OnRecord = Box<dyn FnMut(ConsumedRecord) + Send>;

/// The first offset there can be. Where it is gone, `auto.offset.reset` finds the first that is there; asking for that
/// at once would wait half a second for the partition's leader to become known.
const BEGINNING: i64 = 0;
/// Records handed over at a time.
const BATCH_RECORDS_MAX: usize = 1000;
/// The thread is woken when there is something to do; this is only a limit.
const WAIT_MS: i32 = 60_000;

/// Where the records of one topic go.
struct Route {
    on_record: OnRecord,
    positions: watch::Sender<Positions>,
}

type Routes = Mutex<HashMap<Arc<str>, Route>>;

/// Reads topics until dropped.
pub(crate) struct LogReader {
    queue: Arc<Queue>,
    routes: Arc<Routes>,
    /// Kept as long as the client: records name their topic by the address of its object.
    topics: Mutex<Vec<Arc<Topic>>>,
    closed: Arc<AtomicBool>,
}

/// One topic that is followed, until dropped.
pub(crate) struct Followed {
    reader: Arc<LogReader>,
    topic: Arc<Topic>,
    partitions: i32,
    positions: watch::Receiver<Positions>,
}

impl LogReader {
    /// A reader of nothing yet.
    ///
    /// # Errors
    /// `Kind::Config` for settings that the client refuses.
    pub(crate) fn new(config: &NativeConfig) -> Result<Arc<Self>> {
        let mut config = config.clone();
        config.set("enable.partition.eof", "true", "enable.partition.eof");
        config.set("auto.offset.reset", "earliest", "auto.offset.reset");
        let client = Client::new(ClientKind::Consumer, &config, Arc::new(LastError::default()))?;
        let queue = Arc::new(Queue::new(&client));
        let (closed, routes) = (Arc::new(AtomicBool::new(false)), Arc::<Routes>::default());
        let reader = (queue.clone(), closed.clone(), routes.clone());
        std::thread::Builder::new()
            .name("kafka-log".into())
            .spawn(move || follow(&reader.0, &reader.1, &reader.2))
            .map_err(|error| Error::fatal(format!("cannot start a thread for a consumer: {error}")))?;
        Ok(Arc::new(LogReader { queue, routes, topics: Mutex::default(), closed }))
    }

    /// Follows `topic`, which has `partitions` of them.
    ///
    /// # Errors
    /// `Kind::Fatal` when reading cannot begin, or the topic is followed already.
    pub(crate) fn follow(self: &Arc<Self>, topic: &str, partitions: i32, on_record: OnRecord) -> Result<Followed> {
        let topic = Arc::new(Topic::new(self.queue.client(), topic)?);
        let (publish, positions) = watch::channel(Positions::new());
        {
            let mut routes = lock(&self.routes);
            if routes.contains_key(topic.name()) {
                return Err(Error::fatal(format!(
                    "topic {} is read already: internal topics must differ",
                    topic.name()
                )));
            }
            routes.insert(topic.name().clone(), Route { on_record, positions: publish });
        }
        lock(&self.topics).push(topic.clone());
        let followed = Followed { reader: self.clone(), topic, partitions, positions };
        for partition in 0..partitions {
            let topic = &followed.topic;
            // SAFETY: topic and queue are alive and outlive the reading, which Drop stops.
            let code = unsafe {
                match native::rd_kafka_consume_start_queue(topic.as_ptr(), partition, BEGINNING, self.queue.as_ptr()) {
                    0 => native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
                    _ => native::rd_kafka_last_error(),
                }
            };
            Failure::check(code).map_err(|f| f.into_error(format!("cannot read {}-{partition}", topic.name())))?;
        }
        Ok(followed)
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.queue.wake();
    }
}

impl Followed {
    /// Hears of progress.
    pub(crate) fn positions(&self) -> watch::Receiver<Positions> {
        self.positions.clone()
    }

    /// No record is handed over any more when this returns. Waits for the one that is just being handed over.
    pub(crate) fn stop(&self) {
        lock(&self.reader.routes).remove(self.topic.name());
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.stop();
        for partition in 0..self.partitions {
            // SAFETY: the topic is alive.
            unsafe { native::rd_kafka_consume_stop(self.topic.as_ptr(), partition) };
        }
    }
}

/// The reader's thread.
fn follow(queue: &Queue, closed: &AtomicBool, routes: &Routes) {
    let mut reader = BatchReader::new(BATCH_RECORDS_MAX);
    let mut notices = Vec::new();
    let mut reached: HashMap<Arc<str>, Positions> = HashMap::new();
    while !closed.load(Ordering::Acquire) {
        let batch = reader.read(queue, WAIT_MS, &mut notices);
        let mut routes = lock(routes);
        for record in batch.records {
            let Some(route) = routes.get_mut(&record.topic) else { continue };
            reached.entry(record.topic.clone()).or_default().insert(record.partition, record.offset + 1);
            (route.on_record)(record);
        }
        for notice in notices.drain(..) {
            match notice {
                Notice::End { topic, partition, offset } => {
                    reached.entry(topic).or_default().insert(partition, offset);
                }
                Notice::Failed(failure) => tracing::warn!(%failure, "reading an internal topic"),
            }
        }
        for (topic, new) in reached.drain() {
            if let Some(route) = routes.get(&topic) {
                route.positions.send_modify(|positions| positions.extend(new));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
