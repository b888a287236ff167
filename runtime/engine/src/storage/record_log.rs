//! Where records of a store go and come back from: a compacted topic, or memory in standalone mode.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use couplet_api::Result;
use couplet_kafka::TopicLog;
use tokio::sync::Notify;

use super::config_store::KeyValue;

/// Items on their way to one reader, in order. Holds what the reader has not taken yet; its writers are logs, whose
/// readers keep up, and the tasks of this worker.
#[derive(Debug)]
pub struct Inbox<T> {
    items: Mutex<VecDeque<T>>,
    arrived: Notify,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Inbox { items: Mutex::default(), arrived: Notify::new() }
    }
}

impl<T> Inbox<T> {
    /// Appends `item`; never waits, so it may be called from any thread.
    pub fn push(&self, item: T) {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push_back(item);
        self.arrived.notify_one();
    }

    /// Takes the oldest item, if there is one.
    pub fn try_next(&self) -> Option<T> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits for the oldest item. Cancel-safe.
    pub async fn next(&self) -> T {
        loop {
            if let Some(item) = self.try_next() {
                return item;
            }
            self.arrived.notified().await;
        }
    }
}

/// What a memory log calls with each of its records.
type OnRecord = dyn Fn(KeyValue) + Send + Sync;

/// A log of one store. What is appended comes back to the store's reader; nothing counts before that.
#[derive(Clone)]
pub enum RecordLog {
    /// A topic.
    Topic(Arc<TopicLog>),
    /// Nothing outlives the worker.
    Memory(Arc<OnRecord>),
}

impl RecordLog {
    /// A log in memory whose records go to `on_record`.
    pub fn memory(on_record: impl Fn(KeyValue) + Send + Sync + 'static) -> Self {
        RecordLog::Memory(Arc::new(on_record))
    }

    /// Writes `records` in order; returns when they are durable.
    ///
    /// # Errors
    /// When a record cannot be delivered.
    pub async fn append(&self, records: Vec<KeyValue>) -> Result<()> {
        match self {
            RecordLog::Topic(log) => log.append_all(records).await,
            RecordLog::Memory(on_record) => {
                records.into_iter().for_each(|record| on_record(record));
                Ok(())
            }
        }
    }

    /// Returns when everything written so far was given to the store's reader.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub async fn read_to_end(&self) -> Result<()> {
        match self {
            RecordLog::Topic(log) => log.read_to_end().await,
            RecordLog::Memory(_) => Ok(()),
        }
    }
}
