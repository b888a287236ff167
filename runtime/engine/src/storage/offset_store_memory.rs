//! Offsets that live as long as the process; for tests.

use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use couplet_api::Result;
use couplet_api::data::OffsetMap;

use super::offset_store_table::OffsetTable;
use super::{OffsetChange, OffsetStore};

/// Offsets in memory.
#[derive(Default)]
pub struct MemoryOffsetStore(RwLock<OffsetTable>);

#[async_trait]
impl OffsetStore for MemoryOffsetStore {
    async fn get(&self, connector: &str, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(partitions.iter().map(|partition| table.get(connector, partition)).collect())
    }

    async fn list(&self, connector: &str) -> Result<Vec<(OffsetMap, OffsetMap)>> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).list(connector))
    }

    async fn put(&self, connector: &str, changes: Vec<OffsetChange>) -> Result<()> {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for change in &changes {
            let (key, value) = table.encode(connector, change)?;
            table.apply(&key, value.as_ref());
        }
        Ok(())
    }
}
