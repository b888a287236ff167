use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::{Datum, Record, SchemaBuilder};
use couplet_api::transform::Transform;
use couplet_api::{Result, config_def};

use super::row::build;
use super::schema_cache::SchemaCache;
use super::side::Side;
use crate::first_problem;
use crate::java::HashMapOrder;
use crate::value_check::add_field;

config_def! {
    /// Settings of HoistField.
    struct HoistFieldConfig {
        /// Name of the one field of the new struct or map.
        field: Str = "field", Medium, required;
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    HoistFieldConfig::config_def()
}

/// Wraps a value in a struct or map of one field.
struct HoistField {
    side: Side,
    /// A null is a key that maps have and structs refuse.
    field: Option<String>,
    schemas: SchemaCache,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let field = match props.get_nullable("field") {
        Some(None) => None,
        _ => Some(first_problem(HoistFieldConfig::parse, HoistFieldConfig::config_def, props)?.field),
    };
    Ok(Arc::new(HoistField { side, field, schemas: SchemaCache::new() }))
}

impl Transform for HoistField {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record);
        let wrapped = match &datum.schema {
            None => {
                let mut map = HashMapOrder::new();
                map.put(self.field.as_deref(), datum.value.clone());
                Datum::schemaless(map.into_value())
            }
            Some(schema) => {
                let name = self.field.as_deref().unwrap_or_default();
                let make = || Ok(add_field(SchemaBuilder::structure(), name, schema.clone())?.build());
                let updated = self.schemas.get(schema, make)?;
                Datum::new(updated.clone(), build(&updated, [datum.value.clone()])?)
            }
        };
        Ok(Some(self.side.with(record, wrapped)))
    }
}
