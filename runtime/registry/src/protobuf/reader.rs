//! Protobuf bytes → Connect value, by a plan. Text and bytes are slices of the record.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::data::{Schema, SchemaRef, Struct, Type, Value};
use couplet_api::{Error, Result};
use couplet_plugins::HashMapOrder;
use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};

use super::logical;
use super::read_plan::{Absent, EnumNames, Layout, Read, ReadPlan, RootLayout, Slot, part};
use super::scalar::{self, Raw, Scalar, malformed};

/// Reads a whole record.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `bytes` is not a message of the plan's type.
pub(super) fn read(plan: &ReadPlan, bytes: &Bytes) -> Result<Value> {
    match &plan.root {
        RootLayout::Message(layout) => read_struct(layout, &plan.schema, bytes),
        RootLayout::Wrapper(scalar, kind) => read_wrapper(*scalar, *kind, bytes),
    }
}

/// What was found of a field so far.
#[derive(Clone, Default)]
enum Found {
    #[default]
    Nothing,
    One(Value),
    Many(Vec<Value>),
    /// Parts of one message: a message that comes again is merged with what came before.
    Parts(Bytes, Vec<Bytes>),
    /// Entries of a map.
    Entries(Vec<Bytes>),
}

fn read_struct(layout: &Layout, schema: &SchemaRef, bytes: &Bytes) -> Result<Value> {
    let found = scan(layout, bytes, schema)?;
    let mut values = vec![Value::Null; layout.width];
    for (slot, found) in layout.slots.iter().zip(found) {
        let field = part(schema, slot.place)?;
        let Some(member) = slot.member else {
            // A flattened member leaves the place of an absent one null.
            values[slot.place] = finish(slot, field, found)?;
            continue;
        };
        if matches!(found, Found::Nothing) {
            continue;
        }
        let mut members = vec![Value::Null; field.fields().len()];
        members[member] = finish(slot, part(field, member)?, found)?;
        values[slot.place] = Value::from(Struct::new(field.clone(), members));
    }
    Ok(Value::from(Struct::new(schema.clone(), values)))
}

/// Sorts the fields of a message into its slots.
fn scan(layout: &Layout, bytes: &Bytes, schema: &Schema) -> Result<Vec<Found>> {
    let mut found = vec![Found::Nothing; layout.slots.len()];
    let mut last_of_oneof: Vec<Option<usize>> = vec![None; layout.oneofs];
    // Fields mostly come in the order of their numbers.
    let mut expected = 0;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (number, wire) = decode_key(&mut rest).map_err(|e| malformed(&e.to_string()))?;
        let next = layout.slots.get(expected).filter(|slot| slot.number == number).map(|_| expected);
        let again = || expected.checked_sub(1).filter(|at| layout.slots[*at].number == number);
        let at = next.or_else(again).or_else(|| layout.slots.binary_search_by_key(&number, |slot| slot.number).ok());
        let taken = match at {
            Some(at) => {
                expected = at + 1;
                let slot = &layout.slots[at];
                let taken = take(slot, wire, bytes, &mut rest, &mut found[at], schema)?;
                if let (true, Some(oneof)) = (taken, slot.oneof) {
                    let before = last_of_oneof[oneof].replace(at).filter(|before| *before != at);
                    before.into_iter().for_each(|before| found[before] = Found::Nothing);
                }
                taken
            }
            None => false,
        };
        if !taken {
            skip_field(wire, number, &mut rest, DecodeContext::default()).map_err(|e| malformed(&e.to_string()))?;
        }
    }
    Ok(found)
}

/// Reads a field into its slot. False: it is of another wire type, so it is none of ours; nothing was read.
fn take(
    slot: &Slot,
    wire: WireType,
    source: &Bytes,
    rest: &mut &[u8],
    found: &mut Found,
    schema: &Schema,
) -> Result<bool> {
    let expected = match &slot.read {
        Read::Scalar(scalar, _) => scalar.wire_type(),
        Read::Enum(_) => WireType::Varint,
        _ => WireType::LengthDelimited,
    };
    if wire != expected {
        return match &slot.read {
            Read::Scalar(..) | Read::Enum(_) if slot.repeated && wire == WireType::LengthDelimited => {
                take_packed(slot, source, rest, found).map(|()| true)
            }
            _ => Ok(false),
        };
    }
    if let Read::Scalar(..) | Read::Enum(_) = &slot.read {
        if let Some(value) = read_scalar(&slot.read, source, rest)? {
            put(slot, value, found);
        }
        return Ok(true);
    }
    let bytes = scalar::slice(source, rest)?;
    match (&slot.read, &mut *found) {
        (Read::Map(_), Found::Entries(entries)) => entries.push(bytes),
        (Read::Map(_), _) => *found = Found::Entries(vec![bytes]),
        _ if slot.repeated => {
            let items = part(schema, slot.place)?.value_schema().ok_or_else(|| Error::bug("an array without items"))?;
            put(slot, read_value(&slot.read, items, &bytes)?, found);
        }
        (_, Found::Parts(_, more)) => more.push(bytes),
        _ => *found = Found::Parts(bytes, Vec::new()),
    }
    Ok(true)
}

fn take_packed(slot: &Slot, source: &Bytes, rest: &mut &[u8], found: &mut Found) -> Result<()> {
    let block = scalar::slice(source, rest)?;
    let mut rest = &block[..];
    while !rest.is_empty() {
        if let Some(value) = read_scalar(&slot.read, &block, &mut rest)? {
            put(slot, value, found);
        }
    }
    Ok(())
}

fn put(slot: &Slot, value: Value, found: &mut Found) {
    match found {
        Found::Many(values) => values.push(value),
        _ if slot.repeated => *found = Found::Many(vec![value]),
        _ => *found = Found::One(value),
    }
}

/// The value of what was found; `schema` is the field's.
fn finish(slot: &Slot, schema: &SchemaRef, found: Found) -> Result<Value> {
    Ok(match found {
        Found::One(value) => value,
        Found::Many(values) => Value::Array(values.into()),
        Found::Parts(first, more) => read_value(&slot.read, schema, &merged(&first, more))?,
        Found::Entries(entries) => read_map(&slot.read, schema, &entries)?,
        Found::Nothing => match &slot.absent {
            Absent::Value(value) => value.clone(),
            Absent::EmptyMessage => read_value(&slot.read, schema, &Bytes::new())?,
        },
    })
}

/// Messages are merged by joining their bytes.
fn merged(first: &Bytes, more: Vec<Bytes>) -> Cow<'_, Bytes> {
    if more.is_empty() {
        return Cow::Borrowed(first);
    }
    let mut joined = BytesMut::from(&first[..]);
    more.iter().for_each(|part| joined.extend_from_slice(part));
    Cow::Owned(joined.freeze())
}

/// Reads one length-delimited value of `schema`.
fn read_value(read: &Read, schema: &SchemaRef, bytes: &Bytes) -> Result<Value> {
    match read {
        Read::Message(layout) => read_struct(layout, schema, bytes),
        Read::Logical(logical) => logical::read(*logical, bytes),
        Read::Wrapper(scalar, kind) => read_wrapper(*scalar, *kind, bytes),
        Read::Scalar(..) | Read::Enum(_) | Read::Map(_) => Err(Error::bug("not a message")),
    }
}

/// Later entries replace earlier ones; the order is that of Java's map.
fn read_map(read: &Read, schema: &SchemaRef, entries: &[Bytes]) -> Result<Value> {
    let (Read::Map(layout), Some(keys), Some(values)) = (read, schema.key_schema(), schema.value_schema()) else {
        return Err(Error::bug("not a map"));
    };
    let mut map = HashMapOrder::new();
    for entry in entries {
        let mut pair = [Value::Null, Value::Null];
        for (slot, found) in layout.slots.iter().zip(scan(layout, entry, schema)?) {
            let schema = if slot.place == 0 { keys } else { values };
            pair[slot.place] = match (found, &slot.read) {
                // An entry without a message has an empty one.
                (Found::Nothing, Read::Message(_) | Read::Logical(_) | Read::Wrapper(..)) => {
                    read_value(&slot.read, schema, &Bytes::new())?
                }
                (found, _) => finish(slot, schema, found)?,
            };
        }
        let [key, value] = pair;
        map.put(key, value);
    }
    Ok(map.into_value())
}

fn read_wrapper(scalar: Scalar, kind: Type, bytes: &Bytes) -> Result<Value> {
    let mut value = None;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (number, wire) = decode_key(&mut rest).map_err(|e| malformed(&e.to_string()))?;
        if number == 1 && wire == scalar.wire_type() {
            value = Some(convert(scalar::read(scalar, bytes, &mut rest)?, kind, scalar)?);
        } else {
            skip_field(wire, number, &mut rest, DecodeContext::default()).map_err(|e| malformed(&e.to_string()))?;
        }
    }
    Ok(value.unwrap_or_else(|| zero(kind)))
}

fn zero(kind: Type) -> Value {
    match kind {
        Type::Int8 => Value::Int8(0),
        Type::Int16 => Value::Int16(0),
        Type::Int32 => Value::Int32(0),
        Type::Int64 => Value::Int64(0),
        Type::Float32 => Value::Float32(0.0),
        Type::Float64 => Value::Float64(0.0),
        Type::Boolean => Value::Bool(false),
        Type::String => Value::str(""),
        _ => Value::Bytes(Bytes::new()),
    }
}

/// Reads a scalar or an enum; `None`: an enum's number to be ignored.
fn read_scalar(read: &Read, source: &Bytes, rest: &mut &[u8]) -> Result<Option<Value>> {
    match read {
        Read::Scalar(scalar, kind) => convert(scalar::read(*scalar, source, rest)?, *kind, *scalar).map(Some),
        Read::Enum(names) => Ok(enum_value(names, &scalar::read(Scalar::Varint, source, rest)?)),
        _ => Err(Error::bug("not a scalar")),
    }
}

fn enum_value(names: &Arc<EnumNames>, raw: &Raw) -> Option<Value> {
    match raw {
        Raw::Integer(number) => names.value(*number as i32),
        _ => None,
    }
}

/// A scalar as the Connect type its schema has.
fn convert(raw: Raw, kind: Type, scalar: Scalar) -> Result<Value> {
    Ok(match (raw, kind) {
        (Raw::Integer(n), Type::Int8) => Value::Int8(n as i8),
        (Raw::Integer(n), Type::Int16) => Value::Int16(n as i16),
        (Raw::Integer(n), Type::Int32) => Value::Int32(n as i32),
        // Unsigned numbers of 32 bits have room in 64.
        (Raw::Integer(n), _) if matches!(scalar, Scalar::Uint32 | Scalar::Fixed32) => Value::Int64(i64::from(n as u32)),
        (Raw::Integer(n), _) => Value::Int64(n),
        (Raw::Double(f), _) => Value::Float64(f),
        (Raw::Float(f), _) => Value::Float32(f),
        (Raw::Bool(b), _) => Value::Bool(b),
        (Raw::Bytes(bytes), Type::String) => Value::Str(scalar::text(bytes)?),
        (Raw::Bytes(bytes), _) => Value::Bytes(bytes),
    })
}
