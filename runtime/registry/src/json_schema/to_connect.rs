//! JSON Schema → Connect schema.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use couplet_api::data::{Schema, SchemaBuilder, SchemaRef, Type};
use couplet_api::{Error, Result};
use serde_json::{Map, Value as Json};

use super::keywords::{Criterion, Kind, Node, Part, node, properties, requires};
use super::options::JsonSchemaDataConfig;
use super::properties::{
    CONNECT_INDEX, CONNECT_PARAMETERS, CONNECT_TYPE, CONNECT_VERSION, ENUM, GENERALIZED_ENUM, GENERALIZED_UNION,
    NULL_MARKER, ONE_OF,
};
use super::reader;
use super::refs::{Documents, invalid};

/// Most references inside of references.
const DEPTH_MAX: usize = 100;

/// The Connect schema of a JSON Schema; `version`: the registered schema's, where known.
///
/// # Errors
/// [`couplet_api::Kind::Data`] for what has no Connect type, and for schemas inside of themselves.
pub(super) fn derive(documents: &Documents, version: Option<i32>, config: &JsonSchemaDataConfig) -> Result<SchemaRef> {
    let root = documents.root();
    let mut derivation =
        Derivation { documents, document: root, config, unions: 0, open: vec![root], known: HashMap::new() };
    derivation.schema(&read(root)?, version, false)
}

fn read(json: &Json) -> Result<Node<'_>> {
    node(json).ok_or_else(|| invalid("a keyword has a value of the wrong type"))
}

struct Derivation<'a> {
    documents: &'a Documents,
    /// The document that relative references are in.
    document: &'a Json,
    config: &'a JsonSchemaDataConfig,
    /// How many unions were named.
    unions: u32,
    /// What is being derived, as far as references lead to it.
    open: Vec<&'a Json>,
    /// Schemas of references, by place and whether they are optional.
    known: HashMap<(*const Json, Option<i32>, bool), SchemaRef>,
}

impl<'a> Derivation<'a> {
    fn written(&mut self, json: &'a Json, optional: bool) -> Result<SchemaRef> {
        self.schema(&read(json)?, None, optional)
    }

    fn part(&mut self, part: &Part<'a>, version: Option<i32>, optional: bool) -> Result<SchemaRef> {
        let node = part.node().ok_or_else(|| invalid("a keyword has a value of the wrong type"))?;
        self.schema(&node, version, optional)
    }

    fn schema(&mut self, node: &Node<'a>, version: Option<i32>, optional: bool) -> Result<SchemaRef> {
        let builder = match &node.kind {
            Kind::Reference(reference) => return self.reference(reference, version, optional),
            Kind::Choice(Criterion::All, parts) if !(parts.len() == 1 && self.config.flatten_singleton_unions) => {
                return self.all_of(parts, version, optional);
            }
            Kind::Choice(_, parts) => match self.choice(parts, version)? {
                Chosen::Schema(schema) => return Ok(schema),
                Chosen::Builder(builder) => builder,
            },
            Kind::Boolean => SchemaBuilder::new(Type::Boolean),
            Kind::Number { integer } => number(node, *integer)?,
            Kind::Text { .. } => {
                let bytes = connect_type(node) == Some("bytes");
                SchemaBuilder::new(if bytes { Type::Bytes } else { Type::String })
            }
            Kind::Const(value) => self.enumeration(std::slice::from_ref(*value)),
            Kind::Enum(values) => self.enumeration(values),
            Kind::Array { items } => self.array(node, *items)?,
            Kind::Object(members) => self.object(node, members)?,
            Kind::Null | Kind::Other(_) => {
                return Err(Error::data(format!("Unsupported schema type org.everit.json.schema.{}", node.class())));
            }
        };
        describe(builder, node, version, optional)
    }

    fn reference(&mut self, reference: &str, version: Option<i32>, optional: bool) -> Result<SchemaRef> {
        let (target, document) = self.documents.resolve(self.document, reference)?;
        let key = (std::ptr::from_ref(target), version, optional);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        if self.open.iter().any(|open| std::ptr::eq(*open, target)) || self.open.len() == DEPTH_MAX {
            return Err(Error::data(format!(
                "$ref {reference} leads into itself, or too deep; such data has no finite Connect schema. Read the topic \
                 with a schema without recursion, or with a converter without schemas"
            )));
        }
        let before = std::mem::replace(&mut self.document, document);
        self.open.push(target);
        let schema = read(target).and_then(|node| self.schema(&node, version, optional));
        self.open.pop();
        self.document = before;
        let schema = schema?;
        self.known.insert(key, schema.clone());
        Ok(schema)
    }

    /// A union, or what is left when one of two schemas is null.
    fn choice(&mut self, parts: &[Part<'a>], version: Option<i32>) -> Result<Chosen> {
        if let ([only], true) = (parts, self.config.flatten_singleton_unions) {
            return self.part(only, None, false).map(Chosen::Schema);
        }
        let is_null = |part: &&Part<'_>| part.node().is_some_and(|node| matches!(node.kind, Kind::Null));
        let name = if self.config.generalized_sum_type_support {
            self.unions += 1;
            format!("connect_union_{}", self.unions - 1)
        } else {
            ONE_OF.to_owned()
        };
        if parts.len() == 2 && parts.iter().any(|part| is_null(&part)) {
            let other = parts.iter().rfind(|part| !is_null(part));
            let other =
                other.ok_or_else(|| Error::data("Unsupported schema type org.everit.json.schema.NullSchema"))?;
            return self.part(other, version, true).map(Chosen::Schema);
        }
        let generalized = self.config.generalized_sum_type_support;
        let mut builder = SchemaBuilder::structure().name(name.as_str());
        if generalized {
            builder = builder.parameter(GENERALIZED_UNION, name.as_str());
        }
        let mut index = 0;
        for part in parts {
            if is_null(&part) {
                builder = builder.optional();
                continue;
            }
            let field =
                if generalized { format!("connect_union_field_{index}") } else { format!("{name}.field.{index}") };
            builder = builder.field(field, self.part(part, None, true)?);
            index += 1;
        }
        Ok(Chosen::Builder(builder))
    }

    fn all_of(&mut self, parts: &[Part<'a>], version: Option<i32>, optional: bool) -> Result<SchemaRef> {
        let mut merged = Vec::new();
        for part in parts {
            self.collect(part, self.document, &mut merged, 0)?;
        }
        if !merged.is_empty() {
            let mut builder = SchemaBuilder::structure();
            for (name, schema, document, required) in merged {
                let before = std::mem::replace(&mut self.document, document);
                let field = self.written(schema, self.config.use_optional_for_nonrequired && !required);
                self.document = before;
                builder = builder.field(name, field?);
            }
            return Ok(builder.optional_if(optional).build());
        }
        let nodes: Vec<Node<'a>> = parts.iter().filter_map(Part::node).collect();
        let last = |wanted: fn(&Kind<'_>) -> bool| nodes.iter().rfind(|node| wanted(&node.kind));
        let number = last(|kind| matches!(kind, Kind::Number { .. }));
        let text = last(|kind| matches!(kind, Kind::Text { .. }));
        let formatted = text.filter(|node| matches!(node.kind, Kind::Text { format: true }));
        let chosen = if let Some(choice) = last(|kind| matches!(kind, Kind::Choice(..))) {
            Some(choice)
        } else if last(|kind| matches!(kind, Kind::Const(_))).is_some() {
            text.or(number)
        } else if let Some(values) = last(|kind| matches!(kind, Kind::Enum(_))) {
            text.map(|_| values).or(number)
        } else if formatted.is_some() {
            number.or(formatted)
        } else {
            last(|kind| matches!(kind, Kind::Reference(_)))
        };
        let chosen = chosen.ok_or_else(|| {
            Error::data("Unsupported criterion allOf: its schemas are neither objects nor one type with limits")
                .with_class("java.lang.IllegalArgumentException")
        })?;
        self.schema(chosen, version, optional)
    }

    /// Adds the properties of all objects that a part of `allOf` demands: name, schema, its document, whether required.
    fn collect(
        &self,
        part: &Part<'a>,
        document: &'a Json,
        merged: &mut Vec<(String, &'a Json, &'a Json, bool)>,
        depth: usize,
    ) -> Result<()> {
        let Some(node) = part.node().filter(|_| depth < DEPTH_MAX) else { return Ok(()) };
        match &node.kind {
            Kind::Choice(Criterion::All, parts) => {
                parts.iter().try_for_each(|part| self.collect(part, document, merged, depth + 1))
            }
            Kind::Object(object) => {
                for (name, schema) in properties(object) {
                    let property = (name.clone(), schema, document, requires(object, &name));
                    match merged.iter_mut().find(|(known, ..)| *known == name) {
                        Some(known) => *known = property,
                        None => merged.push(property),
                    }
                }
                Ok(())
            }
            Kind::Reference(reference) => {
                let (target, document) = self.documents.resolve(document, reference)?;
                self.collect(&Part::Written(target), document, merged, depth + 1)
            }
            _ => Ok(()),
        }
    }

    fn enumeration(&self, values: &[Json]) -> SchemaBuilder {
        let generalized = self.config.generalized_sum_type_support;
        let parameter = if generalized { GENERALIZED_ENUM } else { ENUM };
        let mut builder = SchemaBuilder::new(Type::String).parameter(parameter, "");
        for (index, value) in values.iter().enumerate() {
            let symbol = match value {
                Json::Null => NULL_MARKER.to_owned(),
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            let ordinal = index.to_string();
            let value = if generalized { ordinal.as_str() } else { symbol.as_str() };
            builder = builder.parameter(format!("{parameter}.{symbol}"), value);
        }
        builder
    }

    fn array(&mut self, node: &Node<'a>, items: Option<&'a Json>) -> Result<SchemaBuilder> {
        let items = items.ok_or_else(|| Error::data("Array schema did not specify the items type"))?;
        let entry = read(items)?;
        match entry.kind {
            Kind::Object(members) if connect_type(node) == Some("map") => {
                let part = |name: &str| {
                    let part = members.get("properties").and_then(|properties| properties.get(name));
                    part.ok_or_else(|| Error::data(format!("the entries of a map have no property {name}")))
                };
                let (key, value) = (part("key")?, part("value")?);
                Ok(SchemaBuilder::map(self.written(key, false)?, self.written(value, false)?))
            }
            _ => Ok(SchemaBuilder::array(self.schema(&entry, None, false)?)),
        }
    }

    fn object(&mut self, node: &Node<'a>, members: &'a Map<String, Json>) -> Result<SchemaBuilder> {
        if connect_type(node) == Some("map") {
            let values = members.get("additionalProperties").filter(|values| values.is_object());
            let values = values.ok_or_else(|| Error::data("valueSchema cannot be null"))?;
            return Ok(SchemaBuilder::map(Schema::string(), self.written(values, false)?));
        }
        let mut ordered: BTreeMap<i64, (String, &'a Json)> = BTreeMap::new();
        for (name, schema) in properties(members) {
            let index = schema.get(CONNECT_INDEX).and_then(Json::as_i64);
            let index = index.unwrap_or_else(|| i64::try_from(ordered.len()).unwrap_or_default());
            ordered.insert(index, (name, schema));
        }
        let mut builder = SchemaBuilder::structure();
        for (name, schema) in ordered.into_values() {
            let optional = self.config.use_optional_for_nonrequired && !requires(members, &name);
            builder = builder.field(name, self.written(schema, optional)?);
        }
        Ok(builder)
    }
}

/// What a choice comes to.
enum Chosen {
    Schema(SchemaRef),
    Builder(SchemaBuilder),
}

fn connect_type<'a>(node: &Node<'a>) -> Option<&'a str> {
    node.attribute(CONNECT_TYPE).and_then(Json::as_str)
}

fn number(node: &Node<'_>, integer: bool) -> Result<SchemaBuilder> {
    Ok(SchemaBuilder::new(match connect_type(node) {
        None if integer => Type::Int64,
        None => Type::Float64,
        Some("int8") => Type::Int8,
        Some("int16") => Type::Int16,
        Some("int32") => Type::Int32,
        Some("int64") => Type::Int64,
        Some("float32") => Type::Float32,
        Some("float64") => Type::Float64,
        Some("bytes") => Type::Bytes,
        Some(other) => {
            return Err(
                Error::data(format!("Unsupported type {other}")).with_class("java.lang.IllegalArgumentException")
            );
        }
    }))
}

/// Adds name, version, documentation, parameters and default.
fn describe(builder: SchemaBuilder, node: &Node<'_>, version: Option<i32>, optional: bool) -> Result<SchemaRef> {
    let text = |name: &str| node.attribute(name).and_then(Json::as_str);
    let mut builder = builder;
    if let Some(title) = text("title").filter(|_| builder.clone().build().name().is_none()) {
        builder = builder.name(title);
    }
    let connect_version = node.attribute(CONNECT_VERSION).and_then(Json::as_i64).and_then(|v| i32::try_from(v).ok());
    if let Some(version) = connect_version.or(version) {
        builder = builder.version(version);
    }
    if let Some(doc) = text("description") {
        builder = builder.doc(doc);
    }
    if let Some(Json::Object(parameters)) = node.attribute(CONNECT_PARAMETERS) {
        for (key, value) in parameters {
            builder = builder.parameter(key.as_str(), value.as_str().unwrap_or_default());
        }
    }
    if let Some(default) = node.attribute("default") {
        let bytes = Bytes::from(default.to_string());
        let value = reader::read(&bytes, &builder.clone().build())?;
        builder = builder.default_or_none(Some(value).filter(|value| !value.is_null()));
    }
    Ok(if optional { builder.optional() } else { builder }.build())
}
