//! Committed offsets of one group, and those that wait for the end of a transaction.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::protocol::StrBytes;

/// A partition as offsets name it.
pub(crate) type TopicPartition = (StrBytes, i32);

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: StrBytes,
}

/// Offsets of one group.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupOffsets {
    committed: BTreeMap<TopicPartition, Committed>,
    /// By producer id.
    pending: HashMap<i64, BTreeMap<TopicPartition, Committed>>,
}

impl GroupOffsets {
    pub(crate) fn get(&self, partition: &TopicPartition) -> Option<&Committed> {
        self.committed.get(partition)
    }

    pub(crate) fn all(&self) -> &BTreeMap<TopicPartition, Committed> {
        &self.committed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    pub(crate) fn commit(&mut self, partition: TopicPartition, committed: Committed) {
        self.committed.insert(partition, committed);
    }

    pub(crate) fn remove(&mut self, partition: &TopicPartition) -> bool {
        self.committed.remove(partition).is_some()
    }

    pub(crate) fn commit_later(&mut self, producer_id: i64, partition: TopicPartition, committed: Committed) {
        self.pending.entry(producer_id).or_default().insert(partition, committed);
    }

    /// Ends a producer's transaction: its offsets become committed, or never were.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, commit: bool) {
        let ended = self.pending.remove(&producer_id).unwrap_or_default();
        if commit {
            self.committed.extend(ended);
        }
    }

    /// Whether an open transaction may still change the offset.
    pub(crate) fn is_unstable(&self, partition: &TopicPartition) -> bool {
        self.pending.values().any(|offsets| offsets.contains_key(partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactional_offsets_wait_for_the_end() {
        let partition = (StrBytes::from_static_str("t"), 0);
        let at = |offset| Committed { offset, leader_epoch: -1, metadata: StrBytes::new() };
        for (commit, want) in [(true, 9), (false, 5)] {
            let mut offsets = GroupOffsets::default();
            offsets.commit(partition.clone(), at(5));
            offsets.commit_later(1, partition.clone(), at(9));
            assert!(offsets.is_unstable(&partition));
            assert_eq!(offsets.get(&partition), Some(&at(5)));
            offsets.end_transaction(1, commit);
            assert!(!offsets.is_unstable(&partition));
            assert_eq!(offsets.get(&partition), Some(&at(want)), "commit: {commit}");
        }
    }
}
