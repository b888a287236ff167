use super::{Schema, SchemaRef, Value};
use crate::{Error, Result};

/// One row: the values of a STRUCT schema's fields, in their order.
#[derive(Clone)]
pub struct Struct {
    schema: SchemaRef,
    values: Box<[Value]>,
}

impl Struct {
    /// A struct of `schema` with `values[i]` in `schema.fields()[i]`.
    ///
    /// The caller vouches for the types of the values; see [`Struct::validate`].
    ///
    /// # Panics
    /// When the number of values differs from the number of fields: a mistake in the caller's code.
    pub fn new(schema: SchemaRef, values: impl Into<Box<[Value]>>) -> Self {
        let values = values.into();
        assert_eq!(schema.fields().len(), values.len(), "a struct has one value per field of its schema");
        Struct { schema, values }
    }

    /// A struct with every field at its default, or null.
    pub fn empty(schema: SchemaRef) -> Self {
        let values = schema.fields().iter().map(|f| f.schema().default().cloned().unwrap_or_default()).collect();
        Struct { schema, values }
    }

    /// The schema.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The values, as stored.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The stored value of the field called `name`; defaults are not filled in.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.schema.field_index(name).map(|i| &self.values[i])
    }

    /// Replaces the value of the field called `name`.
    ///
    /// # Errors
    /// [`crate::Kind::Data`] when there is no such field.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> Result<()> {
        let index =
            self.schema.field_index(name).ok_or_else(|| Error::data(format!("{name} is not a valid field name")))?;
        self.values[index] = value.into();
        Ok(())
    }

    /// The same values under another schema with the same number of fields.
    pub fn with_schema(self, schema: SchemaRef) -> Self {
        Struct::new(schema, self.values)
    }

    /// Checks that every required field has a value. Types are not checked.
    ///
    /// # Errors
    /// [`crate::Kind::Data`] in the JVM's wording.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in self.schema.fields().iter().zip(&self.values) {
            let schema = field.schema();
            if value.is_null() && !schema.is_optional() && schema.default().is_none() {
                return Err(Error::data(format!(
                    "Invalid value: null used for required field: \"{}\", schema type: {}",
                    field.name(),
                    schema.kind().name()
                )));
            }
        }
        Ok(())
    }
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        Schema::same(&self.schema, &other.schema) && self.values == other.values
    }
}

impl std::fmt::Debug for Struct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.schema.fields().iter().map(super::Field::name).zip(&self.values)).finish()
    }
}
