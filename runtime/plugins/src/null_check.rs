//! What `Struct.put` checks of a value: that nothing required is null. Types are vouched for by whoever made the value.

use couplet_api::data::{Field, Schema, Value};
use couplet_api::{Error, Result};

/// Checks `value` as the value of `field`.
///
/// # Errors
/// [`couplet_api::Kind::Data`] in the words of `ConnectSchema.validateValue`.
pub(crate) fn check_field(field: &Field, value: &Value) -> Result<()> {
    check(field.schema(), value, &|| format!("field: \"{}\"", field.name()))
}

/// `location` says where the value is; it is made for errors only.
fn check(schema: &Schema, value: &Value, location: &dyn Fn() -> String) -> Result<()> {
    match value {
        Value::Null if !schema.is_optional() => Err(Error::data(format!(
            "Invalid value: null used for required {}, schema type: {}",
            location(),
            schema.kind().name()
        ))),
        Value::Array(items) => {
            let Some(schema) = schema.value_schema() else { return Ok(()) };
            items.iter().try_for_each(|item| check(schema, item, &|| format!("element of array {}", location())))
        }
        Value::Map(entries) => {
            let (Some(keys), Some(values)) = (schema.key_schema(), schema.value_schema()) else { return Ok(()) };
            entries.iter().try_for_each(|(key, value)| {
                check(keys, key, &|| format!("key of map {}", location()))?;
                check(values, value, &|| format!("value of map {}", location()))
            })
        }
        _ => Ok(()),
    }
}
