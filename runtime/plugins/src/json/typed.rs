use std::cell::Cell;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use couplet_api::data::{DATE, DECIMAL, Decimal, Schema, SchemaRef, Struct, TIME, TIMESTAMP, Type, Utf8, Value};
use couplet_api::{Error, Result};

use super::logical;
use super::plan::JsonOptions;
use super::reader::{Node, Reader};
use crate::java::HashMapOrder;
use crate::value_check::check_field;

/// Reads a value of `schema`.
pub(super) fn value(reader: &mut Reader<'_>, schema: &SchemaRef, options: &JsonOptions) -> Result<Value> {
    let mut value = Value::Null;
    value_into(&mut value, reader, schema, options)?;
    Ok(value)
}

/// As [`value`], into the place where it stays: fields of rows are many, and moving one costs as much as reading it.
fn value_into(out: &mut Value, reader: &mut Reader<'_>, schema: &SchemaRef, options: &JsonOptions) -> Result<()> {
    let node = reader.node()?;
    if node == Node::Null {
        reader.null()?;
        *out = absent(schema, options)?;
        return Ok(());
    }
    match schema.name() {
        Some(DECIMAL) => *out = decimal(reader, node, schema)?,
        Some(DATE) => *out = Value::Date(i64::from(integer(reader, node, "Date")?) * logical::DAY_MS),
        Some(TIME) => *out = Value::Date(logical::ms_to_time(integer(reader, node, "Time")?)?),
        Some(TIMESTAMP) => *out = timestamp(reader, node)?,
        _ => plain(out, reader, node, schema, options)?,
    }
    Ok(())
}

/// What stands for null or an absent field.
fn absent(schema: &Schema, options: &JsonOptions) -> Result<Value> {
    match schema.default() {
        Some(default) if options.replace_null_with_default => Ok(default.clone()),
        _ if schema.is_optional() => Ok(Value::Null),
        _ => Err(Error::data(format!("Invalid null value for required {} field", schema.kind().name()))),
    }
}

fn decimal(reader: &mut Reader<'_>, node: Node, schema: &Schema) -> Result<Value> {
    let invalid = |cause: Error| Error::data("Invalid bytes for Decimal field").caused_by(cause);
    let decimal = match node {
        Node::Number => reader.number()?.decimal()?,
        Node::String => {
            let bytes = base64(&reader.text()?).map_err(invalid)?;
            if bytes.is_empty() {
                let cause = Error::data("Zero length BigInteger").with_class("java.lang.NumberFormatException");
                return Err(invalid(cause));
            }
            Decimal::from_bytes(&bytes, logical::scale(schema).map_err(invalid)?)
        }
        other => {
            return Err(Error::data(format!(
                "Invalid type for Decimal, underlying representation should be numeric or bytes but was {}",
                other.name()
            )));
        }
    };
    Ok(Value::Decimal(Arc::new(decimal)))
}

/// Decodes base64 as Jackson does: white space may stand between groups of four characters.
///
/// # Errors
/// [`couplet_api::Kind::Data`] for anything else.
pub fn base64(text: &Utf8) -> Result<Vec<u8>> {
    let bad = |e: base64::DecodeError| {
        Error::data(e.to_string()).with_class("com.fasterxml.jackson.databind.exc.InvalidFormatException")
    };
    if text.bytes().any(|b| b <= b' ') {
        // White space may stand between groups of four characters.
        let mut bare = Vec::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                ..=b' ' if bare.len() % 4 != 0 => return Err(bad(base64::DecodeError::InvalidByte(bare.len(), byte))),
                ..=b' ' => {}
                byte => bare.push(byte),
            }
        }
        return STANDARD.decode(bare).map_err(bad);
    }
    STANDARD.decode(text.as_bytes()).map_err(bad)
}

fn integer(reader: &mut Reader<'_>, node: Node, name: &str) -> Result<i32> {
    let number = if node == Node::Number { reader.number()?.int() } else { None };
    number.ok_or_else(|| {
        Error::data(format!(
            "Invalid type for {name}, underlying representation should be integer but was {}",
            node.name()
        ))
    })
}

fn timestamp(reader: &mut Reader<'_>, node: Node) -> Result<Value> {
    let number = if node == Node::Number { Some(reader.number()?) } else { None };
    match number.filter(|n| n.is_integral()) {
        Some(number) => Ok(Value::Date(number.low_bits())),
        None => Err(Error::data(format!(
            "Invalid type for Timestamp, underlying representation should be integral but was {}",
            node.name()
        ))),
    }
}

fn plain(
    out: &mut Value,
    reader: &mut Reader<'_>,
    node: Node,
    schema: &SchemaRef,
    options: &JsonOptions,
) -> Result<()> {
    match (schema.kind(), node) {
        (Type::Boolean, Node::Boolean) => *out = Value::Bool(reader.boolean()?),
        (Type::Int8, Node::Number) => *out = Value::Int8(reader.number()?.low_bits() as i8),
        (Type::Int16, Node::Number) => *out = Value::Int16(reader.number()?.low_bits() as i16),
        (Type::Int32, Node::Number) => *out = Value::Int32(reader.number()?.low_bits() as i32),
        (Type::Int64, Node::Number) => *out = Value::Int64(reader.number()?.low_bits()),
        (Type::Float32, Node::Number) => *out = Value::Float32(reader.number()?.float()),
        (Type::Float64, Node::Number) => *out = Value::Float64(reader.number()?.double()),
        (Type::String, Node::String) => *out = Value::Str(reader.text()?),
        (Type::Bytes, Node::String) => {
            let bytes = base64(&reader.text()?).map_err(|e| Error::data("Invalid bytes field").caused_by(e))?;
            *out = Value::Bytes(bytes.into());
        }
        (Type::Array, _) => *out = array(reader, node, schema, options)?,
        (Type::Map, _) => *out = map(reader, node, schema, options)?,
        (Type::Struct, _) => *out = structure(reader, node, schema, options)?,
        (kind, _) => {
            reader.skip()?;
            *out = fallback(kind);
        }
    }
    Ok(())
}

/// What Jackson makes of a node of another type.
fn fallback(kind: Type) -> Value {
    match kind {
        Type::Boolean => Value::Bool(false),
        Type::Int8 => Value::Int8(0),
        Type::Int16 => Value::Int16(0),
        Type::Int32 => Value::Int32(0),
        Type::Int64 => Value::Int64(0),
        Type::Float32 => Value::Float32(0.0),
        Type::Float64 => Value::Float64(0.0),
        _ => Value::Null,
    }
}

fn item(reader: &mut Reader<'_>, schema: Option<&SchemaRef>, options: &JsonOptions) -> Result<Value> {
    match schema {
        Some(schema) => value(reader, schema, options),
        None => reader.value(),
    }
}

/// Any node can be walked through: members of an object are items too, everything else has none.
fn array(reader: &mut Reader<'_>, node: Node, schema: &Schema, options: &JsonOptions) -> Result<Value> {
    let mut items = Vec::new();
    let mut add = |reader: &mut Reader<'_>| {
        items.push(item(reader, schema.value_schema(), options)?);
        Ok(())
    };
    match node {
        Node::Array => reader.array(add)?,
        Node::Object => reader.members(|reader, _| add(reader))?,
        _ => reader.skip()?,
    }
    Ok(Value::Array(items.into()))
}

fn map(reader: &mut Reader<'_>, node: Node, schema: &Schema, options: &JsonOptions) -> Result<Value> {
    let mut map = HashMapOrder::new();
    let (keys, values) = (schema.key_schema(), schema.value_schema());
    if keys.is_none_or(|k| k.kind() == Type::String) {
        if node != Node::Object {
            let found = node.name();
            return Err(Error::data(format!(
                "Maps with string fields should be encoded as JSON objects, but found {found}"
            )));
        }
        reader.object(|reader, name| {
            map.put(name, item(reader, values, options)?);
            Ok(())
        })?;
        return Ok(map.into_value());
    }
    if node != Node::Array {
        let found = node.name();
        return Err(Error::data(format!(
            "Maps with non-string fields should be encoded as JSON array of tuples, but found {found}"
        )));
    }
    reader.array(|reader| {
        let node = reader.node()?;
        if node != Node::Array {
            return Err(Error::data(format!("Found invalid map entry instead of array tuple: {}", node.name())));
        }
        let mut pair = Vec::with_capacity(2);
        let mut length = 0;
        reader.array(|reader| {
            length += 1;
            match length {
                1 => pair.push(item(reader, keys, options)?),
                2 => pair.push(item(reader, values, options)?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        match (length, pair.pop(), pair.pop()) {
            (2, Some(value), Some(key)) => map.put(key, value),
            _ => return Err(Error::data(format!("Found invalid map entry, expected length 2 but found :{length}"))),
        }
        Ok(())
    })?;
    Ok(map.into_value())
}

fn structure(reader: &mut Reader<'_>, node: Node, schema: &SchemaRef, options: &JsonOptions) -> Result<Value> {
    if node != Node::Object {
        let found = node.name();
        return Err(Error::data(format!("Structs should be encoded as JSON objects, but found {found}")));
    }
    let fields = schema.fields();
    let mut values: Vec<Option<Value>> = vec![None; fields.len()];
    // Members mostly come in the order of the fields.
    let expected = Cell::new(0);
    reader.entries(
        |reader| match fields.get(expected.get()) {
            Some(field) if reader.skip_name(field.name()) => Ok(Some(expected.get())),
            _ => reader.borrowed_text().map(|name| schema.field_index(&name)),
        },
        |reader, index| {
            let Some(index) = index else { return reader.skip() };
            expected.set(index + 1);
            value_into(values[index].insert(Value::Null), reader, fields[index].schema(), options)
        },
    )?;
    // Becomes the row where it is.
    let row = values.into_iter().zip(fields).map(|(value, field)| {
        let value = value.map_or_else(|| absent(field.schema(), options), Ok)?;
        check_field(field, &value)?;
        Ok(value)
    });
    let row = row.collect::<Result<Vec<_>>>()?;
    Ok(Value::Struct(Arc::new(Struct::new(schema.clone(), row))))
}
