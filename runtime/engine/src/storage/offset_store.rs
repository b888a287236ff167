//! Where source connectors' offsets are kept.

use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::Result;
use couplet_api::data::OffsetMap;
use couplet_api::source::OffsetReader;

use super::KafkaOffsetStore;

/// A partition and the offset to store for it; `None` forgets the partition.
pub type OffsetChange = (OffsetMap, Option<OffsetMap>);

/// Offsets of all source connectors of a worker.
#[async_trait]
pub trait OffsetStore: Send + Sync {
    /// The stored offset of each of `partitions`, in their order. Sees everything stored before the call, by any worker.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn get(&self, connector: &str, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>>;

    /// All partitions of `connector` that have an offset.
    ///
    /// # Errors
    /// As [`OffsetStore::get`].
    async fn list(&self, connector: &str) -> Result<Vec<(OffsetMap, OffsetMap)>>;

    /// Stores `changes`; they are durable on return.
    ///
    /// # Errors
    /// When they may not be durable. Storing them, or later ones, again is safe.
    async fn put(&self, connector: &str, changes: Vec<OffsetChange>) -> Result<()>;

    /// Stops reading and writing.
    async fn close(&self) {}

    /// The topic behind it, if it is one: producers may then store offsets together with records.
    fn as_topic(self: Arc<Self>) -> Option<Arc<KafkaOffsetStore>> {
        None
    }
}

/// The offsets of one connector, as its tasks may read them.
pub struct ConnectorOffsets {
    store: Arc<dyn OffsetStore>,
    connector: Arc<str>,
}

impl ConnectorOffsets {
    /// The offsets of `connector` in `store`.
    pub fn new(store: Arc<dyn OffsetStore>, connector: Arc<str>) -> Self {
        ConnectorOffsets { store, connector }
    }
}

#[async_trait]
impl OffsetReader for ConnectorOffsets {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        self.store.get(&self.connector, partitions).await
    }
}
