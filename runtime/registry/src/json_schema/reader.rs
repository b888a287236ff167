//! JSON → Connect value, in one pass; only a union is looked at twice. Conversions are Jackson's: what does not fit becomes
//! 0, false or null.

use std::sync::Arc;

use bytes::Bytes;
use couplet_api::data::{DATE, DECIMAL, Decimal, Schema, SchemaRef, Struct, TIME, TIMESTAMP, Type, Utf8, Value};
use couplet_api::{Error, Result};
use couplet_plugins::HashMapOrder;
use couplet_plugins::json::{Node, Reader, base64, ms_to_time, scale, to_utf8};

use super::properties::is_union;

const DAY_MS: i64 = 86_400_000;

/// Reads a whole message of `schema`; white space and whatever follows the value are ignored.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `bytes` is not JSON, or not of the schema's shape.
pub(super) fn read(bytes: &Bytes, schema: &SchemaRef) -> Result<Value> {
    let bytes = to_utf8(bytes)?;
    value(&mut Reader::new(&bytes), schema)
}

fn value(reader: &mut Reader<'_>, schema: &SchemaRef) -> Result<Value> {
    let node = reader.node()?;
    if node == Node::Null {
        reader.null()?;
        return match schema.default() {
            Some(default) => Ok(default.clone()),
            None if schema.is_optional() => Ok(Value::Null),
            None => Err(Error::data(format!("Invalid null value for required {} field", schema.kind().name()))),
        };
    }
    match schema.name() {
        Some(DECIMAL) => decimal(reader, node, schema),
        Some(DATE) => integer(reader, node, "Date").map(|days| Value::Date(i64::from(days) * DAY_MS)),
        Some(TIME) => Ok(Value::Date(ms_to_time(integer(reader, node, "Time")?)?)),
        Some(TIMESTAMP) => {
            let number = if node == Node::Number { Some(reader.number()?) } else { None };
            let number = number.filter(|number| number.is_integral());
            number.map(|number| Value::Date(number.low_bits())).ok_or_else(|| underlying("Timestamp", "integral", node))
        }
        _ => plain(reader, node, schema),
    }
}

fn underlying(name: &str, what: &str, node: Node) -> Error {
    let found = node.name();
    Error::data(format!("Invalid type for {name}, underlying representation should be {what} but was {found}"))
}

fn decimal(reader: &mut Reader<'_>, node: Node, schema: &Schema) -> Result<Value> {
    let decimal = match node {
        Node::Number => reader.number()?.decimal()?,
        Node::String => {
            let invalid = |cause: Error| Error::data("Invalid bytes for Decimal field").caused_by(cause);
            let bytes = base64(&reader.text()?).map_err(invalid)?;
            Decimal::from_bytes(&bytes, scale(schema).map_err(invalid)?)
        }
        other => return Err(underlying("Decimal", "numeric or bytes", other)),
    };
    Ok(Value::Decimal(Arc::new(decimal)))
}

fn integer(reader: &mut Reader<'_>, node: Node, name: &str) -> Result<i32> {
    let number = if node == Node::Number { reader.number()?.int() } else { None };
    number.ok_or_else(|| underlying(name, "integer", node))
}

fn plain(reader: &mut Reader<'_>, node: Node, schema: &SchemaRef) -> Result<Value> {
    Ok(match (schema.kind(), node) {
        (Type::Boolean, Node::Boolean) => Value::Bool(reader.boolean()?),
        (Type::Int8, Node::Number) => Value::Int8(reader.number()?.low_bits() as i8),
        (Type::Int16, Node::Number) => Value::Int16(reader.number()?.low_bits() as i16),
        (Type::Int32, Node::Number) => Value::Int32(reader.number()?.low_bits() as i32),
        (Type::Int64, Node::Number) => Value::Int64(reader.number()?.low_bits()),
        (Type::Float32, Node::Number) => Value::Float32(reader.number()?.float()),
        (Type::Float64, Node::Number) => Value::Float64(reader.number()?.double()),
        (Type::String, Node::String) => Value::Str(reader.text()?),
        (Type::Bytes, Node::String) => {
            let bytes = base64(&reader.text()?).map_err(|cause| Error::data("Invalid bytes field").caused_by(cause))?;
            Value::Bytes(bytes.into())
        }
        (Type::Bytes, found) => {
            let found = found.name();
            return Err(Error::data(format!("Invalid bytes field: expected text in base64 but found {found}")));
        }
        (Type::Array, _) => array(reader, node, schema)?,
        (Type::Map, _) => map(reader, node, schema)?,
        (Type::Struct, _) if is_union(schema) => union(reader, schema)?,
        (Type::Struct, _) => structure(reader, node, schema)?,
        (kind, _) => {
            reader.skip()?;
            fallback(kind)
        }
    })
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

fn part(schema: Option<&SchemaRef>) -> Result<&SchemaRef> {
    schema.ok_or_else(|| Error::bug("a derived schema has schemas for its parts"))
}

/// Any node can be walked through: members of an object are items too, everything else has none.
fn array(reader: &mut Reader<'_>, node: Node, schema: &Schema) -> Result<Value> {
    let schema = part(schema.value_schema())?;
    let mut items = Vec::new();
    let mut add = |reader: &mut Reader<'_>| {
        items.push(value(reader, schema)?);
        Ok(())
    };
    match node {
        Node::Array => reader.array(add)?,
        Node::Object => reader.object(|reader, _| add(reader))?,
        _ => reader.skip()?,
    }
    Ok(Value::Array(items.into()))
}

fn map(reader: &mut Reader<'_>, node: Node, schema: &Schema) -> Result<Value> {
    let (keys, values) = (part(schema.key_schema())?, part(schema.value_schema())?);
    let found = node.name();
    let mut map = HashMapOrder::new();
    if keys.kind() == Type::String && !keys.is_optional() {
        if node != Node::Object {
            let text = format!("Maps with string fields should be encoded as JSON objects, but found {found}");
            return Err(Error::data(text));
        }
        reader.object(|reader, name| {
            map.put(name, value(reader, values)?);
            Ok(())
        })?;
        return Ok(map.into_value());
    }
    if node != Node::Array {
        let text = format!("Maps with non-string fields should be encoded as JSON array of objects, but found {found}");
        return Err(Error::data(text));
    }
    reader.array(|reader| {
        let (key, value) = entry(reader, keys, values)?;
        map.put(key, value);
        Ok(())
    })?;
    Ok(map.into_value())
}

fn entry(reader: &mut Reader<'_>, keys: &SchemaRef, values: &SchemaRef) -> Result<(Value, Value)> {
    let node = reader.node()?;
    if node != Node::Object {
        return Err(Error::data(format!("Found invalid map entry instead of object: {}", node.name())));
    }
    let mut names: Vec<Utf8> = Vec::new();
    let (mut key, mut item) = (None, None);
    reader.object(|reader, name| {
        match name.as_str() {
            "key" => key = Some(value(reader, keys)?),
            "value" => item = Some(value(reader, values)?),
            _ => reader.skip()?,
        }
        if names.len() < 3 && !names.contains(&name) {
            names.push(name);
        }
        Ok(())
    })?;
    if names.len() != 2 {
        let found = names.len();
        return Err(Error::data(format!("Found invalid map entry, expected length 2 but found :{found}")));
    }
    Ok((key.unwrap_or_else(|| absent(keys)), item.unwrap_or_else(|| absent(values))))
}

/// What stands for a member that is not there.
fn absent(schema: &Schema) -> Value {
    schema.default().cloned().unwrap_or_default()
}

fn structure(reader: &mut Reader<'_>, node: Node, schema: &SchemaRef) -> Result<Value> {
    if node != Node::Object {
        return Err(Error::data(format!("Structs should be encoded as JSON objects, but found {}", node.name())));
    }
    let fields = schema.fields();
    let mut values: Vec<Option<Value>> = vec![None; fields.len()];
    // Members mostly come in the order of the fields.
    let mut expected = 0;
    reader.object(|reader, name| {
        let next = fields.get(expected).filter(|field| field.name() == name.as_str()).map(|_| expected);
        let Some(index) = next.or_else(|| schema.field_index(&name)) else { return reader.skip() };
        expected = index + 1;
        values[index] = Some(value(reader, fields[index].schema())?);
        Ok(())
    })?;
    let complete = values.into_iter().zip(fields).map(|(v, field)| v.unwrap_or_else(|| absent(field.schema())));
    Ok(Value::from(Struct::new(schema.clone(), complete.collect::<Vec<_>>())))
}

/// The member of a union whose type the value is of, or else the struct that has most of its properties.
fn union(reader: &mut Reader<'_>, schema: &SchemaRef) -> Result<Value> {
    let json = reader.raw()?;
    let node = Reader::new(&json).node()?;
    let mut best = (0, None);
    let mut chosen = None;
    for (index, field) in schema.fields().iter().enumerate() {
        if is_instance(field.schema(), node, &json)? {
            chosen = Some(index);
            break;
        }
        let matching = matching_properties(field.schema(), &json)?;
        if matching > best.0 {
            best = (matching, Some(index));
        }
    }
    let index = chosen.or(best.1).ok_or_else(|| Error::data("Did not find matching oneof field for data"))?;
    let mut values = vec![Value::Null; schema.fields().len()];
    values[index] = value(&mut Reader::new(&json), schema.fields()[index].schema())?;
    Ok(Value::from(Struct::new(schema.clone(), values)))
}

fn is_instance(schema: &Schema, node: Node, json: &Bytes) -> Result<bool> {
    let integral = || Ok::<_, Error>(node == Node::Number && Reader::new(json).number()?.is_integral());
    Ok(match schema.kind() {
        Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64 => integral()?,
        Type::Float32 | Type::Float64 => node == Node::Number,
        Type::Boolean => node == Node::Boolean,
        Type::String => node == Node::String,
        // Fractions are decimals.
        Type::Bytes => node == Node::Number && !integral()?,
        Type::Array => node == Node::Array,
        Type::Map => matches!(node, Node::Object | Node::Array),
        Type::Struct => false,
    })
}

/// How many properties of `json` a struct's schema has, with those of structs inside.
fn matching_properties(schema: &Schema, json: &Bytes) -> Result<usize> {
    let mut reader = Reader::new(json);
    if schema.kind() != Type::Struct || reader.node()? != Node::Object {
        return Ok(0);
    }
    let mut counts: Vec<usize> = vec![0; schema.fields().len()];
    reader.object(|reader, name| {
        let Some(index) = schema.field_index(&name) else { return reader.skip() };
        counts[index] = 1 + matching_properties(schema.fields()[index].schema(), &reader.raw()?)?;
        Ok(())
    })?;
    Ok(counts.into_iter().sum())
}
