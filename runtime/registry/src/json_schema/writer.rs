//! Connect value → JSON, by a plan.

use bytes::{BufMut, BytesMut};
use couplet_api::data::{Schema, Struct, Type, Value};
use couplet_api::{Error, Result};
use couplet_plugins::class_of;
use couplet_plugins::json::{date_to_days, decimal_to_bytes, time_to_ms, write_base64, write_plain, write_text};

use super::write_plan::{Plan, Shape};

/// Appends `value`. Returns false when nothing stands for it: a null where there is none.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `value` is not of the plan's schema.
pub(super) fn write(plan: &Plan, value: &Value, out: &mut BytesMut) -> Result<bool> {
    if value.is_null() {
        return Ok(plan.null.as_ref().is_some_and(|text| {
            out.put_slice(text);
            true
        }));
    }
    write_present(plan, value, out)?;
    Ok(true)
}

fn write_present(plan: &Plan, value: &Value, out: &mut BytesMut) -> Result<()> {
    match (&plan.shape, value) {
        (Shape::Plain(kind), value) => write_plain(*kind, value, out)?,
        (Shape::NumericDecimal, Value::Decimal(decimal)) => out.put_slice(decimal.to_string().as_bytes()),
        (Shape::BytesDecimal(scale), Value::Decimal(decimal)) => {
            let scale = scale.as_ref().map_err(|error| Error::data(error.message()).with_class(error.class()))?;
            write_base64(&decimal_to_bytes(*scale, decimal)?, out);
        }
        (Shape::Date, Value::Date(ms)) => write_plain(Type::Int32, &Value::Int32(date_to_days(*ms)?), out)?,
        (Shape::Time, Value::Date(ms)) => write_plain(Type::Int32, &Value::Int32(time_to_ms(*ms)?), out)?,
        (Shape::Timestamp, Value::Date(ms)) => write_plain(Type::Int64, &Value::Int64(*ms), out)?,
        (Shape::Array(items), Value::Array(values)) => {
            out.put_u8(b'[');
            for (at, value) in values.iter().enumerate() {
                separate(at, out);
                or_null(items, value, out)?;
            }
            out.put_u8(b']');
        }
        (Shape::Object(values), Value::Map(entries)) => write_object(values, entries, out)?,
        (Shape::Pairs(parts), Value::Map(entries)) => {
            out.put_u8(b'[');
            for (at, (key, value)) in entries.iter().enumerate() {
                separate(at, out);
                out.put_slice(b"{\"key\":");
                or_null(&parts.0, key, out)?;
                out.put_slice(b",\"value\":");
                or_null(&parts.1, value, out)?;
                out.put_u8(b'}');
            }
            out.put_u8(b']');
        }
        (Shape::Struct(fields), Value::Struct(row)) => write_struct(plan, fields, row, out)?,
        (Shape::Union(members), Value::Struct(row)) => write_union(plan, members, row, out)?,
        (_, other) => return Err(mismatch(plan, other)),
    }
    Ok(())
}

fn mismatch(plan: &Plan, value: &Value) -> Error {
    let class = class_of(value);
    let expected = match &plan.shape {
        Shape::NumericDecimal | Shape::BytesDecimal(_) => "Decimal, expected BigDecimal but was",
        Shape::Date => "Date, expected Date but was",
        Shape::Time => "Time, expected Date but was",
        Shape::Timestamp => "Timestamp, expected Date but was",
        _ => return Error::data(format!("Invalid type for {}: class {class}", plan.schema.kind().name())),
    };
    Error::data(format!("Invalid type for {expected} class {class}"))
}

fn separate(at: usize, out: &mut BytesMut) {
    if at > 0 {
        out.put_u8(b',');
    }
}

/// Items and entries have a place even when nothing stands for them.
fn or_null(plan: &Plan, value: &Value, out: &mut BytesMut) -> Result<()> {
    if !write(plan, value, out)? {
        out.put_slice(b"null");
    }
    Ok(())
}

fn write_object(values: &Plan, entries: &[(Value, Value)], out: &mut BytesMut) -> Result<()> {
    out.put_u8(b'{');
    for (at, (key, value)) in entries.iter().enumerate() {
        separate(at, out);
        let key =
            key.as_str().ok_or_else(|| Error::data(format!("Invalid type for STRING: class {}", class_of(key))))?;
        write_text(key, out);
        out.put_u8(b':');
        or_null(values, value, out)?;
    }
    out.put_u8(b'}');
    Ok(())
}

fn check(plan: &Plan, row: &Struct) -> Result<()> {
    if Schema::same(row.schema(), &plan.schema) { Ok(()) } else { Err(Error::data("Mismatching schema.")) }
}

fn write_struct(plan: &Plan, fields: &[(Box<[u8]>, Plan)], row: &Struct, out: &mut BytesMut) -> Result<()> {
    check(plan, row)?;
    out.put_u8(b'{');
    let mut written = 0;
    for ((name, plan), value) in fields.iter().zip(row.values()) {
        if value.is_null() && plan.null.is_none() {
            continue;
        }
        separate(written, out);
        out.put_slice(name);
        write(plan, value, out)?;
        written += 1;
    }
    out.put_u8(b'}');
    Ok(())
}

fn write_union(plan: &Plan, members: &[Plan], row: &Struct, out: &mut BytesMut) -> Result<()> {
    check(plan, row)?;
    let counts =
        |member: &Plan, value: &Value| !value.is_null() || (plan.defaults && member.schema.default().is_some());
    match members.iter().zip(row.values()).find(|(member, value)| counts(member, value)) {
        Some((member, value)) => write(member, value, out).map(drop),
        None => {
            out.put_slice(plan.null.as_deref().unwrap_or(b"null"));
            Ok(())
        }
    }
}
