//! What kind of schema the keywords of a JSON Schema make. The kinds, and how several in one object combine, are those of the
//! everit-org library, on which Confluent's converter is built: `{"type": "string", "enum": [..]}` is a text *and* an enum.

use serde_json::{Map, Value as Json};

use super::properties::java_order;

/// One JSON Schema, or one of the kinds that its keywords make.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) kind: Kind<'a>,
    /// Title, default, `connect.*` and so on; a part of a combination has none.
    pub(super) attributes: Option<&'a Map<String, Json>>,
}

/// What a schema demands.
#[derive(Debug, Clone)]
pub(super) enum Kind<'a> {
    Boolean,
    Number {
        integer: bool,
    },
    Text {
        format: bool,
    },
    Const(&'a Json),
    Enum(&'a [Json]),
    Choice(Criterion, Vec<Part<'a>>),
    Array {
        items: Option<&'a Json>,
    },
    Object(&'a Map<String, Json>),
    Reference(&'a str),
    Null,
    /// A class of everit-org's that no Connect type is like.
    Other(&'static str),
}

/// How many schemas of a choice must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Criterion {
    All,
    Any,
    One,
}

/// A schema of a choice.
#[derive(Debug, Clone)]
pub(super) enum Part<'a> {
    /// As it is written.
    Written(&'a Json),
    /// One of several kinds in one object.
    Made(Node<'a>),
}

const OBJECT: [&str; 7] = [
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "dependencies",
    "patternProperties",
    "additionalProperties",
];
const ARRAY: [&str; 6] = ["items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains"];
const NUMBER: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
const TEXT: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];

/// The schema in `json`; `None` when it is none.
pub(super) fn node(json: &Json) -> Option<Node<'_>> {
    let members = match json {
        Json::Bool(true) => return Some(Node { kind: Kind::Other("TrueSchema"), attributes: None }),
        Json::Bool(false) => return Some(Node { kind: Kind::Other("FalseSchema"), attributes: None }),
        Json::Object(members) => members,
        _ => return None,
    };
    if let Some(reference) = members.get("$ref").and_then(Json::as_str) {
        return Some(Node { kind: Kind::Reference(reference), attributes: Some(members) });
    }
    let mut kinds = kinds(members)?;
    let kind = match kinds.len() {
        0 => Kind::Other("EmptySchema"),
        1 => kinds.pop()?,
        _ => {
            let made = |kind| Part::Made(Node { kind, attributes: None });
            Kind::Choice(Criterion::All, kinds.into_iter().map(made).collect())
        }
    };
    Some(Node { kind, attributes: Some(members) })
}

fn kinds(members: &Map<String, Json>) -> Option<Vec<Kind<'_>>> {
    let mut kinds = Vec::new();
    if let Some(values) = members.get("enum") {
        kinds.push(Kind::Enum(values.as_array()?));
    }
    for keyword in java_order(["allOf", "anyOf", "oneOf"]) {
        let Some(parts) = members.get(&keyword) else { continue };
        let criterion = match keyword.as_str() {
            "allOf" => Criterion::All,
            "anyOf" => Criterion::Any,
            _ => Criterion::One,
        };
        kinds.push(Kind::Choice(criterion, parts.as_array()?.iter().map(Part::Written).collect()));
    }
    if members.contains_key("not") {
        kinds.push(Kind::Other("NotSchema"));
    }
    if let Some(value) = members.get("const") {
        kinds.push(Kind::Const(value));
    }
    let mut types: Vec<&str> = Vec::new();
    match members.get("type") {
        None => {}
        Some(Json::Array(several)) => {
            types = several.iter().map(Json::as_str).collect::<Option<_>>()?;
            let parts = types.iter().map(|name| typed(name, members).map(|kind| Node { kind, attributes: None }));
            let parts = parts.map(|node| node.map(Part::Made)).collect::<Option<_>>()?;
            kinds.push(Kind::Choice(Criterion::Any, parts));
        }
        Some(one) => {
            types.push(one.as_str()?);
            kinds.push(typed(one.as_str()?, members)?);
        }
    }
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| members.contains_key(*keyword));
    let said = |names: &[&str]| types.iter().any(|name| names.contains(name));
    if has(&ARRAY) && !said(&["array"]) {
        kinds.push(Kind::Array { items: members.get("items").filter(|items| !items.is_array()) });
    }
    if (has(&OBJECT) || members.contains_key("propertyNames")) && !said(&["object"]) {
        kinds.push(Kind::Object(members));
    }
    if has(&NUMBER) && !said(&["number", "integer"]) {
        kinds.push(Kind::Number { integer: false });
    }
    if has(&TEXT) && !said(&["string"]) {
        kinds.push(Kind::Text { format: members.contains_key("format") });
    }
    if has(&["if", "then", "else"]) {
        kinds.push(Kind::Other("ConditionalSchema"));
    }
    Some(kinds)
}

fn typed<'a>(name: &str, members: &'a Map<String, Json>) -> Option<Kind<'a>> {
    Some(match name {
        "string" => Kind::Text { format: members.contains_key("format") },
        "integer" => Kind::Number { integer: true },
        "number" => Kind::Number { integer: false },
        "boolean" => Kind::Boolean,
        "null" => Kind::Null,
        "array" => Kind::Array { items: members.get("items").filter(|items| !items.is_array()) },
        "object" => Kind::Object(members),
        _ => return None,
    })
}

impl<'a> Node<'a> {
    /// A member of the schema's object.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a Json> {
        self.attributes?.get(name)
    }

    /// The class of this kind in everit-org's library.
    pub(super) const fn class(&self) -> &'static str {
        match &self.kind {
            Kind::Boolean => "BooleanSchema",
            Kind::Number { .. } => "NumberSchema",
            Kind::Text { .. } => "StringSchema",
            Kind::Const(_) => "ConstSchema",
            Kind::Enum(_) => "EnumSchema",
            Kind::Choice(..) => "CombinedSchema",
            Kind::Array { .. } => "ArraySchema",
            Kind::Object(_) => "ObjectSchema",
            Kind::Reference(_) => "ReferenceSchema",
            Kind::Null => "NullSchema",
            Kind::Other(class) => class,
        }
    }
}

impl<'a> Part<'a> {
    /// The schema.
    pub(super) fn node(&self) -> Option<Node<'a>> {
        match self {
            Part::Written(json) => node(json),
            Part::Made(node) => Some(node.clone()),
        }
    }
}

/// The properties that an object names, in the order of Java's map.
pub(super) fn properties(object: &Map<String, Json>) -> Vec<(String, &Json)> {
    let Some(Json::Object(properties)) = object.get("properties") else { return Vec::new() };
    let ordered = java_order(properties.keys().map(String::as_str));
    ordered.into_iter().filter_map(|name| properties.get(&name).map(|schema| (name, schema))).collect()
}

/// Whether an object must have the property `name`.
pub(super) fn requires(object: &Map<String, Json>, name: &str) -> bool {
    let required = object.get("required").and_then(Json::as_array);
    required.is_some_and(|names| names.iter().any(|required| required.as_str() == Some(name)))
}
