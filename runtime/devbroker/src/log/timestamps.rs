//! Offsets by time, found by scanning: batches by their headers, then the records of one batch.

use std::io;

use super::partition_log::PartitionLog;
use super::record;
use super::segment::Segment;

/// A record's place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimedOffset {
    pub(crate) timestamp_ms: i64,
    pub(crate) offset: i64,
}

impl PartitionLog {
    /// The first record, before `upto`, whose time is `timestamp_ms` or later.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn first_at_or_after(&self, timestamp_ms: i64, upto: i64) -> io::Result<Option<TimedOffset>> {
        for segment in self.segments().filter(|segment| segment.max_timestamp_ms >= timestamp_ms) {
            let found = first_in(
                segment,
                |time| time.timestamp_ms >= timestamp_ms && time.offset >= self.log_start(),
                timestamp_ms,
            )?;
            if let Some(found) = found {
                return Ok(Some(found).filter(|found| found.offset < upto));
            }
        }
        Ok(None)
    }

    /// The first record with the largest time of all.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn latest_by_time(&self) -> io::Result<Option<TimedOffset>> {
        let Some(max_ms) = self.segments().map(|segment| segment.max_timestamp_ms).max().filter(|max| *max >= 0) else {
            return Ok(None);
        };
        self.first_at_or_after(max_ms, i64::MAX)
    }
}

/// The first wanted record of a segment; batches that end before `from_ms` are skipped by their headers.
fn first_in(segment: &Segment, wanted: impl Fn(&TimedOffset) -> bool, from_ms: i64) -> io::Result<Option<TimedOffset>> {
    let mut headers = segment.batches();
    let mut batches = segment.batches();
    while let Some(header) = headers.next_header()? {
        if header.max_timestamp_ms < from_ms {
            batches.next_header()?;
            continue;
        }
        let Some((header, batch)) = batches.next_batch()? else { return Ok(None) };
        let records =
            record::records(&header, &batch).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.0))?;
        let times = records.iter().map(|record| TimedOffset {
            timestamp_ms: header.timestamp_ms(record.timestamp_delta_ms),
            offset: header.base_offset + i64::from(record.offset_delta),
        });
        if let Some(found) = times.into_iter().find(|time| wanted(time)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch;
    use crate::log::record::{BatchBuilder, NewRecord};
    use crate::topic_config::TopicConfig;

    #[test]
    fn look_ups() {
        let folder = tempfile::tempdir().unwrap();
        for folder in [None, Some(folder.path())] {
            let mut log = PartitionLog::create(folder).unwrap();
            assert_eq!(log.latest_by_time().unwrap(), None);
            let config = TopicConfig { segment_bytes: 200, ..TopicConfig::default() };
            for timestamp_ms in [10, 30, 20, 40, 35] {
                let mut builder = BatchBuilder::new(timestamp_ms);
                builder.push(NewRecord { key: None, value: Some(b"1") });
                builder.push(NewRecord { key: None, value: Some(b"2") });
                let bytes = builder.build();
                log.append(&bytes, &batch::validate(&bytes).unwrap(), &config, 50).unwrap();
            }
            let at = |timestamp_ms, offset| Some(TimedOffset { timestamp_ms, offset });
            for (claim, from_ms, upto, want) in [
                ("before everything", 0, 100, at(10, 0)),
                ("exactly", 30, 100, at(30, 2)),
                ("between", 31, 100, at(40, 6)),
                ("after everything", 41, 100, None),
                ("not behind the bound", 31, 6, None),
            ] {
                assert_eq!(log.first_at_or_after(from_ms, upto).unwrap(), want, "{claim}");
            }
            assert_eq!(log.latest_by_time().unwrap(), at(40, 6));
            log.delete_before(3).unwrap();
            assert_eq!(log.first_at_or_after(0, 100).unwrap(), at(30, 3), "deleted records are not found");
        }
    }
}
