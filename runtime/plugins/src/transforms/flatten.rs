use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::{Datum, Record, Schema, SchemaBuilder, SchemaRef, Struct, Type, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::cast::type_of;
use super::row::{build, copy_basics, or_default, require_map, require_struct, text_keys, with_basics};
use super::schema_cache::SchemaCache;
use super::side::Side;
use crate::first_problem;
use crate::java::class_of;
use crate::value_check::add_field;

config_def! {
    /// Settings of Flatten.
    struct FlattenConfig {
        /// What stands between the names of nested fields in the name of the flat field.
        delimiter: Str = "delimiter", Medium, default ".";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    FlattenConfig::config_def()
}

const PURPOSE: &str = "flattening";

/// Makes one level of nested structs or maps.
struct Flatten {
    side: Side,
    delimiter: String,
    schemas: SchemaCache,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(FlattenConfig::parse, FlattenConfig::config_def, props)?;
    Ok(Arc::new(Flatten { side, delimiter: config.delimiter, schemas: SchemaCache::new() }))
}

impl Transform for Flatten {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record);
        if datum.is_null() {
            return Ok(Some(record));
        }
        let flat = match &datum.schema {
            None => {
                let mut flat = Vec::new();
                self.flatten_map(require_map(&datum.value, PURPOSE)?, "", &mut flat)?;
                Datum::schemaless(Value::Map(flat.into()))
            }
            Some(schema) => {
                let row = require_struct(&datum.value, PURPOSE)?;
                let schema = self.schemas.get(schema, || {
                    let builder = copy_basics(schema);
                    let default = schema.default().and_then(Value::as_struct);
                    let defaults = default.map(|row| &**row);
                    Ok(self.flatten_schema(schema, "", builder, schema.is_optional(), defaults)?.build())
                })?;
                let mut values = Vec::with_capacity(schema.fields().len());
                flatten_values(row.schema(), Some(row), &mut values);
                Datum::new(schema.clone(), build(&schema, values)?)
            }
        };
        Ok(Some(self.side.with(record, flat)))
    }
}

impl Flatten {
    fn name(&self, prefix: &str, name: &str) -> String {
        if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{}{name}", self.delimiter) }
    }

    fn flatten_map(&self, entries: &[(Value, Value)], prefix: &str, flat: &mut Vec<(Value, Value)>) -> Result<()> {
        for entry in text_keys(entries) {
            let (key, value) = entry?;
            let name = self.name(prefix, key);
            match (type_of(value), value) {
                (_, Value::Null) => put(flat, name, Value::Null),
                (Some(Type::Map), Value::Map(nested)) => self.flatten_map(nested, &name, flat)?,
                (Some(Type::Struct), _) => {
                    return Err(Error::data(format!(
                        "Flatten transformation does not support class {} for record without schemas (for field {name}).",
                        class_of(value)
                    )));
                }
                (Some(_), _) => put(flat, name, value.clone()),
                (None, _) => {
                    return Err(Error::data(format!(
                        "Flatten transformation was passed a value of type class {} which is not supported by Connect's \
                         data API",
                        class_of(value)
                    )));
                }
            }
        }
        Ok(())
    }

    /// `defaults`: the default value of the struct that `schema` is of.
    fn flatten_schema(
        &self,
        schema: &Schema,
        prefix: &str,
        mut builder: SchemaBuilder,
        optional: bool,
        defaults: Option<&Struct>,
    ) -> Result<SchemaBuilder> {
        for (at, field) in schema.fields().iter().enumerate() {
            let name = self.name(prefix, field.name());
            let schema = field.schema();
            let optional = optional || schema.is_optional();
            let default = schema.default().or_else(|| defaults.map(|row| &row.values()[at])).filter(|v| !v.is_null());
            builder = match schema.kind() {
                Type::Struct => {
                    let defaults = default.and_then(Value::as_struct).map(|row| &**row);
                    self.flatten_schema(schema, &name, builder, optional, defaults)?
                }
                Type::Map => {
                    return Err(Error::data(format!(
                        "Flatten transformation does not support MAP for record with schemas (for field {name})."
                    )));
                }
                _ => add_field(builder, &name, flat_field(schema, optional, default.cloned()))?,
            };
        }
        Ok(builder)
    }
}

fn flat_field(schema: &Schema, optional: bool, default: Option<Value>) -> SchemaRef {
    let builder = match schema.value_schema() {
        Some(items) => SchemaBuilder::array(items.clone()),
        None => SchemaBuilder::new(schema.kind()),
    };
    with_basics(schema, builder).optional_if(optional).default_or_none(default).build()
}

/// Appends the values of all leaves of `schema`; those of an absent struct are null.
fn flatten_values(schema: &Schema, row: Option<&Struct>, flat: &mut Vec<Value>) {
    for (at, field) in schema.fields().iter().enumerate() {
        let value = row.map_or(Value::Null, |row| match field.schema().kind() {
            Type::Struct => row.values()[at].clone(),
            _ => or_default(&row.values()[at], field.schema(), true),
        });
        match field.schema().kind() {
            Type::Struct => flatten_values(field.schema(), value.as_struct().map(|row| &**row), flat),
            _ => flat.push(value),
        }
    }
}

/// Puts an entry into a map that keeps the order of its entries.
fn put(flat: &mut Vec<(Value, Value)>, name: String, value: Value) {
    let key = Value::from(name);
    match flat.iter_mut().find(|(k, _)| *k == key) {
        Some(slot) => slot.1 = value,
        None => flat.push((key, value)),
    }
}
