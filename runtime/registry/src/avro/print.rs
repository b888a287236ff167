//! Schemas as JSON, attributes in the order of Java's `Schema.toString`.

use std::collections::HashMap;

use couplet_api::{Error, Result};
use serde_json::{Map, Value};

use super::schema::{AvroSchema, Field, Id, Name, Props, Shape};

/// The text of `schema`.
///
/// # Errors
/// `Kind::Data` when one name stands for different types.
pub(super) fn print(schema: &AvroSchema) -> Result<String> {
    let mut printer = Printer { schema, defined: HashMap::new() };
    Ok(printer.json(schema.root, None)?.to_string())
}

struct Printer<'a> {
    schema: &'a AvroSchema,
    defined: HashMap<String, Id>,
}

impl Printer<'_> {
    fn json(&mut self, id: Id, space: Option<&str>) -> Result<Value> {
        let node = self.schema.node(id);
        let mut object = Map::new();
        match &node.shape {
            Shape::Union(branches) => {
                return branches
                    .iter()
                    .map(|branch| self.json(*branch, space))
                    .collect::<Result<_>>()
                    .map(Value::Array);
            }
            Shape::Array(items) => {
                object.insert("type".to_owned(), "array".into());
                object.insert("items".to_owned(), self.json(*items, space)?);
            }
            Shape::Map(values) => {
                object.insert("type".to_owned(), "map".into());
                object.insert("values".to_owned(), self.json(*values, space)?);
            }
            shape => match shape.name() {
                None if node.props.is_empty() => return Ok(shape.type_name().into()),
                None => {
                    object.insert("type".to_owned(), shape.type_name().into());
                }
                Some(name) => {
                    let full = name.full();
                    if let Some(known) = self.defined.get(&full) {
                        if !same(self.schema, *known, id) {
                            let cause = Error::data(format!("Can't redefine: {full}"));
                            return Err(cause.with_class("org.apache.avro.SchemaParseException"));
                        }
                        let near = name.space.as_deref() == space && Shape::primitive(&name.simple).is_none();
                        return Ok(Value::String(if near { name.simple.clone() } else { full }));
                    }
                    self.defined.insert(full, id);
                    self.named(id, name, space, &mut object)?;
                }
            },
        }
        object.extend(node.props.clone());
        if let Some(name) = node.shape.name().filter(|name| !name.aliases.is_empty()) {
            object.insert("aliases".to_owned(), name.aliases.clone().into());
        }
        Ok(Value::Object(object))
    }

    fn named(&mut self, id: Id, name: &Name, space: Option<&str>, object: &mut Map<String, Value>) -> Result<()> {
        let shape = self.schema.shape(id);
        object.insert("type".to_owned(), shape.type_name().into());
        object.insert("name".to_owned(), name.simple.clone().into());
        if name.space.as_deref() != space {
            object.insert("namespace".to_owned(), name.space.clone().unwrap_or_default().into());
        }
        match shape {
            Shape::Record { doc, fields, .. } => {
                put_text("doc", doc.as_deref(), object);
                let fields = fields.iter().map(|field| self.field(field, name.space.as_deref()));
                object.insert("fields".to_owned(), Value::Array(fields.collect::<Result<_>>()?));
            }
            Shape::Enum { doc, symbols, default, .. } => {
                put_text("doc", doc.as_deref(), object);
                object.insert("symbols".to_owned(), symbols.clone().into());
                put_text("default", default.as_deref(), object);
            }
            Shape::Fixed { size, .. } => {
                object.insert("size".to_owned(), (*size).into());
            }
            _ => {}
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, space: Option<&str>) -> Result<Value> {
        let mut object = Map::new();
        object.insert("name".to_owned(), field.name.clone().into());
        object.insert("type".to_owned(), self.json(field.schema, space)?);
        put_text("doc", field.doc.as_deref(), &mut object);
        if let Some(default) = &field.default {
            object.insert("default".to_owned(), default.clone());
        }
        if !field.aliases.is_empty() {
            object.insert("aliases".to_owned(), field.aliases.clone().into());
        }
        object.extend::<Props>(field.props.clone());
        Ok(Value::Object(object))
    }
}

fn put_text(key: &str, text: Option<&str>, object: &mut Map<String, Value>) {
    if let Some(text) = text {
        object.insert(key.to_owned(), text.into());
    }
}

/// Whether two types print alike.
fn same(schema: &AvroSchema, a: Id, b: Id) -> bool {
    let text = |root: Id| {
        let mut printer = Printer { schema, defined: HashMap::new() };
        printer.json(root, None).ok()
    };
    a == b || text(a) == text(b)
}
