//! Removing the oldest segments: by age, by size, or because a client asked.

use std::io;
use std::sync::Arc;

use kafka_protocol::ResponseError;

use super::partition_log::PartitionLog;
use super::recovery::write_log_start;
use super::segment::Segment;
use crate::topic_config::TopicConfig;

/// A partition in memory keeps at most this much when its topic sets no `retention.bytes`.
const MEMORY_RETENTION_BYTES: i64 = 512 << 20;
/// Producers that wrote nothing for this long are forgotten (Kafka's `producer.id.expiration.ms`).
const PRODUCER_SILENCE_MS: i64 = 86_400_000;

impl PartitionLog {
    /// Removes closed segments that the topic's retention no longer covers. An open transaction holds its segments.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub(crate) fn retain(&mut self, config: &TopicConfig, now_ms: i64) -> io::Result<()> {
        if config.delete {
            let oldest_ms = now_ms.saturating_sub(config.retention_ms);
            let bytes_max = match config.retention_bytes {
                bytes if bytes >= 0 => Some(bytes as u64),
                _ if self.folder.is_none() => Some(MEMORY_RETENTION_BYTES as u64),
                _ => None,
            };
            let mut bytes = self.bytes();
            let stable = self.last_stable_offset();
            let due = self.closed.iter().take_while(|segment| {
                let too_old = config.retention_ms >= 0 && segment.max_timestamp_ms < oldest_ms;
                let too_many = bytes_max.is_some_and(|max| bytes - segment.bytes >= max);
                bytes -= segment.bytes;
                (too_old || too_many) && segment.next_offset <= stable
            });
            let count = due.count();
            self.drop_first(count)?;
        }
        self.producers.forget(self.log_start, now_ms.saturating_sub(PRODUCER_SILENCE_MS));
        Ok(())
    }

    /// Makes `offset` the log's start and removes segments before it. -1 stands for the end. Returns the new start.
    ///
    /// # Errors
    /// `OffsetOutOfRange` behind the end, `KafkaStorageError` when the start cannot be written down.
    pub(crate) fn delete_before(&mut self, offset: i64) -> Result<i64, ResponseError> {
        let offset = if offset == -1 { self.end_offset() } else { offset };
        if offset < 0 || offset > self.end_offset() {
            return Err(ResponseError::OffsetOutOfRange);
        }
        if offset <= self.log_start {
            return Ok(self.log_start);
        }
        let failed = |error: io::Error| {
            tracing::error!(%error, "the embedded broker cannot delete records");
            ResponseError::KafkaStorageError
        };
        if let Some(folder) = &self.folder {
            write_log_start(folder, offset).map_err(failed)?;
        }
        self.log_start = offset;
        let count = self.closed.partition_point(|segment| segment.next_offset <= offset);
        self.drop_first(count).map_err(failed)?;
        Ok(self.log_start)
    }

    fn drop_first(&mut self, count: usize) -> io::Result<()> {
        let dropped: Vec<Arc<Segment>> = self.closed.drain(..count).collect();
        if dropped.is_empty() {
            return Ok(());
        }
        let first = self.closed.first().map_or(self.active.base_offset, |segment| segment.base_offset);
        self.log_start = self.log_start.max(first);
        dropped.iter().try_for_each(|segment| segment.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch;
    use crate::log::record::{BatchBuilder, NewRecord};

    /// Ten segments of one record each; record n has the time n seconds.
    fn ten() -> PartitionLog {
        let mut log = PartitionLog::create(None).unwrap();
        let config = TopicConfig { segment_bytes: 1, ..TopicConfig::default() };
        for second in 0..10 {
            let mut builder = BatchBuilder::new(second * 1_000);
            builder.push(NewRecord { key: None, value: Some(&[1; 100]) });
            let bytes = builder.build();
            log.append(&bytes, &batch::validate(&bytes).unwrap(), &config, 10_000).unwrap();
        }
        log
    }

    #[test]
    fn retention() {
        let segment_bytes = ten().bytes() as i64 / 10;
        let base = TopicConfig { retention_ms: -1, ..TopicConfig::default() };
        let rows = [
            ("no limits keep all", base.clone(), 0),
            ("by time", TopicConfig { retention_ms: 7_000, ..base.clone() }, 3),
            ("the active segment stays", TopicConfig { retention_ms: 0, ..base.clone() }, 9),
            ("by size", TopicConfig { retention_bytes: 4 * segment_bytes, ..base.clone() }, 6),
            ("compacted topics keep all", TopicConfig { delete: false, compact: true, retention_ms: 0, ..base }, 0),
        ];
        for (claim, config, want_start) in rows {
            let mut log = ten();
            log.retain(&config, 10_000).unwrap();
            assert_eq!((log.log_start(), log.end_offset()), (want_start, 10), "{claim}");
        }
    }

    #[test]
    fn deleting_records() {
        let out = Err(ResponseError::OffsetOutOfRange);
        for (offset, want) in [(4, Ok(4)), (0, Ok(0)), (-1, Ok(10)), (10, Ok(10)), (11, out), (-2, out)] {
            let mut log = ten();
            assert_eq!(log.delete_before(offset), want, "{offset}");
            assert_eq!(log.end_offset(), 10);
        }
    }
}
