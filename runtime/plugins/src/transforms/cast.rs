use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use couplet_api::config::{ConfigDef, Props, Setting, Validator, with_message};
use couplet_api::data::{DATE, Datum, Field, Record, Schema, SchemaBuilder, SchemaRef, TIME, TIMESTAMP, Type, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::row::{build, copy_basics, fields_of, require_map, require_struct, values, with_basics};
use super::schema_cache::SchemaCache;
use super::side::Side;
use crate::first_problem;
use crate::java::{HashMapOrder, ascii_digits, class_of, low_bits, parse_double, to_string};
use crate::json::{date_to_days, time_to_ms};
use crate::value_check::with_default;
use crate::values::date_format;

config_def! {
    /// Settings of Cast.
    struct CastConfig {
        /// Fields and their new types, field1:type,field2:type; or one type for the whole key or value. Types are
        /// int8, int16, int32, int64, float32, float64, boolean and string.
        spec: List = "spec", High, required, cast_spec();
        /// Whether a null is replaced by the default value of its field, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Medium, default "true";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    CastConfig::config_def()
}

const PURPOSE: &str = "cast types";
const TYPES: [Type; 12] = [
    Type::Int8,
    Type::Int16,
    Type::Int32,
    Type::Int64,
    Type::Float32,
    Type::Float64,
    Type::Boolean,
    Type::String,
    Type::Bytes,
    Type::Array,
    Type::Map,
    Type::Struct,
];
/// How many of [`TYPES`] can be cast to.
const OUTPUT_TYPES: usize = 8;
/// How many of [`TYPES`] can be cast from.
const INPUT_TYPES: usize = 9;

/// What is cast to what.
#[derive(Debug)]
enum Casts {
    /// Everything, to one type.
    Whole(Type),
    /// Fields by name.
    Fields(Vec<(String, Type)>),
}

fn cast_spec() -> Validator {
    with_message(|setting| match setting {
        Setting::List(items) if !items.is_empty() => parse_spec(items).map(drop),
        _ => Err("Must specify at least one field to cast.".to_owned()),
    })
}

fn type_names(types: &[Type]) -> String {
    types.iter().map(|t| t.name()).collect::<Vec<_>>().join(", ")
}

fn parse_type(text: &str) -> Result<Type, String> {
    let text = text.trim();
    let name = text.to_uppercase();
    let kind = TYPES.iter().position(|t| t.name() == name).ok_or_else(|| {
        format!(
            "Invalid value java.lang.IllegalArgumentException: No enum constant \
             org.apache.kafka.connect.data.Schema.Type.{name} for configuration Invalid type found in casting spec: {text}"
        )
    })?;
    if kind >= OUTPUT_TYPES {
        let supported = type_names(&TYPES[..OUTPUT_TYPES]);
        return Err(format!(
            "Cast transformation does not support casting to {name}; supported types are [{supported}]"
        ));
    }
    Ok(TYPES[kind])
}

fn parse_spec(spec: &[String]) -> Result<Casts, String> {
    let mut fields: Vec<(String, Type)> = Vec::new();
    let mut whole = None;
    for mapping in spec {
        // As Java splits: empty parts at the end do not count.
        let parts: Vec<&str> = mapping.trim_end_matches(':').split(':').collect();
        match parts[..] {
            [kind] => whole = Some(parse_type(kind)?),
            [field, kind] => {
                let (field, kind) = (field.trim().to_owned(), parse_type(kind)?);
                fields.retain(|(name, _)| *name != field);
                fields.push((field, kind));
            }
            _ => {
                let spec = spec.join(", ");
                return Err(format!(
                    "Invalid value [{spec}] for configuration renames: Invalid rename mapping: {mapping}"
                ));
            }
        }
    }
    match whole {
        Some(_) if spec.len() > 1 => {
            Err("Cast transformations that specify a type to cast the entire value to may only \
                                          specify a single cast in their spec"
                .to_owned())
        }
        Some(kind) => Ok(Casts::Whole(kind)),
        None => Ok(Casts::Fields(fields)),
    }
}

/// Changes types of values.
struct Cast {
    side: Side,
    casts: Casts,
    replace_null_with_default: bool,
    schemas: SchemaCache,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(CastConfig::parse, CastConfig::config_def, props)?;
    let casts = parse_spec(&config.spec).map_err(Error::config)?;
    let replace_null_with_default = config.replace_null_with_default;
    Ok(Arc::new(Cast { side, casts, replace_null_with_default, schemas: SchemaCache::new() }))
}

impl Transform for Cast {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record);
        if datum.is_null() {
            return Ok(Some(record));
        }
        let updated = match &datum.schema {
            Some(schema) => self.with_schema(schema, &datum.value)?,
            None => self.schemaless(&datum.value)?,
        };
        Ok(Some(self.side.with(record, updated)))
    }
}

impl Cast {
    fn schemaless(&self, value: &Value) -> Result<Datum> {
        let fields = match &self.casts {
            Casts::Whole(kind) => return Ok(Datum::schemaless(cast(None, value, *kind)?)),
            Casts::Fields(fields) => fields,
        };
        let entries = require_map(value, PURPOSE)?;
        let mut map = HashMapOrder::copy_of(entries);
        for (field, kind) in fields {
            let old = value.get(field).cloned().unwrap_or_default();
            map.put(field.as_str(), cast(None, &old, *kind)?);
        }
        Ok(Datum::schemaless(map.into_value()))
    }

    fn with_schema(&self, schema: &SchemaRef, value: &Value) -> Result<Datum> {
        let updated = self.schemas.get(schema, || self.schema(schema))?;
        if let Casts::Whole(kind) = self.casts {
            return Ok(Datum::new(updated, cast(Some(schema), value, kind)?));
        }
        let row = require_struct(value, PURPOSE)?;
        let cast_field = |(field, value): (&Field, Value)| match self.target(field.name()) {
            Some(kind) => cast(Some(field.schema()), &value, kind),
            None => Ok(value),
        };
        let values = values(row, self.replace_null_with_default).map(cast_field).collect::<Result<Vec<_>>>()?;
        Ok(Datum::new(updated.clone(), build(&updated, values)?))
    }

    fn target(&self, field: &str) -> Option<Type> {
        match &self.casts {
            Casts::Whole(_) => None,
            Casts::Fields(fields) => fields.iter().find(|(name, _)| name == field).map(|(_, kind)| *kind),
        }
    }

    fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let mut builder = match self.casts {
            Casts::Whole(kind) => with_basics(schema, SchemaBuilder::new(kind)),
            Casts::Fields(_) => copy_basics(schema),
        };
        let kind = builder.clone().build().kind();
        if let Casts::Fields(_) = self.casts {
            for field in fields_of(schema)? {
                let old = field.schema();
                let new = match self.target(field.name()) {
                    None => old.clone(),
                    Some(kind) => {
                        let default = old.default().map(|value| cast(Some(old), value, kind)).transpose()?;
                        SchemaBuilder::new(kind).optional_if(old.is_optional()).default_or_none(default).build()
                    }
                };
                builder = builder.field(field.name(), new);
            }
        }
        if let Some(default) = schema.default() {
            builder = with_default(builder, cast(Some(schema), default, kind)?)?;
        }
        Ok(builder.optional_if(schema.is_optional()).build())
    }
}

/// `value` as a value of type `target`.
fn cast(schema: Option<&SchemaRef>, value: &Value, target: Type) -> Result<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let inferred = schema.map(|s| s.kind()).or_else(|| type_of(value)).ok_or_else(|| {
        Error::data(format!(
            "Cast transformation was passed a value of type class {} which is not supported by Connect's data API",
            class_of(value)
        ))
    })?;
    if !TYPES[..INPUT_TYPES].contains(&inferred) {
        return Err(Error::data(format!(
            "Cast transformation does not support casting from {}; supported types are [{}]",
            inferred.name(),
            type_names(&TYPES[..INPUT_TYPES])
        )));
    }
    if target == Type::String {
        return Ok(Value::from(text(value)));
    }
    let encoded = schema.map_or_else(|| Ok(value.clone()), |schema| encode(schema, value))?;
    convert(&encoded, target)
}

/// The type that a value without a schema has.
pub(super) const fn type_of(value: &Value) -> Option<Type> {
    Some(match value {
        Value::Bool(_) => Type::Boolean,
        Value::Int8(_) => Type::Int8,
        Value::Int16(_) => Type::Int16,
        Value::Int32(_) => Type::Int32,
        Value::Int64(_) => Type::Int64,
        Value::Float32(_) => Type::Float32,
        Value::Float64(_) => Type::Float64,
        Value::Str(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        Value::Array(_) => Type::Array,
        Value::Map(_) => Type::Map,
        Value::Struct(_) => Type::Struct,
        Value::Null | Value::Decimal(_) | Value::Date(_) => return None,
    })
}

/// Dates in their base types.
fn encode(schema: &Schema, value: &Value) -> Result<Value> {
    Ok(match (schema.name(), value) {
        (Some(DATE), Value::Date(ms)) => Value::Int32(date_to_days(*ms)?),
        (Some(TIME), Value::Date(ms)) => Value::Int32(time_to_ms(*ms)?),
        (Some(TIMESTAMP), Value::Date(ms)) => Value::Int64(*ms),
        _ => value.clone(),
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::Date(ms) => date_format(*ms).format(*ms),
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        other => to_string(other),
    }
}

fn convert(value: &Value, target: Type) -> Result<Value> {
    Ok(match (target, value) {
        (Type::Float32, Value::Str(text)) => Value::Float32(parsed_float(text)?),
        (Type::Float64, Value::Str(text)) => Value::Float64(parse_double(text).map_err(|e| out_of_range(text, e))?),
        (Type::Boolean, Value::Str(text)) => Value::Bool(text.eq_ignore_ascii_case("true")),
        (Type::Float32, _) => Value::Float32(double(value)? as f32),
        (Type::Float64, _) => Value::Float64(double(value)?),
        (Type::Boolean, _) => Value::Bool(long(value)? != 0),
        (Type::Int8, Value::Str(text)) => Value::Int8(parsed(text)?),
        (Type::Int16, Value::Str(text)) => Value::Int16(parsed(text)?),
        (Type::Int32, Value::Str(text)) => Value::Int32(parsed(text)?),
        (Type::Int64, Value::Str(text)) => Value::Int64(parsed(text)?),
        (Type::Int8, _) => Value::Int8(int(value)? as i8),
        (Type::Int16, _) => Value::Int16(int(value)? as i16),
        (Type::Int32, _) => Value::Int32(int(value)?),
        (Type::Int64, _) => Value::Int64(long(value)?),
        (other, _) => {
            return Err(Error::data(format!("{} is not supported in the Cast transformation.", other.name())));
        }
    })
}

fn unexpected(value: &Value) -> Error {
    Error::data(format!("Unexpected type in Cast transformation: class {}", class_of(value)))
}

/// `Number.longValue()`.
fn long(value: &Value) -> Result<i64> {
    match value {
        Value::Bool(truth) => Ok(i64::from(*truth)),
        Value::Float32(f) => Ok(*f as i64),
        Value::Float64(f) => Ok(*f as i64),
        Value::Decimal(decimal) => Ok(low_bits(decimal)),
        other => other.as_i64().ok_or_else(|| unexpected(value)),
    }
}

/// `Number.intValue()`: doubles stop at the ends of the range, integers lose their high bits.
fn int(value: &Value) -> Result<i32> {
    match value {
        Value::Float32(f) => Ok(*f as i32),
        Value::Float64(f) => Ok(*f as i32),
        other => Ok(long(other)? as i32),
    }
}

fn double(value: &Value) -> Result<f64> {
    match value {
        Value::Float32(f) => Ok(f64::from(*f)),
        Value::Float64(f) => Ok(*f),
        Value::Decimal(decimal) => Ok(decimal.to_f64()),
        other => Ok(long(other)? as f64),
    }
}

fn out_of_range(text: &str, cause: String) -> Error {
    Error::data(format!("Value ({text}) was out of range for requested data type"))
        .caused_by(Error::data(cause).with_class("java.lang.NumberFormatException"))
}

/// `parseByte` and so on: a sign and digits, nothing else.
fn parsed<T: std::str::FromStr>(text: &str) -> Result<T> {
    let digits = ascii_digits(text);
    digits.parse().map_err(|_| {
        let cause = match (digits.parse::<i32>(), size_of::<T>()) {
            (Ok(_), 1 | 2) => format!("Value out of range. Value:\"{text}\" Radix:10"),
            _ => format!("For input string: \"{text}\""),
        };
        out_of_range(text, cause)
    })
}

fn parsed_float(text: &str) -> Result<f32> {
    let double = parse_double(text).map_err(|e| out_of_range(text, e))?;
    // Read as a float, not rounded twice.
    Ok(text.trim().trim_end_matches(['d', 'D', 'f', 'F']).parse().unwrap_or(double as f32))
}
