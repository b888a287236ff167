//! The decoders of the internal topics and of the standalone offsets file, for property tests and fuzzers.

use bytes::Bytes;
use couplet_api::data::Value;

use super::config_store::ConfigRecord;
use super::java_map;
use super::offset_store_table::OffsetTable;
use super::status_store::{StatusRecord, StatusTable};

/// Name, decoder, inputs to begin with.
pub type Decoder = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

pub(crate) const DECODERS: &[Decoder] = &[
    (
        "config-record",
        config_record,
        &[
            br#"connector-c
{"properties":{"name":"c","a":null}}"#,
            b"task-c-0\n{\"properties\":{}}",
            b"commit-c\n{\"tasks\":2}",
            br#"target-state-c
{"state":"PAUSED","state.v2":"STOPPED"}"#,
            br#"session-key
{"key":"AP8=","algorithm":"HmacSHA256","creation-timestamp":7}"#,
            b"restart-connector-c\n{\"include-tasks\":true}",
            b"logger-cluster-x\n{\"level\":\"DEBUG\"}",
            b"tasks-fencing-c\n{\"task-count\":0}",
        ],
    ),
    (
        "status-record",
        status_record,
        &[
            br#"status-task-c-1
{"state":"FAILED","trace":"t","worker_id":"w:1","generation":3,"version":null}"#,
            br#"status-topic-t:connector-c
{"topic":{"name":"t","connector":"c","task":1,"discoverTimestamp":5}}"#,
        ],
    ),
    (
        "offset-record",
        offset_record,
        &[
            br#"["c",{"filename":"/f"}]
{"position":12}"#,
            br#"["c",{"server":"s","b":1.5}]
{"lsn":1,"snapshot":true}"#,
        ],
    ),
    ("offsets-file", offsets_file, &[OFFSETS_FILE]),
];

/// A file with the entry `k` → `v`, and one without a value.
const OFFSETS_FILE: &[u8] = b"\xac\xed\x00\x05\x73\x72\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02\
    F\x00\x0aloadFactorI\x00\x09threshold\x78\x70\x3f\x40\x00\x00\0\0\0\x0c\x77\x08\0\0\0\x10\0\0\0\x02\
    \x75\x72\x00\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\x00\x00\x78\x70\0\0\0\x01k\x75\x71\x00\x7e\x00\x02\0\0\0\x01v\
    \x75\x71\x00\x7e\x00\x02\0\0\0\x01w\x70\x78";

/// The first line is the key, the rest, if there is more, the value.
fn key_and_value(input: &[u8]) -> (Bytes, Option<Bytes>) {
    match input.iter().position(|b| *b == b'\n') {
        Some(at) => (Bytes::copy_from_slice(&input[..at]), Some(Bytes::copy_from_slice(&input[at + 1..]))),
        None => (Bytes::copy_from_slice(input), None),
    }
}

fn config_record(input: &[u8]) {
    let (key, value) = key_and_value(input);
    let Ok(Some(record)) = ConfigRecord::decode(&key, value.as_ref()) else { return };
    let (key, value) = record.encode().expect("what was read is written");
    let again = ConfigRecord::decode(&key.expect("a key"), value.as_ref()).expect("what was written is read");
    assert_eq!(again, Some(record));
}

fn status_record(input: &[u8]) {
    let (key, value) = key_and_value(input);
    let Ok(Some(record)) = StatusRecord::decode(&key, value.as_ref()) else { return };
    let (key, value) = record.encode().expect("what was read is written");
    let again = StatusRecord::decode(&key.expect("a key"), value.as_ref()).expect("what was written is read");
    assert_eq!(again.as_ref(), Some(&record));
    StatusTable::default().apply(record);
}

fn offset_record(input: &[u8]) {
    let (key, value) = key_and_value(input);
    let mut table = OffsetTable::default();
    table.apply(&key, value.as_ref());
    // Stored again as it was, it must say the same.
    let connectors = ["c".to_owned(), String::from_utf8_lossy(&key).split('"').nth(1).unwrap_or_default().to_owned()];
    for connector in connectors {
        for (partition, offset) in table.list(&connector) {
            let infinite = |(_, value): &(Value, Value)| matches!(value, Value::Float64(n) if !n.is_finite());
            if partition.entries().iter().chain(offset.entries()).any(infinite) {
                continue;
            }
            let record = table.encode(&connector, &(partition.clone(), Some(offset.clone())));
            let (key, value) = record.expect("what was read is written");
            let mut again = OffsetTable::default();
            again.apply(&key, value.as_ref());
            assert!(again.get(&connector, &partition).is_some(), "{connector} {partition:?} {offset:?}");
        }
    }
}

fn offsets_file(input: &[u8]) {
    let Ok(entries) = java_map::read(&Bytes::copy_from_slice(input)) else { return };
    assert_eq!(java_map::read(&java_map::write(&entries).into()), Ok(entries));
}
