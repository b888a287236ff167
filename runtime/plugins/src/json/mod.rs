//! The JSON of Connect's data, byte for byte as Kafka's JSON converter and Jackson write and read it.
//!
//! Writing walks a [`plan`] compiled once per schema: escaped field names, rendered defaults, the schema block of the
//! envelope. Reading is one pass over the bytes; text becomes slices of the message. Neither builds a tree of nodes.

mod encoding;
mod escape;
mod logical;
mod number;
mod plan;
mod reader;
mod recent;
mod schema_reader;
mod schema_text;
mod shape;
mod typed;
mod writer;

pub use encoding::to_utf8;
pub use escape::write_text;
pub use logical::{date_to_days, decimal_to_bytes, ms_to_time, scale, time_to_ms};
pub use number::Number;
pub use plan::{DecimalFormat, JsonOptions};
pub use reader::{Node, Reader};
pub use typed::base64;
pub use writer::{JsonWriter, write_base64, write_plain, write_value};

pub use recent::Recent;
pub use shape::Shape;

use bytes::Bytes;
use couplet_api::data::{SchemaRef, Value};
use couplet_api::{Error, Result};

/// Reads a value without a schema: integers become INT64, fractions FLOAT64, objects maps in Java's order. Bytes behind
/// the value are ignored; no bytes at all are null.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `bytes` is not JSON.
pub fn read_value(bytes: &Bytes) -> Result<Value> {
    read_by(bytes, |reader| reader.value())
}

/// As [`read_value`], quicker for a message that looks like those before. `shape` belongs to the messages of one topic.
///
/// # Errors
/// As [`read_value`].
pub fn read_value_like(bytes: &Bytes, shape: &mut Shape) -> Result<Value> {
    read_by(bytes, |reader| shape.value(reader))
}

fn read_by(bytes: &Bytes, read: impl FnOnce(&mut Reader<'_>) -> Result<Value>) -> Result<Value> {
    let bytes = encoding::to_utf8(bytes)?;
    let mut reader = reader::Reader::new(&bytes);
    if reader.at_end() { Ok(Value::Null) } else { read(&mut reader) }
}

/// Reads a value of `schema`, with Jackson's coercions: what does not fit becomes 0, false or null.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `bytes` is not JSON, or not of the schema's shape.
pub fn read_value_as(bytes: &Bytes, schema: &SchemaRef, options: &JsonOptions) -> Result<Value> {
    let mut reader = reader::Reader::new(bytes);
    typed::value(&mut reader, schema, options)
}

/// The payload of an envelope as [`JsonWriter`] and the JVM write it, whose schema was read before; `schema` is given what may
/// begin with one, and returns it with its length. `None` for anything that takes a closer look.
pub(crate) fn read_usual_envelope(
    bytes: &Bytes,
    options: &JsonOptions,
    schema: impl Fn(&[u8]) -> Option<(usize, Option<SchemaRef>)>,
) -> Option<(SchemaRef, Value)> {
    const BEFORE: &[u8] = br#"{"schema":"#;
    const BETWEEN: &[u8] = br#","payload":"#;
    let (length, schema) = schema(bytes.strip_prefix(BEFORE)?)?;
    let schema = schema?;
    let end = BEFORE.len() + length;
    bytes[end..].strip_prefix(BETWEEN)?;
    let payload = reader::Reader::in_object(bytes, end + BETWEEN.len());
    payload.last_member(|reader| typed::value(reader, &schema, options)).map(|value| (schema, value))
}

/// A schema from the notation that [`JsonWriter`] puts into envelopes; `null` is no schema.
///
/// # Errors
/// [`couplet_api::Kind::Data`] in the words of the JVM.
pub fn read_schema(bytes: &[u8], options: &JsonOptions) -> Result<Option<SchemaRef>> {
    schema_reader::read(bytes, options)
}

/// The two members of an envelope `{"schema": …, "payload": …}`; `None` when `bytes` is any other JSON. `known` says how many
/// bytes at the beginning of some are a schema, an object, that was read before.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `bytes` is not JSON.
pub(crate) fn split_envelope(bytes: &Bytes, known: impl Fn(&[u8]) -> Option<usize>) -> Result<Option<(Bytes, Bytes)>> {
    let bytes = encoding::to_utf8(bytes)?;
    reader::Reader::new(&bytes).envelope(known)
}

/// An error of the parser.
fn syntax(what: &str, at: usize) -> Error {
    Error::data(format!("{what} at byte {at}")).with_class("org.apache.kafka.common.errors.SerializationException")
}
