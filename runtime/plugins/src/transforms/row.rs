//! What most transforms do with structs and maps.

use std::sync::Arc;

use couplet_api::data::{Field, Schema, SchemaBuilder, SchemaRef, Struct, Type, Value};
use couplet_api::{Error, Result};

use crate::java::{cast_failure, class_of};
use crate::value_check::check_field;

/// The struct that `value` must be; `purpose` says for what.
///
/// # Errors
/// When it is none.
pub(super) fn require_struct<'a>(value: &'a Value, purpose: &str) -> Result<&'a Arc<Struct>> {
    value.as_struct().ok_or_else(|| {
        Error::data(format!("Only Struct objects supported for [{purpose}], found: {}", class_of(value)))
    })
}

/// The entries of the map that `value` must be.
///
/// # Errors
/// When it is none.
pub(super) fn require_map<'a>(value: &'a Value, purpose: &str) -> Result<&'a [(Value, Value)]> {
    value.as_map().ok_or_else(|| {
        let class = class_of(value);
        Error::data(format!("Only Map objects supported in absence of schema for [{purpose}], found: {class}"))
    })
}

/// The fields of a schema that must be a struct's.
///
/// # Errors
/// When it is none.
pub(super) fn fields_of(schema: &Schema) -> Result<&[Field]> {
    match schema.kind() {
        Type::Struct => Ok(schema.fields()),
        _ => Err(Error::data("Cannot list fields on non-struct type")),
    }
}

/// The text keys and values of a map of which they are all text keys.
///
/// # Errors
/// `ClassCastException`, as names of fields are made of them.
pub(super) fn text_keys(entries: &[(Value, Value)]) -> impl Iterator<Item = Result<(&str, &Value)>> {
    entries.iter().map(|(key, value)| match key {
        Value::Str(text) => Ok((text.as_str(), value)),
        Value::Null => Ok(("null", value)),
        other => Err(cast_failure(other, "java.lang.String")),
    })
}

/// A struct schema with name, version, doc and parameters of `schema`, required and without fields.
pub(super) fn copy_basics(schema: &Schema) -> SchemaBuilder {
    with_basics(schema, SchemaBuilder::new(Type::Struct))
}

/// `builder` with name, version, doc and parameters of `schema`.
pub(super) fn with_basics(schema: &Schema, builder: SchemaBuilder) -> SchemaBuilder {
    let mut builder = builder.name_or_none(schema.name()).version(schema.version());
    if let Some(doc) = schema.doc() {
        builder = builder.doc(doc);
    }
    for (key, value) in schema.parameters() {
        builder = builder.parameter(key.clone(), value.clone());
    }
    builder
}

/// A stored value, or the default of its schema in place of null.
pub(super) fn or_default(value: &Value, schema: &Schema, replace_null_with_default: bool) -> Value {
    match schema.default() {
        Some(default) if value.is_null() && replace_null_with_default => default.clone(),
        _ => value.clone(),
    }
}

/// The values of a struct's fields in order, see [`or_default`].
pub(super) fn values(row: &Struct, replace_null_with_default: bool) -> impl Iterator<Item = (&Field, Value)> {
    let fields = row.schema().fields().iter().zip(row.values());
    fields.map(move |(field, value)| (field, or_default(value, field.schema(), replace_null_with_default)))
}

/// `value` as the value of a field, as `Struct.put` takes it.
///
/// # Errors
/// When something required in it is null.
pub(super) fn checked(field: &Field, value: Value) -> Result<Value> {
    check_field(field, &value)?;
    Ok(value)
}

/// A struct of `schema` with these values, each checked.
///
/// # Errors
/// When a required field would be null.
pub(super) fn build(schema: &SchemaRef, values: impl IntoIterator<Item = Value>) -> Result<Value> {
    // Not collected into a result, which would grow the list in steps.
    let mut row = Vec::with_capacity(schema.fields().len());
    for (field, value) in schema.fields().iter().zip(values) {
        row.push(checked(field, value)?);
    }
    Ok(Value::Struct(Arc::new(Struct::new(schema.clone(), row))))
}
