//! Protobuf message → Connect schema, and the plan by which messages are read.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_api::data::{Field, Schema, SchemaBuilder, SchemaRef, Type, Value};
use couplet_api::{Error, Result};
use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor, Syntax, Value as Reflected,
};

use super::logical::Logical;
use super::names;
use super::options::ProtobufDataConfig;
use super::parameters::{
    CONNECT_PRECISION, CONNECT_TYPE, ENUM, GENERALIZED_ENUM, GENERALIZED_UNION, TAG, TYPE, UNION_PREFIX, WRAPPER,
};
use super::scalar::Scalar;

/// Deepest nesting of messages, as protobuf-java's.
const DEPTH_MAX: usize = 100;

/// How messages of one type are read as whole records.
#[derive(Debug)]
pub(super) struct ReadPlan {
    pub(super) schema: SchemaRef,
    pub(super) root: RootLayout,
}

/// What a whole record is.
#[derive(Debug)]
pub(super) enum RootLayout {
    Message(Arc<Layout>),
    /// A wrapper message, read as its value.
    Wrapper(Scalar, Type),
}

/// How one message is read. Structs of several schemas have the same layout: only numbers in parameters differ.
#[derive(Debug)]
pub(super) struct Layout {
    /// Its fields by number.
    pub(super) slots: Vec<Slot>,
    /// How many fields the struct has.
    pub(super) width: usize,
    /// How many oneofs the message has.
    pub(super) oneofs: usize,
}

/// One field of a message.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) number: u32,
    /// Place of the value in the struct.
    pub(super) place: usize,
    /// Its place in the union, when the struct's field at `place` is one.
    pub(super) member: Option<usize>,
    /// Place of the oneof among the message's: a later member of it replaces an earlier.
    pub(super) oneof: Option<usize>,
    pub(super) repeated: bool,
    pub(super) read: Read,
    /// What stands for an absent field.
    pub(super) absent: Absent,
}

/// What stands for an absent field.
#[derive(Debug)]
pub(super) enum Absent {
    Value(Value),
    /// A message without fields, read as any other.
    EmptyMessage,
}

/// How one value is read.
#[derive(Debug)]
pub(super) enum Read {
    Scalar(Scalar, Type),
    Wrapper(Scalar, Type),
    Logical(Logical),
    /// By number; the second is the name of the enum when values are text.
    Enum(Arc<EnumNames>),
    Message(Arc<Layout>),
    /// Layout of the entries: its first field is the key, its second the value.
    Map(Arc<Layout>),
}

/// The names of an enum's numbers.
#[derive(Debug)]
pub(super) struct EnumNames {
    pub(super) name: String,
    pub(super) names: HashMap<i32, Value>,
    /// Numbers without a name are ignored: proto2.
    pub(super) closed: bool,
    pub(super) as_int: bool,
}

/// The schema and plan of `message`; `version`: the registered schema's, where known.
///
/// # Errors
/// [`couplet_api::Kind::Data`] for messages that no schema can describe: with groups, or inside of themselves.
pub(super) fn compile(
    message: &MessageDescriptor,
    version: Option<i32>,
    config: &ProtobufDataConfig,
) -> Result<ReadPlan> {
    if let Some(kind) = wrapped_kind(message).filter(|_| config.wrapper_for_raw_primitives) {
        let scalar = value_scalar(message)?;
        let schema = with_version(SchemaBuilder::new(kind), version).build();
        return Ok(ReadPlan { schema, root: RootLayout::Wrapper(scalar, kind) });
    }
    let mut compiler = Compiler { config, known: HashMap::new(), open: Vec::new() };
    let structure = compiler.structure(message)?;
    let schema = with_version(structure.builder(), version).build();
    Ok(ReadPlan { schema, root: RootLayout::Message(structure.layout) })
}

fn with_version(builder: SchemaBuilder, version: Option<i32>) -> SchemaBuilder {
    match version {
        Some(version) => builder.version(version),
        None => builder,
    }
}

/// What a message looks like as a struct.
#[derive(Clone)]
struct Structure {
    name: String,
    fields: Vec<Field>,
    layout: Arc<Layout>,
}

impl Structure {
    fn builder(&self) -> SchemaBuilder {
        let builder = SchemaBuilder::structure().name(self.name.as_str());
        self.fields.iter().fold(builder, |builder, f| builder.field(f.name(), f.schema().clone()))
    }
}

struct Compiler<'a> {
    config: &'a ProtobufDataConfig,
    /// Messages that are done: types used many times are described once.
    known: HashMap<String, Structure>,
    /// Messages that are being described, outermost first.
    open: Vec<String>,
}

impl Compiler<'_> {
    fn structure(&mut self, message: &MessageDescriptor) -> Result<Structure> {
        let full_name = message.full_name();
        if let Some(known) = self.known.get(full_name) {
            return Ok(known.clone());
        }
        if self.open.iter().any(|name| name == full_name) || self.open.len() == DEPTH_MAX {
            return Err(Error::data(format!(
                "Protobuf message {full_name} is inside of itself, or nested too deeply; such data has no finite schema. \
                 Read the topic with a schema without recursion, or as bytes"
            )));
        }
        self.open.push(full_name.to_owned());
        let structure = self.describe(message);
        self.open.pop();
        let structure = structure?;
        self.known.insert(full_name.to_owned(), structure.clone());
        Ok(structure)
    }

    fn describe(&mut self, message: &MessageDescriptor) -> Result<Structure> {
        let mut fields = Vec::new();
        let mut slots = Vec::new();
        let oneofs: Vec<OneofDescriptor> = message.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
        for (index, oneof) in oneofs.iter().enumerate() {
            let mut members = Vec::new();
            for (member, field) in in_text_order(oneof.fields()).enumerate() {
                let (schema, read) = self.field(&field, true)?;
                let (place, member) = if self.config.flatten_unions {
                    (fields.len() + members.len(), None)
                } else {
                    (fields.len(), Some(member))
                };
                let absent = Absent::Value(Value::Null);
                slots.push(Slot {
                    number: field.number(),
                    place,
                    member,
                    oneof: Some(index),
                    repeated: false,
                    read,
                    absent,
                });
                members.push(Field::new(field.name(), schema));
            }
            if self.config.flatten_unions {
                fields.append(&mut members);
            } else {
                let name = oneof.name();
                let name =
                    if self.config.generate_index_for_unions { format!("{name}_{index}") } else { name.to_owned() };
                fields.push(Field::new(name, self.union(oneof, members)));
            }
        }
        for field in in_text_order(message.fields()) {
            if field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic()) {
                continue;
            }
            let (schema, read) = self.field(&field, false)?;
            let (number, place, repeated) =
                (field.number(), fields.len(), field.cardinality() == Cardinality::Repeated);
            let absent = self.absent(&field, &read);
            slots.push(Slot { number, place, member: None, oneof: None, repeated, read, absent });
            fields.push(Field::new(field.name(), schema));
        }
        slots.sort_by_key(|slot| slot.number);
        let name = if self.config.enhanced_schema_support { message.full_name() } else { message.name() };
        let layout = Arc::new(Layout { slots, width: fields.len(), oneofs: oneofs.len() });
        Ok(Structure { name: name.to_owned(), fields, layout })
    }

    fn union(&self, oneof: &OneofDescriptor, members: Vec<Field>) -> SchemaRef {
        let name = oneof.name();
        let builder = SchemaBuilder::structure();
        let builder = if self.config.generalized_sum_type_support {
            builder.name(name).parameter(GENERALIZED_UNION, name)
        } else {
            let name = if self.config.enhanced_schema_support { oneof.full_name() } else { name };
            builder.name(format!("{UNION_PREFIX}{name}"))
        };
        members.into_iter().fold(builder, |b, f| b.field(f.name(), f.schema().clone())).optional().build()
    }

    /// Schema and reading of a field; every schema knows its field's number.
    fn field(&mut self, field: &FieldDescriptor, in_oneof: bool) -> Result<(SchemaRef, Read)> {
        let (mut builder, read, is_message_or_enum) = self.value(field)?;
        if is_message_or_enum {
            builder = builder.optional();
        }
        if field.cardinality() == Cardinality::Repeated && !matches!(read, Read::Map(_)) {
            builder = SchemaBuilder::array(builder.optional().build()).optional();
        }
        if in_oneof {
            builder = builder.optional();
            if matches!(read, Read::Wrapper(..)) {
                builder = builder.parameter(WRAPPER, "true");
            }
        } else if self.config.optional_for_nullables {
            builder = if has_optional_label(field) { builder.optional() } else { builder };
        } else if !self.config.wrapper_for_nullables {
            builder = builder.optional();
        }
        Ok((builder.parameter(TAG, field.number().to_string()).build(), read))
    }

    /// Schema and reading of one value of a field, and whether it is a message or an enum.
    fn value(&mut self, field: &FieldDescriptor) -> Result<(SchemaBuilder, Read, bool)> {
        if field.is_group() {
            return Err(Error::data("Unknown Connect schema type: GROUP"));
        }
        let kind = field.kind();
        let (connect, type_name) = match &kind {
            Kind::Enum(descriptor) => {
                let (builder, read) = self.enumeration(descriptor);
                return Ok((builder, read, true));
            }
            Kind::Message(message) => {
                let (builder, read) = self.message(field, message)?;
                return Ok((builder, read, true));
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => match param(field, CONNECT_TYPE).as_deref() {
                Some("int8") => (Type::Int8, None),
                Some("int16") => (Type::Int16, None),
                _ => (Type::Int32, type_name(&kind)),
            },
            Kind::Float => (Type::Float32, None),
            Kind::Double => (Type::Float64, None),
            Kind::Bool => (Type::Boolean, None),
            Kind::String => (Type::String, None),
            Kind::Bytes => (Type::Bytes, None),
            _ => (Type::Int64, type_name(&kind)),
        };
        let builder = SchemaBuilder::new(connect);
        let builder = match type_name {
            Some(name) => builder.parameter(TYPE, name),
            None => builder,
        };
        let scalar = Scalar::of(&kind).ok_or_else(|| Error::bug("only messages are not scalar"))?;
        Ok((builder, Read::Scalar(scalar, connect), false))
    }

    fn enumeration(&self, descriptor: &EnumDescriptor) -> (SchemaBuilder, Read) {
        let as_int = self.config.int_for_enums;
        let name = if self.config.enhanced_schema_support { descriptor.full_name() } else { descriptor.name() };
        let parameter = if self.config.generalized_sum_type_support { GENERALIZED_ENUM } else { ENUM };
        let builder = SchemaBuilder::new(if as_int { Type::Int32 } else { Type::String });
        let mut builder = builder.name(name).parameter(parameter, descriptor.name());
        let mut names = HashMap::new();
        for value in in_declared_order(descriptor) {
            builder = builder.parameter(format!("{parameter}.{}", value.0), value.1.to_string());
            // The first of several names for a number counts.
            names.entry(value.1).or_insert_with(|| Value::str(value.0.as_str()));
        }
        let closed = descriptor.parent_file().syntax() == Syntax::Proto2;
        let names = EnumNames { name: descriptor.name().to_owned(), names, closed, as_int };
        (builder, Read::Enum(Arc::new(names)))
    }

    fn message(&mut self, field: &FieldDescriptor, message: &MessageDescriptor) -> Result<(SchemaBuilder, Read)> {
        let logical = match message.full_name() {
            "confluent.type.Decimal" => Some((decimal_schema(field), Logical::Decimal)),
            "google.type.Date" => Some((SchemaBuilder::date(), Logical::Date)),
            "google.type.TimeOfDay" => Some((SchemaBuilder::time(), Logical::Time)),
            "google.protobuf.Timestamp" => Some((SchemaBuilder::timestamp(), Logical::Timestamp)),
            _ => None,
        };
        if let Some((builder, logical)) = logical {
            return Ok((builder, Read::Logical(logical)));
        }
        if let Some(kind) = wrapped_kind(message).filter(|_| self.config.wrapper_for_nullables) {
            return Ok((SchemaBuilder::new(kind), Read::Wrapper(value_scalar(message)?, kind)));
        }
        let structure = self.structure(message)?;
        if !is_map(field, message) {
            return Ok((structure.builder(), Read::Message(structure.layout)));
        }
        let name = if self.config.enhanced_schema_support { message.full_name() } else { message.name() };
        let parts: Vec<&Field> = structure.fields.iter().collect();
        let [key, value] = parts[..] else { return Err(Error::bug("an entry has a key and a value")) };
        let builder = SchemaBuilder::map(key.schema().clone(), value.schema().clone()).name(names::map_field(name));
        Ok((builder, Read::Map(structure.layout)))
    }

    fn absent(&self, field: &FieldDescriptor, read: &Read) -> Absent {
        let optional = field.field_descriptor_proto().proto3_optional()
            || (self.config.optional_for_proto2 && has_optional_label(field));
        let is_message = field.kind().as_message().is_some();
        if matches!(read, Read::Map(_)) {
            Absent::Value(Value::Map(Arc::from([])))
        } else if field.cardinality() == Cardinality::Repeated {
            Absent::Value(Value::Array(Arc::from([])))
        } else if (is_message || optional) && !self.config.generate_struct_for_nulls {
            Absent::Value(Value::Null)
        } else if is_message {
            Absent::EmptyMessage
        } else {
            Absent::Value(default_of(field, read))
        }
    }
}

/// In the order of the text: descriptors iterate by number.
fn in_text_order(fields: impl Iterator<Item = FieldDescriptor>) -> impl Iterator<Item = FieldDescriptor> {
    let mut fields: Vec<FieldDescriptor> = fields.collect();
    fields.sort_by(|a, b| a.path().cmp(b.path()));
    fields.into_iter()
}

fn in_declared_order(descriptor: &EnumDescriptor) -> impl Iterator<Item = (String, i32)> {
    let values = &descriptor.enum_descriptor_proto().value;
    values.iter().map(|value| (value.name().to_owned(), value.number()))
}

/// Whether the field has the label `optional`.
fn has_optional_label(field: &FieldDescriptor) -> bool {
    field.field_descriptor_proto().proto3_optional()
        || (field.parent_file().syntax() == Syntax::Proto2
            && field.cardinality() == Cardinality::Optional
            && field.containing_oneof().is_none())
}

/// Whether the field is a map, declared as one or with its entries as messages.
fn is_map(field: &FieldDescriptor, message: &MessageDescriptor) -> bool {
    let fields: Vec<FieldDescriptor> = in_text_order(message.fields()).collect();
    let single = |field: &FieldDescriptor| field.cardinality() != Cardinality::Repeated;
    field.cardinality() == Cardinality::Repeated
        && message.name().ends_with(names::ENTRY)
        && matches!(&fields[..], [key, value] if key.name() == "key" && value.name() == "value" && single(key) && single(value))
}

/// The Connect type in a wrapper message.
fn wrapped_kind(message: &MessageDescriptor) -> Option<Type> {
    Some(match message.full_name().strip_prefix("google.protobuf.")? {
        "DoubleValue" => Type::Float64,
        "FloatValue" => Type::Float32,
        "Int64Value" | "UInt64Value" | "UInt32Value" => Type::Int64,
        "Int32Value" => Type::Int32,
        "BoolValue" => Type::Boolean,
        "StringValue" => Type::String,
        "BytesValue" => Type::Bytes,
        _ => return None,
    })
}

fn value_scalar(message: &MessageDescriptor) -> Result<Scalar> {
    let value = message.get_field(1).and_then(|field| Scalar::of(&field.kind()));
    value.ok_or_else(|| Error::data(format!("{} has no scalar field with number 1", message.full_name())))
}

/// The name of a scalar type that its Connect type does not tell.
fn type_name(kind: &Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Sint32 => "sint32",
        Kind::Sfixed32 => "sfixed32",
        Kind::Uint32 => "uint32",
        Kind::Fixed32 => "fixed32",
        Kind::Uint64 => "uint64",
        Kind::Sint64 => "sint64",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed64 => "sfixed64",
        _ => return None,
    })
}

/// A parameter of the option `confluent.field_meta`.
fn param(field: &FieldDescriptor, name: &str) -> Option<String> {
    let options = field.options();
    let extension = field.parent_pool().get_extension_by_name("confluent.field_meta")?;
    if !options.has_extension(&extension) {
        return None;
    }
    let meta = options.get_extension(&extension);
    let params = meta.as_message()?.get_field_by_name("params")?;
    let key = prost_reflect::MapKey::String(name.to_owned());
    params.as_map()?.get(&key)?.as_str().map(str::to_owned)
}

fn decimal_schema(field: &FieldDescriptor) -> SchemaBuilder {
    let number = |name: &str| param(field, name).and_then(|text| text.parse::<i32>().ok());
    let builder = SchemaBuilder::decimal(number("scale").unwrap_or_default());
    match number("precision") {
        Some(precision) => builder.parameter(CONNECT_PRECISION, precision.to_string()),
        None => builder,
    }
}

/// The default of a scalar field: its type's, or the one that proto2 files declare.
fn default_of(field: &FieldDescriptor, read: &Read) -> Value {
    let integer = |number: i64| match read {
        Read::Scalar(_, Type::Int8) => Value::Int8(number as i8),
        Read::Scalar(_, Type::Int16) => Value::Int16(number as i16),
        Read::Scalar(_, Type::Int64) => Value::Int64(number),
        _ => Value::Int32(number as i32),
    };
    match field.default_value() {
        Reflected::Bool(b) => Value::Bool(b),
        Reflected::I32(n) => integer(i64::from(n)),
        Reflected::I64(n) => integer(n),
        Reflected::U32(n) => integer(i64::from(n)),
        Reflected::U64(n) => integer(n as i64),
        Reflected::F32(f) => Value::Float32(f),
        Reflected::F64(f) => Value::Float64(f),
        Reflected::String(text) => Value::str(text),
        Reflected::Bytes(bytes) => Value::Bytes(bytes),
        Reflected::EnumNumber(number) => match read {
            Read::Enum(names) => names.value(number).unwrap_or_default(),
            _ => Value::Null,
        },
        Reflected::Message(_) | Reflected::List(_) | Reflected::Map(_) => Value::Null,
    }
}

impl EnumNames {
    /// The value of a number; `None`: it is to be ignored.
    pub(super) fn value(&self, number: i32) -> Option<Value> {
        let name = self.names.get(&number);
        if name.is_none() && self.closed {
            return None;
        }
        if self.as_int {
            return Some(Value::Int32(number));
        }
        Some(name.cloned().unwrap_or_else(|| Value::str(format!("UNKNOWN_ENUM_VALUE_{}_{number}", self.name))))
    }
}

/// The schema of a struct's field.
pub(super) fn part(schema: &Schema, place: usize) -> Result<&SchemaRef> {
    schema.fields().get(place).map(Field::schema).ok_or_else(|| Error::bug("layout and schema differ"))
}
