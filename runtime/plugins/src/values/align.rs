//! The one schema of the parts of an array or map, and the parts brought to it.

use couplet_api::data::{DATE, DECIMAL, Decimal, Schema, SchemaRef, TIME, TIMESTAMP, Type, Value};

use super::parse::Parsed;

const DAY_MS: i64 = 86_400_000;

/// Finds a schema that all parts can have.
#[derive(Default)]
pub(super) struct Merger {
    common: Option<SchemaRef>,
    incompatible: bool,
}

impl Merger {
    /// Takes one more part into account; nulls go with any schema.
    pub(super) fn merge(&mut self, part: Option<&Parsed>) {
        let Some(schema) = part.and_then(|p| p.schema.as_ref()).filter(|_| !self.incompatible) else { return };
        self.common = match self.common.take() {
            None => Some(schema.clone()),
            Some(previous) => common(previous, schema),
        };
        self.incompatible = self.common.is_none();
    }

    /// The schema, if there is one.
    pub(super) const fn schema(&self) -> Option<&SchemaRef> {
        self.common.as_ref()
    }
}

/// The wider of two numeric schemas, the later of two schemas of one type, and nothing else.
fn common(previous: SchemaRef, newer: &SchemaRef) -> Option<SchemaRef> {
    if previous.kind() == newer.kind() {
        return Some(newer.clone());
    }
    let width = |schema: &Schema| {
        let widths = [Type::Int8, Type::Int16, Type::Int32, Type::Int64, Type::Float32, Type::Float64];
        widths.iter().position(|kind| *kind == schema.kind())
    };
    match (width(&previous)?, width(newer)?) {
        (old, new) if old > new => Some(previous),
        _ => Some(newer.clone()),
    }
}

/// `value` as a value of `schema`; `None` when it cannot be one.
pub(super) fn convert(schema: &Schema, value: Value) -> Option<Value> {
    Some(match (schema.kind(), schema.name()) {
        _ if value.is_null() => return schema.is_optional().then_some(value),
        (Type::Bytes, Some(DECIMAL)) => match value {
            Value::Decimal(_) => value,
            other => Value::Decimal(std::sync::Arc::new(crate::java::to_string(&other).parse::<Decimal>().ok()?)),
        },
        (Type::Int32, Some(DATE)) => match value {
            Value::Date(_) => value,
            other => Value::Date(i64::from(long(&other)? as i32) * DAY_MS),
        },
        (Type::Int32, Some(TIME)) => match value {
            Value::Date(_) => value,
            other => {
                Value::Date(Some(long(&other)? as i32).filter(|ms| (0..=DAY_MS).contains(&i64::from(*ms)))?.into())
            }
        },
        (Type::Int64, Some(TIMESTAMP)) => match value {
            Value::Date(_) => value,
            other => Value::Date(long(&other)?),
        },
        (Type::Int8, _) => Value::Int8(long(&value)? as i8),
        (Type::Int16, _) => Value::Int16(long(&value)? as i16),
        (Type::Int32, _) => Value::Int32(long(&value)? as i32),
        (Type::Int64, _) => Value::Int64(long(&value)?),
        (Type::Float32, _) => match value {
            Value::Float32(_) => value,
            other => Value::Float32(double(&other)? as f32),
        },
        (Type::Float64, _) => Value::Float64(double(&value)?),
        _ => value,
    })
}

fn long(value: &Value) -> Option<i64> {
    match value {
        Value::Float32(f) => Some(*f as i64),
        Value::Float64(f) => Some(*f as i64),
        other => other.as_i64(),
    }
}

fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Float32(f) => Some(f64::from(*f)),
        Value::Float64(f) => Some(*f),
        other => other.as_i64().map(|n| n as f64),
    }
}
