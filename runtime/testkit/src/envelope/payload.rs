use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use couplet_api::data::{
    DATE, DECIMAL, Decimal, FloatText, Schema, SchemaBuilder, SchemaRef, Struct, TIME, TIMESTAMP, Type, Value,
};
use serde_json::{Map, Value as Json, json};

pub(super) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn decode_base64(text: &str) -> Result<Bytes, String> {
    STANDARD.decode(text).map(Bytes::from).map_err(|e| e.to_string())
}

/// A value under `schema`, or tagged where the payload is tagged.
pub(super) fn read_payload(schema: Option<&SchemaRef>, json: &Json) -> Result<Value, String> {
    let Some(schema) = schema else { return read_tagged(json) };
    let integer = || json.as_i64().ok_or_else(|| format!("{json} is not an integer"));
    match (schema.name(), json) {
        (_, Json::Null) => return Ok(Value::Null),
        (Some(DECIMAL), Json::String(text)) => return decimal(text),
        (Some(DATE | TIME | TIMESTAMP), Json::Number(_)) => return Ok(Value::Date(integer()?)),
        (_, Json::Object(members)) if members.len() == 1 && members.keys().any(|k| k.starts_with('@')) => {
            return read_tagged(json);
        }
        _ => {}
    }
    Ok(match schema.kind() {
        Type::Int8 => Value::Int8(integer()? as i8),
        Type::Int16 => Value::Int16(integer()? as i16),
        Type::Int32 => Value::Int32(integer()? as i32),
        Type::Int64 => Value::Int64(integer()?),
        Type::Float32 => Value::Float32(float(json)? as f32),
        Type::Float64 => Value::Float64(float(json)?),
        Type::Boolean => Value::Bool(json.as_bool().ok_or_else(|| format!("{json} is not a truth value"))?),
        Type::String => Value::str(json.as_str().ok_or_else(|| format!("{json} is not text"))?),
        Type::Bytes => Value::Bytes(decode_base64(json.as_str().ok_or_else(|| format!("{json} is not base64"))?)?),
        Type::Array => Value::Array(
            items(json)?.iter().map(|item| read_payload(schema.value_schema(), item)).collect::<Result<_, _>>()?,
        ),
        Type::Map => Value::Map(read_map(schema, json)?),
        Type::Struct => Value::Struct(Arc::new(read_struct(schema, json)?)),
    })
}

fn read_map(schema: &SchemaRef, json: &Json) -> Result<Arc<[(Value, Value)]>, String> {
    if let Some(members) = json.as_object() {
        let entry = |(k, v): (&String, &Json)| Ok((Value::str(k.as_str()), read_payload(schema.value_schema(), v)?));
        return members.iter().map(entry).collect();
    }
    let entry = |pair: &Json| {
        Ok((read_payload(schema.key_schema(), &pair[0])?, read_payload(schema.value_schema(), &pair[1])?))
    };
    items(json)?.iter().map(entry).collect()
}

fn read_struct(schema: &SchemaRef, json: &Json) -> Result<Struct, String> {
    let mut values = vec![Value::Null; schema.fields().len()];
    for (name, value) in json.as_object().ok_or_else(|| format!("{json} is not a struct"))? {
        let index = schema.field_index(name).ok_or_else(|| format!("no field {name}"))?;
        values[index] = read_payload(Some(schema.fields()[index].schema()), value)?;
    }
    Ok(Struct::new(schema.clone(), values))
}

/// A schemaless value: integers are 64-bit, fractions doubles, everything else tagged.
///
/// # Errors
/// What the data model cannot hold (`@bigint`, `@char`) or is malformed.
pub fn read_tagged(json: &Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::String(text) => Value::str(text.as_str()),
        Json::Number(n) if n.to_string().contains(['.', 'e', 'E']) => Value::Float64(float(json)?),
        Json::Number(n) => Value::Int64(n.as_i64().ok_or_else(|| format!("{n} does not fit in 64 bits"))?),
        Json::Array(items) => Value::Array(items.iter().map(read_tagged).collect::<Result<_, _>>()?),
        Json::Object(members) => match members.iter().next() {
            Some((tag, value)) if members.len() == 1 && tag.starts_with('@') => read_tag(tag, value)?,
            _ => {
                let entry = |(k, v): (&String, &Json)| Ok::<_, String>((Value::str(k.as_str()), read_tagged(v)?));
                Value::Map(members.iter().map(entry).collect::<Result<_, _>>()?)
            }
        },
    })
}

fn read_tag(tag: &str, value: &Json) -> Result<Value, String> {
    let integer = || value.as_i64().ok_or_else(|| format!("{tag} {value}"));
    let text = || value.as_str().ok_or_else(|| format!("{tag} {value}"));
    Ok(match tag {
        "@int8" => Value::Int8(integer()? as i8),
        "@int16" => Value::Int16(integer()? as i16),
        "@int32" => Value::Int32(integer()? as i32),
        "@int64" => Value::Int64(integer()?),
        "@float32" => Value::Float32(float(value)? as f32),
        "@float64" => Value::Float64(float(value)?),
        "@bytes" | "@bytebuffer" => Value::Bytes(decode_base64(text()?)?),
        "@date" => Value::Date(integer()?),
        "@decimal" => decimal(text()?)?,
        "@map" => {
            let entry = |pair: &Json| Ok::<_, String>((read_tagged(&pair[0])?, read_tagged(&pair[1])?));
            Value::Map(items(value)?.iter().map(entry).collect::<Result<_, _>>()?)
        }
        "@struct" if value.get("schema").is_none() => bare_struct(value)?,
        "@struct" => {
            let schema = super::read_schema(&value["schema"])?;
            read_payload(Some(&schema), &value["payload"])?
        }
        _ => return Err(format!("the data model has no {tag}")),
    })
}

/// A struct that was recorded without its schema: fields are required and have the types of their values.
fn bare_struct(json: &Json) -> Result<Value, String> {
    let mut builder = SchemaBuilder::structure();
    let mut values = Vec::new();
    for (name, value) in json.as_object().ok_or_else(|| format!("{json} is not a struct"))? {
        let value = read_tagged(value)?;
        let schema = match &value {
            Value::Bool(_) => Schema::boolean(),
            Value::Int8(_) => Schema::int8(),
            Value::Int16(_) => Schema::int16(),
            Value::Int32(_) => Schema::int32(),
            Value::Int64(_) => Schema::int64(),
            Value::Float32(_) => Schema::float32(),
            Value::Float64(_) => Schema::float64(),
            Value::Bytes(_) => Schema::bytes(),
            Value::Struct(row) => row.schema().clone(),
            _ => Schema::optional_string(),
        };
        builder = builder.field(name.as_str(), schema);
        values.push(value);
    }
    Ok(Value::Struct(Arc::new(Struct::new(builder.build(), values))))
}

fn decimal(text: &str) -> Result<Value, String> {
    text.parse::<Decimal>().map(|d| Value::Decimal(Arc::new(d))).map_err(|e| e.to_string())
}

/// A number, or a float as Java prints it.
fn float(json: &Json) -> Result<f64, String> {
    match json {
        Json::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            text => text.parse().map_err(|_| format!("{text} is not a number")),
        },
        other => other.as_f64().ok_or_else(|| format!("{other} is not a number")),
    }
}

fn items(json: &Json) -> Result<&Vec<Json>, String> {
    json.as_array().ok_or_else(|| format!("{json} is not a list"))
}

/// `value` under `schema`: plain JSON where the schema says all; floats and decimals as text, dates as milliseconds.
pub fn write_payload(schema: Option<&SchemaRef>, value: &Value) -> Json {
    let Some(schema) = schema else { return write_tagged(value) };
    match (schema.kind(), value) {
        (_, Value::Null) => Json::Null,
        (_, Value::Decimal(decimal)) => json!(decimal.to_string()),
        (_, Value::Date(ms)) => json!(ms),
        (Type::Float32 | Type::Float64, Value::Float32(f)) => json!(FloatText::new().float(*f)),
        (Type::Float32 | Type::Float64, Value::Float64(f)) => json!(FloatText::new().double(*f)),
        (Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64, v) if v.as_i64().is_some() => json!(v.as_i64()),
        (Type::Boolean, Value::Bool(b)) => json!(b),
        (Type::String, Value::Str(text)) => json!(text.as_str()),
        (Type::Bytes, Value::Bytes(bytes)) => json!(encode_base64(bytes)),
        (Type::Array, Value::Array(items)) => items.iter().map(|v| write_payload(schema.value_schema(), v)).collect(),
        (Type::Map, Value::Map(entries)) => write_map(schema, entries),
        (Type::Struct, Value::Struct(row)) => {
            let fields = row.schema().fields().iter().zip(row.values());
            Json::Object(
                fields.map(|(f, v)| (f.name().to_owned(), write_payload(Some(f.schema()), v))).collect::<Map<_, _>>(),
            )
        }
        (_, other) => write_tagged(other),
    }
}

fn write_map(schema: &SchemaRef, entries: &[(Value, Value)]) -> Json {
    let value_schema = schema.value_schema();
    if schema.key_schema().is_some_and(|s| s.kind() == Type::String) {
        let key = |k: &Value| k.as_str().unwrap_or("null").to_owned();
        return Json::Object(entries.iter().map(|(k, v)| (key(k), write_payload(value_schema, v))).collect());
    }
    let pair = |(k, v): &(Value, Value)| json!([write_payload(schema.key_schema(), k), write_payload(value_schema, v)]);
    entries.iter().map(pair).collect()
}

/// `value` without a schema, tagged where JSON's own types do not say its type.
pub fn write_tagged(value: &Value) -> Json {
    match value {
        Value::Int8(n) => json!({ "@int8": n }),
        Value::Int16(n) => json!({ "@int16": n }),
        Value::Int32(n) => json!({ "@int32": n }),
        Value::Float32(f) => json!({ "@float32": FloatText::new().float(*f) }),
        Value::Float64(f) if f.is_finite() && f.fract() != 0.0 => json!(f),
        Value::Float64(f) => json!({ "@float64": FloatText::new().double(*f) }),
        Value::Bytes(bytes) => json!({ "@bytes": encode_base64(bytes) }),
        Value::Date(ms) => json!({ "@date": ms }),
        Value::Decimal(decimal) => json!({ "@decimal": decimal.to_string() }),
        Value::Struct(row) => {
            let fields = row.schema().fields().iter().zip(row.values());
            let members: Map<_, _> = fields.map(|(f, v)| (f.name().to_owned(), write_tagged(v))).collect();
            json!({ "@struct": members })
        }
        Value::Array(items) => items.iter().map(write_tagged).collect(),
        Value::Map(entries) if entries.iter().all(|(k, _)| k.as_str().is_some()) => {
            let member = |(k, v): &(Value, Value)| (k.as_str().unwrap_or_default().to_owned(), write_tagged(v));
            Json::Object(entries.iter().map(member).collect())
        }
        Value::Map(entries) => {
            let pairs: Json = entries.iter().map(|(k, v)| json!([write_tagged(k), write_tagged(v)])).collect();
            json!({ "@map": pairs })
        }
        Value::Null | Value::Bool(_) | Value::Int64(_) | Value::Str(_) => write_tagged_bare(value),
    }
}

/// A value of a type that JSON has too; integers of any width.
pub(super) fn write_tagged_bare(value: &Value) -> Json {
    match value {
        Value::Bool(b) => json!(b),
        Value::Str(text) => json!(text.as_str()),
        Value::Bytes(bytes) => json!(encode_base64(bytes)),
        Value::Map(entries) => Json::Object(
            entries.iter().map(|(k, v)| (k.as_str().unwrap_or_default().to_owned(), write_tagged_bare(v))).collect(),
        ),
        other => other.as_i64().map_or(Json::Null, |n| json!(n)),
    }
}
