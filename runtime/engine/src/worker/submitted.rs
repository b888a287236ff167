//! Records on their way to Kafka, and the offsets that may be committed once they are there. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use couplet_api::data::{OffsetMap, Position};

/// One record on its way.
struct Entry {
    partition: usize,
    /// Taken when the record's turn has come.
    position: Option<Arc<dyn Position>>,
    bytes: usize,
    done: bool,
}

/// One source partition: its records on their way, and how far it is done.
struct SourcePartition {
    map: OffsetMap,
    /// Tokens in the order of submission.
    waiting: VecDeque<u64>,
    committable: Option<Arc<dyn Position>>,
}

/// The submission list of a task.
///
/// Invariant OFF1: an offset becomes committable only when every earlier record of its source partition is done, that is
/// acknowledged, filtered, or skipped.
#[derive(Default)]
pub(super) struct Submitted {
    entries: VecDeque<Entry>,
    /// Token of the first entry.
    first: u64,
    partitions: Vec<SourcePartition>,
    by_map: HashMap<PartitionKey, usize>,
    /// The partition of the last record: most often the next one's too.
    last: Option<usize>,
    bytes: usize,
    unfinished: usize,
}

/// A source partition's place in the index: its entries as text.
type PartitionKey = String;

impl Submitted {
    /// Records with lower tokens are done.
    pub(super) fn first_token(&self) -> u64 {
        self.first
    }

    /// The token that the next record will get.
    pub(super) fn next_token(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Adds a record, in the order of sending. The token names it in reports.
    pub(super) fn submit(&mut self, partition: &OffsetMap, position: Arc<dyn Position>, bytes: usize) -> u64 {
        let partition = self.index_of(partition);
        let token = self.next_token();
        self.partitions[partition].waiting.push_back(token);
        self.entries.push_back(Entry { partition, position: Some(position), bytes, done: false });
        self.bytes += bytes;
        self.unfinished += 1;
        token
    }

    /// The record of `token` is done. `false`: it was done before, or never submitted.
    pub(super) fn done(&mut self, token: u64) -> bool {
        let Some(index) = token.checked_sub(self.first).and_then(|i| usize::try_from(i).ok()) else { return false };
        let Some(entry) = self.entries.get_mut(index).filter(|entry| !entry.done) else { return false };
        entry.done = true;
        self.bytes -= entry.bytes;
        self.unfinished -= 1;
        let partition = &mut self.partitions[entry.partition];
        while let Some(token) = partition.waiting.front() {
            let entry = &mut self.entries[usize::try_from(*token - self.first).unwrap_or(usize::MAX)];
            if !entry.done {
                break;
            }
            partition.committable = entry.position.take();
            partition.waiting.pop_front();
        }
        while self.entries.front().is_some_and(|entry| entry.done && entry.position.is_none()) {
            self.entries.pop_front();
            self.first += 1;
        }
        true
    }

    /// Takes the offsets that became committable since the last call, one per partition.
    pub(super) fn take_committable(&mut self) -> Vec<(OffsetMap, Arc<dyn Position>)> {
        let taken = |p: &mut SourcePartition| p.committable.take().map(|position| (p.map.clone(), position));
        self.partitions.iter_mut().filter_map(taken).collect()
    }

    /// The newest offset of each partition that has one to commit, now or once its records are done.
    pub(super) fn newest(&self) -> Vec<(OffsetMap, Arc<dyn Position>)> {
        let position = |token: &u64| {
            let index = usize::try_from(*token - self.first).ok()?;
            self.entries.get(index)?.position.clone()
        };
        let newest = |p: &SourcePartition| p.waiting.back().and_then(position).or_else(|| p.committable.clone());
        self.partitions.iter().filter_map(|p| Some((p.map.clone(), newest(p)?))).collect()
    }

    /// Whether there is anything to commit.
    pub(super) fn has_committable(&self) -> bool {
        self.partitions.iter().any(|partition| partition.committable.is_some())
    }

    /// Bytes of records that are not done.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of records that are not done.
    pub(super) fn len(&self) -> usize {
        self.unfinished
    }

    fn index_of(&mut self, map: &OffsetMap) -> usize {
        let same_map = |known: &OffsetMap| std::ptr::eq(known.entries(), map.entries()) || known == map;
        if let Some(last) = self.last.filter(|last| same_map(&self.partitions[*last].map)) {
            return last;
        }
        let next = self.partitions.len();
        let index = *self.by_map.entry(format!("{:?}", map.entries())).or_insert(next);
        if index == next {
            self.partitions.push(SourcePartition { map: map.clone(), waiting: VecDeque::new(), committable: None });
        } else {
            // A later record may carry an equal map of its own: that one will come again.
            self.partitions[index].map = map.clone();
        }
        self.last = Some(index);
        index
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::Value;

    use super::*;

    fn partition(name: &str) -> OffsetMap {
        OffsetMap::new([("p", Value::str(name))])
    }

    fn offset(n: i64) -> Arc<dyn Position> {
        Arc::new(OffsetMap::new([("o", Value::Int64(n))]))
    }

    fn committable(submitted: &mut Submitted) -> Vec<(String, i64)> {
        let text = |map: &OffsetMap| map.get("p").and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |p: &Arc<dyn Position>| p.to_map().get("o").and_then(Value::as_i64).unwrap_or(-1);
        submitted.take_committable().iter().map(|(map, position)| (text(map), number(position))).collect()
    }

    /// A claim, partitions of records 0, 1, 2 …, the order in which they are done, what may be committed then.
    type Row = (&'static str, &'static str, &'static [u64], &'static [(&'static str, i64)]);

    #[test]
    fn offsets_follow_the_done_prefix_of_their_partition() {
        let rows: &[Row] = &[
            ("nothing done, nothing committable", "aaa", &[], &[]),
            ("in order", "aaa", &[0, 1], &[("a", 1)]),
            ("a gap holds back what follows", "aaa", &[1, 2], &[]),
            ("closing the gap releases all", "aaa", &[2, 1, 0], &[("a", 2)]),
            ("partitions do not wait for each other", "abab", &[1, 3, 2], &[("b", 3)]),
            ("each partition has its own prefix", "abab", &[0, 1, 3], &[("a", 0), ("b", 3)]),
            ("a report twice changes nothing", "aa", &[0, 0, 0], &[("a", 0)]),
            ("reports of strangers are dropped", "a", &[9, 0], &[("a", 0)]),
        ];
        for (claim, records, done, want) in rows {
            let mut submitted = Submitted::default();
            for (n, name) in records.chars().enumerate() {
                // An equal map of its own for every record, as some tasks make.
                let token = submitted.submit(&partition(&name.to_string()), offset(n as i64), 10);
                assert_eq!(token, n as u64, "{claim}");
            }
            for token in *done {
                submitted.done(*token);
            }
            let want: Vec<_> = want.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
            assert_eq!(committable(&mut submitted), want, "{claim}");
            assert!(!submitted.has_committable(), "{claim}: taken once");
        }
    }

    #[test]
    fn the_newest_offsets_need_not_be_done() {
        let mut submitted = Submitted::default();
        for (n, name) in ["a", "b", "a"].iter().enumerate() {
            submitted.submit(&partition(name), offset(n as i64), 1);
        }
        let newest = |submitted: &Submitted| -> Vec<i64> {
            submitted.newest().iter().map(|(_, p)| p.to_map().get("o").and_then(Value::as_i64).unwrap_or(-1)).collect()
        };
        assert_eq!(newest(&submitted), [2, 1]);
        submitted.done(1);
        assert_eq!(newest(&submitted), [2, 1], "done, and not committed yet");
        submitted.done(0);
        submitted.done(2);
        submitted.take_committable();
        assert!(newest(&submitted).is_empty());
    }

    #[test]
    fn tokens_go_on_and_bytes_are_counted() {
        let mut submitted = Submitted::default();
        let map = partition("a");
        for n in 0..1_000 {
            let token = submitted.submit(&map, offset(n), 7);
            assert_eq!((submitted.bytes(), submitted.len()), (7, 1));
            assert!(submitted.done(token));
            assert_eq!(committable(&mut submitted), [("a".to_owned(), n)]);
        }
        assert_eq!((submitted.bytes(), submitted.len(), submitted.entries.len()), (0, 0, 0));
        assert!(!submitted.done(3), "long gone");
    }
}
