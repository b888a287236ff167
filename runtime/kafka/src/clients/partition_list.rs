//! librdkafka's list of partitions with offsets.

#![allow(unsafe_code, reason = "calls librdkafka")]

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use couplet_api::data::TopicPartition;
use rdkafka::bindings as native;

use super::Failure;

/// An owned `rd_kafka_topic_partition_list_t`.
pub(super) struct PartitionList(NonNull<native::rd_kafka_topic_partition_list_t>);

// SAFETY: plain memory without ties to a thread.
unsafe impl Send for PartitionList {}
// SAFETY: only changed through &mut, or by librdkafka calls that get it alone.
unsafe impl Sync for PartitionList {}

/// Offset that librdkafka fills in or that stands for "where the group left off".
pub(super) const OFFSET_INVALID: i64 = -1001;

impl PartitionList {
    /// A list of partitions and offsets; a topic with a NUL in its name, which no broker has, is left out.
    pub(super) fn new<'a>(entries: impl IntoIterator<Item = (&'a TopicPartition, i64)>) -> Self {
        // SAFETY: no preconditions.
        let list = Self::take(unsafe { native::rd_kafka_topic_partition_list_new(4) });
        for (partition, offset) in entries {
            let Ok(topic) = CString::new(&*partition.topic) else { continue };
            // SAFETY: the list is ours; librdkafka copies the topic and returns the new element.
            unsafe {
                let element =
                    native::rd_kafka_topic_partition_list_add(list.as_ptr(), topic.as_ptr(), partition.partition);
                (*element).offset = offset;
            }
        }
        list
    }

    /// Partitions without offsets.
    pub(super) fn of<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Self {
        Self::new(partitions.into_iter().map(|p| (p, OFFSET_INVALID)))
    }

    /// Takes over a list that librdkafka gave away.
    pub(super) fn take(list: *mut native::rd_kafka_topic_partition_list_t) -> Self {
        PartitionList(NonNull::new(list).expect("librdkafka's lists are never null"))
    }

    /// A copy of librdkafka's list.
    ///
    /// # Safety
    /// `list` is valid, or null for an empty one.
    pub(super) unsafe fn copy_of(list: *const native::rd_kafka_topic_partition_list_t) -> Self {
        if list.is_null() {
            return Self::of([]);
        }
        // SAFETY: the caller's promise.
        Self::take(unsafe { native::rd_kafka_topic_partition_list_copy(list) })
    }

    pub(super) fn as_ptr(&self) -> *mut native::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    /// Partition, offset, and what is wrong with it.
    pub(super) fn entries(&self) -> Vec<(TopicPartition, i64, Result<(), Failure>)> {
        // SAFETY: elems holds cnt elements with valid topics for as long as the list lives.
        let elements = unsafe {
            let list = self.0.as_ref();
            match list.cnt {
                0 => &[][..],
                n => std::slice::from_raw_parts(list.elems, usize::try_from(n).unwrap_or_default()),
            }
        };
        let entry = |element: &native::rd_kafka_topic_partition_t| {
            // SAFETY: as above.
            let topic = unsafe { CStr::from_ptr(element.topic) }.to_string_lossy();
            (TopicPartition::new(&*topic, element.partition), element.offset, Failure::check(element.err))
        };
        elements.iter().map(entry).collect()
    }

    /// The partitions alone.
    pub(super) fn partitions(&self) -> Vec<TopicPartition> {
        self.entries().into_iter().map(|(partition, _, _)| partition).collect()
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: owned.
        unsafe { native::rd_kafka_topic_partition_list_destroy(self.as_ptr()) }
    }
}
