use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::{Datum, Record, SchemaBuilder, SchemaRef};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::row::{build, or_default, require_map, require_struct};
use super::schema_cache::SchemaCache;
use super::validators::non_empty_list;
use crate::first_problem;
use crate::java::HashMapOrder;
use crate::value_check::add_field;

config_def! {
    /// Settings of ValueToKey.
    struct ValueToKeyConfig {
        /// Fields of the value that make up the key.
        fields: List = "fields", High, required, non_empty_list();
        /// Whether a null is replaced by the default value of its field, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Medium, default "true";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    ValueToKeyConfig::config_def()
}

const PURPOSE: &str = "copying fields from value to key";

/// Makes keys of fields.
struct ValueToKey {
    config: ValueToKeyConfig,
    schemas: SchemaCache,
}

/// Makes the transform.
pub(super) fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(ValueToKeyConfig::parse, ValueToKeyConfig::config_def, props)?;
    Ok(Arc::new(ValueToKey { config, schemas: SchemaCache::new() }))
}

impl Transform for ValueToKey {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        let fields = &self.config.fields;
        let value = &record.value.value;
        record.key = match record.value.schema {
            None => {
                require_map(value, PURPOSE)?;
                let mut key = HashMapOrder::with_capacity(fields.len());
                for field in fields {
                    key.put(field.as_str(), value.get(field).cloned().unwrap_or_default());
                }
                Datum::schemaless(key.into_value())
            }
            Some(_) => {
                let row = require_struct(value, PURPOSE)?;
                let schema = self.schemas.get(row.schema(), || self.schema(row.schema()))?;
                let key = schema.fields().iter().map(|field| {
                    let stored = row.get(field.name()).cloned().unwrap_or_default();
                    or_default(&stored, field.schema(), self.config.replace_null_with_default)
                });
                Datum::new(schema.clone(), build(&schema, key)?)
            }
        };
        Ok(Some(record))
    }
}

impl ValueToKey {
    fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let mut builder = SchemaBuilder::structure();
        for name in &self.config.fields {
            let field = schema.field(name).ok_or_else(|| Error::data(format!("Field does not exist: {name}")))?;
            builder = add_field(builder, name, field.schema().clone())?;
        }
        Ok(builder.build())
    }
}
