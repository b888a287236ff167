use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, non_empty};
use couplet_api::data::{Datum, Decimal, Record, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::row::{build, require_map, require_struct, values};
use super::side::Side;
use super::validators::non_empty_list;
use crate::first_problem;
use crate::java::{HashMapOrder, class_of, decimal_problem, low_bits};

config_def! {
    /// Settings of MaskField.
    struct MaskFieldConfig {
        /// Fields to mask.
        fields: List = "fields", High, required, non_empty_list();
        /// What takes the place of the values, in numbers and text only; without it 0, false, empty text and so on.
        replacement: Str = "replacement", Low, optional, non_empty();
        /// Whether a null is replaced by the default value of its field, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Medium, default "true";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    MaskFieldConfig::config_def()
}

const PURPOSE: &str = "mask fields";

/// Hides the values of fields.
struct MaskField {
    side: Side,
    config: MaskFieldConfig,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    Ok(Arc::new(MaskField { side, config: first_problem(MaskFieldConfig::parse, MaskFieldConfig::config_def, props)? }))
}

impl Transform for MaskField {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record);
        let masked = match &datum.schema {
            None => {
                let mut map = HashMapOrder::copy_of(require_map(&datum.value, PURPOSE)?);
                for field in &self.config.fields {
                    let old = datum.value.get(field).cloned().unwrap_or_default();
                    map.put(field.as_str(), self.masked(&old, "[B")?);
                }
                Datum::schemaless(map.into_value())
            }
            Some(schema) => {
                let row = require_struct(&datum.value, PURPOSE)?;
                let mut masked = Vec::with_capacity(row.values().len());
                for (field, value) in values(row, self.config.replace_null_with_default) {
                    let is_masked = self.config.fields.iter().any(|name| name == field.name());
                    masked.push(if is_masked { self.masked(&value, "java.nio.HeapByteBuffer")? } else { value });
                }
                Datum::new(schema.clone(), build(row.schema(), masked)?)
            }
        };
        Ok(Some(self.side.with(record, masked)))
    }
}

impl MaskField {
    /// `bytes_class`: the Java class that bytes have in this place.
    fn masked(&self, value: &Value, bytes_class: &str) -> Result<Value> {
        let class = if let Value::Bytes(_) = value { bytes_class } else { class_of(value) };
        let masked = match (value, &self.config.replacement) {
            (Value::Null, _) => Some(Value::Null),
            (_, Some(replacement)) => replaced(value, replacement)?,
            (_, None) => emptied(value),
        };
        masked.ok_or_else(|| match self.config.replacement {
            Some(_) => Error::data(format!("Cannot mask value of type class {class} with custom replacement.")),
            None => Error::data(format!("Cannot mask value of type: class {class}")),
        })
    }
}

fn emptied(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(_) => Value::Bool(false),
        Value::Int8(_) => Value::Int8(0),
        Value::Int16(_) => Value::Int16(0),
        Value::Int32(_) => Value::Int32(0),
        Value::Int64(_) => Value::Int64(0),
        Value::Float32(_) => Value::Float32(0.0),
        Value::Float64(_) => Value::Float64(0.0),
        Value::Decimal(_) => Value::Decimal(Arc::new(Decimal::from_bytes(&[0], 0))),
        Value::Date(_) => Value::Date(0),
        Value::Str(_) => Value::str(""),
        Value::Array(_) => Value::Array(Arc::new([])),
        Value::Map(_) => Value::Map(Arc::new([])),
        Value::Null | Value::Bytes(_) | Value::Struct(_) => return None,
    })
}

fn replaced(value: &Value, replacement: &str) -> Result<Option<Value>> {
    let number = || -> Result<Decimal> {
        replacement.parse().map_err(|_| {
            let cause = Error::data(decimal_problem(replacement)).with_class("java.lang.NumberFormatException");
            // The JVM has two sentences for this.
            let to = if matches!(value, Value::Decimal(_)) { "to number" } else { "to a number" };
            Error::data(format!("Unable to convert {replacement} (class java.lang.String) {to}")).caused_by(cause)
        })
    };
    Ok(Some(match value {
        Value::Int8(_) => Value::Int8(low_bits(&number()?) as i8),
        Value::Int16(_) => Value::Int16(low_bits(&number()?) as i16),
        Value::Int32(_) => Value::Int32(low_bits(&number()?) as i32),
        Value::Int64(_) => Value::Int64(low_bits(&number()?)),
        Value::Float32(_) => Value::Float32(number()?.to_f64() as f32),
        Value::Float64(_) => Value::Float64(number()?.to_f64()),
        Value::Decimal(_) => Value::Decimal(Arc::new(number()?)),
        Value::Str(_) => Value::str(replacement),
        _ => return Ok(None),
    }))
}
