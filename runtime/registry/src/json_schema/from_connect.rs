//! Connect schema → JSON Schema. Members come in the order in which Confluent's converter writes them, since two converters
//! share a registered schema only when they write the same text.

use std::collections::HashSet;

use bytes::BytesMut;
use couplet_api::data::{DECIMAL, Decimal, Schema, SchemaRef, Type};
use couplet_api::{Error, Result};
use couplet_plugins::HashMapOrder;
use serde_json::{Map, Value as Json, json};

use super::options::JsonSchemaDataConfig;
use super::properties::{
    CONNECT_INDEX, CONNECT_PARAMETERS, CONNECT_TYPE, CONNECT_VERSION, ENUM, GENERALIZED_ENUM, ID, NAMESPACE,
    NULL_MARKER, is_union, java_order, java_order_copied,
};
use super::{write_plan, writer};

/// The JSON Schema of `schema`.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when a default is not a value of its schema.
pub(super) fn derive(schema: &SchemaRef, config: &JsonSchemaDataConfig) -> Result<Json> {
    Derivation { config, ids: HashSet::new() }.schema(schema, None, false)
}

struct Derivation<'a> {
    config: &'a JsonSchemaDataConfig,
    /// Identifiers that were given out.
    ids: HashSet<String>,
}

/// A schema's members, by where they are written.
#[derive(Default)]
struct Members {
    /// Before title and description.
    first: Map<String, Json>,
    /// After everything else.
    last: Map<String, Json>,
    extra: Vec<(&'static str, Json)>,
}

impl Members {
    fn first(key: &str, value: impl Into<Json>) -> Self {
        let mut members = Members::default();
        members.first.insert(key.to_owned(), value.into());
        members
    }

    fn last(key: &str, value: impl Into<Json>) -> Self {
        let mut members = Members::default();
        members.last.insert(key.to_owned(), value.into());
        members
    }

    fn with(mut self, key: &'static str, value: impl Into<Json>) -> Self {
        self.extra.push((key, value.into()));
        self
    }

    /// Puts everything together.
    fn finish(self, common: Map<String, Json>) -> Json {
        let Members { first, last, extra } = self;
        let mut object = first;
        object.extend(common);
        let order = java_order_copied(extra.iter().map(|(key, _)| *key));
        for key in order {
            if let Some((key, value)) = extra.iter().find(|(name, _)| *name == key) {
                object.insert((*key).to_owned(), value.clone());
            }
        }
        object.extend(last);
        Json::Object(object)
    }
}

impl Derivation<'_> {
    /// `index`: place of the field in its struct. `plain`: the schema stands in a choice that takes care of null.
    fn schema(&mut self, schema: &SchemaRef, index: Option<usize>, plain: bool) -> Result<Json> {
        let id = schema.parameter(ID).map(str::to_owned);
        self.ids.extend(id.clone());
        let is_choice = schema.kind() == Type::Struct && (is_union(schema) || schema.is_optional());
        let mut members = self.members(schema)?;
        let mut common = Map::new();
        if !is_choice {
            members = describe(schema, members);
            self.attributes(schema, &mut common)?;
            if !plain && schema.is_optional() {
                let choice = json!([{"type": "null"}, members.finish(common)]);
                (members, common) = (Members::last("oneOf", choice), Map::new());
            }
        }
        if let Some(id) = id {
            common.insert("id".to_owned(), Json::String(id));
        }
        if let Some(index) = index {
            members = members.with(CONNECT_INDEX, index);
        }
        Ok(members.finish(common))
    }

    fn members(&mut self, schema: &SchemaRef) -> Result<Members> {
        let integer = |kind: &str| Members::first("type", "integer").with(CONNECT_TYPE, kind);
        let number = |kind: &str| Members::first("type", "number").with(CONNECT_TYPE, kind);
        Ok(match schema.kind() {
            Type::Int8 => integer("int8"),
            Type::Int16 => integer("int16"),
            Type::Int32 => integer("int32"),
            Type::Int64 => integer("int64"),
            Type::Float32 => number("float32"),
            Type::Float64 => number("float64"),
            Type::Boolean => Members::last("type", "boolean"),
            Type::String => self.text(schema),
            Type::Bytes if schema.name() == Some(DECIMAL) && self.config.numeric_decimals() => number("bytes"),
            Type::Bytes => Members::first("type", "string").with(CONNECT_TYPE, "bytes"),
            Type::Array => {
                let items = schema.value_schema().ok_or_else(|| mixed("array"))?;
                let items = self.reference_or(items, None)?;
                let mut members = Members::first("type", "array");
                members.last.insert("items".to_owned(), items);
                members
            }
            Type::Map => self.map(schema)?,
            Type::Struct if is_union(schema) => {
                let mut choice = if schema.is_optional() { vec![json!({"type": "null"})] } else { Vec::new() };
                for (index, field) in schema.fields().iter().enumerate() {
                    choice.push(self.schema(&required(field.schema()), Some(index), true)?);
                }
                Members::last("oneOf", choice)
            }
            Type::Struct if schema.is_optional() => {
                let object = self.schema(&required(schema), None, false)?;
                Members::last("oneOf", json!([{"type": "null"}, object]))
            }
            Type::Struct => self.object(schema)?,
        })
    }

    fn text(&self, schema: &Schema) -> Members {
        if schema.parameter(GENERALIZED_ENUM).is_none() && schema.parameter(ENUM).is_none() {
            return Members::first("type", "string");
        }
        let parameter = if self.config.generalized_sum_type_support { GENERALIZED_ENUM } else { ENUM };
        let symbols = schema.parameters().iter().filter_map(|(key, _)| key.strip_prefix(parameter)?.strip_prefix('.'));
        let symbols = symbols.map(|symbol| if symbol == NULL_MARKER { Json::Null } else { Json::from(symbol) });
        Members::first("enum", symbols.collect::<Vec<_>>())
    }

    fn map(&mut self, schema: &Schema) -> Result<Members> {
        let (Some(keys), Some(values)) = (schema.key_schema(), schema.value_schema()) else { return Err(mixed("map")) };
        if keys.kind() == Type::String && !keys.is_optional() {
            let values = self.schema(values, None, false)?;
            let mut members = Members::first("type", "object").with(CONNECT_TYPE, "map");
            members.last.insert("additionalProperties".to_owned(), values);
            return Ok(members);
        }
        let (key, value) = (self.schema(keys, Some(0), false)?, self.schema(values, Some(1), false)?);
        let mut parts = Map::new();
        for name in java_order(["key", "value"]) {
            let part = if name == "key" { key.clone() } else { value.clone() };
            parts.insert(name, part);
        }
        let mut members = Members::first("type", "array").with(CONNECT_TYPE, "map");
        members.last.insert("items".to_owned(), json!({"type": "object", "properties": parts}));
        Ok(members)
    }

    fn object(&mut self, schema: &Schema) -> Result<Members> {
        let mut members = Members::first("type", "object");
        if !self.config.object_additional_properties {
            members.first.insert("additionalProperties".to_owned(), Json::Bool(false));
        }
        let mut properties = Map::new();
        for (index, field) in schema.fields().iter().enumerate() {
            properties.insert(field.name().to_owned(), self.reference_or(field.schema(), Some(index))?);
        }
        let mut ordered = Map::new();
        for name in java_order(schema.fields().iter().map(|f| f.name())) {
            let property = properties.remove(&name).unwrap_or_default();
            ordered.insert(name, property);
        }
        if !ordered.is_empty() {
            members.last.insert("properties".to_owned(), Json::Object(ordered));
        }
        Ok(members)
    }

    /// The schema, or a reference to where it was written before.
    fn reference_or(&mut self, schema: &SchemaRef, index: Option<usize>) -> Result<Json> {
        match schema.parameter(ID).filter(|id| self.ids.contains(*id)) {
            Some(id) => Ok(json!({"$ref": id})),
            None => self.schema(schema, index, false),
        }
    }

    /// Title, description and default.
    fn attributes(&self, schema: &SchemaRef, common: &mut Map<String, Json>) -> Result<()> {
        if let Some(name) = schema.name() {
            common.insert("title".to_owned(), name.into());
        }
        if let Some(doc) = schema.doc() {
            common.insert("description".to_owned(), doc.into());
        }
        if let Some(default) = schema.default() {
            let plan = write_plan::compile(&required(schema).to_builder().default_or_none(None).build(), self.config)?;
            let mut text = BytesMut::new();
            writer::write(&plan, default, &mut text)?;
            let default: Json = serde_json::from_slice(&text).map_err(|_| Error::data("Invalid default value"))?;
            common.insert("default".to_owned(), plain_number(default));
        }
        Ok(())
    }
}

/// Adds version and parameters.
fn describe(schema: &Schema, mut members: Members) -> Members {
    if let Some(version) = schema.version() {
        members = members.with(CONNECT_VERSION, version);
    }
    let own = |key: &str| key.starts_with(NAMESPACE);
    let others: Vec<_> = schema.parameters().iter().filter(|(key, _)| !own(key)).collect();
    if others.is_empty() {
        return members;
    }
    // Parameters pass through two maps: one with Java's default size, one made for their number.
    let collected: HashMapOrder = others
        .iter()
        .map(|(k, v)| (couplet_api::data::Value::str(&**k), couplet_api::data::Value::str(&**v)))
        .collect();
    let mut written = HashMapOrder::with_capacity(others.len());
    for (key, value) in collected.into_value().as_map().unwrap_or_default() {
        written.put(key.clone(), value.clone());
    }
    let written = written.into_value();
    let text = |value: &couplet_api::data::Value| value.as_str().unwrap_or_default().to_owned();
    let parameters: Map<String, Json> =
        written.as_map().unwrap_or_default().iter().map(|(k, v)| (text(k), Json::String(text(v)))).collect();
    members.with(CONNECT_PARAMETERS, Json::Object(parameters))
}

/// Numbers of a default lose trailing zeros, and exponents are written as `BigDecimal` does.
fn plain_number(default: Json) -> Json {
    let Json::Number(number) = &default else { return default };
    let text = number.to_string();
    let text = if text.contains(['e', 'E']) {
        text.parse::<Decimal>().map_or(text, |decimal| decimal.to_string())
    } else if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    serde_json::from_str(&text).unwrap_or(default)
}

/// The same schema without null.
fn required(schema: &SchemaRef) -> SchemaRef {
    if schema.is_optional() { schema.to_builder().optional_if(false).build() } else { schema.clone() }
}

fn mixed(what: &str) -> Error {
    Error::data(format!("values of any schema cannot be in this {what}: give its parts a schema"))
}
