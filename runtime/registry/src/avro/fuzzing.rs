//! Avro's decoders for fuzzers.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use couplet_api::Result;
use couplet_api::data::{SchemaRef, Value};

use super::options::{AvroKeys, Options};
use super::parse::parse;
use super::print::print;
use super::read_plan::{self, Read};
use super::reader::Input;
use super::schema::AvroSchema;
use super::to_connect::to_connect;
use super::write_plan;
use super::writer::write;
use crate::client::{SchemaText, SchemaType};
use crate::fuzzing::Decoder;

/// See [`crate::fuzzing`].
pub(crate) const DECODERS: &[Decoder] = &[
    ("avro-schema", schema, &[RECORD.as_bytes(), TREE.as_bytes(), br#"["null",{"type":"fixed","name":"F","size":4}]"#]),
    (
        "avro-message",
        message,
        &[
            b"\x00\x0e\x02\x06abc\x02\x04\x00\x01\x02\x06key\x02\x00\x02\x00\x00\x80\x3f",
            b"\x01\x02\x04hi\x00",
            b"\x02\x06\x02\x04\x06\x00",
        ],
    ),
];

const RECORD: &str = r#"{"type":"record","name":"shop.Row","fields":[{"name":"id","type":"int"},
    {"name":"name","type":["null","string"],"default":null},
    {"name":"price","type":["null",{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}],"default":null},
    {"name":"tags","type":{"type":"map","values":["null","long"]}},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
    {"name":"ratio","type":["float","double","boolean"],"default":0.5},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"},"default":0}]}"#;

/// Its data can be nested.
const TREE: &str = r#"{"type":"record","name":"Node","fields":[{"name":"value","type":["null","string"]},
    {"name":"items","type":{"type":"array","items":{"type":"record","name":"Leaf","fields":[]}}}]}"#;

const NUMBERS: &str = r#"{"type":"array","items":"long"}"#;

fn options() -> Options {
    AvroKeys::of(&couplet_api::config::Props::new()).expect("defaults are valid").options()
}

/// The text of a schema; what has a Connect schema prints as a schema that is read again.
fn schema(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(avro) = parse(&SchemaText::new(SchemaType::Avro, text.as_ref())) else { return };
    let _ = to_connect(&avro, None, options());
    if let Ok(printed) = print(&avro) {
        let again = parse(&SchemaText::new(SchemaType::Avro, printed.as_str())).expect("what was printed is read");
        assert_eq!(print(&again).expect("prints again"), printed);
    }
}

/// How messages of one schema are read.
struct Known {
    avro: AvroSchema,
    schema: SchemaRef,
    read: Read,
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let known = |text: &&str| {
        let avro = parse(&SchemaText::new(SchemaType::Avro, *text)).expect("an Avro schema");
        let schema = to_connect(&avro, None, options()).expect("a Connect schema");
        let read = read_plan::compile(&avro, &avro, &schema).expect("a plan");
        Known { avro, schema, read }
    };
    [RECORD, TREE, NUMBERS].iter().map(known).collect()
});

impl Known {
    fn decode(&self, bytes: &Bytes) -> Result<Value> {
        Input::new(bytes, &self.avro).value(&self.read)
    }

    fn encode(&self, value: &Value) -> Result<Bytes> {
        let plan = write_plan::compile(Some(&self.schema), &self.avro, options())?;
        let mut out = BytesMut::new();
        write(&plan, value, &mut out)?;
        Ok(out.freeze())
    }
}

/// First byte: which schema; then a message. What is read and can be written comes back the same.
fn message(input: &[u8]) {
    let Some((which, rest)) = input.split_first() else { return };
    let known = &KNOWN[usize::from(*which) % KNOWN.len()];
    let Ok(value) = known.decode(&Bytes::copy_from_slice(rest)) else { return };
    let Ok(written) = known.encode(&value) else { return };
    let again = known.decode(&written).expect("what was written is read");
    assert_eq!(known.encode(&again).expect("written again"), written, "{value:?} comes back as {again:?}");
}
