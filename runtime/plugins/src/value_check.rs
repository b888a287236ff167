//! What `SchemaBuilder` and `Struct` check: `ConnectSchema.validateValue`, names of fields.

use couplet_api::data::{DATE, DECIMAL, Field, Schema, SchemaBuilder, SchemaRef, TIME, TIMESTAMP, Type, Value};
use couplet_api::{Error, Result};

use crate::java::class_of;

/// Checks `value` as the value of `field`.
///
/// # Errors
/// [`couplet_api::Kind::Data`] in the words of `ConnectSchema.validateValue`.
pub(crate) fn check_field(field: &Field, value: &Value) -> Result<()> {
    check(field.schema(), value, &|| format!("field: \"{}\"", field.name()))
}

/// `builder` with a default value, if that is one of its schema.
///
/// # Errors
/// `SchemaBuilderException` when it is none.
pub(crate) fn with_default(builder: SchemaBuilder, value: Value) -> Result<SchemaBuilder> {
    check(&builder.clone().build(), &value, &|| "value".to_owned())
        .map_err(|cause| refused("Invalid default value".to_owned()).caused_by(cause))?;
    Ok(builder.default_or_none(Some(value).filter(|value| !value.is_null())))
}

/// `builder` with one more field.
///
/// # Errors
/// When the name is empty or there is a field of that name.
pub(crate) fn add_field(builder: SchemaBuilder, name: &str, schema: SchemaRef) -> Result<SchemaBuilder> {
    if name.is_empty() {
        return Err(refused("fieldName cannot be null.".to_owned()));
    }
    // A builder does not tell its fields, so it is looked at as the schema it would be; schemas are made once per shape.
    if builder.clone().build().field(name).is_some() {
        return Err(refused(format!("Cannot create field because of field name duplication {name}")));
    }
    Ok(builder.field(name, schema))
}

fn refused(problem: String) -> Error {
    Error::data(problem).with_class("org.apache.kafka.connect.errors.SchemaBuilderException")
}

/// `location` says where the value is; it is made for errors only.
fn check(schema: &Schema, value: &Value, location: &dyn Fn() -> String) -> Result<()> {
    if !is_of_type(schema, value) {
        return Err(Error::data(match value {
            Value::Null => {
                format!("Invalid value: null used for required {}, schema type: {}", location(), schema.kind().name())
            }
            _ => {
                let name = schema.name().map(|name| format!(" \"{name}\"")).unwrap_or_default();
                let class = class_of(value);
                let kind = schema.kind().name();
                format!("Invalid Java object for schema{name} with type {kind}: class {class} for {}", location())
            }
        }));
    }
    match value {
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
        Value::Struct(row) if !std::ptr::eq(&**row.schema(), schema) && **row.schema() != *schema => {
            Err(Error::data("Struct schemas do not match."))
        }
        Value::Struct(row) => row.schema().fields().iter().zip(row.values()).try_for_each(|(field, value)| {
            // What is absent has its default.
            if value.is_null() && field.schema().default().is_some() { Ok(()) } else { check_field(field, value) }
        }),
        _ => Ok(()),
    }
}

/// Whether the value's class is one that the schema takes; the name of a logical type decides before the type does.
fn is_of_type(schema: &Schema, value: &Value) -> bool {
    match (schema.name(), value) {
        (_, Value::Null) => schema.is_optional(),
        (Some(DECIMAL), value) => matches!(value, Value::Decimal(_)),
        (Some(DATE | TIME | TIMESTAMP), value) => matches!(value, Value::Date(_)),
        (_, value) => matches!(
            (schema.kind(), value),
            (Type::Int8, Value::Int8(_))
                | (Type::Int16, Value::Int16(_))
                | (Type::Int32, Value::Int32(_))
                | (Type::Int64, Value::Int64(_))
                | (Type::Float32, Value::Float32(_))
                | (Type::Float64, Value::Float64(_))
                | (Type::Boolean, Value::Bool(_))
                | (Type::String, Value::Str(_))
                | (Type::Bytes, Value::Bytes(_))
                | (Type::Array, Value::Array(_))
                | (Type::Map, Value::Map(_))
                | (Type::Struct, Value::Struct(_))
        ),
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::{SchemaRef, Struct};

    use super::*;

    #[test]
    fn values_of_other_schemas_are_refused_in_the_words_of_the_jvm() {
        let row = |kind: SchemaRef| SchemaBuilder::structure().field("a", kind).build();
        let int_row: Value = Struct::new(row(Schema::int32()), vec![Value::Int32(1)]).into();
        let empty_row: Value = Struct::new(row(Schema::int32()), vec![Value::Null]).into();
        let list = |item: Value| Value::Array(vec![item].into());
        let rows = [
            (Schema::int32(), Value::Int32(1), None),
            (Schema::optional_string(), Value::Null, None),
            (row(Schema::int32()), int_row.clone(), None),
            (
                Schema::int32(),
                Value::Null,
                Some("Invalid value: null used for required field: \"f\", schema type: INT32"),
            ),
            (
                Schema::int32(),
                Value::Int64(1),
                Some("Invalid Java object for schema with type INT32: class java.lang.Long for field: \"f\""),
            ),
            (
                SchemaBuilder::date().build(),
                Value::Int32(1),
                Some(
                    "Invalid Java object for schema \"org.apache.kafka.connect.data.Date\" with type INT32: class \
                     java.lang.Integer for field: \"f\"",
                ),
            ),
            (
                SchemaBuilder::array(Schema::string()).build(),
                list(Value::Null),
                Some("Invalid value: null used for required element of array field: \"f\", schema type: STRING"),
            ),
            (row(Schema::int64()), int_row, Some("Struct schemas do not match.")),
            (
                row(Schema::int32()),
                empty_row,
                Some("Invalid value: null used for required field: \"a\", schema type: INT32"),
            ),
        ];
        for (schema, value, want) in rows {
            let got = check_field(&Field::new("f", schema), &value);
            assert_eq!(got.err().map(|e| e.message().to_owned()).as_deref(), want, "{value:?}");
        }
    }
}
