//! Schemas from JSON.
//!
//! Source: Avro specification 1.11, "Schema Declaration".

use std::collections::HashMap;

use couplet_api::{Error, Result};
use serde_json::{Map, Value};

use super::schema::{AvroSchema, Field, Id, Name, Props, Shape};
use crate::client::SchemaText;

/// Most types in one schema.
const NODES_MAX: usize = 100_000;

/// Reads `schema`, and first what it refers to.
///
/// # Errors
/// `Kind::Data` for texts that are no Avro schema.
pub(super) fn parse(schema: &SchemaText) -> Result<AvroSchema> {
    let mut parser = Parser::default();
    for (_, text) in &schema.resolved {
        parser.parse_text(text)?;
    }
    let root = parser.parse_text(&schema.text)?;
    parser.schema.root = root;
    Ok(parser.schema)
}

#[derive(Default)]
struct Parser {
    schema: AvroSchema,
    names: HashMap<String, Id>,
}

fn bad(problem: impl std::fmt::Display) -> Error {
    Error::data(format!("not an Avro schema: {problem}")).with_class("org.apache.avro.SchemaParseException")
}

impl Parser {
    fn parse_text(&mut self, text: &str) -> Result<Id> {
        let json: Value = serde_json::from_str(text).map_err(bad)?;
        self.parse(&json, None)
    }

    fn parse(&mut self, json: &Value, space: Option<&str>) -> Result<Id> {
        match json {
            Value::String(name) => match Shape::primitive(name) {
                Some(shape) => self.add(shape),
                None => self.named(name, space),
            },
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.parse(branch, space)).collect::<Result<_>>()?;
                self.add(Shape::Union(branches))
            }
            Value::Object(object) => self.parse_object(object, space),
            _ => Err(bad("a type is a name, an object or an array")),
        }
    }

    fn add(&mut self, shape: Shape) -> Result<Id> {
        let id = self.schema.add(shape);
        if id >= NODES_MAX {
            return Err(bad("too many types"));
        }
        Ok(id)
    }

    fn named(&self, name: &str, space: Option<&str>) -> Result<Id> {
        let in_space = space.filter(|_| !name.contains('.')).map(|space| format!("{space}.{name}"));
        let found = in_space.and_then(|full| self.names.get(&full)).or_else(|| self.names.get(name));
        found.copied().ok_or_else(|| bad(format_args!("\"{name}\" is not a defined name")))
    }

    fn parse_object(&mut self, object: &Map<String, Value>, space: Option<&str>) -> Result<Id> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            // {"type": {…}}: the type inside.
            Some(nested) => return self.parse(nested, space),
            None => return Err(bad("no type")),
        };
        let (id, own): (Id, &[&str]) = match kind {
            "array" => {
                let items = self.parse(object.get("items").ok_or_else(|| bad("an array without items"))?, space)?;
                (self.add(Shape::Array(items))?, &["items"])
            }
            "map" => {
                let values = self.parse(object.get("values").ok_or_else(|| bad("a map without values"))?, space)?;
                (self.add(Shape::Map(values))?, &["values"])
            }
            "record" | "error" => return self.record(object, space),
            "enum" => {
                let name = name(object, space)?;
                let symbols = texts(object, "symbols");
                if symbols.is_empty() {
                    return Err(bad("an enum without symbols"));
                }
                let (doc, default) = (text(object, "doc"), text(object, "default"));
                (self.define(Shape::Enum { name, doc, symbols, default })?, &["symbols", "default"])
            }
            "fixed" => {
                let size = object.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
                let size = size.filter(|size| *size < 1 << 31).ok_or_else(|| bad("a fixed without a size"))?;
                (self.define(Shape::Fixed { name: name(object, space)?, size })?, &["size"])
            }
            other => match Shape::primitive(other) {
                Some(shape) => (self.add(shape)?, &[]),
                None => return self.named(other, space),
            },
        };
        let is_named = self.schema.shape(id).name().is_some();
        self.schema.node_mut(id).props = props(object, is_named, own);
        Ok(id)
    }

    /// Adds a named type.
    fn define(&mut self, shape: Shape) -> Result<Id> {
        let full = shape.name().map(Name::full).unwrap_or_default();
        let id = self.add(shape)?;
        match self.names.insert(full.clone(), id) {
            None => Ok(id),
            Some(_) => Err(bad(format_args!("can't redefine: {full}"))),
        }
    }

    fn record(&mut self, object: &Map<String, Value>, space: Option<&str>) -> Result<Id> {
        let name = name(object, space)?;
        let inner = name.space.clone();
        let doc = text(object, "doc");
        let id = self.define(Shape::Record { name: name.clone(), doc: doc.clone(), fields: Vec::new() })?;
        let listed = object.get("fields").and_then(Value::as_array).ok_or_else(|| bad("a record without fields"))?;
        let mut fields: Vec<Field> = Vec::with_capacity(listed.len().min(1024));
        let mut seen = std::collections::HashSet::new();
        for field in listed {
            let field = field.as_object().ok_or_else(|| bad("a field that is no object"))?;
            let name = text(field, "name").ok_or_else(|| bad("a field without a name"))?;
            if !seen.insert(name.clone()) {
                return Err(bad(format_args!("duplicate field {name}")));
            }
            let kind = field.get("type").ok_or_else(|| bad(format_args!("field {name} has no type")))?;
            let mut rest = field.clone();
            rest.retain(|key, _| !["name", "type", "doc", "default", "order", "aliases"].contains(&key.as_str()));
            fields.push(Field {
                schema: self.parse(kind, inner.as_deref())?,
                doc: text(field, "doc"),
                default: field.get("default").cloned(),
                aliases: texts(field, "aliases"),
                props: rest,
                name,
            });
        }
        let node = self.schema.node_mut(id);
        node.shape = Shape::Record { name, doc, fields };
        node.props = props(object, true, &["fields"]);
        Ok(id)
    }
}

/// What is left of `object` when Avro's own attributes are taken away.
fn props(object: &Map<String, Value>, is_named: bool, own: &[&str]) -> Props {
    let mut props = object.clone();
    let names = ["name", "namespace", "aliases", "doc"];
    props
        .retain(|key, _| key != "type" && !own.contains(&key.as_str()) && !(is_named && names.contains(&key.as_str())));
    props
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key)?.as_str().map(str::to_owned)
}

fn texts(object: &Map<String, Value>, key: &str) -> Vec<String> {
    let items = object.get(key).and_then(Value::as_array);
    items.map_or_else(Vec::new, |items| items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
}

fn name(object: &Map<String, Value>, space: Option<&str>) -> Result<Name> {
    let simple = text(object, "name").filter(|name| !name.is_empty()).ok_or_else(|| bad("no name"))?;
    let mut name = Name::of_full(&simple);
    if !simple.contains('.') {
        let own = text(object, "namespace");
        name.space = own.as_deref().or(space).filter(|space| !space.is_empty()).map(str::to_owned);
    }
    let full = |alias: String| match (&name.space, alias.contains('.')) {
        (Some(space), false) => format!("{space}.{alias}"),
        _ => alias,
    };
    name.aliases = texts(object, "aliases").into_iter().map(full).collect();
    Ok(name)
}
