use serde_json::{Map, Value};

/// Properties of a schema that Avro itself gives no meaning, in order; logical types are among them.
pub(super) type Props = Map<String, Value>;

/// Place of a node in its [`AvroSchema`].
pub(super) type Id = usize;

/// A schema as a graph of nodes: records may contain themselves.
///
/// The crate apache-avro has a schema type too, which drops the properties of primitive types; Connect keeps its names,
/// versions, parameters and defaults there.
#[derive(Debug, Clone, Default)]
pub(super) struct AvroSchema {
    nodes: Vec<Node>,
    pub(super) root: Id,
}

/// One type.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) shape: Shape,
    pub(super) props: Props,
}

/// What a type consists of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Array(Id),
    Map(Id),
    Union(Vec<Id>),
    Record { name: Name, doc: Option<String>, fields: Vec<Field> },
    Enum { name: Name, doc: Option<String>, symbols: Vec<String>, default: Option<String> },
    Fixed { name: Name, size: usize },
}

/// Name, namespace and aliases of a record, enum or fixed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Name {
    pub(super) space: Option<String>,
    pub(super) simple: String,
    /// Full names.
    pub(super) aliases: Vec<String>,
}

/// One field of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) doc: Option<String>,
    pub(super) default: Option<Value>,
    pub(super) schema: Id,
    pub(super) aliases: Vec<String>,
    pub(super) props: Props,
}

impl AvroSchema {
    /// Adds a type.
    pub(super) fn add(&mut self, shape: Shape) -> Id {
        self.nodes.push(Node { shape, props: Props::new() });
        self.nodes.len() - 1
    }

    /// The type at `id`.
    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// The type at `id`, to be changed.
    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id]
    }

    /// What the type at `id` consists of.
    pub(super) fn shape(&self, id: Id) -> &Shape {
        &self.nodes[id].shape
    }

    /// The branches of the union at `id`; nothing for other types.
    pub(super) fn branches(&self, id: Id) -> &[Id] {
        match self.shape(id) {
            Shape::Union(branches) => branches,
            _ => &[],
        }
    }

    /// Place of null among the branches of the union at `id`.
    pub(super) fn null_branch(&self, id: Id) -> Option<usize> {
        self.branches(id).iter().position(|branch| *self.shape(*branch) == Shape::Null)
    }

    /// Full name of the root, if it is of a named type.
    pub(super) fn name(&self) -> Option<String> {
        self.shape(self.root).name().map(Name::full)
    }
}

impl Shape {
    /// Avro's name of the type.
    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Shape::Null => "null",
            Shape::Boolean => "boolean",
            Shape::Int => "int",
            Shape::Long => "long",
            Shape::Float => "float",
            Shape::Double => "double",
            Shape::Bytes => "bytes",
            Shape::String => "string",
            Shape::Array(_) => "array",
            Shape::Map(_) => "map",
            Shape::Union(_) => "union",
            Shape::Record { .. } => "record",
            Shape::Enum { .. } => "enum",
            Shape::Fixed { .. } => "fixed",
        }
    }

    /// The name of a record, enum or fixed.
    pub(super) const fn name(&self) -> Option<&Name> {
        match self {
            Shape::Record { name, .. } | Shape::Enum { name, .. } | Shape::Fixed { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The primitive type called `name`.
    pub(super) fn primitive(name: &str) -> Option<Shape> {
        Some(match name {
            "null" => Shape::Null,
            "boolean" => Shape::Boolean,
            "int" => Shape::Int,
            "long" => Shape::Long,
            "float" => Shape::Float,
            "double" => Shape::Double,
            "bytes" => Shape::Bytes,
            "string" => Shape::String,
            _ => return None,
        })
    }
}

impl Name {
    /// From a full name, dots between its parts.
    pub(super) fn of_full(full: &str) -> Self {
        match full.rsplit_once('.') {
            Some((space, simple)) => Name {
                space: Some(space.to_owned()).filter(|space| !space.is_empty()),
                simple: simple.to_owned(),
                aliases: Vec::new(),
            },
            None => Name { space: None, simple: full.to_owned(), aliases: Vec::new() },
        }
    }

    /// Namespace and name.
    pub(super) fn full(&self) -> String {
        match &self.space {
            Some(space) => format!("{space}.{}", self.simple),
            None => self.simple.clone(),
        }
    }
}
