use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Language of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaType {
    /// Avro.
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol Buffers.
    Protobuf,
}

impl SchemaType {
    /// The registry's name.
    pub const fn name(self) -> &'static str {
        match self {
            SchemaType::Avro => "AVRO",
            SchemaType::Json => "JSON",
            SchemaType::Protobuf => "PROTOBUF",
        }
    }

    /// The name in messages.
    pub const fn title(self) -> &'static str {
        match self {
            SchemaType::Avro => "Avro",
            SchemaType::Json => "JSON",
            SchemaType::Protobuf => "Protobuf",
        }
    }
}

/// One schema's mention of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// What the referring schema calls it.
    pub name: String,
    /// Where it is registered.
    pub subject: String,
    /// Its version there.
    pub version: i32,
}

/// A schema as text, with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SchemaText {
    /// Its language.
    pub kind: SchemaType,
    /// The text.
    pub text: Arc<str>,
    /// What it refers to, as the registry has to be told.
    pub references: Vec<Reference>,
    /// Names and texts of everything it refers to, directly or not; each before those that need it.
    pub resolved: Vec<(String, Arc<str>)>,
}

impl SchemaText {
    /// A schema that refers to no other.
    pub fn new(kind: SchemaType, text: impl Into<Arc<str>>) -> Self {
        SchemaText { kind, text: text.into(), references: Vec::new(), resolved: Vec::new() }
    }
}

/// A schema with its place in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: i32,
    /// Its version under the subject it was asked for; `None` when the answer did not say.
    pub version: Option<i32>,
    /// The schema.
    pub schema: Arc<SchemaText>,
}
