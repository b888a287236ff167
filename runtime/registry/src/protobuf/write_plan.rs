use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use couplet_api::data::{DATE, DECIMAL, SchemaRef, TIME, TIMESTAMP, Type};
use couplet_api::{Error, Result};
use prost_reflect::{FieldDescriptor, MessageDescriptor};

use super::from_connect::{self, Root, is_wrapped};
use super::logical::Logical;
use super::names;
use super::options::ProtobufDataConfig;
use super::parameters::{ENUM, GENERALIZED_ENUM, is_enum, is_union};
use super::parse::{ProtoSchema, invalid};
use super::scalar::Scalar;
use super::text;

/// All that writing records of one schema needs, and the text to register.
#[derive(Debug)]
pub(super) struct WritePlan {
    /// The schema's text.
    pub(super) text: Arc<str>,
    /// The message's name in full.
    pub(super) message: String,
    /// The bytes that point to the message in that text.
    pub(super) indexes: Vec<u8>,
    pub(super) root: RootPlan,
}

/// How a whole record is written.
#[derive(Debug)]
pub(super) enum RootPlan {
    Message(MessagePlan),
    Logical(Logical),
    /// A wrapper message around a value of a type.
    Wrapper(Scalar, Type),
}

/// How a struct is written: its fields in the order of their numbers.
#[derive(Debug)]
pub(super) struct MessagePlan {
    /// Keeps the schema alive, so that its address stays its identity.
    pub(super) schema: SchemaRef,
    pub(super) fields: Vec<FieldPlan>,
    /// Whether the default of a field stands for its null.
    pub(super) defaults: bool,
}

/// One field of a message.
#[derive(Debug)]
pub(super) struct FieldPlan {
    /// Place of the value in its struct.
    pub(super) place: usize,
    /// For a member of a oneof: its place in the union, which is the struct's field at `place`.
    pub(super) member: Option<usize>,
    pub(super) number: u32,
    /// Whether the field is written even with its type's default.
    pub(super) presence: bool,
    pub(super) shape: Shape,
}

/// How one value is written.
#[derive(Debug)]
pub(super) enum Shape {
    Scalar(Scalar, Type),
    Wrapper(Scalar, Type),
    Logical(Logical),
    /// An integer; numbers that the enum lacks are left out.
    EnumNumber(HashSet<i32>),
    /// Text; the number of each symbol, `None` for those that the enum lacks.
    EnumName(HashMap<String, Option<i32>>),
    List(Box<Shape>),
    /// The plans of key and value.
    Map(Box<[FieldPlan; 2]>),
    Message(Box<MessagePlan>),
    /// Only null can be written; the text says why.
    Nothing(String),
}

/// Compiles `schema`.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when no message can hold its structs.
pub(super) fn compile(schema: &SchemaRef, config: &ProtobufDataConfig) -> Result<WritePlan> {
    match from_connect::derive(schema, config)? {
        Root::Wrapper(message) => {
            let text: Arc<str> = Arc::from(text::WRAPPERS);
            let wrappers = ProtoSchema::new(&text, &[])?;
            let descriptor = wrappers.message(message)?;
            let value = descriptor.get_field(1).and_then(|field| Scalar::of(&field.kind()));
            let scalar = value.ok_or_else(|| Error::bug("a wrapper has one scalar field"))?;
            let root = logical_of(schema).map_or(RootPlan::Wrapper(scalar, schema.kind()), RootPlan::Logical);
            let indexes = wrappers.indexes_of(if logical_of(schema).is_some() { "" } else { message });
            Ok(WritePlan { text, message: message.to_owned(), indexes, root })
        }
        Root::File(file) => {
            let text: Arc<str> = Arc::from(text::file(&file));
            let parsed = ProtoSchema::new(&text, &[])?;
            let message = file.full_name();
            let compiler = Compiler { config };
            let root = RootPlan::Message(compiler.message(schema, &parsed.message(&message)?)?);
            Ok(WritePlan { text, indexes: parsed.indexes_of(&file.message.name), message, root })
        }
    }
}

fn logical_of(schema: &SchemaRef) -> Option<Logical> {
    match schema.name()? {
        DECIMAL => Some(Logical::Decimal),
        DATE => Some(Logical::Date),
        TIME => Some(Logical::Time),
        TIMESTAMP => Some(Logical::Timestamp),
        _ => None,
    }
}

struct Compiler<'a> {
    config: &'a ProtobufDataConfig,
}

impl Compiler<'_> {
    fn message(&self, schema: &SchemaRef, descriptor: &MessageDescriptor) -> Result<MessagePlan> {
        let mut fields = Vec::with_capacity(schema.fields().len());
        for (place, field) in schema.fields().iter().enumerate() {
            let schema = field.schema();
            if !is_union(schema) {
                fields.push(self.field(place, None, field.name(), schema, descriptor)?);
                continue;
            }
            for (member, field) in schema.fields().iter().enumerate() {
                fields.push(self.field(place, Some(member), field.name(), field.schema(), descriptor)?);
            }
        }
        // Fields that the message lacks have no number and come first; null passes them.
        fields.sort_by_key(|field| field.number);
        Ok(MessagePlan { schema: schema.clone(), fields, defaults: !self.config.ignore_default_for_nullables })
    }

    fn field(
        &self,
        place: usize,
        member: Option<usize>,
        name: &str,
        schema: &SchemaRef,
        message: &MessageDescriptor,
    ) -> Result<FieldPlan> {
        let name = if self.config.scrub_invalid_names { names::scrubbed(name) } else { name.to_owned() };
        let Some(field) = message.get_field_by_name(&name) else {
            // Another struct with the same name declared the message.
            let shape = Shape::Nothing(format!("Cannot find field with name {name}"));
            return Ok(FieldPlan { place, member, number: 0, presence: false, shape });
        };
        let shape = self.shape(schema, &field, member.is_some())?;
        let (number, presence) = (field.number(), field.supports_presence());
        Ok(FieldPlan { place, member, number, presence, shape })
    }

    fn shape(&self, schema: &SchemaRef, field: &FieldDescriptor, in_oneof: bool) -> Result<Shape> {
        let kind = field.kind();
        let mismatch = || {
            Shape::Nothing(format!(
                "Wrong object type used with protocol message reflection. Field number: {}, schema type: {}",
                field.number(),
                schema.kind().name()
            ))
        };
        if let Some(logical) = logical_of(schema) {
            return Ok(if kind.as_message().is_some() { Shape::Logical(logical) } else { mismatch() });
        }
        Ok(match schema.kind() {
            Type::Array => {
                let items = schema.value_schema().ok_or_else(|| invalid("an array needs a schema for its items"))?;
                if is_union(items) || matches!(items.kind(), Type::Array | Type::Map) {
                    return Err(invalid("an array cannot hold arrays, maps or unions"));
                }
                Shape::List(Box::new(self.shape(items, field, false)?))
            }
            Type::Map => match (kind.as_message(), schema.key_schema(), schema.value_schema()) {
                (Some(entry), Some(keys), Some(values)) => Shape::Map(Box::new([
                    self.field(0, None, "key", keys, entry)?,
                    self.field(1, None, "value", values, entry)?,
                ])),
                _ => mismatch(),
            },
            Type::Struct => match kind.as_message() {
                Some(message) if is_union(schema) => {
                    return Err(invalid(&format!("a union cannot be inside of {}", message.name())));
                }
                Some(message) => Shape::Message(Box::new(self.message(schema, message)?)),
                None => mismatch(),
            },
            kind_of_value => {
                if let Some(numbers) = kind.as_enum() {
                    return Ok(self.enumeration(schema, &numbers.values().map(|v| v.number()).collect()));
                }
                let wrapped = kind.as_message().and_then(|m| m.get_field_by_name("value"));
                match (Scalar::of(&kind), wrapped.and_then(|value| Scalar::of(&value.kind()))) {
                    (Some(scalar), _) if fits(scalar, kind_of_value) => Shape::Scalar(scalar, kind_of_value),
                    (None, Some(scalar)) if is_wrapped(schema, in_oneof, self.config) => {
                        Shape::Wrapper(scalar, kind_of_value)
                    }
                    _ => mismatch(),
                }
            }
        })
    }

    fn enumeration(&self, schema: &SchemaRef, numbers: &HashSet<i32>) -> Shape {
        if schema.kind() != Type::String || !is_enum(schema) {
            return Shape::EnumNumber(numbers.clone());
        }
        let parameter = if self.config.generalized_sum_type_support { GENERALIZED_ENUM } else { ENUM };
        let symbols = schema.parameters().iter().filter_map(|(key, number)| {
            let symbol = key.strip_prefix(parameter)?.strip_prefix('.')?;
            Some((symbol.to_owned(), number.parse().ok().filter(|number| numbers.contains(number))))
        });
        Shape::EnumName(symbols.collect())
    }
}

/// Whether values of type `kind` can be in a field of type `scalar`.
const fn fits(scalar: Scalar, kind: Type) -> bool {
    match kind {
        Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64 => {
            !matches!(scalar, Scalar::Double | Scalar::Float | Scalar::Bool | Scalar::String | Scalar::Bytes)
        }
        Type::Float32 => matches!(scalar, Scalar::Float),
        Type::Float64 => matches!(scalar, Scalar::Double),
        Type::Boolean => matches!(scalar, Scalar::Bool),
        Type::String => matches!(scalar, Scalar::String),
        Type::Bytes => matches!(scalar, Scalar::Bytes),
        Type::Array | Type::Map | Type::Struct => false,
    }
}
