//! Protobuf's decoders for fuzzers.

use std::sync::LazyLock;

use bytes::Bytes;
use couplet_api::config::Props;

use super::message_index;
use super::options::ProtobufDataConfig;
use super::parse::ProtoSchema;
use super::read_plan::{self, ReadPlan};
use super::reader;
use crate::fuzzing::Decoder;

/// See [`crate::fuzzing`].
pub(crate) const DECODERS: &[Decoder] = &[
    ("protobuf-schema", schema, &[FILE.as_bytes(), br#"syntax = "proto2"; message M { optional int32 a = 1 [default = 7]; }"#]),
    (
        "protobuf-message",
        message,
        &[b"\x08\x07\x12\x03abc\x1a\x02\x01\x02\x22\x05\x0a\x01k\x10\x05\x2a\x02\x08\x01\x30\x01\x3a\x04\x08\x01\x10\x02\x42\x02\x0a\x00\x49\0\0\0\0\0\0\xf0\x3f"],
    ),
    ("protobuf-indexes", indexes, &[b"\x00", b"\x04\x02\x04\x06", b"\x02\x00"]),
];

const FILE: &str = r#"syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message Row {
  int64 id = 1;
  optional string name = 2;
  repeated sint32 numbers = 3;
  map<string, int32> counts = 4;
  Inner inner = 5;
  Kind kind = 6;
  google.protobuf.Timestamp at = 7;
  google.protobuf.StringValue note = 8;
  oneof choice { double ratio = 9; bytes blob = 10; }
  message Inner { bool flag = 1; repeated string texts = 2; }
  enum Kind { A = 0; B = 1; }
}
"#;

fn config() -> ProtobufDataConfig {
    ProtobufDataConfig::parse(&Props::new()).expect("defaults are valid")
}

/// The text of a file, and all messages in it.
fn schema(input: &[u8]) {
    let Ok(file) = ProtoSchema::new(&String::from_utf8_lossy(input), &[]) else { return };
    for message in file.messages() {
        let _ = read_plan::compile(&message, None, &config());
    }
}

fn message(input: &[u8]) {
    static PLAN: LazyLock<ReadPlan> = LazyLock::new(|| {
        let file = ProtoSchema::new(FILE, &[]).expect("a file");
        read_plan::compile(&file.message_at(&[0]).expect("a message"), None, &config()).expect("a plan")
    });
    let _ = reader::read(&PLAN, &Bytes::copy_from_slice(input));
}

/// What is read comes back from what is written.
fn indexes(input: &[u8]) {
    let Ok(read) = message_index::decode(&mut &*input) else { return };
    let again = message_index::decode(&mut &message_index::encode(&read)[..]);
    assert_eq!(again.expect("what was written is read"), read);
}
