//! A partition's log: segments of batches as producers sent them, recovery, retention, compaction, and the state of
//! idempotent and transactional producers that is derived from the batches.

pub(crate) mod batch;
mod compaction;
pub(crate) mod partition;
mod partition_log;
pub(crate) mod producers;
pub(crate) mod record;
mod recovery;
mod retention;
mod segment;
mod timestamps;

pub(crate) use compaction::DIRTY_BYTES_MIN;
pub(crate) use partition::Partition;
pub(crate) use partition_log::{Appended, Isolation, LEADER_EPOCH};
pub(crate) use timestamps::TimedOffset;
