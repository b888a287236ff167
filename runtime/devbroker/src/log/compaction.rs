//! Compaction: of every key only the last record stays, at the offset it had.
//!
//! Closed segments are merged into one. It is planned and swapped in under the partition's lock and computed without
//! it. Made for small topics: keys are held in memory while it runs.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::batch::BatchHeader;
use super::partition_log::PartitionLog;
use super::producers::{Aborted, Producers};
use super::record::{self, RawRecord};
use super::segment::Segment;
use crate::topic_config::TopicConfig;

/// New bytes that make a background compaction worth while.
pub(crate) const DIRTY_BYTES_MIN: u64 = 1 << 20;
/// Keys held at once; a topic with more keys is left as it is.
const KEYS_MAX: usize = 5_000_000;

/// What a run of compaction works on: segments nobody appends to.
#[derive(Debug)]
pub(crate) struct Plan {
    segments: Vec<Arc<Segment>>,
    aborted: Vec<Aborted>,
    /// Tombstones older than this go.
    tombstones_before_ms: i64,
    target: Option<PathBuf>,
}

impl PartitionLog {
    /// Bytes that no compaction has seen.
    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.segments().filter(|segment| segment.next_offset > self.compacted_to).map(|segment| segment.bytes).sum()
    }

    /// Starts a compaction of everything stable when at least `dirty_bytes_min` and the topic's share of bytes are new.
    /// The active segment is closed first, so that small topics are compacted at all.
    ///
    /// # Errors
    /// When a new segment file cannot be created.
    pub(crate) fn plan_compaction(
        &mut self,
        config: &TopicConfig,
        dirty_bytes_min: u64,
        now_ms: i64,
    ) -> io::Result<Option<Plan>> {
        let dirty_bytes = self.dirty_bytes();
        let share = dirty_bytes as f64 / (self.bytes().max(1)) as f64;
        if !config.compact || dirty_bytes < dirty_bytes_min.max(1) || share < config.dirty_ratio_min {
            return Ok(None);
        }
        if self.active.bytes > 0 {
            self.roll()?;
        }
        let stable = self.last_stable_offset();
        let segments: Vec<_> =
            self.closed.iter().take_while(|segment| segment.next_offset <= stable).cloned().collect();
        let Some(first) = segments.first() else { return Ok(None) };
        Ok(Some(Plan {
            target: first.path().map(|path| path.with_extension("cleaned")),
            aborted: self.producers.aborted().to_vec(),
            tombstones_before_ms: now_ms.saturating_sub(config.delete_retention_ms),
            segments,
        }))
    }

    /// Puts the result in the place of the segments it was made from, unless those were removed meanwhile.
    ///
    /// # Errors
    /// When files cannot be renamed or removed; records are never lost, as recovery sorts out any mixture.
    pub(crate) fn finish_compaction(&mut self, plan: &Plan, mut compacted: Segment) -> io::Result<()> {
        let count = plan.segments.len();
        let unchanged = self.closed.len() >= count
            && self.closed.iter().zip(&plan.segments).all(|(ours, planned)| Arc::ptr_eq(ours, planned));
        let (Some(first), Some(last), true) = (plan.segments.first(), plan.segments.last(), unchanged) else {
            return compacted.remove();
        };
        compacted.sync()?;
        compacted.replace(first)?;
        self.compacted_to = last.next_offset;
        self.closed.splice(..count, [Arc::new(compacted)]);
        plan.segments[1..].iter().try_for_each(|segment| segment.remove())
    }
}

impl Plan {
    /// Writes the merged segment. `None` when there are too many keys or records that cannot be read.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub(crate) fn run(&self) -> io::Result<Option<Segment>> {
        let Some(latest) = self.latest_offsets()? else { return Ok(None) };
        let base_offset = self.segments.first().map_or(0, |segment| segment.base_offset);
        let mut compacted = match &self.target {
            Some(path) => Segment::create_file(path.clone(), base_offset)?,
            None => Segment::create(None, base_offset)?,
        };
        self.for_each_batch(|header, batch| {
            if let Some(smaller) = self.reduced(header, batch, &latest)? {
                let header = BatchHeader::parse(&smaller).map_err(|error| io::Error::other(format!("{error:?}")))?;
                compacted.append(&header, smaller)?;
            }
            Ok(())
        })?;
        Ok(Some(compacted))
    }

    fn for_each_batch(&self, mut f: impl FnMut(&BatchHeader, Bytes) -> io::Result<()>) -> io::Result<()> {
        for segment in &self.segments {
            let mut cursor = segment.batches();
            while let Some((header, batch)) = cursor.next_batch()? {
                f(&header, batch)?;
            }
        }
        Ok(())
    }

    /// Offset of the last record of each key.
    fn latest_offsets(&self) -> io::Result<Option<HashMap<Bytes, i64>>> {
        let mut latest: HashMap<Bytes, i64> = HashMap::new();
        self.for_each_batch(|header, batch| {
            if header.is_control() || Producers::is_aborted(&self.aborted, header) {
                return Ok(());
            }
            for record in readable(header, &batch)? {
                let offset = header.base_offset + i64::from(record.offset_delta);
                if let Some(key) = record.key {
                    // A copy, as the slice would keep its whole batch in memory.
                    latest.entry(Bytes::copy_from_slice(&key)).insert_entry(offset);
                }
            }
            Ok(())
        })?;
        Ok(Some(latest).filter(|latest| latest.len() <= KEYS_MAX))
    }

    /// The batch without superseded records; `None` when nothing of it stays.
    fn reduced(&self, header: &BatchHeader, batch: Bytes, latest: &HashMap<Bytes, i64>) -> io::Result<Option<Bytes>> {
        if header.is_control() {
            return Ok(Some(batch));
        }
        if Producers::is_aborted(&self.aborted, header) {
            return Ok(None);
        }
        let records = readable(header, &batch)?;
        let before = records.len();
        let kept: Vec<RawRecord> = records.into_iter().filter(|record| self.keeps(header, record, latest)).collect();
        // Readers that want to reach the end of the log have to meet its last offset.
        let is_last = self.segments.last().is_some_and(|segment| segment.next_offset == header.next_offset());
        Ok(match kept.len() {
            0 if !is_last => None,
            count if count == 0 || count == before => Some(batch),
            _ => Some(record::rewritten(header, &kept)),
        })
    }

    fn keeps(&self, header: &BatchHeader, record: &RawRecord, latest: &HashMap<Bytes, i64>) -> bool {
        let Some(key) = &record.key else { return false };
        let offset = header.base_offset + i64::from(record.offset_delta);
        let is_last = latest.get(key) == Some(&offset);
        let timestamp_ms = header.timestamp_ms(record.timestamp_delta_ms);
        is_last && (record.value.is_some() || timestamp_ms >= self.tombstones_before_ms)
    }
}

fn readable(header: &BatchHeader, batch: &Bytes) -> io::Result<Vec<RawRecord>> {
    record::records(header, batch).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch;
    use crate::log::partition_log::Isolation;
    use crate::log::producers::Marker;
    use crate::log::record::{BatchBuilder, NewRecord};
    use std::path::Path;

    const NOW_MS: i64 = 1_000_000_000;

    fn config() -> TopicConfig {
        TopicConfig { compact: true, delete: false, segment_bytes: 300, dirty_ratio_min: 0.0, ..TopicConfig::default() }
    }

    fn write(log: &mut PartitionLog, producer_id: Option<i64>, records: &[(&str, Option<&str>)]) {
        let mut builder = BatchBuilder::new(NOW_MS);
        if let Some(id) = producer_id {
            builder = builder.producer(id, 0, batch::TRANSACTIONAL);
        }
        for (key, value) in records {
            builder.push(NewRecord { key: Some(key.as_bytes()), value: value.map(str::as_bytes) });
        }
        let bytes = builder.build();
        log.append(&bytes, &batch::validate(&bytes).unwrap(), &config(), NOW_MS).unwrap();
    }

    fn compact(log: &mut PartitionLog, now_ms: i64) {
        let plan = log.plan_compaction(&config(), 0, now_ms).unwrap().unwrap();
        let compacted = plan.run().unwrap().unwrap();
        log.finish_compaction(&plan, compacted).unwrap();
    }

    /// Appends, and compacts long after every tombstone is over its time.
    fn compact_all(log: &mut PartitionLog, records: &[(&str, Option<&str>)]) {
        write(log, None, records);
        compact(log, NOW_MS + 2 * config().delete_retention_ms);
    }

    fn content(log: &PartitionLog) -> Vec<(i64, String, Option<String>)> {
        let mut from = log.log_start();
        let mut seen = Vec::new();
        loop {
            let bytes = log.fetch(from, 1, true, Isolation::ReadUncommitted).unwrap().read().unwrap();
            if bytes.is_empty() {
                return seen;
            }
            let header = batch::BatchHeader::parse(&bytes).unwrap();
            assert!(batch::checksum_fits(&bytes));
            from = header.next_offset();
            for record in record::records(&header, &bytes).unwrap().into_iter().filter(|_| !header.is_control()) {
                let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                let offset = header.base_offset + i64::from(record.offset_delta);
                seen.push((offset, text(record.key.unwrap()), record.value.map(text)));
            }
        }
    }

    fn row(offset: i64, key: &str, value: Option<&str>) -> (i64, String, Option<String>) {
        (offset, key.into(), value.map(String::from))
    }

    fn both(test: impl Fn(Option<&Path>)) {
        test(None);
        test(Some(tempfile::tempdir().unwrap().path()));
    }

    #[test]
    fn the_last_record_of_each_key_stays_where_it_was() {
        both(|folder| {
            let mut log = PartitionLog::create(folder).unwrap();
            write(&mut log, None, &[("a", Some("1")), ("b", Some("1")), ("a", Some("2"))]);
            write(&mut log, None, &[("c", Some("1")), ("c", None)]);
            write(&mut log, None, &[("b", Some("2"))]);
            compact(&mut log, NOW_MS);
            let want = vec![row(2, "a", Some("2")), row(4, "c", None), row(5, "b", Some("2"))];
            assert_eq!(content(&log), want);
            assert_eq!((log.end_offset(), log.log_start(), log.dirty_bytes()), (6, 0, 0));
            assert!(log.plan_compaction(&config(), 0, NOW_MS).unwrap().is_none(), "nothing new, nothing to do");
            write(&mut log, None, &[("a", Some("3"))]);
            compact(&mut log, NOW_MS + config().delete_retention_ms + 1);
            assert_eq!(content(&log), vec![row(5, "b", Some("2")), row(6, "a", Some("3"))], "old tombstones go");
            compact_all(&mut log, &[("a", None)]);
            assert_eq!(content(&log).last(), Some(&row(7, "a", None)), "the last record stays, however old");
            if let Some(folder) = folder {
                drop(log);
                let log = PartitionLog::open(folder).unwrap();
                assert_eq!(content(&log), vec![row(5, "b", Some("2")), row(7, "a", None)]);
                assert_eq!(log.end_offset(), 8);
            }
        });
    }

    #[test]
    fn aborted_records_go_and_open_transactions_wait() {
        both(|folder| {
            let mut log = PartitionLog::create(folder).unwrap();
            write(&mut log, None, &[("a", Some("1"))]);
            write(&mut log, Some(8), &[("a", Some("aborted"))]);
            log.append_marker(Marker::Abort, 8, 0, &config(), NOW_MS).unwrap();
            write(&mut log, None, &[("filler", Some(&"x".repeat(300)))]);
            write(&mut log, Some(9), &[("a", Some("open"))]);
            compact(&mut log, NOW_MS);
            let rows = content(&log);
            assert_eq!(rows[0], row(0, "a", Some("1")));
            assert_eq!(rows.last(), Some(&row(4, "a", Some("open"))));
            assert!(!rows.iter().any(|(_, _, value)| value.as_deref() == Some("aborted")));
        });
    }

    #[test]
    fn a_result_that_came_too_late_is_dropped() {
        both(|folder| {
            let mut log = PartitionLog::create(folder).unwrap();
            for value in ["1", "2", "3"] {
                write(&mut log, None, &[("a", Some(value)), ("pad", Some(&"x".repeat(300)))]);
            }
            let plan = log.plan_compaction(&config(), 0, NOW_MS).unwrap().unwrap();
            let compacted = plan.run().unwrap().unwrap();
            log.delete_before(4).unwrap();
            log.finish_compaction(&plan, compacted).unwrap();
            assert_eq!(content(&log).first(), Some(&row(4, "a", Some("3"))));
        });
    }
}
