use bytes::BytesMut;
use couplet_api::Result;
use couplet_api::data::{DATE, DECIMAL, SchemaRef, TIME, TIMESTAMP, Type};

use super::logical;
use super::writer::write;

/// How decimals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecimalFormat {
    /// The bytes of the unscaled value.
    #[default]
    Base64,
    /// A JSON number.
    Numeric,
}

/// Settings that change how values are written and read.
#[derive(Debug, Clone, Copy)]
pub struct JsonOptions {
    /// How decimals are written.
    pub decimal_format: DecimalFormat,
    /// Whether a null whose schema has a default is replaced by it.
    pub replace_null_with_default: bool,
}

impl Default for JsonOptions {
    fn default() -> Self {
        JsonOptions { decimal_format: DecimalFormat::Base64, replace_null_with_default: true }
    }
}

/// All that writing a value needs to know about its schema.
#[derive(Debug)]
pub(super) struct Plan {
    /// Keeps the schema alive, so that its address stays its identity.
    pub(super) schema: SchemaRef,
    pub(super) shape: Shape,
    /// What stands for null; `None`: null is an error.
    pub(super) null: Option<Box<[u8]>>,
}

/// How values of a schema are written.
#[derive(Debug)]
pub(super) enum Shape {
    /// A type without parts and without logical meaning.
    Plain(Type),
    /// The scale is `Err` when the schema does not say it: only NUMERIC can do without.
    Decimal(Result<i32>),
    Date,
    Time,
    Timestamp,
    Array(Option<Box<Plan>>),
    Map {
        key: Option<Box<Plan>>,
        value: Option<Box<Plan>>,
    },
    /// Fields with their names in quotes, escaped, behind a comma or the opening brace, and before a colon.
    Struct(Box<[(Box<[u8]>, Plan)]>),
}

/// Compiles `schema`.
///
/// # Errors
/// When a default value is not one of its schema.
pub(super) fn compile(schema: &SchemaRef, options: &JsonOptions) -> Result<Plan> {
    let mut plan = Plan { schema: schema.clone(), shape: shape(schema, options)?, null: None };
    plan.null = match schema.default() {
        Some(default) if options.replace_null_with_default => {
            let mut text = BytesMut::new();
            write(&plan, default, options, &mut text)?;
            Some(Box::from(&*text))
        }
        _ if schema.is_optional() => Some(Box::from(&b"null"[..])),
        _ => None,
    };
    Ok(plan)
}

fn shape(schema: &SchemaRef, options: &JsonOptions) -> Result<Shape> {
    let part = |part: Option<&SchemaRef>| part.map(|s| compile(s, options).map(Box::new)).transpose();
    Ok(match (schema.name(), schema.kind()) {
        (Some(DECIMAL), _) => Shape::Decimal(logical::scale(schema)),
        (Some(DATE), _) => Shape::Date,
        (Some(TIME), _) => Shape::Time,
        (Some(TIMESTAMP), _) => Shape::Timestamp,
        (_, Type::Array) => Shape::Array(part(schema.value_schema())?),
        (_, Type::Map) => Shape::Map { key: part(schema.key_schema())?, value: part(schema.value_schema())? },
        (_, Type::Struct) => {
            let field = |(at, field): (usize, &couplet_api::data::Field)| {
                let mut name = BytesMut::from(if at == 0 { "{" } else { "," });
                super::write_text(field.name(), &mut name);
                name.extend_from_slice(b":");
                Ok((Box::from(&*name), compile(field.schema(), options)?))
            };
            Shape::Struct(schema.fields().iter().enumerate().map(field).collect::<Result<_>>()?)
        }
        (_, plain) => Shape::Plain(plain),
    })
}
