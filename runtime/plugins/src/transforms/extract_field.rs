use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, one_of_ignore_case};
use couplet_api::data::{Datum, Record, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::field_path::FieldPath;
use super::row::{require_map, require_struct};
use super::side::Side;
use crate::first_problem;

config_def! {
    /// Settings of ExtractField.
    struct ExtractFieldConfig {
        /// Name of the field, or the path to it.
        field: Str = "field", Medium, required;
        /// Whether a null is replaced by the default value of its field, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Medium, default "true";
        /// How field names are read: V1 takes them as they are, in V2 dots lead into nested fields and backticks quote.
        field_syntax_version: Str = "field.syntax.version", High, default "V1", one_of_ignore_case(&["V1", "V2"]);
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    ExtractFieldConfig::config_def()
}

const PURPOSE: &str = "field extraction";

/// Replaces a struct or map by one of its fields.
struct ExtractField {
    side: Side,
    path: FieldPath,
    original_path: String,
    replace_null_with_default: bool,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(ExtractFieldConfig::parse, ExtractFieldConfig::config_def, props)?;
    Ok(Arc::new(ExtractField {
        side,
        path: FieldPath::new(&config.field, &config.field_syntax_version)?,
        original_path: config.field,
        replace_null_with_default: config.replace_null_with_default,
    }))
}

impl Transform for ExtractField {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record);
        let value = &datum.value;
        let extracted = match &datum.schema {
            None if value.is_null() => Datum::NULL,
            None => {
                require_map(value, PURPOSE)?;
                Datum::schemaless(self.path.map_value(value)?)
            }
            Some(schema) => {
                let row = if value.is_null() { None } else { Some(require_struct(value, PURPOSE)?) };
                let field = self.path.field(schema)?.ok_or_else(|| {
                    Error::data(format!("Unknown field: {}", self.original_path))
                        .with_class("java.lang.IllegalArgumentException")
                })?;
                let replace = self.replace_null_with_default;
                let value = row.map_or(Ok(Value::Null), |row| self.path.value(row, replace))?;
                Datum::new(field.schema().clone(), value)
            }
        };
        Ok(Some(self.side.with(record, extracted)))
    }
}
