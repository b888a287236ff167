use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, one_of};
use couplet_api::data::{Datum, Record, SchemaRef, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use crate::first_problem;
use crate::transforms::schema_cache::SchemaCache;
use crate::transforms::side::Side;

config_def! {
    /// Settings of Drop.
    struct DropConfig {
        /// What becomes of the schema: nullify removes it, retain keeps it, validate keeps it if it is optional and fails
        /// otherwise, force_optional makes it optional.
        behavior: Str = "schema.behavior", Medium, default "nullify",
            one_of(&["nullify", "retain", "validate", "force_optional"]);
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    DropConfig::config_def()
}

/// Replaces the key or value by null.
struct Drop {
    side: Side,
    behavior: Behavior,
}

/// What becomes of the schema.
enum Behavior {
    Nullify,
    Retain,
    Validate,
    ForceOptional(SchemaCache),
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(DropConfig::parse, DropConfig::config_def, props)?;
    let behavior = match config.behavior.as_str() {
        "retain" => Behavior::Retain,
        "validate" => Behavior::Validate,
        "force_optional" => Behavior::ForceOptional(SchemaCache::new()),
        _ => Behavior::Nullify,
    };
    Ok(Arc::new(Drop { side, behavior }))
}

impl Transform for Drop {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let schema = match &self.side.of(&record).schema {
            Some(schema) => self.schema(schema)?,
            None => None,
        };
        Ok(Some(self.side.with(record, Datum { schema, value: Value::Null })))
    }
}

impl Drop {
    fn schema(&self, schema: &SchemaRef) -> Result<Option<SchemaRef>> {
        match &self.behavior {
            Behavior::Nullify => Ok(None),
            Behavior::Retain => Ok(Some(schema.clone())),
            Behavior::Validate if schema.is_optional() => Ok(Some(schema.clone())),
            Behavior::Validate => Err(Error::data("A schema that is not optional cannot have a null value")),
            Behavior::ForceOptional(_) if schema.is_optional() => Ok(Some(schema.clone())),
            Behavior::ForceOptional(schemas) => {
                schemas.get(schema, || Ok(schema.to_builder().optional().build())).map(Some)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::Schema;

    use super::*;

    #[test]
    fn schemas_follow_the_behaviour() {
        let rows = [
            (None, Schema::int32(), Some(None)),
            (Some("retain"), Schema::int32(), Some(Some(false))),
            (Some("validate"), Schema::optional_int32(), Some(Some(true))),
            (Some("validate"), Schema::int32(), None),
            (Some("force_optional"), Schema::int32(), Some(Some(true))),
        ];
        for (behavior, schema, want) in rows {
            let props = behavior.map(|b| ("schema.behavior", b)).into_iter().collect();
            let transform = create(&props, Side::Key).expect("settings");
            let record = Record::new("t", Datum::new(schema, 1), Datum::schemaless(2));
            let got = transform.apply(record).ok().flatten();
            let optional = got.as_ref().map(|r| r.key.schema.as_ref().map(|s| s.is_optional()));
            assert_eq!(optional, want, "{behavior:?}");
            assert!(got.is_none_or(|r| r.key.is_null() && !r.value.is_null()));
        }
        assert!(create(&[("schema.behavior", "erase")].into_iter().collect(), Side::Key).is_err());
    }
}
