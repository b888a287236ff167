//! Offsets of a connector that has an offsets topic of its own: there first, and in the worker's topic as well (KIP-618).

use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::Result;
use couplet_api::data::OffsetMap;
use couplet_api::spawn::{TaskKind, spawn};

use super::{KafkaOffsetStore, OffsetChange, OffsetStore};

/// A connector's own topic over the worker's store. What the connector's topic says counts; the worker's store helps a
/// connector that gets a topic of its own, or gives it up, to find what it stored before.
pub struct LayeredOffsetStore {
    own: Arc<KafkaOffsetStore>,
    worker: Arc<dyn OffsetStore>,
}

impl LayeredOffsetStore {
    /// `own` over `worker`.
    pub fn new(own: Arc<KafkaOffsetStore>, worker: Arc<dyn OffsetStore>) -> Self {
        LayeredOffsetStore { own, worker }
    }

    /// Forgets partitions in the worker's store, which must come before they are forgotten in the connector's own topic:
    /// else the old offsets would count again.
    ///
    /// # Errors
    /// As [`OffsetStore::put`].
    pub async fn forget_below(&self, connector: &str, changes: &[OffsetChange]) -> Result<()> {
        let forgotten: Vec<OffsetChange> = changes.iter().filter(|(_, offset)| offset.is_none()).cloned().collect();
        if forgotten.is_empty() { Ok(()) } else { self.worker.put(connector, forgotten).await }
    }

    /// Copies offsets that are durable in the connector's own topic to the worker's store. Nobody waits for that, and
    /// failing is no more than logged: the connector's topic is what counts.
    pub fn copy_below(&self, connector: &str, changes: Vec<OffsetChange>) {
        let changes: Vec<OffsetChange> = changes.into_iter().filter(|(_, offset)| offset.is_some()).collect();
        if changes.is_empty() {
            return;
        }
        let (worker, connector) = (self.worker.clone(), connector.to_owned());
        spawn(TaskKind::Task, async move {
            if let Err(error) = worker.put(&connector, changes).await {
                tracing::warn!(connector, %error, "failed to write offsets to the worker's offsets topic as well");
            }
        });
    }
}

#[async_trait]
impl OffsetStore for LayeredOffsetStore {
    async fn get(&self, connector: &str, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        let (below, own) =
            tokio::try_join!(self.worker.get(connector, partitions), self.own.get(connector, partitions))?;
        Ok(own.into_iter().zip(below).map(|(own, below)| own.or(below)).collect())
    }

    async fn list(&self, connector: &str) -> Result<Vec<(OffsetMap, OffsetMap)>> {
        let (below, own) = tokio::try_join!(self.worker.list(connector), self.own.list(connector))?;
        let only_below = below.into_iter().filter(|(partition, _)| !own.iter().any(|(known, _)| known == partition));
        let only_below: Vec<_> = only_below.collect();
        Ok(own.into_iter().chain(only_below).collect())
    }

    async fn put(&self, connector: &str, changes: Vec<OffsetChange>) -> Result<()> {
        self.forget_below(connector, &changes).await?;
        self.own.put(connector, changes.clone()).await?;
        self.copy_below(connector, changes);
        Ok(())
    }
}
