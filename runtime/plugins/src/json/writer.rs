use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};
use couplet_api::data::{Datum, Decimal, FloatText, Schema, SchemaRef, Struct, Type, Value};
use couplet_api::{Error, Result};

use super::plan::{DecimalFormat, JsonOptions, Plan, Shape, compile};
use super::{Recent, logical, schema_text, write_text};
use crate::java::class_of;

/// Writes values as JSON. What depends on the schema only is made once and kept for the most recent schemas, told apart
/// by pointer.
#[derive(Debug)]
pub struct JsonWriter {
    options: JsonOptions,
    compiled: Mutex<Recent<SchemaRef, Arc<Compiled>>>,
}

#[derive(Debug)]
struct Compiled {
    plan: Plan,
    /// `{"schema":…,"payload":`
    head: Box<[u8]>,
}

impl JsonWriter {
    /// Keeps at most `schemas_max` schemas.
    pub fn new(options: JsonOptions, schemas_max: usize) -> Self {
        JsonWriter { options, compiled: Mutex::new(Recent::new(schemas_max)) }
    }

    /// Appends the value of `datum` to `out`.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when the value is not one of its schema; `out` may then hold a part.
    pub fn write(&self, datum: &Datum, out: &mut BytesMut) -> Result<()> {
        match &datum.schema {
            None => write_schemaless(&datum.value, out),
            Some(schema) => write(&self.compiled(schema)?.plan, &datum.value, &self.options, out),
        }
    }

    /// Appends `{"schema":…,"payload":…}` to `out`.
    ///
    /// # Errors
    /// As [`JsonWriter::write`].
    pub fn write_envelope(&self, datum: &Datum, out: &mut BytesMut) -> Result<()> {
        match &datum.schema {
            None => {
                out.put_slice(br#"{"schema":null,"payload":"#);
                write_schemaless(&datum.value, out)?;
            }
            Some(schema) => {
                let compiled = self.compiled(schema)?;
                out.put_slice(&compiled.head);
                write(&compiled.plan, &datum.value, &self.options, out)?;
            }
        }
        out.put_u8(b'}');
        Ok(())
    }

    fn compiled(&self, schema: &SchemaRef) -> Result<Arc<Compiled>> {
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(|key| Arc::ptr_eq(key, schema)) {
            return Ok(found);
        }
        let mut head = BytesMut::from(&br#"{"schema":"#[..]);
        schema_text::write(schema, None, &self.options, &mut head)?;
        head.put_slice(br#","payload":"#);
        let made = Arc::new(Compiled { plan: compile(schema, &self.options)?, head: Box::from(&*head) });
        lock().put(schema.clone(), made.clone());
        Ok(made)
    }
}

/// Appends the value of `datum` to `out`. For many values of a schema a [`JsonWriter`] is much faster.
///
/// # Errors
/// As [`JsonWriter::write`].
pub fn write_value(datum: &Datum, options: &JsonOptions, out: &mut BytesMut) -> Result<()> {
    match &datum.schema {
        None => write_schemaless(&datum.value, out),
        Some(schema) => write(&compile(schema, options)?, &datum.value, options, out),
    }
}

/// Writes a value under the schema of `plan`.
pub(super) fn write(plan: &Plan, value: &Value, options: &JsonOptions, out: &mut BytesMut) -> Result<()> {
    match (&plan.shape, value) {
        (_, Value::Null) => match &plan.null {
            Some(text) => out.put_slice(text),
            None => {
                return Err(Error::data(
                    "Conversion error: null value for field that is required and has no default value",
                ));
            }
        },
        (Shape::Plain(kind), value) => write_plain(*kind, value, out)?,
        (Shape::Struct(fields), Value::Struct(row)) => write_struct(plan, fields, row, options, out)?,
        (Shape::Decimal(_), Value::Decimal(decimal)) if options.decimal_format == DecimalFormat::Numeric => {
            write_number_text(decimal, out);
        }
        (Shape::Decimal(scale), Value::Decimal(decimal)) => {
            let scale = scale.as_ref().map_err(|e| Error::data(e.message()).with_class(e.class()))?;
            write_base64(&logical::decimal_to_bytes(*scale, decimal)?, out);
        }
        (Shape::Date, Value::Date(ms)) => write_integer(logical::date_to_days(*ms)?, out),
        (Shape::Time, Value::Date(ms)) => write_integer(logical::time_to_ms(*ms)?, out),
        (Shape::Timestamp, Value::Date(ms)) => write_integer(*ms, out),
        (Shape::Array(item), Value::Array(items)) => write_array(item.as_deref(), items, options, out)?,
        (Shape::Map { key, value }, Value::Map(entries)) => {
            let object = key.as_ref().is_some_and(|k| k.schema.kind() == Type::String);
            write_map(object, (key.as_deref(), value.as_deref()), entries, options, out)?;
        }
        (shape, value) => return Err(wrong_class(shape, &plan.schema, value)),
    }
    Ok(())
}

fn wrong_class(shape: &Shape, schema: &Schema, value: &Value) -> Error {
    let class = class_of(value);
    Error::data(match shape {
        Shape::Decimal(_) => format!("Invalid type for Decimal, expected BigDecimal but was class {class}"),
        Shape::Date => format!("Invalid type for Date, expected Date but was class {class}"),
        Shape::Time => format!("Invalid type for Time, expected Date but was class {class}"),
        Shape::Timestamp => format!("Invalid type for Timestamp, expected Date but was class {class}"),
        Shape::Plain(Type::Bytes) => format!("Invalid type for bytes type: class {class}"),
        _ => format!("Invalid type for {}: class {class}", schema.kind().name()),
    })
}

/// Appends a value without parts: what an INT8 to BYTES schema without logical meaning has.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `value` is not of type `kind`.
pub fn write_plain(kind: Type, value: &Value, out: &mut BytesMut) -> Result<()> {
    match (kind, value) {
        (Type::Int8, Value::Int8(n)) => write_integer(*n, out),
        (Type::Int16, Value::Int16(n)) => write_integer(*n, out),
        (Type::Int32, Value::Int32(n)) => write_integer(*n, out),
        (Type::Int64, Value::Int64(n)) => write_integer(*n, out),
        (Type::Float32, Value::Float32(f)) => write_float(FloatText::new().float(*f), f.is_finite(), out),
        (Type::Float64, Value::Float64(f)) => write_float(FloatText::new().double(*f), f.is_finite(), out),
        (Type::Boolean, Value::Bool(b)) => out.put_slice(if *b { b"true" } else { b"false" }),
        (Type::String, Value::Str(text)) => write_text(text, out),
        (Type::Bytes, Value::Bytes(bytes)) => write_base64(bytes, out),
        (Type::Bytes, other) => {
            return Err(Error::data(format!("Invalid type for bytes type: class {}", class_of(other))));
        }
        (kind, other) => {
            return Err(Error::data(format!("Invalid type for {}: class {}", kind.name(), class_of(other))));
        }
    }
    Ok(())
}

fn write_integer(number: impl itoa::Integer, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What is no number goes in quotes.
fn write_float(text: &str, finite: bool, out: &mut BytesMut) {
    if finite {
        out.put_slice(text.as_bytes());
    } else {
        write_text(text, out);
    }
}

fn write_number_text(decimal: &Decimal, out: &mut BytesMut) {
    out.put_slice(decimal.to_string().as_bytes());
}

/// Appends `bytes` in base64 and quotes.
pub fn write_base64(bytes: &[u8], out: &mut BytesMut) {
    let start = out.len();
    let length = bytes.len().div_ceil(3) * 4;
    out.resize(start + length + 2, b'"');
    // The slice has the exact length of the padded text, so this cannot fail.
    let _ = STANDARD.encode_slice(bytes, &mut out[start + 1..start + 1 + length]);
}

fn write_struct(
    plan: &Plan,
    fields: &[(Box<[u8]>, Plan)],
    row: &Struct,
    options: &JsonOptions,
    out: &mut BytesMut,
) -> Result<()> {
    if !Schema::same(row.schema(), &plan.schema) {
        return Err(Error::data("Mismatching schema."));
    }
    for ((name, plan), value) in fields.iter().zip(row.values()) {
        out.put_slice(name);
        write(plan, value, options, out)?;
    }
    out.put_slice(if fields.is_empty() { b"{}" } else { b"}" });
    Ok(())
}

fn write_part(plan: Option<&Plan>, value: &Value, options: &JsonOptions, out: &mut BytesMut) -> Result<()> {
    match plan {
        Some(plan) => write(plan, value, options, out),
        None => write_schemaless(value, out),
    }
}

fn write_array(item: Option<&Plan>, items: &[Value], options: &JsonOptions, out: &mut BytesMut) -> Result<()> {
    out.put_u8(b'[');
    for (at, value) in items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        write_part(item, value, options, out)?;
    }
    out.put_u8(b']');
    Ok(())
}

/// `object`: keys are text, else the map is a list of pairs.
fn write_map(
    object: bool,
    (key_plan, value_plan): (Option<&Plan>, Option<&Plan>),
    entries: &[(Value, Value)],
    options: &JsonOptions,
    out: &mut BytesMut,
) -> Result<()> {
    out.put_u8(if object { b'{' } else { b'[' });
    for (at, (key, value)) in entries.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        match (object, key) {
            (true, Value::Str(text)) => write_text(text, out),
            (true, key) => {
                // A null key is written as the text `null`, or as the default of its schema.
                let start = out.len();
                write_part(key_plan, key, options, out)?;
                if out.get(start) != Some(&b'"') {
                    let bare = String::from_utf8_lossy(&out.split_off(start)).into_owned();
                    write_text(&bare, out);
                }
            }
            (false, key) => {
                out.put_u8(b'[');
                write_part(key_plan, key, options, out)?;
            }
        }
        out.put_u8(if object { b':' } else { b',' });
        write_part(value_plan, value, options, out)?;
        if !object {
            out.put_u8(b']');
        }
    }
    out.put_u8(if object { b'}' } else { b']' });
    Ok(())
}

/// Writes a value that has no schema.
fn write_schemaless(value: &Value, out: &mut BytesMut) -> Result<()> {
    let options = &JsonOptions::default();
    match value {
        Value::Null => out.put_slice(b"null"),
        Value::Bool(_) => write_plain(Type::Boolean, value, out)?,
        Value::Int8(_) => write_plain(Type::Int8, value, out)?,
        Value::Int16(_) => write_plain(Type::Int16, value, out)?,
        Value::Int32(_) => write_plain(Type::Int32, value, out)?,
        Value::Int64(_) => write_plain(Type::Int64, value, out)?,
        Value::Float32(_) => write_plain(Type::Float32, value, out)?,
        Value::Float64(_) => write_plain(Type::Float64, value, out)?,
        Value::Str(text) => write_text(text, out),
        Value::Bytes(bytes) => write_base64(bytes, out),
        Value::Array(items) => write_array(None, items, options, out)?,
        Value::Map(entries) => {
            let object = entries.iter().all(|(k, _)| matches!(k, Value::Str(_)));
            write_map(object, (None, None), entries, options, out)?;
        }
        Value::Struct(_) => return Err(Error::data("Mismatching schema.")),
        Value::Decimal(_) | Value::Date(_) => {
            return Err(Error::data(format!(
                "Java class class {} does not have corresponding schema type.",
                class_of(value)
            )));
        }
    }
    Ok(())
}
