//! Connect value → Protobuf bytes, by a plan. Fields are in the order of their numbers, as protobuf-java writes them.

use bytes::BytesMut;
use couplet_api::data::{Schema, Struct, Type, Value};
use couplet_api::{Error, Result};
use prost::encoding::{WireType, encode_key};

use super::logical;
use super::scalar::{self, Scalar, delimited, invalid_type};
use super::write_plan::{FieldPlan, MessagePlan, RootPlan, Shape};

/// Appends the message of `value`, which is not null.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `value` is not of the plan's schema.
pub(super) fn write(plan: &RootPlan, value: &Value, out: &mut BytesMut) -> Result<()> {
    match plan {
        RootPlan::Message(plan) => write_struct(plan, value, out),
        RootPlan::Logical(logical) => logical::write(*logical, value, out),
        RootPlan::Wrapper(scalar, kind) => scalar::write_field(1, *scalar, *kind, value, false, out),
    }
}

fn write_struct(plan: &MessagePlan, value: &Value, out: &mut BytesMut) -> Result<()> {
    let Value::Struct(row) = value else { return Err(invalid_type(Type::Struct, value)) };
    if !Schema::same(row.schema(), &plan.schema) {
        return Err(Error::data("Mismatching struct schema"));
    }
    plan.fields.iter().try_for_each(|field| write_member(field, row, plan.defaults, out))
}

/// Writes a field of a struct, or one member of a union that is a field of it.
fn write_member(field: &FieldPlan, row: &Struct, defaults: bool, out: &mut BytesMut) -> Result<()> {
    let value = value_at(row, field.place, defaults);
    let Some(member) = field.member else { return write_field(field, value, out) };
    let union = match value {
        Value::Null => return Ok(()),
        Value::Struct(union) => union,
        other => return Err(invalid_type(Type::Struct, other)),
    };
    if !Schema::same(union.schema(), row.schema().fields()[field.place].schema()) {
        return Err(Error::data("Mismatching struct schema"));
    }
    // The first member that is not null counts.
    match (0..union.values().len()).find(|at| !value_at(union, *at, defaults).is_null()) {
        Some(at) if at == member => write_field(field, value_at(union, member, defaults), out),
        Some(_) => Ok(()),
        None => Err(Error::data("Cannot find non-null field")),
    }
}

/// The value of a field, or its default.
fn value_at(row: &Struct, place: usize, defaults: bool) -> &Value {
    match &row.values()[place] {
        Value::Null if defaults => row.schema().fields()[place].schema().default().unwrap_or(&Value::Null),
        value => value,
    }
}

fn write_field(field: &FieldPlan, value: &Value, out: &mut BytesMut) -> Result<()> {
    if value.is_null() { Ok(()) } else { write_shape(&field.shape, field.number, field.presence, value, out) }
}

fn write_shape(shape: &Shape, number: u32, presence: bool, value: &Value, out: &mut BytesMut) -> Result<()> {
    match shape {
        Shape::Scalar(scalar, kind) => scalar::write_field(number, *scalar, *kind, value, presence, out),
        Shape::EnumNumber(_) | Shape::EnumName(_) => match enum_number(shape, value)? {
            Some(tag) => scalar::write_field(number, Scalar::Varint, Type::Int32, &tag, presence, out),
            None => Ok(()),
        },
        Shape::List(items) => write_list(items, number, value, out),
        Shape::Map(parts) => write_map(parts, number, value, out),
        Shape::Nothing(why) => Err(Error::data(why.clone())),
        Shape::Wrapper(..) | Shape::Logical(_) | Shape::Message(_) => {
            encode_key(number, WireType::LengthDelimited, out);
            delimited(out, |out| match shape {
                Shape::Wrapper(scalar, kind) => scalar::write_field(1, *scalar, *kind, value, false, out),
                Shape::Logical(logical) => logical::write(*logical, value, out),
                Shape::Message(plan) => write_struct(plan, value, out),
                _ => Ok(()),
            })
        }
    }
}

/// The number of an enum's value; `None` when the enum has no such number.
fn enum_number(shape: &Shape, value: &Value) -> Result<Option<Value>> {
    match shape {
        Shape::EnumNumber(numbers) => {
            let number = value.as_i64().ok_or_else(|| invalid_type(Type::Int32, value))? as i32;
            Ok(numbers.contains(&number).then_some(Value::Int32(number)))
        }
        Shape::EnumName(symbols) => {
            let symbol = value.as_str().ok_or_else(|| invalid_type(Type::String, value))?;
            let number = symbols.get(symbol).ok_or_else(|| Error::data("the text is not a symbol of its enum"))?;
            Ok(number.map(Value::Int32))
        }
        _ => Ok(None),
    }
}

fn write_list(items: &Shape, number: u32, value: &Value, out: &mut BytesMut) -> Result<()> {
    let Value::Array(values) = value else { return Err(invalid_type(Type::Array, value)) };
    if values.is_empty() {
        return Ok(());
    }
    if values.iter().any(Value::is_null) {
        return Err(Error::data(format!(
            "the array in field {number} holds null, which Protobuf cannot; remove nulls or use a nullable struct field"
        ))
        .with_class("java.lang.NullPointerException"));
    }
    let packed = match items {
        Shape::Scalar(scalar, _) => scalar.is_packable(),
        Shape::EnumNumber(_) | Shape::EnumName(_) => true,
        _ => false,
    };
    if !packed {
        return values.iter().try_for_each(|value| write_shape(items, number, true, value, out));
    }
    encode_key(number, WireType::LengthDelimited, out);
    delimited(out, |out| {
        for value in values.iter() {
            match items {
                Shape::Scalar(scalar, kind) => scalar::write(*scalar, *kind, value, out).map(drop)?,
                enumeration => {
                    let tag = enum_number(enumeration, value)?;
                    let tag = tag.ok_or_else(|| Error::data("the number is not one of its enum"))?;
                    scalar::write(Scalar::Varint, Type::Int32, &tag, out)?;
                }
            }
        }
        Ok(())
    })
}

fn write_map(parts: &[FieldPlan; 2], number: u32, value: &Value, out: &mut BytesMut) -> Result<()> {
    let Value::Map(entries) = value else { return Err(invalid_type(Type::Map, value)) };
    for (key, value) in entries.iter() {
        encode_key(number, WireType::LengthDelimited, out);
        delimited(out, |out| {
            // A null in a map has no default: only fields of structs have.
            parts.iter().zip([key, value]).try_for_each(|(part, value)| write_field(part, value, out))
        })?;
    }
    Ok(())
}
