//! A partition as requests see it: the log behind a lock, and readers that wait for more.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::Notify;

use super::batch::BatchHeader;
use super::partition_log::{Appended, FetchedLog, Isolation, PartitionLog};
use super::producers::Marker;
use crate::topic_config::TopicConfig;

/// One partition of a topic. The lock is held for short work only, never across an await.
#[derive(Debug)]
pub(crate) struct Partition {
    log: Mutex<PartitionLog>,
    waiting: Mutex<Vec<Arc<Notify>>>,
    /// Its topic is gone; requests that still hold the partition must fail.
    deleted: AtomicBool,
}

impl Partition {
    /// Opens the partition in `folder` (made when missing), or an empty one in memory.
    ///
    /// # Errors
    /// When the folder cannot be read or made.
    pub(crate) fn open(folder: Option<&Path>) -> io::Result<Partition> {
        let log = match folder {
            None => PartitionLog::create(None)?,
            Some(folder) => {
                std::fs::create_dir_all(folder)?;
                PartitionLog::open(folder)?
            }
        };
        Ok(Partition { log: Mutex::new(log), waiting: Mutex::default(), deleted: AtomicBool::new(false) })
    }

    /// The log, locked. A panic elsewhere while it was held does not make it unusable: every change is one step.
    pub(crate) fn log(&self) -> MutexGuard<'_, PartitionLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends one validated batch and wakes waiting readers.
    ///
    /// # Errors
    /// Of [`PartitionLog::append`], and `UnknownTopicOrPartition` after the topic was deleted.
    pub(crate) fn append(
        &self,
        batch: &[u8],
        header: &BatchHeader,
        config: &TopicConfig,
        now_ms: i64,
    ) -> Result<Appended, ResponseError> {
        let appended = self.live_log()?.append(batch, header, config, now_ms)?;
        self.wake_readers();
        Ok(appended)
    }

    /// Appends a batch of the broker itself. Returns its base offset.
    ///
    /// # Errors
    /// As [`Partition::append`].
    pub(crate) fn append_own(&self, batch: &Bytes, config: &TopicConfig, now_ms: i64) -> Result<i64, ResponseError> {
        let header = super::batch::validate(batch).map_err(|_| ResponseError::CorruptMessage)?;
        self.append(batch, &header, config, now_ms).map(|appended| appended.base_offset)
    }

    /// Ends a producer's transaction and wakes waiting readers, for whom the stable end may have moved.
    ///
    /// # Errors
    /// As [`Partition::append`].
    pub(crate) fn append_marker(
        &self,
        marker: Marker,
        producer_id: i64,
        epoch: i16,
        config: &TopicConfig,
        now_ms: i64,
    ) -> Result<(), ResponseError> {
        self.live_log()?.append_marker(marker, producer_id, epoch, config, now_ms)?;
        self.wake_readers();
        Ok(())
    }

    /// Finds what a reader gets; the caller reads the bytes without the lock.
    ///
    /// # Errors
    /// Of [`PartitionLog::fetch`], and `UnknownTopicOrPartition` after the topic was deleted.
    pub(crate) fn fetch(
        &self,
        from: i64,
        bytes_max: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Result<FetchedLog, ResponseError> {
        self.live_log()?.fetch(from, bytes_max, at_least_one, isolation)
    }

    fn live_log(&self) -> Result<MutexGuard<'_, PartitionLog>, ResponseError> {
        let log = self.log();
        if self.deleted.load(Ordering::Acquire) { Err(ResponseError::UnknownTopicOrPartition) } else { Ok(log) }
    }

    /// Has `reader` notified at every append until [`Partition::forget`] is called with it.
    pub(crate) fn wake_on_append(&self, reader: &Arc<Notify>) {
        self.waiting().push(reader.clone());
    }

    /// Ends [`Partition::wake_on_append`].
    pub(crate) fn forget(&self, reader: &Arc<Notify>) {
        self.waiting().retain(|waiting| !Arc::ptr_eq(waiting, reader));
    }

    fn wake_readers(&self) {
        for reader in self.waiting().iter() {
            reader.notify_one();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every later request fail and wakes readers so that they notice.
    pub(crate) fn mark_deleted(&self) {
        let _log = self.log();
        self.deleted.store(true, Ordering::Release);
        self.wake_readers();
    }

    /// Removes what retention no longer covers, then compacts when at least `dirty_bytes_min` are new.
    ///
    /// # Errors
    /// When files cannot be read, written or removed.
    pub(crate) fn maintain(&self, config: &TopicConfig, dirty_bytes_min: u64, now_ms: i64) -> io::Result<()> {
        self.log().retain(config, now_ms)?;
        let Some(plan) = self.log().plan_compaction(config, dirty_bytes_min, now_ms)? else { return Ok(()) };
        let compacted = plan.run()?;
        match compacted {
            Some(compacted) if !self.deleted.load(Ordering::Acquire) => self.log().finish_compaction(&plan, compacted),
            _ => Ok(()),
        }
    }
}
