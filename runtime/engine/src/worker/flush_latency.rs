//! How long after it came to Kafka a record was flushed by the sink, that is: when its offset was committed. Pure.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use couplet_api::data::TopicPartition;
use couplet_api::sink::Offsets;
use couplet_kafka::clients::ConsumedRecord;

/// Most entries of a partition; beyond, neighbours share the earlier time.
const RUNS_MAX: usize = 4096;

/// Records in a row that came to Kafka in the same millisecond.
#[derive(Debug)]
struct Run {
    /// Behind the last of them.
    end: i64,
    came_ms: i64,
    records: u64,
}

/// Records that were given to the task and are not committed.
#[derive(Debug, Default)]
pub(super) struct FlushLatency {
    partitions: HashMap<TopicPartition, VecDeque<Run>>,
}

impl FlushLatency {
    /// A batch was given to the task.
    pub(super) fn put(&mut self, batch: &[ConsumedRecord]) {
        let same = |a: &ConsumedRecord, b: &ConsumedRecord| {
            a.timestamp == b.timestamp && a.partition == b.partition && Arc::ptr_eq(&a.topic, &b.topic)
        };
        for run in batch.chunk_by(same) {
            if let [first, ..] = run
                && let (Some(came_ms), Some(last)) = (first.timestamp, run.last())
            {
                let offsets = first.offset..last.offset + 1;
                self.put_run(&first.topic_partition(), offsets, came_ms, run.len() as u64);
            }
        }
    }

    fn put_run(&mut self, partition: &TopicPartition, offsets: Range<i64>, came_ms: i64, records: u64) {
        if !self.partitions.contains_key(partition) {
            self.partitions.insert(partition.clone(), VecDeque::new());
        }
        let Some(runs) = self.partitions.get_mut(partition) else { return };
        // A task that goes back is given records again.
        while runs.back().is_some_and(|run| run.end > offsets.start) {
            runs.pop_back();
        }
        let full = runs.len() >= RUNS_MAX;
        match runs.back_mut().filter(|run| full || run.came_ms == came_ms) {
            Some(run) => (run.end, run.records) = (offsets.end, run.records + records),
            None => runs.push_back(Run { end: offsets.end, came_ms, records }),
        }
    }

    /// These offsets were committed at `now_ms`: milliseconds, and how many records took them.
    pub(super) fn committed(&mut self, offsets: &Offsets, now_ms: i64) -> Vec<(u64, u64)> {
        let mut flushed = Vec::new();
        for (partition, end) in offsets {
            let Some(runs) = self.partitions.get_mut(partition) else { continue };
            while let Some(run) = runs.pop_front_if(|run| run.end <= *end) {
                // Clocks of two machines may differ.
                flushed.push((u64::try_from(now_ms - run.came_ms).unwrap_or(0), run.records));
            }
        }
        flushed
    }

    /// These partitions are others' now.
    pub(super) fn revoke(&mut self, partitions: &[TopicPartition]) {
        self.partitions.retain(|partition, _| !partitions.contains(partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_flushed_when_its_offset_is_committed() {
        let partition = |number| TopicPartition { topic: "t".into(), partition: number };
        let mut latency = FlushLatency::default();
        for (offset, came_ms) in [(5, 100), (6, 100), (7, 130), (9, 130), (10, 900)] {
            latency.put_run(&partition(0), offset..offset + 1, came_ms, 1);
        }
        latency.put_run(&partition(1), 0..1, 100, 1);
        let commit = |latency: &mut FlushLatency, number, end| {
            latency.committed(&Offsets::from_iter([(partition(number), end)]), 1000)
        };
        assert_eq!(commit(&mut latency, 0, 9), [(900, 2)], "not a part of a run");
        assert_eq!(commit(&mut latency, 0, 10), [(870, 2)]);
        // Back to 9, and on.
        latency.put_run(&partition(0), 9..10, 130, 1);
        assert_eq!(commit(&mut latency, 0, 20), [(870, 1)]);
        latency.revoke(&[partition(1)]);
        assert_eq!(commit(&mut latency, 1, 20), []);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut latency, partition) = (FlushLatency::default(), TopicPartition { topic: "t".into(), partition: 0 });
        for offset in 0..10_000 {
            latency.put_run(&partition, offset..offset + 1, offset, 1);
        }
        assert_eq!(latency.partitions[&partition].len(), RUNS_MAX);
        let all = latency.committed(&Offsets::from_iter([(partition, 10_000)]), 10_000);
        assert_eq!(all.iter().map(|(_, records)| records).sum::<u64>(), 10_000);
    }
}
