use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::{Datum, Record, Schema, SchemaRef, Type, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::row::{build, values};
use super::schema_cache::SchemaCache;
use super::side::Side;
use crate::first_problem;

config_def! {
    /// Settings of SetSchemaMetadata.
    struct SetSchemaMetadataConfig {
        /// New name of the schema.
        schema_name: Str = "schema.name", High, optional;
        /// New version of the schema.
        schema_version: Int = "schema.version", High, optional;
        /// Whether a null is replaced by the default value of its field, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Medium, default "true";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    SetSchemaMetadataConfig::config_def()
}

/// Names schemas.
struct SetSchemaMetadata {
    side: Side,
    config: SetSchemaMetadataConfig,
    schemas: SchemaCache,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(SetSchemaMetadataConfig::parse, SetSchemaMetadataConfig::config_def, props)?;
    if config.schema_name.is_none() && config.schema_version.is_none() {
        return Err(Error::config("Neither schema name nor version configured"));
    }
    Ok(Arc::new(SetSchemaMetadata { side, config, schemas: SchemaCache::new() }))
}

impl Transform for SetSchemaMetadata {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record);
        let Some(schema) = &datum.schema else {
            if datum.is_null() {
                return Ok(Some(record));
            }
            return Err(Error::data("Schema required for [updating schema metadata]"));
        };
        let updated = self.schemas.get(schema, || self.schema(schema))?;
        let value = match &datum.value {
            Value::Struct(row) => {
                build(&updated, values(row, self.config.replace_null_with_default).map(|(_, value)| value))?
            }
            other => other.clone(),
        };
        Ok(Some(self.side.with(record, Datum::new(updated, value))))
    }
}

impl SetSchemaMetadata {
    fn schema(&self, schema: &Schema) -> Result<SchemaRef> {
        // The JVM asks for the fields of any schema, which only structs have.
        if schema.kind() != Type::Struct {
            return Err(Error::data("Cannot list fields on non-struct type"));
        }
        let name = self.config.schema_name.as_deref().or(schema.name());
        let version = self.config.schema_version.or(schema.version());
        Ok(schema.to_builder().name_or_none(name).version(version).build())
    }
}
