//! The log of one partition, for one caller at a time: appends, reads, and the offsets that bound them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::batch::{self, BatchHeader};
use super::producers::{Aborted, Marker, Producers, Verdict};
use super::segment::{ReadLimits, Segment, Stretch};
use crate::topic_config::TopicConfig;

/// The one leader epoch: a single node never elects another leader.
pub(crate) const LEADER_EPOCH: i32 = 0;
/// Files are rolled at this size even when `segment.bytes` is larger, so that retention can act on demo data.
const FILE_SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Memory is freed in pieces of this size.
const MEMORY_SEGMENT_BYTES_MAX: u64 = 8 << 20;

/// Which records a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

/// Where a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// Set when the topic stamps records itself.
    pub(crate) log_append_time_ms: Option<i64>,
    /// The batch was there already; nothing was written.
    pub(crate) duplicate: bool,
}

/// What a fetch finds, before the bytes are read.
#[derive(Debug)]
pub(crate) struct FetchedLog {
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start: i64,
    /// Only for [`Isolation::ReadCommitted`].
    pub(crate) aborted: Vec<Aborted>,
    stretch: Option<(Stretch, ReadLimits)>,
}

impl FetchedLog {
    /// Reads the batches. Not under the partition's lock.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(&mut self) -> io::Result<Bytes> {
        match self.stretch.take() {
            None => Ok(Bytes::new()),
            Some((stretch, limits)) => stretch.read(&limits),
        }
    }
}

/// Closed segments, the active one, and what follows from their content.
#[derive(Debug)]
pub(crate) struct PartitionLog {
    /// Folder of the partition's files; `None` in memory.
    pub(super) folder: Option<PathBuf>,
    pub(super) closed: Vec<Arc<Segment>>,
    pub(super) active: Segment,
    pub(super) log_start: i64,
    pub(super) producers: Producers,
    /// Offset up to which compaction has been.
    pub(super) compacted_to: i64,
    /// When the active segment got its first batch.
    active_since_ms: i64,
}

impl PartitionLog {
    /// A new, empty log. `folder` exists and is empty.
    ///
    /// # Errors
    /// When the first file cannot be created.
    pub(crate) fn create(folder: Option<&Path>) -> io::Result<PartitionLog> {
        let active = Segment::create(folder, 0)?;
        Ok(PartitionLog::over(folder, Vec::new(), active, 0, Producers::default()))
    }

    pub(super) fn over(
        folder: Option<&Path>,
        closed: Vec<Arc<Segment>>,
        active: Segment,
        log_start: i64,
        producers: Producers,
    ) -> PartitionLog {
        let active_since_ms = active.max_timestamp_ms;
        let folder = folder.map(Path::to_owned);
        PartitionLog { folder, closed, active, log_start, producers, compacted_to: 0, active_since_ms }
    }

    /// One past the last record. Everything is committed at once, so this is the high watermark too.
    pub(crate) fn end_offset(&self) -> i64 {
        self.active.next_offset
    }

    pub(crate) fn log_start(&self) -> i64 {
        self.log_start
    }

    /// First offset of an open transaction, or the end.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        self.producers.first_unstable_offset().unwrap_or_else(|| self.end_offset())
    }

    pub(crate) fn has_open_transaction(&self, producer_id: i64) -> bool {
        self.producers.has_open_transaction(producer_id)
    }

    /// Appends one validated batch of a client.
    ///
    /// # Errors
    /// Of [`Producers::check`]; `InvalidTimestamp` for a time in the future; `KafkaStorageError` when writing fails.
    pub(crate) fn append(
        &mut self,
        batch: &[u8],
        header: &BatchHeader,
        config: &TopicConfig,
        now_ms: i64,
    ) -> Result<Appended, ResponseError> {
        if let Verdict::Duplicate { base_offset } = self.producers.check(header)? {
            return Ok(Appended { base_offset, log_append_time_ms: None, duplicate: true });
        }
        let latest_ms = now_ms.saturating_add(config.timestamp_after_max_ms);
        if !config.log_append_time && header.max_timestamp_ms > latest_ms {
            return Err(ResponseError::InvalidTimestamp);
        }
        let log_append_time_ms = config.log_append_time.then_some(now_ms);
        let base_offset = self.write(batch, config, now_ms, log_append_time_ms, None)?;
        Ok(Appended { base_offset, log_append_time_ms, duplicate: false })
    }

    /// Ends a producer's transaction in this partition.
    ///
    /// # Errors
    /// `KafkaStorageError` when writing fails.
    pub(crate) fn append_marker(
        &mut self,
        marker: Marker,
        producer_id: i64,
        epoch: i16,
        config: &TopicConfig,
        now_ms: i64,
    ) -> Result<i64, ResponseError> {
        self.write(&marker.batch(producer_id, epoch, now_ms), config, now_ms, None, Some(marker))
    }

    fn write(
        &mut self,
        batch: &[u8],
        config: &TopicConfig,
        now_ms: i64,
        log_append_time_ms: Option<i64>,
        marker: Option<Marker>,
    ) -> Result<i64, ResponseError> {
        let failed = |error: io::Error| {
            tracing::error!(%error, "the embedded broker cannot write its log");
            ResponseError::KafkaStorageError
        };
        self.roll_when_due(batch.len() as u64, config, now_ms).map_err(failed)?;
        let placed = batch::placed(batch, self.end_offset(), LEADER_EPOCH, log_append_time_ms);
        let header = BatchHeader::parse(&placed).map_err(|_| ResponseError::CorruptMessage)?;
        if self.active.bytes == 0 {
            self.active_since_ms = now_ms;
        }
        self.active.append(&header, placed).map_err(failed)?;
        self.producers.note(&header, marker, now_ms);
        Ok(header.base_offset)
    }

    fn roll_when_due(&mut self, more_bytes: u64, config: &TopicConfig, now_ms: i64) -> io::Result<()> {
        let cap = if self.folder.is_some() { FILE_SEGMENT_BYTES_MAX } else { MEMORY_SEGMENT_BYTES_MAX };
        let full = self.active.bytes + more_bytes > config.segment_bytes.min(cap);
        let old = now_ms.saturating_sub(self.active_since_ms) > config.segment_ms;
        if self.active.bytes == 0 || !(full || old) {
            return Ok(());
        }
        self.roll()?;
        // Here and not only in the background, as a fast producer would fill the memory in between.
        self.retain(config, now_ms)
    }

    /// Closes the active segment and starts a new one. The active segment is not empty.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        let next = Segment::create(self.folder.as_deref(), self.end_offset())?;
        self.closed.push(Arc::new(std::mem::replace(&mut self.active, next)));
        Ok(())
    }

    /// Finds what a reader at `from` gets, at most about `bytes_max`.
    ///
    /// # Errors
    /// `OffsetOutOfRange` before the start or behind the end.
    pub(crate) fn fetch(
        &self,
        from: i64,
        bytes_max: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Result<FetchedLog, ResponseError> {
        if from < self.log_start || from > self.end_offset() {
            return Err(ResponseError::OffsetOutOfRange);
        }
        let upto = match isolation {
            Isolation::ReadUncommitted => self.end_offset(),
            Isolation::ReadCommitted => self.last_stable_offset(),
        };
        let limits = ReadLimits { from, upto, bytes_max, at_least_one };
        let stretch = if from < upto && (bytes_max > 0 || at_least_one) {
            self.segment_with(from).map(|segment| (segment.stretch(&limits), limits))
        } else {
            None
        };
        let aborted = match isolation {
            Isolation::ReadCommitted if from < upto => self.producers.aborted_between(from, upto),
            _ => Vec::new(),
        };
        Ok(FetchedLog {
            high_watermark: self.end_offset(),
            last_stable_offset: self.last_stable_offset(),
            log_start: self.log_start,
            aborted,
            stretch,
        })
    }

    /// The segment that holds the first record at or behind `from`.
    fn segment_with(&self, from: i64) -> Option<&Segment> {
        let at = self.closed.partition_point(|segment| segment.next_offset <= from);
        match self.closed.get(at) {
            Some(segment) => Some(segment),
            None => Some(&self.active).filter(|active| active.next_offset > from),
        }
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.closed.iter().map(Arc::as_ref).chain(std::iter::once(&self.active))
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments().map(|segment| segment.bytes).sum()
    }

    /// Writes everything down to the disk.
    ///
    /// # Errors
    /// When the file system fails.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.active.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{BatchBuilder, NewRecord};

    fn batch_of(values: usize, timestamp_ms: i64) -> Bytes {
        let mut builder = BatchBuilder::new(timestamp_ms);
        for _ in 0..values {
            builder.push(NewRecord { key: Some(b"k"), value: Some(&[b'v'; 100]) });
        }
        builder.build()
    }

    fn append(log: &mut PartitionLog, batch: &[u8], config: &TopicConfig) -> Result<Appended, ResponseError> {
        log.append(batch, &batch::validate(batch).unwrap(), config, 1_000)
    }

    fn small_segments() -> TopicConfig {
        TopicConfig { segment_bytes: 400, ..TopicConfig::default() }
    }

    #[test]
    fn reads_cross_segments_batch_by_batch() {
        let mut log = PartitionLog::create(None).unwrap();
        for _ in 0..10 {
            append(&mut log, &batch_of(2, 5), &small_segments()).unwrap();
        }
        assert_eq!((log.end_offset(), log.closed.len()), (20, 9));
        let mut from = 0;
        let mut fetches = 0;
        while from < log.end_offset() {
            let bytes = log.fetch(from, 10_000, true, Isolation::ReadUncommitted).unwrap().read().unwrap();
            from = BatchHeader::parse(&bytes).unwrap().next_offset();
            fetches += 1;
        }
        assert_eq!(fetches, 10);
    }

    #[test]
    fn offsets_out_of_range() {
        let mut log = PartitionLog::create(None).unwrap();
        append(&mut log, &batch_of(3, 5), &TopicConfig::default()).unwrap();
        let out = Err(ResponseError::OffsetOutOfRange);
        for (from, want) in [(-1, out), (0, Ok(true)), (2, Ok(true)), (3, Ok(false)), (4, out)] {
            let got = log.fetch(from, 1_000, true, Isolation::ReadUncommitted);
            assert_eq!(got.map(|mut fetched| !fetched.read().unwrap().is_empty()), want, "{from}");
        }
    }

    #[test]
    fn records_from_the_future_are_refused_unless_the_log_stamps_them() {
        let mut log = PartitionLog::create(None).unwrap();
        let future = batch_of(1, 1_000 + 3_600_001);
        assert_eq!(append(&mut log, &future, &TopicConfig::default()), Err(ResponseError::InvalidTimestamp));
        let stamping = TopicConfig { log_append_time: true, ..TopicConfig::default() };
        assert_eq!(append(&mut log, &future, &stamping).map(|done| done.log_append_time_ms), Ok(Some(1_000)));
    }

    #[test]
    fn read_committed_ends_at_the_first_open_transaction() {
        let mut log = PartitionLog::create(None).unwrap();
        let config = TopicConfig::default();
        append(&mut log, &batch_of(1, 5), &config).unwrap();
        let mut open = BatchBuilder::new(5).producer(4, 0, batch::TRANSACTIONAL).sequence(0);
        open.push(NewRecord { key: None, value: Some(b"maybe") });
        append(&mut log, &open.build(), &config).unwrap();
        let fetched = log.fetch(0, 10_000, true, Isolation::ReadCommitted).unwrap();
        assert_eq!((fetched.last_stable_offset, fetched.high_watermark), (1, 2));
        assert!(log.fetch(1, 10_000, true, Isolation::ReadCommitted).unwrap().read().unwrap().is_empty());
        log.append_marker(Marker::Abort, 4, 0, &config, 9).unwrap();
        let mut fetched = log.fetch(1, 10_000, true, Isolation::ReadCommitted).unwrap();
        assert_eq!(fetched.aborted, vec![Aborted { producer_id: 4, first_offset: 1, last_offset: 2 }]);
        assert!(!fetched.read().unwrap().is_empty(), "the reader gets the records and the list, and skips them");
        assert_eq!(log.last_stable_offset(), 3);
    }
}
