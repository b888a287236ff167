//! Small stand-ins for what the engine gives a task, for plugins' own tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::data::{OffsetMap, SinkRecord};
use crate::metrics::{MetricName, MetricValue, PluginMetrics};
use crate::own_topic::{Follower, OnOwnRecord, OwnRecord, OwnTopic, OwnTopics, TopicClients, TopicState};
use crate::sink::ErrantRecordReporter;
use crate::source::OffsetReader;
use crate::{Error, Result};

/// A clock that stands still until it is told to move.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock at `ms` since the epoch.
    pub fn at(ms: i64) -> Self {
        ManualClock(AtomicI64::new(ms))
    }

    /// Moves the clock by `ms`.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Stored offsets in memory.
#[derive(Debug, Default)]
pub struct MemoryOffsets(pub Mutex<Vec<(OffsetMap, OffsetMap)>>);

#[async_trait]
impl OffsetReader for MemoryOffsets {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |p: &OffsetMap| stored.iter().rev().find(|(partition, _)| partition == p).map(|(_, o)| o.clone());
        Ok(partitions.iter().map(find).collect())
    }
}

/// A topic in memory.
#[derive(Debug, Default)]
pub struct MemoryTopic {
    /// `None` while it is missing.
    records: Mutex<Option<Vec<OwnRecord>>>,
    appended: Notify,
    /// Where the only group goes on; at first at the beginning.
    committed: AtomicI64,
}

impl MemoryTopic {
    /// The offset that the group committed.
    pub fn committed(&self) -> i64 {
        self.committed.load(Ordering::Relaxed)
    }

    fn record(&self, offset: i64) -> Option<OwnRecord> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.as_ref()?.get(usize::try_from(offset).ok()?).cloned()
    }
}

#[async_trait]
impl OwnTopic for MemoryTopic {
    async fn state(&self) -> Result<TopicState> {
        Ok(match &*self.records.lock().unwrap_or_else(PoisonError::into_inner) {
            None => TopicState::Missing,
            Some(records) if records.is_empty() => TopicState::Empty,
            Some(_) => TopicState::Written,
        })
    }

    async fn create(&self, _configs: &[(&str, &str)]) -> Result<()> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
        Ok(())
    }

    async fn read(&self, on_record: OnOwnRecord<'_>) -> Result<()> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        records.into_iter().try_for_each(on_record)
    }

    async fn append(&self, key: Option<Bytes>, value: Option<Bytes>) -> Result<()> {
        let mut topic = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let records = topic.get_or_insert_default();
        let offset = i64::try_from(records.len()).unwrap_or(i64::MAX);
        records.push(OwnRecord { offset, key, value });
        self.appended.notify_waiters();
        Ok(())
    }

    async fn follow(self: Arc<Self>) -> Result<Box<dyn Follower>> {
        let next = self.committed();
        Ok(Box::new(MemoryFollower { topic: self, next }))
    }
}

struct MemoryFollower {
    topic: Arc<MemoryTopic>,
    next: i64,
}

#[async_trait]
impl Follower for MemoryFollower {
    async fn next(&mut self) -> Result<OwnRecord> {
        loop {
            let appended = self.topic.appended.notified();
            if let Some(record) = self.topic.record(self.next) {
                self.next += 1;
                return Ok(record);
            }
            appended.await;
        }
    }

    async fn commit(&mut self, next: i64) -> Result<()> {
        self.topic.committed.store(next, Ordering::Relaxed);
        Ok(())
    }
}

/// Topics in memory, by name; settings of clients are not looked at.
#[derive(Debug, Default)]
pub struct MemoryTopics(Mutex<BTreeMap<String, Arc<MemoryTopic>>>);

impl MemoryTopics {
    /// The topic `name`.
    pub fn topic(&self, name: &str) -> Arc<MemoryTopic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().clone()
    }
}

#[async_trait]
impl OwnTopics for MemoryTopics {
    async fn open(&self, name: &str, _clients: &TopicClients) -> Result<Arc<dyn OwnTopic>> {
        Ok(self.topic(name))
    }
}

/// Metrics in memory.
#[derive(Default)]
pub struct MemoryMetrics(Mutex<BTreeMap<MetricName, MetricValue>>);

impl MemoryMetrics {
    /// What the metric `name` whose tags have the value `tag` is now.
    pub fn value(&self, name: &str, tag: &str) -> Option<f64> {
        let metrics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tagged = |metric: &MetricName| metric.tags.iter().any(|(_, value)| value == tag);
        let found = metrics.iter().find(|(metric, _)| metric.name == name && tagged(metric));
        found.map(|(_, value)| value())
    }
}

impl PluginMetrics for MemoryMetrics {
    fn add_metric(&self, name: MetricName, value: MetricValue) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value);
    }

    fn remove_metric(&self, name: &MetricName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// Keeps what was reported.
#[derive(Default)]
pub struct MemoryReporter(pub Mutex<VecDeque<(SinkRecord, Error)>>);

#[async_trait]
impl ErrantRecordReporter for MemoryReporter {
    async fn report(&self, record: &SinkRecord, error: Error) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back((record.clone(), error));
        Ok(())
    }
}
