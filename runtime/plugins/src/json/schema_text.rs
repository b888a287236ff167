use bytes::{BufMut, BytesMut};
use couplet_api::Result;
use couplet_api::data::{Schema, SchemaRef, Type};

use super::plan::{JsonOptions, compile};
use super::{write_text, writer};

/// Names of the types in envelopes.
pub(super) const TYPE_NAMES: [(&str, Type); 12] = [
    ("boolean", Type::Boolean),
    ("int8", Type::Int8),
    ("int16", Type::Int16),
    ("int32", Type::Int32),
    ("int64", Type::Int64),
    ("float", Type::Float32),
    ("double", Type::Float64),
    ("bytes", Type::Bytes),
    ("string", Type::String),
    ("array", Type::Array),
    ("map", Type::Map),
    ("struct", Type::Struct),
];

/// Appends the schema block of an envelope; `field` is the name of the field it belongs to.
///
/// # Errors
/// When a default value is not one of its schema.
pub(super) fn write(schema: &SchemaRef, field: Option<&str>, options: &JsonOptions, out: &mut BytesMut) -> Result<()> {
    let name = TYPE_NAMES.iter().find(|(_, kind)| *kind == schema.kind()).map_or("", |(name, _)| name);
    out.put_slice(b"{\"type\":");
    write_text(name, out);
    write_parts(schema, options, out)?;
    out.put_slice(if schema.is_optional() { b",\"optional\":true" } else { b",\"optional\":false" });
    write_attributes(schema, out);
    if let Some(default) = schema.default() {
        out.put_slice(b",\"default\":");
        writer::write(&compile(schema, options)?, default, options, out)?;
    }
    if let Some(field) = field {
        out.put_slice(b",\"field\":");
        write_text(field, out);
    }
    out.put_u8(b'}');
    Ok(())
}

fn write_parts(schema: &Schema, options: &JsonOptions, out: &mut BytesMut) -> Result<()> {
    let mut part = |label: &[u8], part: Option<&SchemaRef>| {
        out.put_slice(label);
        match part {
            Some(part) => write(part, None, options, out),
            None => {
                out.put_slice(b"null");
                Ok(())
            }
        }
    };
    match schema.kind() {
        Type::Array => part(b",\"items\":", schema.value_schema())?,
        Type::Map => {
            part(b",\"keys\":", schema.key_schema())?;
            part(b",\"values\":", schema.value_schema())?;
        }
        Type::Struct => {
            out.put_slice(b",\"fields\":[");
            for (at, field) in schema.fields().iter().enumerate() {
                if at > 0 {
                    out.put_u8(b',');
                }
                write(field.schema(), Some(field.name()), options, out)?;
            }
            out.put_u8(b']');
        }
        _ => {}
    }
    Ok(())
}

fn write_attributes(schema: &Schema, out: &mut BytesMut) {
    if let Some(name) = schema.name() {
        out.put_slice(b",\"name\":");
        write_text(name, out);
    }
    if let Some(version) = schema.version() {
        out.put_slice(b",\"version\":");
        out.put_slice(itoa::Buffer::new().format(version).as_bytes());
    }
    if let Some(doc) = schema.doc() {
        out.put_slice(b",\"doc\":");
        write_text(doc, out);
    }
    for (at, (key, value)) in schema.parameters().iter().enumerate() {
        out.put_slice(if at == 0 { b",\"parameters\":{" } else { b"," });
        write_text(key, out);
        out.put_u8(b':');
        write_text(value, out);
    }
    if !schema.parameters().is_empty() {
        out.put_u8(b'}');
    }
}
