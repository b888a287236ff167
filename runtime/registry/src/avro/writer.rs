//! Values as Avro's bytes.
//!
//! Source: Avro specification 1.11, "Binary Encoding".

use bytes::{BufMut, BytesMut};
use couplet_api::data::{Schema, Struct, Type, Value};
use couplet_api::{Error, Result};
use couplet_plugins::class_of;
use couplet_plugins::json::{date_to_days, decimal_to_bytes, time_to_ms};

use super::write_plan::{Form, Part, Plan};

/// Deepest nesting of schemaless values.
const DEPTH_MAX: u32 = 256;

/// Appends a number in zig-zag form, seven bits a byte.
#[inline]
pub(super) fn put_long(n: i64, out: &mut BytesMut) {
    let mut rest = ((n << 1) ^ (n >> 63)) as u64;
    if rest < 0x80 {
        return out.put_u8(rest as u8);
    }
    let mut buffer = [0u8; 10];
    let mut len = 0;
    while rest >= 0x80 {
        buffer[len] = rest as u8 | 0x80;
        rest >>= 7;
        len += 1;
    }
    buffer[len] = rest as u8;
    out.extend_from_slice(&buffer[..=len]);
}

#[inline]
fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    put_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

fn invalid(kind: &str, value: &Value) -> Error {
    Error::data(format!("Invalid type for {kind}: class {}", class_of(value)))
}

fn invalid_logical(name: &str, expected: &str, value: &Value) -> Error {
    Error::data(format!("Invalid type for {name}, expected {expected} but was class {}", class_of(value)))
}

/// Appends `value` as `plan` says.
///
/// # Errors
/// `Kind::Data` when the value is not of the plan's schema.
pub(super) fn write(plan: &Plan, value: &Value, out: &mut BytesMut) -> Result<()> {
    if value.is_null() && !matches!(plan.form, Form::Anything) {
        return match &plan.null {
            Some(null) => {
                out.extend_from_slice(null);
                Ok(())
            }
            None => Err(Error::data("Found null value for non-optional schema")),
        };
    }
    if let Some(branch) = plan.branch {
        put_long(branch, out);
    }
    match (&plan.form, value) {
        (Form::Boolean, Value::Bool(b)) => out.put_u8(u8::from(*b)),
        (Form::Integer(kind), value) => put_long(integer(*kind, value)?, out),
        (Form::Float(Type::Float32), Value::Float32(f)) => out.put_f32_le(*f),
        (Form::Float(kind), value) => out.put_f32_le(integer(*kind, value)? as f32),
        (Form::Double(Type::Float64), Value::Float64(f)) => out.put_f64_le(*f),
        (Form::Double(Type::Float32), Value::Float32(f)) => out.put_f64_le(f64::from(*f)),
        (Form::Double(kind), value) => out.put_f64_le(integer(*kind, value)? as f64),
        (Form::Text, Value::Str(text)) => put_bytes(text.as_bytes(), out),
        (Form::Enum(symbols), Value::Str(text)) => {
            let at = symbols.iter().position(|symbol| **symbol == **text);
            // The symbol is a value: not named.
            let at = at.ok_or_else(|| Error::data("value is not a symbol of the enum").with_class(AVRO_TYPE))?;
            put_long(at as i64, out);
        }
        (Form::Bytes, Value::Bytes(bytes)) => put_bytes(bytes, out),
        (Form::Fixed(size), Value::Bytes(bytes)) if bytes.len() == *size => out.extend_from_slice(bytes),
        (Form::Fixed(size), Value::Bytes(bytes)) => {
            return Err(Error::data(format!("{} bytes for a fixed of {size}", bytes.len())).with_class(AVRO_TYPE));
        }
        (Form::Decimal(..) | Form::Date | Form::Time | Form::Timestamp, value) => put_logical(&plan.form, value, out)?,
        (Form::Array(plan), Value::Array(items)) => {
            put_block(items, out, |item, out| write(plan, item, out))?;
        }
        (Form::Map(plan), Value::Map(entries)) => put_block(entries, out, |(key, value), out| {
            put_bytes(key.as_str().ok_or_else(|| invalid("STRING", key))?.as_bytes(), out);
            write(plan, value, out)
        })?,
        (Form::Entries(of_key, of_value), Value::Map(entries)) => put_block(entries, out, |(key, value), out| {
            write(of_key, key, out)?;
            write(of_value, value, out)
        })?,
        (Form::Record(schema, parts), Value::Struct(row)) => {
            check(schema, row)?;
            put_record(parts, row, out)?;
        }
        (Form::Union(schema, members), Value::Struct(row)) => {
            check(schema, row)?;
            let set = row.values().iter().zip(members).find(|(value, _)| !value.is_null());
            match (set, &plan.null) {
                (Some((value, member)), _) => write(member, value, out)?,
                (None, Some(null)) => out.extend_from_slice(null),
                (None, None) => return Err(Error::data("Found null value for non-optional schema")),
            }
        }
        (Form::Anything, value) => put_anything(value, 0, out)?,
        (form, value) => return Err(invalid(form.kind(), value)),
    }
    Ok(())
}

const AVRO_TYPE: &str = "org.apache.avro.AvroTypeException";

/// A value of a logical type as its Avro type.
fn put_logical(form: &Form, value: &Value, out: &mut BytesMut) -> Result<()> {
    match (form, value) {
        (Form::Decimal(scale, None), Value::Decimal(decimal)) => put_bytes(&decimal_to_bytes(*scale, decimal)?, out),
        (Form::Decimal(scale, Some(size)), Value::Decimal(decimal)) => {
            put_padded(&decimal_to_bytes(*scale, decimal)?, *size, out)?;
        }
        (Form::Date, Value::Date(ms)) => put_long(date_to_days(*ms)?.into(), out),
        (Form::Time, Value::Date(ms)) => put_long(time_to_ms(*ms)?.into(), out),
        (Form::Timestamp, Value::Date(ms)) => put_long(*ms, out),
        (Form::Decimal(..), value) => return Err(invalid_logical("Decimal", "BigDecimal", value)),
        (Form::Date, value) => return Err(invalid_logical("Date", "Date", value)),
        (Form::Time, value) => return Err(invalid_logical("Time", "Date", value)),
        (_, value) => return Err(invalid_logical("Timestamp", "Date", value)),
    }
    Ok(())
}

#[inline]
fn integer(kind: Type, value: &Value) -> Result<i64> {
    match (kind, value) {
        (Type::Int8, Value::Int8(n)) => Ok(i64::from(*n)),
        (Type::Int16, Value::Int16(n)) => Ok(i64::from(*n)),
        (Type::Int32, Value::Int32(n)) => Ok(i64::from(*n)),
        (Type::Int64, Value::Int64(n)) => Ok(*n),
        _ => Err(invalid(kind.name(), value)),
    }
}

fn check(schema: &couplet_api::data::SchemaRef, row: &Struct) -> Result<()> {
    if Schema::same(schema, row.schema()) { Ok(()) } else { Err(Error::data("Mismatching struct schema")) }
}

fn put_record(parts: &[Part], row: &Struct, out: &mut BytesMut) -> Result<()> {
    for part in parts {
        match part {
            Part::Fixed(bytes) => out.extend_from_slice(bytes),
            Part::Field { index, plan, default } => {
                let value = &row.values()[*index];
                let value = if value.is_null() { default.as_ref().unwrap_or(value) } else { value };
                write(plan, value, out)?;
            }
        }
    }
    Ok(())
}

/// A block of items, and the empty block behind it.
fn put_block<T>(items: &[T], out: &mut BytesMut, mut put: impl FnMut(&T, &mut BytesMut) -> Result<()>) -> Result<()> {
    if !items.is_empty() {
        put_long(items.len() as i64, out);
        for item in items {
            put(item, out)?;
        }
    }
    out.put_u8(0);
    Ok(())
}

/// The two's complement of a decimal, sign-extended to `size`.
fn put_padded(bytes: &[u8], size: usize, out: &mut BytesMut) -> Result<()> {
    let missing = size.checked_sub(bytes.len()).ok_or_else(|| {
        Error::data(format!("Unscaled value byte array length {} is greater than fixed size {size}", bytes.len()))
    })?;
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    out.put_bytes(if negative { 0xff } else { 0 }, missing);
    out.extend_from_slice(bytes);
    Ok(())
}

/// A schemaless value as the record that has a field per type: boolean, bytes, double, float, int, long, string, array, map;
/// each a union of null and the type.
fn put_anything(value: &Value, depth: u32, out: &mut BytesMut) -> Result<()> {
    const FIELDS: usize = 9;
    if depth > DEPTH_MAX {
        return Err(Error::data("a schemaless value is nested too deeply"));
    }
    let at = match value {
        Value::Null => FIELDS,
        Value::Bool(_) => 0,
        Value::Bytes(_) => 1,
        Value::Float64(_) => 2,
        Value::Float32(_) => 3,
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) => 4,
        Value::Int64(_) => 5,
        Value::Str(_) => 6,
        Value::Array(_) => 7,
        Value::Map(_) => 8,
        other => {
            return Err(Error::data(format!("Unknown Java type for schemaless data: class {}", class_of(other))));
        }
    };
    out.put_bytes(0, at);
    if at == FIELDS {
        return Ok(());
    }
    put_long(1, out);
    match value {
        Value::Bool(b) => out.put_u8(u8::from(*b)),
        Value::Bytes(bytes) => put_bytes(bytes, out),
        Value::Float64(f) => out.put_f64_le(*f),
        Value::Float32(f) => out.put_f32_le(*f),
        Value::Str(text) => put_bytes(text.as_bytes(), out),
        Value::Array(items) => put_block(items, out, |item, out| put_anything(item, depth + 1, out))?,
        Value::Map(entries) => put_block(entries, out, |(key, value), out| {
            put_anything(key, depth + 1, out)?;
            put_anything(value, depth + 1, out)
        })?,
        number => put_long(number.as_i64().unwrap_or_default(), out),
    }
    out.put_bytes(0, FIELDS - 1 - at);
    Ok(())
}

impl Form {
    /// Connect's name of the type that values have to be of.
    const fn kind(&self) -> &'static str {
        match self {
            Form::Boolean => "BOOLEAN",
            Form::Integer(kind) | Form::Float(kind) | Form::Double(kind) => kind.name(),
            Form::Text | Form::Enum(_) => "STRING",
            Form::Bytes | Form::Fixed(_) | Form::Decimal(..) => "BYTES",
            Form::Date | Form::Time => "INT32",
            Form::Timestamp => "INT64",
            Form::Array(_) => "ARRAY",
            Form::Map(_) | Form::Entries(..) => "MAP",
            Form::Record(..) | Form::Union(..) => "STRUCT",
            Form::Anything => "null",
        }
    }
}
