//! A consumer without a group: all partitions of one topic from the beginning, on a thread of its own.

#![allow(unsafe_code, reason = "calls librdkafka")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use couplet_api::{Error, Result};
use rdkafka::bindings as native;
use tokio::sync::watch;

use super::Failure;
use super::batch::{BatchReader, ConsumedRecord, Notice, Queue};
use super::client_config::NativeConfig;
use super::native::{Client, ClientKind, LastError};
use super::producer::Topic;

/// Next offset to come, by partition.
pub(crate) type Positions = HashMap<i32, i64>;

/// The first offset there can be. Where it is gone, `auto.offset.reset` finds the first that is there; asking for that
/// at once would wait half a second for the partition's leader to become known.
const BEGINNING: i64 = 0;
/// Records handed over at a time.
const BATCH_RECORDS_MAX: usize = 1000;
/// The thread is woken when there is something to do; this is only a limit.
const WAIT_MS: i32 = 60_000;

/// Reads a topic until dropped.
pub(crate) struct SimpleConsumer {
    queue: Arc<Queue>,
    topic: Arc<Topic>,
    partitions: i32,
    positions: watch::Receiver<Positions>,
    closed: Arc<AtomicBool>,
    ended: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl SimpleConsumer {
    /// Starts reading `topic`, which has `partitions` of them; `on_record` is called on the reader's own thread.
    ///
    /// # Errors
    /// `Kind::Config` for settings that the client refuses, `Kind::Fatal` when reading cannot begin.
    pub(crate) fn start(
        config: &NativeConfig,
        topic: &str,
        partitions: i32,
        on_record: Box<dyn FnMut(ConsumedRecord) + Send>,
    ) -> Result<Self> {
        let mut config = config.clone();
        config.set("enable.partition.eof", "true", "enable.partition.eof");
        config.set("auto.offset.reset", "earliest", "auto.offset.reset");
        let client = Client::new(ClientKind::Consumer, &config, Arc::new(LastError::default()))?;
        let topic = Arc::new(Topic::new(&client, topic)?);
        let queue = Arc::new(Queue::new(&client));
        for partition in 0..partitions {
            // SAFETY: topic and queue are alive and outlive the reading, which Drop stops.
            let code = unsafe {
                match native::rd_kafka_consume_start_queue(topic.as_ptr(), partition, BEGINNING, queue.as_ptr()) {
                    0 => native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
                    _ => native::rd_kafka_last_error(),
                }
            };
            Failure::check(code).map_err(|f| f.into_error(format!("cannot read {}-{partition}", topic.name())))?;
        }
        let closed = Arc::new(AtomicBool::new(false));
        let (publish, positions) = watch::channel(Positions::new());
        let reader = (queue.clone(), closed.clone());
        let thread = std::thread::Builder::new()
            .name("kafka-log".into())
            .spawn(move || follow(&reader.0, &reader.1, &publish, on_record))
            .map_err(|error| Error::fatal(format!("cannot start a thread for a consumer: {error}")))?;
        let ended = Mutex::new(Some(thread));
        Ok(SimpleConsumer { queue, topic, partitions, positions, closed, ended })
    }

    /// Hears of progress.
    pub(crate) fn positions(&self) -> watch::Receiver<Positions> {
        self.positions.clone()
    }

    /// Stops reading; returns when `on_record` will not be called again. Blocks for a moment.
    pub(crate) fn stop(&self) {
        self.closed.store(true, Ordering::Release);
        self.queue.wake();
        let thread = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(topic = %self.topic.name(), "the reader of an internal topic panicked");
        }
    }
}

impl Drop for SimpleConsumer {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.queue.wake();
        for partition in 0..self.partitions {
            // SAFETY: the topic is alive.
            unsafe { native::rd_kafka_consume_stop(self.topic.as_ptr(), partition) };
        }
    }
}

/// The reader's thread.
fn follow(
    queue: &Queue,
    closed: &AtomicBool,
    publish: &watch::Sender<Positions>,
    mut on_record: Box<dyn FnMut(ConsumedRecord) + Send>,
) {
    let mut reader = BatchReader::new(BATCH_RECORDS_MAX);
    let mut notices = Vec::new();
    while !closed.load(Ordering::Acquire) {
        let batch = reader.read(queue, WAIT_MS, &mut notices);
        let mut reached: Vec<(i32, i64)> = Vec::with_capacity(batch.records.len() + notices.len());
        for record in batch.records {
            reached.push((record.partition, record.offset + 1));
            on_record(record);
        }
        for notice in notices.drain(..) {
            match notice {
                Notice::End { partition, offset } => reached.push((partition, offset)),
                Notice::Failed(failure) => tracing::warn!(%failure, "reading an internal topic"),
            }
        }
        if !reached.is_empty() {
            publish.send_modify(|positions| positions.extend(reached));
        }
    }
}
