//! Records inside a batch: just enough decoding for compaction and time look-ups, just enough encoding for the
//! broker's own topics and transaction markers.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::compression::{Decompressor, Gzip, Lz4, Snappy, Zstd};

use super::batch::{self, BatchHeader, HEADER_BYTES, NO_PRODUCER_ID};

/// The records of a batch cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// One record as it stands in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawRecord {
    /// The record with its length field, to be copied unchanged.
    pub(crate) bytes: Bytes,
    pub(crate) timestamp_delta_ms: i64,
    pub(crate) offset_delta: i32,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
}

/// Decodes the records of one whole batch, decompressing them first where needed.
///
/// # Errors
/// [`Unreadable`] for an unknown compression, a broken compressed stream or lengths that do not fit.
pub(crate) fn records(header: &BatchHeader, batch: &Bytes) -> Result<Vec<RawRecord>, Unreadable> {
    let mut payload = decompressed(header.compression(), batch.slice(HEADER_BYTES..header.batch_bytes))?;
    // A record takes at least seven bytes, so a made-up count cannot make us reserve more than was sent.
    let mut records = Vec::with_capacity((header.record_count.max(0) as usize).min(payload.len() / 7 + 1));
    for _ in 0..header.record_count {
        records.push(next_record(&mut payload)?);
    }
    Ok(records)
}

fn decompressed(compression: i16, mut payload: Bytes) -> Result<Bytes, Unreadable> {
    let whole = |buf: &mut Bytes| Ok(buf.clone());
    let result = match compression {
        0 => return Ok(payload),
        1 => Gzip::decompress(&mut payload, |buf: &mut Bytes| whole(buf)),
        2 => Snappy::decompress(&mut payload, |buf: &mut Bytes| whole(buf)),
        3 => Lz4::decompress(&mut payload, |buf: &mut Bytes| whole(buf)),
        4 => Zstd::decompress(&mut payload, |buf: &mut Bytes| whole(buf)),
        _ => return Err(Unreadable("unknown compression")),
    };
    result.map_err(|_| Unreadable("broken compressed records"))
}

fn next_record(payload: &mut Bytes) -> Result<RawRecord, Unreadable> {
    let start = payload.clone();
    let body_bytes = varlong(payload)?;
    if body_bytes < 0 || body_bytes > payload.len() as i64 {
        return Err(Unreadable("record longer than its batch"));
    }
    let mut body = payload.split_to(body_bytes as usize);
    let bytes = start.slice(..start.len() - payload.len());
    if !body.has_remaining() {
        return Err(Unreadable("empty record"));
    }
    body.advance(1); // attributes: unused
    let timestamp_delta_ms = varlong(&mut body)?;
    let offset_delta = varlong(&mut body)? as i32;
    let key = nullable(&mut body)?;
    let value = nullable(&mut body)?;
    Ok(RawRecord { bytes, timestamp_delta_ms, offset_delta, key, value })
}

fn nullable(body: &mut Bytes) -> Result<Option<Bytes>, Unreadable> {
    match varlong(body)? {
        length if length < 0 => Ok(None),
        length if length <= body.len() as i64 => Ok(Some(body.split_to(length as usize))),
        _ => Err(Unreadable("field longer than its record")),
    }
}

/// Zigzag variable-length integer, as Kafka's varint and varlong.
fn varlong(buf: &mut Bytes) -> Result<i64, Unreadable> {
    let mut raw: u64 = 0;
    for shift in (0..70).step_by(7) {
        if !buf.has_remaining() {
            return Err(Unreadable("cut integer"));
        }
        let byte = buf.get_u8();
        raw |= u64::from(byte & 0x7f) << shift.min(63);
        if byte & 0x80 == 0 {
            return Ok(((raw >> 1) as i64) ^ -((raw & 1) as i64));
        }
    }
    Err(Unreadable("integer too long"))
}

fn put_varlong(buf: &mut BytesMut, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    while raw >= 0x80 {
        buf.put_u8((raw as u8) | 0x80);
        raw >>= 7;
    }
    buf.put_u8(raw as u8);
}

/// A record that the broker itself writes; its time is the batch's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRecord<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

/// Builds one uncompressed batch of the broker's own records.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    batch: BytesMut,
    header: BatchHeader,
}

impl BatchBuilder {
    /// A batch without producer whose records all carry `timestamp_ms`.
    pub(crate) fn new(timestamp_ms: i64) -> BatchBuilder {
        let header = BatchHeader {
            base_offset: 0,
            batch_bytes: 0,
            attributes: 0,
            last_offset_delta: -1,
            base_timestamp_ms: timestamp_ms,
            max_timestamp_ms: timestamp_ms,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 0,
        };
        BatchBuilder { batch: BytesMut::zeroed(HEADER_BYTES), header }
    }

    /// Makes it a batch of a producer, with `attributes` such as [`batch::TRANSACTIONAL`] and [`batch::CONTROL`].
    pub(crate) fn producer(mut self, id: i64, epoch: i16, attributes: i16) -> BatchBuilder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.attributes |= attributes;
        self
    }

    /// First sequence number, for batches whose producer counts.
    #[cfg(test)]
    pub(crate) fn sequence(mut self, base_sequence: i32) -> BatchBuilder {
        self.header.base_sequence = base_sequence;
        self
    }

    pub(crate) fn push(&mut self, record: NewRecord<'_>) {
        let mut body = BytesMut::new();
        body.put_u8(0);
        put_varlong(&mut body, 0);
        put_varlong(&mut body, i64::from(self.header.record_count));
        for field in [record.key, record.value] {
            match field {
                None => put_varlong(&mut body, -1),
                Some(bytes) => {
                    put_varlong(&mut body, bytes.len() as i64);
                    body.put_slice(bytes);
                }
            }
        }
        put_varlong(&mut body, 0); // no headers
        put_varlong(&mut self.batch, body.len() as i64);
        self.batch.put_slice(&body);
        self.header.record_count += 1;
        self.header.last_offset_delta += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    pub(crate) fn build(mut self) -> Bytes {
        batch::seal(&mut self.batch, &self.header, 0);
        self.batch.freeze()
    }
}

/// The batch with only those of its records that stand in `kept`, at the offsets they had. Compressed records are
/// stored uncompressed; base offset, last offset, times and producer fields stay as they were.
pub(crate) fn rewritten(header: &BatchHeader, kept: &[RawRecord]) -> Bytes {
    const COMPRESSION_MASK: i16 = 0x07;
    let mut out = BytesMut::zeroed(HEADER_BYTES);
    for record in kept {
        out.put_slice(&record.bytes);
    }
    let header =
        BatchHeader { attributes: header.attributes & !COMPRESSION_MASK, record_count: kept.len() as i32, ..*header };
    batch::seal(&mut out, &header, 0);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> (BatchHeader, Bytes) {
        let mut builder = BatchBuilder::new(500);
        builder.push(NewRecord { key: Some(b"a"), value: Some(b"1") });
        builder.push(NewRecord { key: None, value: Some(&[7; 300]) });
        builder.push(NewRecord { key: Some(b"c"), value: None });
        let batch = builder.build();
        (batch::validate(&batch).unwrap(), batch)
    }

    #[test]
    fn what_is_built_can_be_read() {
        let (header, batch) = three();
        let read = records(&header, &batch).unwrap();
        let seen: Vec<_> =
            read.iter().map(|r| (r.offset_delta, r.key.clone(), r.value.as_ref().map(Bytes::len))).collect();
        let want = vec![(0, Some(Bytes::from("a")), Some(1)), (1, None, Some(300)), (2, Some(Bytes::from("c")), None)];
        assert_eq!(seen, want);
    }

    #[test]
    fn a_rewritten_batch_keeps_offsets() {
        let (header, batch) = three();
        let kept: Vec<_> = records(&header, &batch).unwrap().into_iter().skip(2).collect();
        let smaller = rewritten(&header, &kept);
        let new_header = BatchHeader::parse(&smaller).unwrap();
        assert!(batch::checksum_fits(&smaller));
        assert_eq!((new_header.last_offset_delta, new_header.record_count), (2, 1));
        assert_eq!(records(&new_header, &smaller).unwrap(), kept);
    }

    #[test]
    fn variable_length_integers() {
        for value in [0, -1, 1, 63, -64, 64, 300, i64::from(i32::MAX), i64::MIN, i64::MAX] {
            let mut buf = BytesMut::new();
            put_varlong(&mut buf, value);
            assert_eq!(varlong(&mut buf.freeze()), Ok(value), "{value}");
        }
    }

    #[test]
    fn broken_records_err_and_do_not_panic() {
        let (header, batch) = three();
        for cut in 0..batch.len() - HEADER_BYTES {
            let short = batch.slice(..HEADER_BYTES + cut);
            let header = BatchHeader { batch_bytes: short.len(), ..header };
            assert!(records(&header, &short).is_err(), "cut to {cut} bytes");
        }
        for compression in 1..8 {
            let header = BatchHeader { attributes: compression, ..header };
            assert!(records(&header, &batch).is_err(), "compression {compression} of plain bytes");
        }
    }
}
