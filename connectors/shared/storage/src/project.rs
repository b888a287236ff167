//! Values under another schema: Connect's `SchemaProjector`.

use std::sync::Arc;

use couplet_api::Result;
use couplet_api::data::{Schema, SchemaRef, Struct, Type, Value};

use crate::compatibility::{mismatch, parameters_match, types_match};

/// `value` of `source` as a value of `target`: fields that `target` lacks are dropped, those that `source` lacks get
/// their default or null, numbers are widened.
///
/// # Errors
/// `Kind::Data` (`SchemaProjectorException`) when the schemas cannot be reconciled.
pub fn project(source: &SchemaRef, value: &Value, target: &SchemaRef) -> Result<Value> {
    if Schema::same(source, target) {
        return Ok(value.clone());
    }
    check(source, target)?;
    match (value.is_null(), source.is_optional() && !target.is_optional(), target.default()) {
        (_, true, None) => {
            Err(mismatch("Writer schema is optional, however, target schema does not provide a default value."))
        }
        (true, true, Some(default)) => Ok(default.clone()),
        (true, false, _) => Ok(Value::Null),
        (false, ..) => project_present(source, value, target),
    }
}

fn check(source: &Schema, target: &Schema) -> Result<()> {
    if !types_match(source.kind(), target.kind()) {
        return Err(mismatch(format!(
            "Schema type mismatch. source type: {} and target type: {}",
            source.kind().name(),
            target.kind().name()
        )));
    }
    if source.name() != target.name() {
        return Err(mismatch(format!(
            "Schema name mismatch. source name: {} and target name: {}",
            source.name().unwrap_or("null"),
            target.name().unwrap_or("null")
        )));
    }
    if !source.parameters().is_empty() && !target.parameters().is_empty() && !parameters_match(source, target) {
        return Err(mismatch("Schema parameters not equal"));
    }
    Ok(())
}

fn project_present(source: &SchemaRef, value: &Value, target: &SchemaRef) -> Result<Value> {
    let parts = |schema: &SchemaRef, part: fn(&Schema) -> Option<&SchemaRef>| {
        part(schema).cloned().ok_or_else(|| mismatch("Schema has no schema of its parts"))
    };
    match (target.kind(), value) {
        (Type::Struct, Value::Struct(row)) => project_struct(source, row, target),
        (Type::Array, Value::Array(items)) => {
            let (from, to) = (parts(source, Schema::value_schema)?, parts(target, Schema::value_schema)?);
            let items: Result<Vec<Value>> = items.iter().map(|item| project(&from, item, &to)).collect();
            Ok(Value::Array(items?.into()))
        }
        (Type::Map, Value::Map(entries)) => {
            let keys = (parts(source, Schema::key_schema)?, parts(target, Schema::key_schema)?);
            let values = (parts(source, Schema::value_schema)?, parts(target, Schema::value_schema)?);
            let entry =
                |(k, v): &(Value, Value)| Ok((project(&keys.0, k, &keys.1)?, project(&values.0, v, &values.1)?));
            let entries: Result<Vec<(Value, Value)>> = entries.iter().map(entry).collect();
            Ok(Value::Map(entries?.into()))
        }
        (kind, value) => Ok(widened(value, kind)),
    }
}

fn project_struct(source: &SchemaRef, row: &Struct, target: &SchemaRef) -> Result<Value> {
    let mut values = Vec::with_capacity(target.fields().len());
    for field in target.fields() {
        let schema = field.schema();
        values.push(match (source.field_index(field.name()), schema.default()) {
            (Some(index), _) => {
                let from = &source.fields()[index];
                let stored = match &row.values()[index] {
                    Value::Null => from.schema().default().unwrap_or(&Value::Null),
                    value => value,
                };
                project(from.schema(), stored, schema)
                    .map_err(|cause| mismatch(format!("Error projecting {}", field.name())).caused_by(cause))?
            }
            (None, _) if schema.is_optional() => Value::Null,
            (None, Some(default)) => default.clone(),
            (None, None) => {
                return Err(mismatch(format!("Required field `{}` is missing from source schema", field.name())));
            }
        });
    }
    Ok(Value::Struct(Arc::new(Struct::new(target.clone(), values))))
}

/// A number as one of the wider type `kind`; any other value as it is.
fn widened(value: &Value, kind: Type) -> Value {
    // Java's widening conversions round to the nearest, as `as` does.
    match (kind, value) {
        (Type::Int16, v) => v.as_i64().and_then(|n| i16::try_from(n).ok()).map_or_else(|| v.clone(), Value::Int16),
        (Type::Int32, v) => v.as_i64().and_then(|n| i32::try_from(n).ok()).map_or_else(|| v.clone(), Value::Int32),
        (Type::Int64, v) => v.as_i64().map_or_else(|| v.clone(), Value::Int64),
        (Type::Float32, v) => v.as_i64().map_or_else(|| v.clone(), |n| Value::Float32(n as f32)),
        (Type::Float64, Value::Float32(n)) => Value::Float64(f64::from(*n)),
        (Type::Float64, v) => v.as_i64().map_or_else(|| v.clone(), |n| Value::Float64(n as f64)),
        (_, v) => v.clone(),
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::SchemaBuilder;

    use super::*;

    #[test]
    fn structs_gain_lose_and_widen_fields() {
        let nested = |kind: SchemaRef| SchemaBuilder::structure().field("n", kind).build();
        let old = SchemaBuilder::structure()
            .field("id", Schema::int32())
            .field("gone", Schema::string())
            .field("inner", nested(Schema::float32()))
            .field("list", SchemaBuilder::array(Schema::int8()).build())
            .build();
        let new = SchemaBuilder::structure()
            .field("id", Schema::int64())
            .field("extra", SchemaBuilder::new(Type::String).default("d").build())
            .field("maybe", Schema::optional_string())
            .field("inner", nested(Schema::float64()))
            .field("list", SchemaBuilder::array(Schema::int16()).build())
            .build();
        let inner = Struct::new(nested(Schema::float32()), vec![Value::Float32(0.5)]);
        let list = Value::Array(vec![Value::Int8(1)].into());
        let row = Struct::new(old.clone(), vec![Value::Int32(1), Value::str("x"), inner.into(), list]);
        let got = project(&old, &row.into(), &new).expect("projects");
        let inner = Struct::new(nested(Schema::float64()), vec![Value::Float64(0.5)]);
        let list = Value::Array(vec![Value::Int16(1)].into());
        let want = Struct::new(new, vec![Value::Int64(1), Value::str("d"), Value::Null, inner.into(), list]);
        assert_eq!(got, Value::from(want));
    }

    #[test]
    fn what_cannot_be_projected_is_an_error() {
        let required = SchemaBuilder::structure().field("id", Schema::int64()).build();
        let empty = SchemaBuilder::structure().build();
        let rows = [
            (Schema::string(), Value::str("x"), Schema::int32(), "Schema type mismatch. source type: STRING"),
            (empty.clone(), Struct::empty(empty).into(), required, "Required field `id` is missing"),
            (Schema::optional_int32(), Value::Int32(1), Schema::int64(), "Writer schema is optional"),
        ];
        for (source, value, target, want) in rows {
            let error = project(&source, &value, &target).expect_err(want);
            assert!(error.message().starts_with(want), "{error}");
        }
    }

    #[test]
    fn nulls_become_defaults_where_null_is_not_allowed() {
        let target = SchemaBuilder::new(Type::Int64).default(7_i64).build();
        assert_eq!(project(&Schema::optional_int32(), &Value::Null, &target).expect("default"), Value::Int64(7));
        let optional = Schema::optional_int64();
        assert_eq!(project(&Schema::optional_int32(), &Value::Null, &optional).expect("null"), Value::Null);
    }
}
