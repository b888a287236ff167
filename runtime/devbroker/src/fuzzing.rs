//! The decoders of this crate for property tests and fuzzers: name, what to do with any bytes, inputs to begin with.
//!
//! None may panic, hang, or hold more memory than the input explains.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::Encodable;

use crate::api::dispatch;
use crate::group::offset_records::{GroupSummary, Key};
use crate::group::offsets::Committed;
use crate::log::batch::{self, BatchHeader, HEADER_BYTES};
use crate::log::record::{self, BatchBuilder, NewRecord};

/// Name, decoder, inputs to begin with.
pub type Decoder = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// Every decoder of this crate.
pub const DECODERS: &[Decoder] = &[
    ("kafka-request", request, requests),
    ("kafka-batch", record_batch, batches),
    ("offsets-topic-record", offsets_topic_record, || {
        vec![b"\0\x01\0\x01g\0\x01t\0\0\0\0".to_vec(), vec![0, 3, 0, 1, b'p', 0, 0, 0, 7]]
    }),
];

/// A frame as it comes from a client.
fn request(input: &[u8]) {
    let _ = dispatch::decode_frame(Bytes::copy_from_slice(input));
}

/// An empty request of every kind, in the first and the last version that is offered.
fn requests() -> Vec<Vec<u8>> {
    let frame = |key: ApiKey, version: i16| {
        let mut out = BytesMut::new();
        let header = RequestHeader::default().with_request_api_key(key as i16).with_request_api_version(version);
        header.encode(&mut out, key.request_header_version(version)).expect("a header of text and numbers");
        dispatch::empty(key, version, &mut out);
        out.to_vec()
    };
    dispatch::ROUTES.iter().flat_map(|(key, range)| [frame(*key, range.min), frame(*key, range.max)]).collect()
}

/// A key or value of the topic of committed offsets.
fn offsets_topic_record(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    if let Some(key) = Key::decode(bytes.clone()) {
        assert_eq!(Key::decode(key.encode()), Some(key));
    }
    if let Some(committed) = Committed::decode(bytes.clone()) {
        assert_eq!(Committed::decode(committed.encode(0)), Some(committed));
    }
    if let Some(summary) = GroupSummary::decode(bytes) {
        assert_eq!(GroupSummary::decode(summary.encode(0)), Some(summary));
    }
}

/// A batch whose checksum is taken as right.
fn record_batch(input: &[u8]) {
    let _ = batch::validate(input);
    let Ok(header) = BatchHeader::parse(input) else { return };
    let _ = (header.next_offset(), header.last_sequence(), header.timestamp_ms(i64::MAX));
    // A frame of a few bytes that unpacks to gigabytes is beyond what this broker promises: it serves one developer.
    if header.compression() != 0 {
        return;
    }
    let header = BatchHeader { batch_bytes: input.len(), ..header };
    if let Ok(records) = record::records(&header, &Bytes::copy_from_slice(input)) {
        let rewritten = record::rewritten(&header, &records);
        let header = BatchHeader::parse(&rewritten).expect("a header");
        assert_eq!(record::records(&header, &rewritten), Ok(records));
    }
}

fn batches() -> Vec<Vec<u8>> {
    let mut builder = BatchBuilder::new(500);
    builder.push(NewRecord { key: Some(b"a"), value: Some(b"1") });
    builder.push(NewRecord { key: None, value: Some(&[7; 30]) });
    let batch = builder.build();
    assert!(batch.len() > HEADER_BYTES);
    vec![batch.to_vec()]
}

#[cfg(test)]
mod tests {
    use couplet_testkit::malformed;

    use super::*;

    #[global_allocator]
    static ACCOUNTING: malformed::Accounting = malformed::Accounting;

    #[test]
    fn malformed_input_is_an_error_and_nothing_worse() {
        for &(name, run, seeds) in DECODERS {
            let seeds = seeds();
            let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
            malformed::check(malformed::Target { name, run }, &seeds, &[], 5000);
        }
    }

    /// Without the look at lengths first, each of these asks for hundreds of gigabytes.
    #[test]
    fn an_array_that_promises_more_than_there_is_asks_for_no_memory() {
        let metadata = [&b"\0\x03\0\x01\0\0\0\x01\xff\xff"[..], b"\x7f\xff\xff\xff"].concat();
        let compact = [&b"\0\x03\0\x0c\0\0\0\x01\xff\xff\0"[..], b"\xff\xff\xff\xff\x0f"].concat();
        for frame in [metadata, compact] {
            let budget = malformed::Budget::for_input(frame.len());
            let used = budget.measure(|| assert!(dispatch::decode_frame(Bytes::from(frame)).is_err()));
            assert_eq!(budget.judge(used), Ok(()));
        }
    }
}
