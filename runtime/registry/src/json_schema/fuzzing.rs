//! JSON Schema's decoders for fuzzers.

use std::sync::LazyLock;

use bytes::Bytes;
use couplet_api::config::Props;
use couplet_api::data::SchemaRef;

use super::options::JsonSchemaDataConfig;
use super::refs::Documents;
use super::{reader, to_connect};
use crate::fuzzing::Decoder;

/// See [`crate::fuzzing`].
pub(crate) const DECODERS: &[Decoder] = &[
    (
        "json-schema-document",
        document,
        &[ROW.as_bytes(), br##"{"$ref":"#/definitions/a","definitions":{"a":{"enum":["x"]}}}"##],
    ),
    (
        "json-schema-message",
        message,
        &[br#"{"id":7,"name":null,"price":"AQ==","tags":{"a":1.5},"list":[{"k":1}],"any":"x","at":1}"#],
    ),
];

const ROW: &str = r#"{"type":"object","title":"shop.Row","properties":{
    "id":{"type":"integer","connect.type":"int32","connect.index":0},
    "name":{"oneOf":[{"type":"null"},{"type":"string"}],"connect.index":1},
    "price":{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.type":"bytes",
        "connect.parameters":{"scale":"2"},"connect.version":1},
    "tags":{"type":"object","connect.type":"map","additionalProperties":{"type":"number"}},
    "list":{"type":"array","items":{"type":"object","properties":{"k":{"type":"integer"}}}},
    "any":{"oneOf":[{"type":"string"},{"type":"integer"},{"type":"object","properties":{"x":{"type":"boolean"}}}]},
    "at":{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp","connect.type":"int64","connect.version":1}},
    "required":["id"]}"#;

fn derive(text: &str) -> couplet_api::Result<SchemaRef> {
    let config = JsonSchemaDataConfig::parse(&Props::new()).expect("defaults are valid");
    to_connect::derive(&Documents::new(text, [])?, None, &config)
}

/// The text of a schema.
fn document(input: &[u8]) {
    let _ = derive(&String::from_utf8_lossy(input));
}

fn message(input: &[u8]) {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| derive(ROW).expect("a schema"));
    let _ = reader::read(&Bytes::copy_from_slice(input), &SCHEMA);
}
