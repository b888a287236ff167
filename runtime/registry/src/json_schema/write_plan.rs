use bytes::BytesMut;
use couplet_api::data::{DATE, DECIMAL, SchemaRef, TIME, TIMESTAMP, Type};
use couplet_api::{Error, Result};
use couplet_plugins::json::{scale, write_text};

use super::options::JsonSchemaDataConfig;
use super::properties::is_union;
use super::writer;

/// All that writing a value needs to know about its schema.
#[derive(Debug)]
pub(super) struct Plan {
    /// Keeps the schema alive, so that its address stays its identity.
    pub(super) schema: SchemaRef,
    pub(super) shape: Shape,
    /// What stands for null; `None`: nothing does, a field is left out.
    pub(super) null: Option<Box<[u8]>>,
    /// Whether the defaults of fields stand for their nulls.
    pub(super) defaults: bool,
}

/// How values of a schema are written.
#[derive(Debug)]
pub(super) enum Shape {
    Plain(Type),
    NumericDecimal,
    /// The scale is `Err` when the schema does not say it.
    BytesDecimal(Result<i32>),
    Date,
    Time,
    Timestamp,
    Array(Box<Plan>),
    /// A map whose keys are text.
    Object(Box<Plan>),
    /// A map as a list of objects with `key` and `value`.
    Pairs(Box<(Plan, Plan)>),
    /// Fields with their names in quotes, escaped, before a colon.
    Struct(Box<[(Box<[u8]>, Plan)]>),
    /// The first member that is not null is the value.
    Union(Box<[Plan]>),
}

/// Compiles `schema`.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when a default is not a value of its schema.
pub(super) fn compile(schema: &SchemaRef, config: &JsonSchemaDataConfig) -> Result<Plan> {
    let defaults = !config.ignore_default_for_nullables;
    let mut plan = Plan { schema: schema.clone(), shape: shape(schema, config)?, null: None, defaults };
    plan.null = match schema.default() {
        Some(default) if defaults => {
            let mut text = BytesMut::new();
            writer::write(&plan, default, &mut text)?;
            Some(Box::from(&*text))
        }
        _ if schema.is_optional() => Some(Box::from(&b"null"[..])),
        _ => None,
    };
    Ok(plan)
}

fn shape(schema: &SchemaRef, config: &JsonSchemaDataConfig) -> Result<Shape> {
    let part = |part: Option<&SchemaRef>| {
        part.ok_or_else(|| Error::data("arrays and maps need schemas for their parts")).and_then(|s| compile(s, config))
    };
    let fields = || schema.fields().iter().map(|field| compile(field.schema(), config));
    Ok(match (schema.name(), schema.kind()) {
        (Some(DECIMAL), _) if config.numeric_decimals() => Shape::NumericDecimal,
        (Some(DECIMAL), _) => Shape::BytesDecimal(scale(schema)),
        (Some(DATE), _) => Shape::Date,
        (Some(TIME), _) => Shape::Time,
        (Some(TIMESTAMP), _) => Shape::Timestamp,
        (_, Type::Array) => Shape::Array(Box::new(part(schema.value_schema())?)),
        (_, Type::Map) => {
            let (keys, values) = (part(schema.key_schema())?, part(schema.value_schema())?);
            if keys.schema.kind() == Type::String && !keys.schema.is_optional() {
                Shape::Object(Box::new(values))
            } else {
                Shape::Pairs(Box::new((keys, values)))
            }
        }
        (_, Type::Struct) if is_union(schema) => Shape::Union(fields().collect::<Result<_>>()?),
        (_, Type::Struct) => {
            let named = schema.fields().iter().zip(fields()).map(|(field, plan)| {
                let mut name = BytesMut::new();
                write_text(field.name(), &mut name);
                name.extend_from_slice(b":");
                Ok((Box::from(&*name), plan?))
            });
            Shape::Struct(named.collect::<Result<_>>()?)
        }
        (_, plain) => Shape::Plain(plain),
    })
}
