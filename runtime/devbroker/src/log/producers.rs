//! What a partition knows about producers: duplicates of idempotent batches, open and aborted transactions.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::{Buf, Bytes};
use kafka_protocol::ResponseError;

use super::batch::{BatchHeader, sequence_after};
use super::record::{self, NewRecord};

/// Batches remembered per producer for duplicate detection, as many as Kafka keeps (and clients rely on).
const RECENT_BATCHES: usize = 5;

/// Producers of one partition and their transactions.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
    /// First offset and producer of each transaction without an end marker.
    open: BTreeSet<(i64, i64)>,
    /// Transactions that ended with an abort, in the order of their markers.
    aborted: Vec<Aborted>,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    recent: VecDeque<RecentBatch>,
    /// When a batch of it was last appended, or read at the start of the broker.
    seen_ms: i64,
    open_from: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct RecentBatch {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

/// An aborted transaction: its records lie between these offsets, among those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Offset of the abort marker.
    pub(crate) last_offset: i64,
}

/// What to do with a producer's batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is in the log already, at this offset.
    Duplicate {
        base_offset: i64,
    },
}

/// How a transaction ends: the content of an end marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    Abort,
    Commit,
}

impl Marker {
    /// Key and value of the control record. Source: Kafka's `ControlRecordType` and `EndTxnMarker` schemas.
    pub(crate) fn record(self) -> ([u8; 4], [u8; 6]) {
        let kind: i16 = match self {
            Marker::Abort => 0,
            Marker::Commit => 1,
        };
        let mut key = [0; 4];
        key[2..].copy_from_slice(&kind.to_be_bytes());
        (key, [0; 6])
    }

    /// Reads the marker out of a control batch; `None` for control records of other kinds.
    pub(crate) fn read(header: &BatchHeader, batch: &Bytes) -> Option<Marker> {
        let mut key = record::records(header, batch).ok()?.into_iter().next()?.key?;
        if key.len() < 4 {
            return None;
        }
        key.advance(2);
        match key.get_i16() {
            0 => Some(Marker::Abort),
            1 => Some(Marker::Commit),
            _ => None,
        }
    }

    /// A control batch that ends the transaction of a producer.
    pub(crate) fn batch(self, producer_id: i64, epoch: i16, now_ms: i64) -> Bytes {
        use super::batch::{CONTROL, TRANSACTIONAL};
        let (key, value) = self.record();
        let mut builder = record::BatchBuilder::new(now_ms).producer(producer_id, epoch, TRANSACTIONAL | CONTROL);
        builder.push(NewRecord { key: Some(&key), value: Some(&value) });
        builder.build()
    }
}

impl Producers {
    /// Judges a batch before it is appended.
    ///
    /// # Errors
    /// `InvalidProducerEpoch` for a fenced producer, `OutOfOrderSequenceNumber` for a gap.
    pub(crate) fn check(&self, header: &BatchHeader) -> Result<Verdict, ResponseError> {
        if !header.has_producer() {
            return Ok(Verdict::Append);
        }
        let Some(known) = self.by_id.get(&header.producer_id) else { return Ok(Verdict::Append) };
        if header.producer_epoch < known.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if header.base_sequence < 0 {
            return Ok(Verdict::Append); // an internal batch: epoch, but no counting
        }
        if header.producer_epoch > known.epoch {
            return if header.base_sequence == 0 {
                Ok(Verdict::Append)
            } else {
                Err(ResponseError::OutOfOrderSequenceNumber)
            };
        }
        let duplicate = known.recent.iter().find(|batch| {
            batch.first_sequence == header.base_sequence && batch.last_sequence == header.last_sequence()
        });
        if let Some(batch) = duplicate {
            return Ok(Verdict::Duplicate { base_offset: batch.base_offset });
        }
        match known.recent.back() {
            Some(last) if sequence_after(last.last_sequence, 1) != header.base_sequence => {
                Err(ResponseError::OutOfOrderSequenceNumber)
            }
            _ => Ok(Verdict::Append),
        }
    }

    /// Notes a batch that stands in the log; `header` has its final offset. `marker`: what a control batch says.
    pub(crate) fn note(&mut self, header: &BatchHeader, marker: Option<Marker>, now_ms: i64) {
        if !header.has_producer() {
            return;
        }
        let producer = self.by_id.entry(header.producer_id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            recent: VecDeque::with_capacity(RECENT_BATCHES),
            seen_ms: now_ms,
            open_from: None,
        });
        producer.seen_ms = now_ms;
        if header.producer_epoch > producer.epoch {
            producer.epoch = header.producer_epoch;
            producer.recent.clear();
        }
        if header.is_control() {
            if let (Some(first_offset), Some(marker)) = (producer.open_from, marker) {
                producer.open_from = None;
                self.open.remove(&(first_offset, header.producer_id));
                if marker == Marker::Abort {
                    let last_offset = header.last_offset();
                    self.aborted.push(Aborted { producer_id: header.producer_id, first_offset, last_offset });
                }
            }
            return;
        }
        if header.base_sequence >= 0 {
            if producer.recent.len() == RECENT_BATCHES {
                producer.recent.pop_front();
            }
            producer.recent.push_back(RecentBatch {
                first_sequence: header.base_sequence,
                last_sequence: header.last_sequence(),
                base_offset: header.base_offset,
            });
        }
        if header.is_transactional() && producer.open_from.is_none() {
            producer.open_from = Some(header.base_offset);
            self.open.insert((header.base_offset, header.producer_id));
        }
    }

    /// Whether the producer has a transaction open in this partition.
    pub(crate) fn has_open_transaction(&self, producer_id: i64) -> bool {
        self.by_id.get(&producer_id).is_some_and(|producer| producer.open_from.is_some())
    }

    /// First offset of the oldest open transaction: the last stable offset, when there is one.
    pub(crate) fn first_unstable_offset(&self) -> Option<i64> {
        self.open.first().map(|(offset, _)| *offset)
    }

    /// Aborted transactions with records between `from` and `upto`, for a reader that must skip them.
    pub(crate) fn aborted_between(&self, from: i64, upto: i64) -> Vec<Aborted> {
        self.aborted.iter().filter(|txn| txn.last_offset >= from && txn.first_offset < upto).copied().collect()
    }

    /// Whether a data batch belongs to an aborted transaction.
    pub(crate) fn is_aborted(aborted: &[Aborted], header: &BatchHeader) -> bool {
        header.is_transactional()
            && !header.is_control()
            && aborted.iter().any(|txn| {
                txn.producer_id == header.producer_id
                    && (txn.first_offset..=txn.last_offset).contains(&header.base_offset)
            })
    }

    /// Every aborted transaction whose records may still stand in the log.
    pub(crate) fn aborted(&self) -> &[Aborted] {
        &self.aborted
    }

    /// Forgets what the log no longer holds: aborted transactions before its start, producers silent since `silent_ms`.
    pub(crate) fn forget(&mut self, log_start: i64, silent_since_ms: i64) {
        self.aborted.retain(|txn| txn.last_offset >= log_start);
        self.by_id.retain(|_, producer| producer.open_from.is_some() || producer.seen_ms >= silent_since_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch;
    use crate::log::record::BatchBuilder;

    /// A batch of `count` records of producer 9 at `offset`.
    fn data(epoch: i16, sequence: i32, count: usize, offset: i64, attributes: i16) -> BatchHeader {
        let mut builder = BatchBuilder::new(1).producer(9, epoch, attributes).sequence(sequence);
        for _ in 0..count {
            builder.push(NewRecord { key: None, value: Some(b"v") });
        }
        let header = batch::validate(&builder.build()).unwrap();
        BatchHeader { base_offset: offset, ..header }
    }

    fn marker(marker: Marker, epoch: i16, offset: i64) -> (BatchHeader, Option<Marker>) {
        let bytes = marker.batch(9, epoch, 1);
        let header = batch::validate(&bytes).unwrap();
        (BatchHeader { base_offset: offset, ..header }, Marker::read(&header, &bytes))
    }

    #[test]
    fn sequences() {
        let append = Ok(Verdict::Append);
        let gap = Err(ResponseError::OutOfOrderSequenceNumber);
        let fenced = Err(ResponseError::InvalidProducerEpoch);
        // Each row: batches in the log as (epoch, sequence, count), the next one, the verdict.
        type Row<'a> = (&'a str, &'a [(i16, i32, usize)], (i16, i32, usize), Result<Verdict, ResponseError>);
        let rows: &[Row<'_>] = &[
            ("a new producer may start anywhere", &[], (0, 40, 1), append),
            ("the next in line is appended", &[(0, 0, 3)], (0, 3, 1), append),
            ("a gap is refused", &[(0, 0, 3)], (0, 4, 1), gap),
            ("the last batch again is a duplicate", &[(0, 0, 3)], (0, 0, 3), Ok(Verdict::Duplicate { base_offset: 0 })),
            ("a part of a batch is not a duplicate", &[(0, 0, 3)], (0, 0, 2), gap),
            (
                "five batches back is remembered",
                &[(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 1)],
                (0, 0, 1),
                Ok(Verdict::Duplicate { base_offset: 0 }),
            ),
            (
                "six batches back is not",
                &[(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 5, 1)],
                (0, 0, 1),
                gap,
            ),
            ("an old epoch is fenced", &[(3, 0, 1)], (2, 1, 1), fenced),
            ("a new epoch starts at zero", &[(3, 0, 1)], (4, 0, 1), append),
            ("and only there", &[(3, 0, 1)], (4, 1, 1), gap),
            ("sequences wrap", &[(0, i32::MAX, 1)], (0, 0, 1), append),
        ];
        for (claim, before, next, want) in rows {
            let mut producers = Producers::default();
            let mut offset = 0;
            for (epoch, sequence, count) in *before {
                producers.note(&data(*epoch, *sequence, *count, offset, 0), None, 0);
                offset += *count as i64;
            }
            assert_eq!(producers.check(&data(next.0, next.1, next.2, offset, 0)), *want, "{claim}");
        }
    }

    #[test]
    fn transactions() {
        let mut producers = Producers::default();
        assert_eq!(producers.first_unstable_offset(), None);
        producers.note(&data(0, 0, 2, 10, batch::TRANSACTIONAL), None, 0);
        producers.note(&data(0, 2, 1, 12, batch::TRANSACTIONAL), None, 0);
        assert_eq!(producers.first_unstable_offset(), Some(10), "open from its first record");
        let (header, kind) = marker(Marker::Abort, 0, 13);
        producers.note(&header, kind, 0);
        assert_eq!(producers.first_unstable_offset(), None);
        let aborted = Aborted { producer_id: 9, first_offset: 10, last_offset: 13 };
        for (from, upto, want) in [(0, 20, true), (13, 20, true), (14, 20, false), (0, 10, false), (0, 11, true)] {
            assert_eq!(producers.aborted_between(from, upto) == [aborted], want, "{from}..{upto}");
        }
        producers.note(&data(0, 3, 1, 14, batch::TRANSACTIONAL), None, 0);
        let (header, kind) = marker(Marker::Commit, 1, 15);
        producers.note(&header, kind, 0);
        assert!(!producers.has_open_transaction(9));
        assert_eq!(
            producers.check(&data(0, 4, 1, 16, 0)),
            Err(ResponseError::InvalidProducerEpoch),
            "the marker fenced it"
        );
        producers.forget(14, 0);
        assert!(producers.aborted().is_empty());
    }
}
