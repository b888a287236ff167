//! Offsets in a compacted topic.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use couplet_api::data::OffsetMap;
use couplet_api::{Error, Result};
use couplet_kafka::{LogClients, TopicLog, TopicSpec};

use super::config_store::KeyValue;
use super::offset_store_table::OffsetTable;
use super::{OffsetChange, OffsetStore};

/// Offsets in a topic: `offset.storage.topic` of the worker, or a connector's own `offsets.storage.topic`.
pub struct KafkaOffsetStore {
    topic: Arc<str>,
    table: Arc<RwLock<OffsetTable>>,
    log: tokio::sync::RwLock<Option<TopicLog>>,
}

impl KafkaOffsetStore {
    /// Creates the topic if it is missing and reads all of it.
    ///
    /// # Errors
    /// As [`TopicLog::open`].
    pub async fn open(clients: &LogClients, topic: TopicSpec) -> Result<Self> {
        let table: Arc<RwLock<OffsetTable>> = Arc::default();
        let fold = table.clone();
        let on_record = move |record: couplet_kafka::LogRecord| {
            if let Some(key) = &record.key {
                fold.write().unwrap_or_else(PoisonError::into_inner).apply(key, record.value.as_ref());
            }
        };
        let log = TopicLog::open(clients, topic, Box::new(on_record)).await?;
        Ok(KafkaOffsetStore { topic: log.topic().clone(), table, log: tokio::sync::RwLock::new(Some(log)) })
    }

    /// Name of the topic.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The records that store `changes`, for a producer that writes them in a transaction of its own.
    ///
    /// # Errors
    /// `Kind::Data` when partition or offset hold what JSON cannot.
    pub fn records(&self, connector: &str, changes: &[OffsetChange]) -> Result<Vec<KeyValue>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let encode = |change| table.encode(connector, change).map(|(key, value)| (Some(key), value));
        changes.iter().map(encode).collect()
    }

    async fn read_to_end(&self) -> Result<()> {
        match &*self.log.read().await {
            Some(log) => log.read_to_end().await,
            None => Err(closed()),
        }
    }
}

fn closed() -> Error {
    Error::fatal("the offset store is closed")
}

#[async_trait]
impl OffsetStore for KafkaOffsetStore {
    async fn get(&self, connector: &str, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        self.read_to_end().await?;
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        Ok(partitions.iter().map(|partition| table.get(connector, partition)).collect())
    }

    async fn list(&self, connector: &str) -> Result<Vec<(OffsetMap, OffsetMap)>> {
        self.read_to_end().await?;
        Ok(self.table.read().unwrap_or_else(PoisonError::into_inner).list(connector))
    }

    async fn put(&self, connector: &str, changes: Vec<OffsetChange>) -> Result<()> {
        let records = self.records(connector, &changes)?;
        match &*self.log.read().await {
            Some(log) => log.append_all(records).await,
            None => Err(closed()),
        }
    }

    async fn close(&self) {
        if let Some(log) = self.log.write().await.take() {
            log.close().await;
        }
    }

    fn as_topic(self: Arc<Self>) -> Option<Arc<KafkaOffsetStore>> {
        Some(self)
    }
}
