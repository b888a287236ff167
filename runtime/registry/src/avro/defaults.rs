//! Default values as JSON, in both directions.

use std::sync::Arc;

use bytes::Bytes;
use couplet_api::data::{DATE, DECIMAL, Decimal, Schema, SchemaRef, Struct, TIME, TIMESTAMP, Type, Value};
use couplet_api::{Error, Result};
use couplet_plugins::json::{date_to_days, decimal_to_bytes, ms_to_time, scale, time_to_ms};
use serde_json::{Map, Number, Value as Json};

use super::names::{is_union, scrub};
use super::options::Options;
use super::schema::{AvroSchema, Id, Shape};

const DAY_MS: i64 = 86_400_000;

/// A default value of `schema` as the JSON of Avro.
///
/// # Errors
/// `Kind::Data` when the value is not of the schema.
pub(super) fn to_json(schema: &Schema, value: &Value, options: &Options) -> Result<Json> {
    let latin1 = |bytes: &[u8]| Json::String(bytes.iter().copied().map(char::from).collect());
    Ok(match (schema.kind(), value) {
        (_, Value::Null) => Json::Null,
        (Type::Boolean, Value::Bool(b)) => (*b).into(),
        (Type::Int32, Value::Date(ms)) if schema.name() == Some(DATE) => date_to_days(*ms)?.into(),
        (Type::Int32, Value::Date(ms)) if schema.name() == Some(TIME) => time_to_ms(*ms)?.into(),
        (Type::Int64, Value::Date(ms)) if schema.name() == Some(TIMESTAMP) => (*ms).into(),
        (Type::Int8, Value::Int8(n)) => (*n).into(),
        (Type::Int16, Value::Int16(n)) => (*n).into(),
        (Type::Int32, Value::Int32(n)) => (*n).into(),
        (Type::Int64, Value::Int64(n)) => (*n).into(),
        (Type::Float32, Value::Float32(f)) => number(format!("{f:?}"), f.is_finite()),
        (Type::Float64, Value::Float64(f)) => number(format!("{f:?}"), f.is_finite()),
        (Type::String, Value::Str(text)) => text.as_str().into(),
        (Type::Bytes, Value::Decimal(decimal)) => latin1(&decimal_to_bytes(scale(schema)?, decimal)?),
        (Type::Bytes, Value::Bytes(bytes)) => latin1(bytes),
        (Type::Array, Value::Array(items)) => {
            let item = |item| to_json(schema.value_schema().ok_or_else(|| wrong(schema))?, item, options);
            Json::Array(items.iter().map(item).collect::<Result<_>>()?)
        }
        (Type::Map, Value::Map(entries)) => {
            let (Some(key), Some(of)) = (schema.key_schema(), schema.value_schema()) else { return Err(wrong(schema)) };
            if key.kind() == Type::String && (!key.is_optional() || options.optional_map_keys) {
                let entry = |(k, v): &(Value, Value)| {
                    Ok((k.as_str().ok_or_else(|| wrong(schema))?.to_owned(), to_json(of, v, options)?))
                };
                Json::Object(entries.iter().map(entry).collect::<Result<_>>()?)
            } else {
                let entry = |(k, v): &(Value, Value)| {
                    Ok(Json::Array(vec![to_json(key, k, options)?, to_json(of, v, options)?]))
                };
                Json::Array(entries.iter().map(entry).collect::<Result<_>>()?)
            }
        }
        (Type::Struct, Value::Struct(row)) => {
            let mut object = Map::new();
            for field in schema.fields() {
                let own = row.get(field.name()).filter(|own| !own.is_null()).or_else(|| field.schema().default());
                let json = to_json(field.schema(), own.unwrap_or(&Value::Null), options)?;
                if is_union(schema) {
                    return Ok(json);
                }
                let name = if options.scrubs { scrub(field.name()) } else { field.name().to_owned() };
                object.insert(name, json);
            }
            Json::Object(object)
        }
        _ => return Err(wrong(schema)),
    })
}

fn wrong(schema: &Schema) -> Error {
    Error::data(format!("Invalid type used for default value of {} field", schema.kind().name()))
}

fn number(text: String, is_finite: bool) -> Json {
    match serde_json::from_str::<Number>(&text) {
        Ok(number) if is_finite => Json::Number(number),
        _ => Json::String(if text == "inf" { "Infinity".to_owned() } else { text.replace("inf", "Infinity") }),
    }
}

/// Whether `json` is a default that Avro accepts for the type at `id`; unions accept what any branch does.
pub(super) fn is_valid(avro: &AvroSchema, id: Id, json: &Json) -> bool {
    match (avro.shape(id), json) {
        (Shape::Null, Json::Null) | (Shape::Boolean, Json::Bool(_)) => true,
        (Shape::String | Shape::Bytes | Shape::Enum { .. } | Shape::Fixed { .. }, Json::String(_)) => true,
        (Shape::Int, Json::Number(n)) => n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        (Shape::Long, Json::Number(n)) => n.as_i64().is_some(),
        (Shape::Float | Shape::Double, Json::Number(_)) => true,
        (Shape::Array(items), Json::Array(list)) => list.iter().all(|item| is_valid(avro, *items, item)),
        (Shape::Map(values), Json::Object(object)) => object.values().all(|value| is_valid(avro, *values, value)),
        (Shape::Union(branches), json) => branches.iter().any(|branch| is_valid(avro, *branch, json)),
        (Shape::Record { fields, .. }, Json::Object(object)) => fields.iter().all(|field| {
            object.get(&field.name).or(field.default.as_ref()).is_some_and(|json| is_valid(avro, field.schema, json))
        }),
        _ => false,
    }
}

/// A default value of the Avro type at `id` as a value of `schema`; `None` when it is not one.
pub(super) fn from_json(schema: &SchemaRef, avro: &AvroSchema, id: Id, json: &Json) -> Option<Value> {
    let logical = schema.name();
    Some(match (avro.shape(id), json) {
        (_, Json::Null) => Value::Null,
        (Shape::Int, Json::Number(n)) => match (schema.kind(), i32::try_from(n.as_i64()?).ok()?) {
            (Type::Int8, n) => Value::Int8(n as i8),
            (Type::Int16, n) => Value::Int16(n as i16),
            (_, n) if logical == Some(DATE) => Value::Date(i64::from(n) * DAY_MS),
            (_, n) if logical == Some(TIME) => Value::Date(ms_to_time(n).ok()?),
            (_, n) => Value::Int32(n),
        },
        (Shape::Long, Json::Number(n)) if logical == Some(TIMESTAMP) => Value::Date(n.as_i64()?),
        (Shape::Long, Json::Number(n)) => Value::Int64(n.as_i64()?),
        (Shape::Float, Json::Number(n)) => Value::Float32(n.as_f64()? as f32),
        (Shape::Double, Json::Number(n)) => Value::Float64(n.as_f64()?),
        (Shape::Boolean, Json::Bool(b)) => Value::Bool(*b),
        (Shape::String | Shape::Enum { .. }, Json::String(text)) => Value::str(text.as_str()),
        (Shape::Bytes | Shape::Fixed { .. }, Json::String(text)) => {
            let bytes = text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>()?;
            match logical {
                Some(DECIMAL) => Value::Decimal(Arc::new(Decimal::from_bytes(&bytes, scale(schema).ok()?))),
                _ => Value::Bytes(Bytes::from(bytes)),
            }
        }
        (Shape::Array(items), Json::Array(list)) if schema.kind() == Type::Array => {
            let of = schema.value_schema()?;
            Value::Array(list.iter().map(|item| from_json(of, avro, *items, item)).collect::<Option<_>>()?)
        }
        (Shape::Map(values), Json::Object(object)) => {
            let of = schema.value_schema()?;
            let entry = |(k, v): (&String, &Json)| Some((Value::str(k.as_str()), from_json(of, avro, *values, v)?));
            Value::Map(object.iter().map(entry).collect::<Option<_>>()?)
        }
        (Shape::Record { fields, .. }, Json::Object(object)) => {
            let values = schema.fields().iter().zip(fields).map(|(to, from)| {
                let json = object.get(&from.name).or(from.default.as_ref()).unwrap_or(&Json::Null);
                from_json(to.schema(), avro, unwrapped(avro, from.schema), json)
            });
            Value::Struct(Arc::new(Struct::new(schema.clone(), values.collect::<Option<Vec<_>>>()?)))
        }
        // The default of a union is one of its first branch.
        (Shape::Union(branches), json) if is_union(schema) => {
            let first = branches.iter().find(|branch| is_valid(avro, **branch, json))?;
            let at = branches.iter().filter(|b| *avro.shape(**b) != Shape::Null).position(|b| b == first)?;
            let value = from_json(schema.fields().get(at)?.schema(), avro, *first, json)?;
            let mut values = vec![Value::Null; schema.fields().len()];
            values[at] = value;
            Value::Struct(Arc::new(Struct::new(schema.clone(), values)))
        }
        (Shape::Union(_), json) => from_json(schema, avro, unwrapped(avro, id), json)?,
        _ => return None,
    })
}

/// The type that a union of it and null, or of it alone, stands for.
pub(super) fn unwrapped(avro: &AvroSchema, id: Id) -> Id {
    let others: Vec<Id> = avro.branches(id).iter().copied().filter(|b| *avro.shape(*b) != Shape::Null).collect();
    match others[..] {
        [one] => one,
        _ => id,
    }
}
