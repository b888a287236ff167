//! Small stand-ins for what the engine gives a task, for plugins' own tests.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock::Clock;
use crate::data::{OffsetMap, SinkRecord};
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
