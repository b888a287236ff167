use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::{DATE, DECIMAL, DECIMAL_SCALE, TIME, TIMESTAMP, Value};

/// A schema shared by all values that have it.
pub type SchemaRef = Arc<Schema>;

/// The types a schema can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// 8-bit signed integer.
    Int8,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// 32-bit IEEE 754 number.
    Float32,
    /// 64-bit IEEE 754 number.
    Float64,
    /// True or false.
    Boolean,
    /// Unicode text.
    String,
    /// Uninterpreted bytes.
    Bytes,
    /// Ordered list of values of one schema.
    Array,
    /// Keys and values, one schema each.
    Map,
    /// Named fields.
    Struct,
}

impl Type {
    /// Connect's name of the type, as `Schema.Type` prints it: `INT32`.
    pub const fn name(self) -> &'static str {
        match self {
            Type::Int8 => "INT8",
            Type::Int16 => "INT16",
            Type::Int32 => "INT32",
            Type::Int64 => "INT64",
            Type::Float32 => "FLOAT32",
            Type::Float64 => "FLOAT64",
            Type::Boolean => "BOOLEAN",
            Type::String => "STRING",
            Type::Bytes => "BYTES",
            Type::Array => "ARRAY",
            Type::Map => "MAP",
            Type::Struct => "STRUCT",
        }
    }

    /// Whether this is a number that a field of type `wider` can hold after Java's widening.
    pub const fn is_promotable_to(self, wider: Type) -> bool {
        const fn width(kind: Type) -> Option<u8> {
            match kind {
                Type::Int8 => Some(0),
                Type::Int16 => Some(1),
                Type::Int32 => Some(2),
                Type::Int64 => Some(3),
                Type::Float32 => Some(4),
                Type::Float64 => Some(5),
                _ => None,
            }
        }
        match (width(self), width(wider)) {
            (Some(own), Some(wider)) => own <= wider,
            _ => false,
        }
    }

    /// Whether values of this type have no parts.
    pub const fn is_primitive(self) -> bool {
        !matches!(self, Type::Array | Type::Map | Type::Struct)
    }
}

/// One field of a STRUCT schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    name: Arc<str>,
    schema: SchemaRef,
}

impl Field {
    /// A field.
    pub fn new(name: impl Into<Arc<str>>, schema: SchemaRef) -> Self {
        Field { name: name.into(), schema }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its schema.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// Type, name and attributes of values. Immutable; made by [`SchemaBuilder`].
#[derive(Debug, Clone)]
pub struct Schema {
    kind: Type,
    optional: bool,
    name: Option<Arc<str>>,
    version: Option<i32>,
    doc: Option<Arc<str>>,
    default: Option<Value>,
    parameters: Vec<(Arc<str>, Arc<str>)>,
    fields: Vec<Field>,
    field_index: HashMap<Arc<str>, usize>,
    key: Option<SchemaRef>,
    value: Option<SchemaRef>,
}

/// Type and name, as Java's `Schema.toString` prints them: `Schema{bank.Value:STRUCT}`.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "Schema{{{name}:{}}}", self.kind.name()),
            None => write!(f, "Schema{{{}}}", self.kind.name()),
        }
    }
}

/// Structural equality; the order of parameters does not count, as in Java's `Map.equals`.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.kind == other.kind
                && self.optional == other.optional
                && self.name == other.name
                && self.version == other.version
                && self.doc == other.doc
                && self.default == other.default
                && self.parameters.len() == other.parameters.len()
                && self.parameters.iter().all(|p| other.parameters.contains(p))
                && self.fields == other.fields
                && self.key == other.key
                && self.value == other.value)
    }
}

macro_rules! primitive {
    ($($(#[$doc:meta])* $required:ident $optional:ident $kind:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $required() -> SchemaRef {
            static SHARED: std::sync::LazyLock<SchemaRef> =
                std::sync::LazyLock::new(|| SchemaBuilder::new(Type::$kind).build());
            SHARED.clone()
        }

        $(#[$doc])*
        /// Optional.
        pub fn $optional() -> SchemaRef {
            static SHARED: std::sync::LazyLock<SchemaRef> =
                std::sync::LazyLock::new(|| SchemaBuilder::new(Type::$kind).optional().build());
            SHARED.clone()
        }
    )*};
}

impl Schema {
    primitive! {
        /// The plain INT8 schema.
        int8 optional_int8 Int8,
        /// The plain INT16 schema.
        int16 optional_int16 Int16,
        /// The plain INT32 schema.
        int32 optional_int32 Int32,
        /// The plain INT64 schema.
        int64 optional_int64 Int64,
        /// The plain FLOAT32 schema.
        float32 optional_float32 Float32,
        /// The plain FLOAT64 schema.
        float64 optional_float64 Float64,
        /// The plain BOOLEAN schema.
        boolean optional_boolean Boolean,
        /// The plain STRING schema.
        string optional_string String,
        /// The plain BYTES schema.
        bytes optional_bytes Bytes,
    }

    /// The type.
    pub const fn kind(&self) -> Type {
        self.kind
    }

    /// Whether null is a value of this schema.
    pub const fn is_optional(&self) -> bool {
        self.optional
    }

    /// The name; a logical type's name says how values are to be read.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The version.
    pub const fn version(&self) -> Option<i32> {
        self.version
    }

    /// The documentation.
    pub fn doc(&self) -> Option<&str> {
        self.doc.as_deref()
    }

    /// The value that stands for an absent one.
    pub const fn default(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// The parameters, in the order they were added.
    pub fn parameters(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.parameters
    }

    /// The value of one parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(k, _)| &**k == name).map(|(_, v)| &**v)
    }

    /// The fields of a STRUCT; empty for other types.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Position of the field called `name`.
    pub fn field_index(&self, name: &str) -> Option<usize> {
        // A short scan beats hashing for the usual row.
        if self.fields.len() <= 8 {
            return self.fields.iter().position(|f| f.name() == name);
        }
        self.field_index.get(name).copied()
    }

    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.field_index(name).map(|i| &self.fields[i])
    }

    /// Schema of a MAP's keys.
    pub const fn key_schema(&self) -> Option<&SchemaRef> {
        self.key.as_ref()
    }

    /// Schema of a MAP's values or an ARRAY's items.
    pub const fn value_schema(&self) -> Option<&SchemaRef> {
        self.value.as_ref()
    }

    /// Same pointer, or equal.
    pub fn same(a: &SchemaRef, b: &SchemaRef) -> bool {
        Arc::ptr_eq(a, b) || a == b
    }

    /// Whether this is the Decimal logical type.
    pub fn is_decimal(&self) -> bool {
        self.name() == Some(DECIMAL)
    }

    /// Whether values are [`Value::Date`]: the Date, Time or Timestamp logical type.
    pub fn is_date_like(&self) -> bool {
        matches!(self.name(), Some(DATE | TIME | TIMESTAMP))
    }

    /// A builder that starts with everything this schema has.
    pub fn to_builder(&self) -> SchemaBuilder {
        SchemaBuilder(self.clone())
    }
}

/// Makes a [`Schema`].
///
/// ```
/// use couplet_api::data::{Schema, SchemaBuilder};
/// let row = SchemaBuilder::structure().name("bank.Value").field("id", Schema::int64()).optional().build();
/// assert_eq!(row.field_index("id"), Some(0));
/// ```
#[derive(Debug, Clone)]
pub struct SchemaBuilder(Schema);

impl SchemaBuilder {
    /// A required schema of `kind` with nothing else.
    pub fn new(kind: Type) -> Self {
        SchemaBuilder(Schema {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            default: None,
            parameters: Vec::new(),
            fields: Vec::new(),
            field_index: HashMap::new(),
            key: None,
            value: None,
        })
    }

    /// A STRUCT without fields.
    pub fn structure() -> Self {
        Self::new(Type::Struct)
    }

    /// An ARRAY of `items`.
    pub fn array(items: SchemaRef) -> Self {
        let mut builder = Self::new(Type::Array);
        builder.0.value = Some(items);
        builder
    }

    /// A MAP from `key` to `value`.
    pub fn map(key: SchemaRef, value: SchemaRef) -> Self {
        let mut builder = Self::new(Type::Map);
        builder.0.key = Some(key);
        builder.0.value = Some(value);
        builder
    }

    /// An ARRAY, or a MAP from `key`, of values of any schema: parsed header text has such types.
    pub fn mixed(kind: Type, key: Option<SchemaRef>) -> Self {
        let mut builder = Self::new(kind);
        builder.0.key = key;
        builder
    }

    /// The Decimal logical type, version 1.
    pub fn decimal(scale: i32) -> Self {
        Self::new(Type::Bytes).name(DECIMAL).version(1).parameter(DECIMAL_SCALE, scale.to_string())
    }

    /// The Date logical type, version 1.
    pub fn date() -> Self {
        Self::new(Type::Int32).name(DATE).version(1)
    }

    /// The Time logical type, version 1.
    pub fn time() -> Self {
        Self::new(Type::Int32).name(TIME).version(1)
    }

    /// The Timestamp logical type, version 1.
    pub fn timestamp() -> Self {
        Self::new(Type::Int64).name(TIMESTAMP).version(1)
    }

    /// Allows null.
    #[must_use]
    pub fn optional(self) -> Self {
        self.optional_if(true)
    }

    /// Allows null when `optional`.
    #[must_use]
    pub fn optional_if(mut self, optional: bool) -> Self {
        self.0.optional = optional;
        self
    }

    /// Sets the name.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// Sets or removes the name.
    #[must_use]
    pub fn name_or_none(mut self, name: Option<&str>) -> Self {
        self.0.name = name.map(Into::into);
        self
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: impl Into<Option<i32>>) -> Self {
        self.0.version = version.into();
        self
    }

    /// Sets the documentation.
    #[must_use]
    pub fn doc(mut self, doc: impl Into<Arc<str>>) -> Self {
        self.0.doc = Some(doc.into());
        self
    }

    /// Sets the default value; the caller vouches for its type.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.0.default = Some(value.into());
        self
    }

    /// Sets or removes the default value.
    #[must_use]
    pub fn default_or_none(mut self, value: Option<Value>) -> Self {
        self.0.default = value;
        self
    }

    /// Sets one parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.0.parameters.iter_mut().find(|(k, _)| *k == name) {
            Some(slot) => slot.1 = value,
            None => self.0.parameters.push((name, value)),
        }
        self
    }

    /// Appends a field.
    #[must_use]
    pub fn field(mut self, name: impl Into<Arc<str>>, schema: SchemaRef) -> Self {
        let field = Field::new(name, schema);
        self.0.field_index.insert(field.name.clone(), self.0.fields.len());
        self.0.fields.push(field);
        self
    }

    /// Removes all fields.
    #[must_use]
    pub fn without_fields(mut self) -> Self {
        self.0.fields.clear();
        self.0.field_index.clear();
        self
    }

    /// The schema.
    pub fn build(self) -> SchemaRef {
        Arc::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_structural_and_ignores_parameter_order() {
        let build = |first: &str, second: &str| {
            SchemaBuilder::new(Type::String).parameter(first, "x").parameter(second, "x").build()
        };
        assert_eq!(build("a", "b"), build("b", "a"));
        assert_ne!(build("a", "b"), build("a", "c"));
        assert!(Schema::same(&Schema::int32(), &Schema::int32()));
        assert!(!Schema::same(&Schema::int32(), &Schema::optional_int32()));
    }

    #[test]
    fn wide_structs_find_fields_by_name() {
        let schema = (0..20).fold(SchemaBuilder::structure(), |b, i| b.field(format!("f{i}"), Schema::int32())).build();
        for i in 0..20 {
            assert_eq!(schema.field_index(&format!("f{i}")), Some(i));
        }
        assert_eq!(schema.field_index("g"), None);
    }
}
