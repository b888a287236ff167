//! What a sink task has been given and what may be committed. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use couplet_api::data::TopicPartition;
use couplet_api::sink::Offsets;
use couplet_kafka::clients::ConsumedRecord;

/// The partitions of a sink task and its positions in them.
#[derive(Default)]
pub(super) struct SinkOffsets {
    assigned: BTreeSet<TopicPartition>,
    /// The offset after the last record that was put, filtered or skipped.
    seen: Offsets,
    /// The offset of the first record of each partition, for going back when the group has committed none.
    first: Offsets,
    /// Partitions that go back to earlier records: records that come before the seek of this number is done are stale.
    sought: HashMap<TopicPartition, u64>,
    last_seek: u64,
}

impl SinkOffsets {
    /// These partitions are ours now.
    pub(super) fn assign(&mut self, partitions: &[TopicPartition]) {
        self.assigned.extend(partitions.iter().cloned());
    }

    /// They are ours no longer. Returns those that were.
    pub(super) fn revoke(&mut self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        let ours: Vec<_> = partitions.iter().filter(|p| self.assigned.remove(p)).cloned().collect();
        for partition in &ours {
            self.seen.remove(partition);
            self.first.remove(partition);
            self.sought.remove(partition);
        }
        ours
    }

    /// All partitions that are ours.
    pub(super) fn assigned(&self) -> Vec<TopicPartition> {
        self.assigned.iter().cloned().collect()
    }

    /// Whether a record is to be processed: of a partition that is ours, and not stale.
    pub(super) fn wants(&self, record: &ConsumedRecord) -> bool {
        self.wants_partition(&record.topic_partition())
    }

    /// Whether records of `partition` are to be processed.
    pub(super) fn wants_partition(&self, partition: &TopicPartition) -> bool {
        self.assigned.contains(partition) && !self.sought.contains_key(partition)
    }

    /// A record begins its way.
    pub(super) fn begin(&mut self, record: &ConsumedRecord) {
        self.first.entry(record.topic_partition()).or_insert(record.offset);
    }

    /// Everything before these offsets is put, filtered or skipped.
    pub(super) fn advance(&mut self, ends: &Offsets) {
        for (partition, end) in ends {
            if self.assigned.contains(partition) {
                self.seen.insert(partition.clone(), *end);
            }
        }
    }

    /// The positions of `partitions`.
    pub(super) fn seen(&self, partitions: &[TopicPartition]) -> Offsets {
        partitions.iter().filter_map(|p| Some((p.clone(), *self.seen.get(p)?))).collect()
    }

    /// What may be committed of what the task wants to commit (invariant OFF2): partitions that are ours, at most as
    /// far as records were put.
    pub(super) fn committable(&self, wanted: Offsets) -> Offsets {
        let allowed = |(partition, offset): &(TopicPartition, i64)| match self.seen.get(partition) {
            Some(seen) if offset <= seen => true,
            seen => {
                tracing::warn!(%partition, offset, ?seen, "ignoring an invalid offset that the task provided");
                false
            }
        };
        wanted.into_iter().filter(allowed).collect()
    }

    /// Goes to `offsets` in the partitions that are ours. Returns the number of the seek, and where it goes.
    pub(super) fn seek(&mut self, offsets: &Offsets) -> Option<(u64, Offsets)> {
        let ours: Offsets =
            offsets.iter().filter(|(p, _)| self.assigned.contains(p)).map(|(p, o)| (p.clone(), *o)).collect();
        if ours.is_empty() {
            return None;
        }
        self.last_seek += 1;
        for (partition, offset) in &ours {
            self.sought.insert(partition.clone(), self.last_seek);
            self.seen.insert(partition.clone(), *offset);
        }
        Some((self.last_seek, ours))
    }

    /// The seek of this number is done.
    pub(super) fn sought(&mut self, seek: u64) {
        self.sought.retain(|_, number| *number != seek);
    }

    /// Where to go back to: what the group has committed, else the first record that was read.
    pub(super) fn restart_points(&self, committed: BTreeMap<TopicPartition, i64>) -> Offsets {
        let mut points = self.first.clone();
        points.extend(committed);
        points
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::TimestampType;

    use super::*;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn record(partition: i32, offset: i64) -> ConsumedRecord {
        ConsumedRecord {
            topic: "t".into(),
            partition,
            offset,
            timestamp: None,
            timestamp_type: TimestampType::None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn only_what_was_seen_of_our_partitions_may_be_committed() {
        let mut offsets = SinkOffsets::default();
        offsets.assign(&[tp(0), tp(1)]);
        offsets.advance(&Offsets::from([(tp(0), 5), (tp(2), 9)]));
        let rows = [(tp(0), 5, true), (tp(0), 3, true), (tp(0), 6, false), (tp(1), 1, false), (tp(2), 9, false)];
        for (partition, offset, allowed) in rows {
            let got = offsets.committable(Offsets::from([(partition.clone(), offset)]));
            assert_eq!(!got.is_empty(), allowed, "{partition} at {offset}");
        }
        assert_eq!(offsets.seen(&[tp(0), tp(1)]), Offsets::from([(tp(0), 5)]));
        assert_eq!(offsets.revoke(&[tp(0), tp(7)]), [tp(0)]);
        assert!(offsets.committable(Offsets::from([(tp(0), 5)])).is_empty(), "revoked");
    }

    #[test]
    fn records_are_stale_until_the_last_seek_is_done() {
        let mut offsets = SinkOffsets::default();
        offsets.assign(&[tp(0), tp(1)]);
        assert!(offsets.wants(&record(0, 7)) && !offsets.wants(&record(2, 7)));
        let (first, _) = offsets.seek(&Offsets::from([(tp(0), 3), (tp(9), 1)])).expect("ours");
        let (second, to) = offsets.seek(&Offsets::from([(tp(0), 2)])).expect("ours");
        assert_eq!(to, Offsets::from([(tp(0), 2)]));
        offsets.sought(first);
        assert!(!offsets.wants(&record(0, 7)) && offsets.wants(&record(1, 7)));
        offsets.sought(second);
        assert!(offsets.wants(&record(0, 2)));
        assert_eq!(offsets.seen(&[tp(0)]), Offsets::from([(tp(0), 2)]));
        assert!(offsets.seek(&Offsets::from([(tp(9), 1)])).is_none());
    }

    #[test]
    fn going_back_prefers_what_is_committed() {
        let mut offsets = SinkOffsets::default();
        offsets.assign(&[tp(0), tp(1)]);
        offsets.begin(&record(0, 10));
        offsets.begin(&record(0, 11));
        offsets.begin(&record(1, 4));
        let points = offsets.restart_points(BTreeMap::from([(tp(1), 8)]));
        assert_eq!(points, Offsets::from([(tp(0), 10), (tp(1), 8)]));
    }
}
