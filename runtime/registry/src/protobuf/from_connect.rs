//! Connect schema → `.proto` file. Names, numbers and order are Confluent's, since other converters read and write
//! under the same registered schema.

use std::collections::HashSet;

use couplet_api::data::{DATE, DECIMAL, DECIMAL_SCALE, Schema, SchemaRef, TIME, TIMESTAMP, Type};
use couplet_api::{Error, Result};
use couplet_plugins::HashMapOrder;

use super::definition::{EnumDefinition, FieldDefinition, FileDefinition, Label, MessageDefinition};
use super::names::{self, DEFAULT_SCHEMA_NAME};
use super::options::ProtobufDataConfig;
use super::parameters::{
    CONNECT_PRECISION, CONNECT_TYPE, ENUM, GENERALIZED_ENUM, GENERALIZED_UNION, TAG, TYPE, UNION_PREFIX,
    has_wrapper_mark, is_enum, is_union,
};
use super::parse::invalid;

/// The message that a whole record of one schema is.
#[derive(Debug)]
pub(super) enum Root {
    /// A value without fields: the wrapper message of this name.
    Wrapper(&'static str),
    /// A struct.
    File(FileDefinition),
}

/// The message for records of `schema`.
///
/// # Errors
/// [`couplet_api::Kind::Data`] for arrays and maps, and for structs that no message can hold.
pub(super) fn derive(schema: &SchemaRef, config: &ProtobufDataConfig) -> Result<Root> {
    if let Some(wrapper) = wrapper_of(schema, false) {
        return Ok(Root::Wrapper(wrapper));
    }
    if schema.kind() != Type::Struct {
        return Err(illegal(format!("Unsupported root schema of type {}", schema.kind().name())));
    }
    let mut derivation = Derivation { config, names_made: 0, imports: Vec::new() };
    let full_name = derivation.name_or_default(schema.name());
    let parts: Vec<String> = full_name.split('.').map(|part| derivation.scrubbed(part)).collect();
    let (name, package) = parts.split_last().map_or_else(Default::default, |(n, p)| (n.clone(), p.join(".")));
    let message = derivation.message(name, schema)?;
    let package = Some(package).filter(|package| !package.is_empty());
    Ok(Root::File(FileDefinition { package, imports: derivation.imports, message }))
}

impl FileDefinition {
    /// The message's name with its package.
    pub(super) fn full_name(&self) -> String {
        match &self.package {
            Some(package) => format!("{package}.{}", self.message.name),
            None => self.message.name.clone(),
        }
    }
}

/// The wrapper message for values of a type without parts; `as_field`: fields tell unsigned numbers from others.
fn wrapper_of(schema: &Schema, as_field: bool) -> Option<&'static str> {
    Some(match schema.kind() {
        Type::Int8 | Type::Int16 | Type::Int32 => "google.protobuf.Int32Value",
        Type::Int64 => match schema.parameter(TYPE) {
            Some("uint32" | "fixed32") if as_field => "google.protobuf.UInt32Value",
            Some("uint64" | "fixed64") if as_field => "google.protobuf.UInt64Value",
            _ => "google.protobuf.Int64Value",
        },
        Type::Float32 => "google.protobuf.FloatValue",
        Type::Float64 => "google.protobuf.DoubleValue",
        Type::Boolean => "google.protobuf.BoolValue",
        Type::String => "google.protobuf.StringValue",
        Type::Bytes => "google.protobuf.BytesValue",
        Type::Array | Type::Map | Type::Struct => return None,
    })
}

/// Whether values of `schema` in a field are wrapper messages.
pub(super) fn is_wrapped(schema: &Schema, in_oneof: bool, config: &ProtobufDataConfig) -> bool {
    config.wrapper_for_nullables && schema.is_optional() && (!in_oneof || has_wrapper_mark(schema))
}

/// File that declares the message `type_name`, if it is one of those that fields use.
fn import_of(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        "confluent.type.Decimal" => "confluent/type/decimal.proto",
        "google.type.Date" => "google/type/date.proto",
        "google.type.TimeOfDay" => "google/type/timeofday.proto",
        "google.protobuf.Timestamp" => "google/protobuf/timestamp.proto",
        name if name.starts_with("google.protobuf.") => "google/protobuf/wrappers.proto",
        _ => return None,
    })
}

struct Derivation<'a> {
    config: &'a ProtobufDataConfig,
    /// How many names were made up.
    names_made: u32,
    imports: Vec<&'static str>,
}

/// A message that is being put together.
struct Parent {
    message: MessageDefinition,
    /// Messages for structs declared in it.
    children: HashSet<String>,
}

impl Derivation<'_> {
    fn message(&mut self, name: String, schema: &Schema) -> Result<MessageDefinition> {
        let message = MessageDefinition { name, ..MessageDefinition::default() };
        let mut parent = Parent { message, children: HashSet::new() };
        let mut next = 1;
        for field in schema.fields() {
            let number = number_of(field.schema())?.unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            let name = self.scrubbed(field.name());
            if let Some(definition) = self.field(&mut parent, field.schema(), name, number, false)? {
                parent.message.fields.push(definition);
            }
        }
        Ok(parent.message)
    }

    /// A field; `None`: the schema is a union, whose members were added instead.
    fn field(
        &mut self,
        parent: &mut Parent,
        schema: &SchemaRef,
        name: String,
        number: i32,
        in_oneof: bool,
    ) -> Result<Option<FieldDefinition>> {
        let label = match schema.kind() {
            Type::Array | Type::Map => Label::Repeated,
            _ if self.config.optional_for_nullables && schema.is_optional() => Label::Optional,
            _ => Label::None,
        };
        let items = if schema.kind() == Type::Array { schema.value_schema() } else { None };
        let schema = items.unwrap_or(schema);
        let (type_name, params) = self.type_of(schema, &name, in_oneof)?;
        if let Some(file) = import_of(&type_name) {
            if !self.imports.contains(&file) {
                self.imports.push(file);
            }
        } else if is_union(schema) {
            self.oneof(parent, schema)?;
            return Ok(None);
        } else if schema.kind() == Type::Struct {
            // A struct called like its parent is the parent's message.
            if parent.message.name != type_name && parent.children.insert(type_name.clone()) {
                parent.message.messages.push(self.message(type_name.clone(), schema)?);
            }
        } else if schema.kind() == Type::Map {
            parent.message.messages.push(self.map_entry(type_name.clone(), schema)?);
        } else if is_enum(schema) {
            let name = self.unqualified(schema.name());
            if !parent.message.enums.iter().any(|e| e.name == name) {
                parent.message.enums.push(self.enumeration(name, schema)?);
            }
        }
        Ok(Some(FieldDefinition { name, number, type_name, label, oneof: None, params }))
    }

    fn oneof(&mut self, parent: &mut Parent, union: &Schema) -> Result<()> {
        let name = if self.config.generalized_sum_type_support {
            union.parameter(GENERALIZED_UNION).unwrap_or_default().to_owned()
        } else {
            self.unqualified(union.name().and_then(|name| name.strip_prefix(UNION_PREFIX)))
        };
        let place = parent.message.oneofs.len();
        parent.message.oneofs.push(name);
        for member in union.fields() {
            let number = number_of(member.schema())?.unwrap_or_default();
            let name = self.scrubbed(member.name());
            if let Some(mut field) = self.field(parent, member.schema(), name, number, true)? {
                field.oneof = Some(place);
                parent.message.fields.push(field);
            }
        }
        Ok(())
    }

    fn map_entry(&mut self, name: String, schema: &Schema) -> Result<MessageDefinition> {
        let message = MessageDefinition { name, ..MessageDefinition::default() };
        let mut parent = Parent { message, children: HashSet::new() };
        for (number, name, part) in [(1, "key", schema.key_schema()), (2, "value", schema.value_schema())] {
            let part = part.ok_or_else(|| Error::data("maps need a schema for keys and one for values"))?;
            let field = self.field(&mut parent, part, name.to_owned(), number, false)?;
            parent.message.fields.push(field.ok_or_else(|| invalid("a union cannot be in a map"))?);
        }
        Ok(parent.message)
    }

    fn enumeration(&self, name: String, schema: &Schema) -> Result<EnumDefinition> {
        let parameter = if self.config.generalized_sum_type_support { GENERALIZED_ENUM } else { ENUM };
        let mut values = Vec::new();
        for (key, number) in schema.parameters() {
            if let Some(symbol) = key.strip_prefix(parameter).and_then(|rest| rest.strip_prefix('.')) {
                values.push((symbol.to_owned(), parse_number(number)?));
            }
        }
        Ok(EnumDefinition { name, values })
    }

    /// The type of a field that holds one value of `schema`, and the parameters of its option.
    fn type_of(
        &mut self,
        schema: &Schema,
        field_name: &str,
        in_oneof: bool,
    ) -> Result<(String, Vec<(&'static str, String)>)> {
        let logical = match schema.name() {
            Some(DECIMAL) => return Ok(("confluent.type.Decimal".to_owned(), decimal_params(schema))),
            Some(DATE) => Some("google.type.Date"),
            Some(TIME) => Some("google.type.TimeOfDay"),
            Some(TIMESTAMP) => Some("google.protobuf.Timestamp"),
            _ => None,
        };
        if let Some(logical) = logical {
            return Ok((logical.to_owned(), Vec::new()));
        }
        let params = match schema.kind() {
            Type::Int8 => vec![(CONNECT_TYPE, "int8".to_owned())],
            Type::Int16 => vec![(CONNECT_TYPE, "int16".to_owned())],
            _ => Vec::new(),
        };
        let type_name = match schema.kind() {
            Type::Array => return Err(illegal("Array cannot be nested".to_owned())),
            Type::Map => names::map_entry(&self.unqualified(schema.name())),
            Type::Struct => {
                let mut name = self.unqualified(schema.name());
                if name == field_name {
                    name.push_str("Message");
                }
                name
            }
            _ => self.scalar_type(schema, in_oneof),
        };
        Ok((type_name, params))
    }

    fn scalar_type(&self, schema: &Schema, in_oneof: bool) -> String {
        let enumeration = match schema.kind() {
            Type::Int32 => schema.parameter(ENUM),
            Type::String => schema.parameter(GENERALIZED_ENUM).or_else(|| schema.parameter(ENUM)),
            _ => None,
        };
        if let Some(name) = enumeration {
            return name.to_owned();
        }
        if let Some(wrapper) = wrapper_of(schema, true).filter(|_| is_wrapped(schema, in_oneof, self.config)) {
            return wrapper.to_owned();
        }
        let plain = match schema.kind() {
            Type::Int8 | Type::Int16 => "int32",
            Type::Int32 => schema.parameter(TYPE).unwrap_or("int32"),
            Type::Int64 => schema.parameter(TYPE).unwrap_or("int64"),
            Type::Float32 => "float",
            Type::Float64 => "double",
            Type::Boolean => "bool",
            Type::Bytes => "bytes",
            _ => "string",
        };
        plain.to_owned()
    }

    /// The last part of a dotted name.
    fn unqualified(&mut self, name: Option<&str>) -> String {
        let full = self.name_or_default(name);
        self.scrubbed(full.rsplit('.').next().unwrap_or_default())
    }

    fn name_or_default(&mut self, name: Option<&str>) -> String {
        name.filter(|name| !name.is_empty()).map_or_else(
            || {
                self.names_made += 1;
                format!("{DEFAULT_SCHEMA_NAME}{}", self.names_made)
            },
            str::to_owned,
        )
    }

    fn scrubbed(&self, name: &str) -> String {
        if self.config.scrub_invalid_names { names::scrubbed(name) } else { name.to_owned() }
    }
}

/// Parameters of a decimal's option, in the order of the `HashMap` they are collected in.
fn decimal_params(schema: &Schema) -> Vec<(&'static str, String)> {
    let mut params = HashMapOrder::new();
    for (key, parameter) in [("precision", CONNECT_PRECISION), ("scale", DECIMAL_SCALE)] {
        if let Some(value) = schema.parameter(parameter) {
            params.put(key, value);
        }
    }
    let map = params.into_value();
    let entries = map.as_map().unwrap_or_default();
    let name = |key: Option<&str>| if key == Some("scale") { "scale" } else { "precision" };
    entries.iter().map(|(k, v)| (name(k.as_str()), v.as_str().unwrap_or_default().to_owned())).collect()
}

fn number_of(schema: &Schema) -> Result<Option<i32>> {
    schema.parameter(TAG).map(parse_number).transpose()
}

fn parse_number(text: &str) -> Result<i32> {
    text.parse()
        .map_err(|_| Error::data(format!("For input string: \"{text}\"")).with_class("java.lang.NumberFormatException"))
}

fn illegal(message: String) -> Error {
    Error::data(message).with_class("java.lang.IllegalArgumentException")
}
