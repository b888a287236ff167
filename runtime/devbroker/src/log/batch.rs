//! The v2 record batch: its header, its validation, and the few fields a broker may change.

use bytes::{Bytes, BytesMut};

/// Bytes before the first record of a batch.
pub(crate) const HEADER_BYTES: usize = 61;
/// Bytes that the length field does not count: base offset and the length itself.
pub(crate) const LENGTH_PREFIX_BYTES: usize = 12;
/// No producer: the batch is neither idempotent nor transactional.
pub(crate) const NO_PRODUCER_ID: i64 = -1;

const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
/// First byte that the checksum covers.
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

/// Records carry the time of the append, which only the header holds.
const LOG_APPEND_TIME: i16 = 1 << 3;
pub(crate) const TRANSACTIONAL: i16 = 1 << 4;
pub(crate) const CONTROL: i16 = 1 << 5;
const COMPRESSION_MASK: i16 = 0x07;

/// Why bytes are not a batch we may store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchError {
    /// Fewer bytes than the header or the length field promise.
    Short,
    /// More bytes than the length field promises: more than one batch, or garbage behind it.
    Trailing,
    /// A format before v2, or none at all.
    Magic(i8),
    /// The checksum does not fit.
    Checksum,
    /// Record count and offsets contradict each other.
    Counts,
}

/// The fixed fields of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    /// Size of the whole batch, with offset and length fields.
    pub(crate) batch_bytes: usize,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp_ms: i64,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; the records behind it need not be there.
    ///
    /// # Errors
    /// [`BatchError::Short`] under 61 bytes or with an impossible length, [`BatchError::Magic`] for older formats.
    pub(crate) fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        if bytes.len() < HEADER_BYTES {
            return Err(BatchError::Short);
        }
        let magic = bytes[MAGIC_AT] as i8;
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        let length = i32_at(bytes, 8);
        if length < (HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32 {
            return Err(BatchError::Short);
        }
        Ok(BatchHeader {
            base_offset: i64_at(bytes, 0),
            batch_bytes: length as usize + LENGTH_PREFIX_BYTES,
            attributes: i16_at(bytes, ATTRIBUTES_AT),
            last_offset_delta: i32_at(bytes, 23),
            base_timestamp_ms: i64_at(bytes, 27),
            max_timestamp_ms: i64_at(bytes, MAX_TIMESTAMP_AT),
            producer_id: i64_at(bytes, 43),
            producer_epoch: i16_at(bytes, 51),
            base_sequence: i32_at(bytes, 53),
            record_count: i32_at(bytes, 57),
        })
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub(crate) fn has_producer(&self) -> bool {
        self.producer_id != NO_PRODUCER_ID
    }

    /// Time of a record: its own, or that of the append.
    pub(crate) fn timestamp_ms(&self, delta_ms: i64) -> i64 {
        if self.attributes & LOG_APPEND_TIME != 0 {
            self.max_timestamp_ms
        } else {
            self.base_timestamp_ms.saturating_add(delta_ms)
        }
    }

    /// Compression code: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub(crate) fn compression(&self) -> i16 {
        self.attributes & COMPRESSION_MASK
    }

    /// Sequence number of the last record. Sequences wrap from `i32::MAX` to 0.
    pub(crate) fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// `sequence + by`, wrapping from `i32::MAX` to 0 as Kafka's producers count.
pub(crate) fn sequence_after(sequence: i32, by: i32) -> i32 {
    ((i64::from(sequence) + i64::from(by)) % (i64::from(i32::MAX) + 1)) as i32
}

/// Checks one batch as it came from a producer: format, length, checksum, counts.
///
/// # Errors
/// Every kind of [`BatchError`]. The records themselves are not decoded.
pub(crate) fn validate(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(bytes)?;
    if bytes.len() < header.batch_bytes {
        return Err(BatchError::Short);
    }
    if bytes.len() > header.batch_bytes {
        return Err(BatchError::Trailing);
    }
    if !checksum_fits(bytes) {
        return Err(BatchError::Checksum);
    }
    if header.record_count <= 0 || header.last_offset_delta != header.record_count - 1 {
        return Err(BatchError::Counts);
    }
    Ok(header)
}

/// Whether the stored checksum is that of the batch. `bytes` holds exactly one whole batch.
pub(crate) fn checksum_fits(bytes: &[u8]) -> bool {
    crc32c::crc32c(&bytes[ATTRIBUTES_AT..]) == u32::from_be_bytes(array_at(bytes, CRC_AT))
}

/// A copy of the batch with its place in the log: base offset, leader epoch, and with `log_append_time_ms` also
/// the time (which the checksum covers, so that is computed anew).
pub(crate) fn placed(batch: &[u8], base_offset: i64, leader_epoch: i32, log_append_time_ms: Option<i64>) -> Bytes {
    let mut placed = BytesMut::from(batch);
    placed[0..8].copy_from_slice(&base_offset.to_be_bytes());
    placed[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
    if let Some(time_ms) = log_append_time_ms {
        let attributes = i16_at(batch, ATTRIBUTES_AT) | LOG_APPEND_TIME;
        placed[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
        placed[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&time_ms.to_be_bytes());
        write_checksum(&mut placed);
    }
    placed.freeze()
}

/// Writes header fields and checksum of a batch whose records already stand behind 61 spare bytes.
pub(crate) fn seal(batch: &mut BytesMut, header: &BatchHeader, leader_epoch: i32) {
    let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
    batch[0..8].copy_from_slice(&header.base_offset.to_be_bytes());
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
    batch[MAGIC_AT] = 2;
    batch[ATTRIBUTES_AT..23].copy_from_slice(&header.attributes.to_be_bytes());
    batch[23..27].copy_from_slice(&header.last_offset_delta.to_be_bytes());
    batch[27..35].copy_from_slice(&header.base_timestamp_ms.to_be_bytes());
    batch[MAX_TIMESTAMP_AT..43].copy_from_slice(&header.max_timestamp_ms.to_be_bytes());
    batch[43..51].copy_from_slice(&header.producer_id.to_be_bytes());
    batch[51..53].copy_from_slice(&header.producer_epoch.to_be_bytes());
    batch[53..57].copy_from_slice(&header.base_sequence.to_be_bytes());
    batch[57..61].copy_from_slice(&header.record_count.to_be_bytes());
    write_checksum(batch);
}

fn write_checksum(batch: &mut BytesMut) {
    let checksum = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&checksum.to_be_bytes());
}

/// Base offset of the batch at the start of `bytes`, which hold at least 8 bytes.
pub(crate) fn base_offset_of(bytes: &[u8]) -> i64 {
    i64_at(bytes, 0)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(array_at(bytes, at))
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(array_at(bytes, at))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{BatchBuilder, NewRecord};

    fn batch() -> Bytes {
        let mut builder = BatchBuilder::new(1_000);
        builder.push(NewRecord { key: Some(b"k"), value: Some(b"v") });
        builder.push(NewRecord { key: Some(b"k2"), value: None });
        builder.build()
    }

    #[test]
    fn validation() {
        let good = batch();
        let with = |at: usize, byte: u8| {
            let mut bad = BytesMut::from(&good[..]);
            bad[at] = byte;
            bad.freeze()
        };
        let mut two = BytesMut::from(&good[..]);
        two.extend_from_slice(&good);
        let mut miscounted = BytesMut::from(&good[..]);
        miscounted[60] = 3;
        write_checksum(&mut miscounted);
        let rows: Vec<(&str, Bytes, Option<BatchError>)> = vec![
            ("a whole batch is good", good.clone(), None),
            ("a base offset may be anything", with(7, 9), None),
            ("an old format is refused", with(MAGIC_AT, 1), Some(BatchError::Magic(1))),
            ("a flipped record byte is seen", with(HEADER_BYTES + 1, 99), Some(BatchError::Checksum)),
            ("a cut batch is short", good.slice(..good.len() - 1), Some(BatchError::Short)),
            ("a cut header is short", good.slice(..20), Some(BatchError::Short)),
            ("nothing is short", Bytes::new(), Some(BatchError::Short)),
            ("a negative length is short", with(8, 0xff), Some(BatchError::Short)),
            ("two batches are one too many", two.freeze(), Some(BatchError::Trailing)),
            ("counts must agree", miscounted.freeze(), Some(BatchError::Counts)),
        ];
        for (claim, bytes, want) in rows {
            assert_eq!(validate(&bytes).err(), want, "{claim}");
        }
    }

    #[test]
    fn placing_keeps_everything_else() {
        let placed_batch = placed(&batch(), 77, 5, None);
        let header = validate(&placed_batch).unwrap();
        assert_eq!((header.base_offset, header.last_offset(), header.next_offset()), (77, 78, 79));
        assert_eq!(placed_batch[16..], batch()[16..], "checksum and records are the producer's");
    }

    #[test]
    fn log_append_time_replaces_the_time_and_the_checksum() {
        let header = validate(&placed(&batch(), 1, 0, Some(5_000))).unwrap();
        assert_eq!((header.max_timestamp_ms, header.base_timestamp_ms), (5_000, 1_000));
        assert_ne!(header.attributes & LOG_APPEND_TIME, 0);
    }

    #[test]
    fn sequences_wrap() {
        for (sequence, by, want) in [(0, 4, 4), (i32::MAX, 1, 0), (i32::MAX - 1, 3, 1), (i32::MAX, 0, i32::MAX)] {
            assert_eq!(sequence_after(sequence, by), want, "{sequence} + {by}");
        }
    }
}
