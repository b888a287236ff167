//! Values under another schema: Connect's `SchemaProjector`, for sinks that keep one schema for many records.

use std::sync::Arc;

use super::{Schema, SchemaRef, Struct, Type, Value};
use crate::{Error, Result};

/// The class clients see when schemas cannot be reconciled.
pub const SCHEMA_PROJECTOR_EXCEPTION: &str = "org.apache.kafka.connect.errors.SchemaProjectorException";

/// Projects values between schemas: fields that the target lacks are dropped, those that the source lacks get their
/// default or null, numbers are widened.
///
/// ```
/// use couplet_api::data::{Projector, Schema, Value};
/// let wide = Projector::KAFKA.project(&Schema::int32(), &Value::Int32(7), &Schema::int64());
/// assert_eq!(wide.expect("numbers widen"), Value::Int64(7));
/// ```
///
/// Source: `org.apache.kafka.connect.data.SchemaProjector` of Kafka 4.1.0, texts included.
#[derive(Debug, Clone, Copy)]
pub struct Projector {
    parameters: fn(&Schema, &Schema) -> Result<()>,
}

impl Projector {
    /// Kafka's own: parameters of schemas have to be equal.
    pub const KAFKA: Projector = Projector { parameters: equal_parameters };

    /// One that has a rule of its own for the parameters of two schemas (source, target) that agree in all else.
    pub const fn with_parameter_rule(parameters: fn(&Schema, &Schema) -> Result<()>) -> Self {
        Projector { parameters }
    }

    /// `value` of `source` as a value of `target`.
    ///
    /// # Errors
    /// `Kind::Data`: [`SCHEMA_PROJECTOR_EXCEPTION`] when the schemas cannot be reconciled, `DataException` when `value`
    /// is no value of `source`.
    pub fn project(&self, source: &SchemaRef, value: &Value, target: &SchemaRef) -> Result<Value> {
        self.check(source, target)?;
        if source.is_optional() && !target.is_optional() {
            let default = target.default().ok_or_else(|| {
                mismatch("Writer schema is optional, however, target schema does not provide a default value.")
            })?;
            if value.is_null() {
                return Ok(default.clone());
            }
        }
        if value.is_null() { Ok(Value::Null) } else { self.project_present(source, value, target) }
    }

    /// Whether type, name and parameters of `source` and `target` agree; their parts are not looked at.
    ///
    /// # Errors
    /// [`SCHEMA_PROJECTOR_EXCEPTION`] that says what differs.
    pub fn check(&self, source: &Schema, target: &Schema) -> Result<()> {
        if source.kind() != target.kind() && !source.kind().is_promotable_to(target.kind()) {
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
        (self.parameters)(source, target)
    }

    fn project_present(&self, source: &SchemaRef, value: &Value, target: &SchemaRef) -> Result<Value> {
        match (target.kind(), value) {
            (Type::Struct, Value::Struct(row)) => self.project_struct(row, target),
            (Type::Array, Value::Array(items)) => {
                let (from, to) = (part(source.value_schema())?, part(target.value_schema())?);
                let items: Result<Vec<Value>> = items.iter().map(|item| self.project(from, item, to)).collect();
                Ok(Value::Array(items?.into()))
            }
            (Type::Map, Value::Map(entries)) => {
                let keys = (part(source.key_schema())?, part(target.key_schema())?);
                let values = (part(source.value_schema())?, part(target.value_schema())?);
                let entry = |(k, v): &(Value, Value)| {
                    Ok((self.project(keys.0, k, keys.1)?, self.project(values.0, v, values.1)?))
                };
                let entries: Result<Vec<(Value, Value)>> = entries.iter().map(entry).collect();
                Ok(Value::Map(entries?.into()))
            }
            (Type::Struct | Type::Array | Type::Map, _) => {
                Err(Error::data(format!("A value of another type where the schema says {}", target.kind().name())))
            }
            (kind, value) => Ok(widened(value, kind)),
        }
    }

    fn project_struct(&self, row: &Struct, target: &SchemaRef) -> Result<Value> {
        let source = row.schema();
        let mut values = Vec::with_capacity(target.fields().len());
        for field in target.fields() {
            let schema = field.schema();
            values.push(match (source.field_index(field.name()), schema.default()) {
                (Some(index), _) => {
                    let from = source.fields()[index].schema();
                    let stored = match &row.values()[index] {
                        Value::Null => from.default().unwrap_or(&Value::Null),
                        value => value,
                    };
                    self.project(from, stored, schema).map_err(|cause| within(field.name(), cause))?
                }
                (None, _) if schema.is_optional() => Value::Null,
                (None, Some(default)) => default.clone(),
                (None, None) => {
                    let name = field.name();
                    return Err(mismatch(format!("Required field `{name}` is missing from source schema: {source}")));
                }
            });
        }
        Ok(Value::Struct(Arc::new(Struct::new(target.clone(), values))))
    }
}

/// An error of class [`SCHEMA_PROJECTOR_EXCEPTION`].
fn mismatch(message: impl Into<String>) -> Error {
    Error::data(message).with_class(SCHEMA_PROJECTOR_EXCEPTION)
}

/// Only the projector's own errors say on their way up which fields they come from.
fn within(field: &str, cause: Error) -> Error {
    match cause.class() {
        SCHEMA_PROJECTOR_EXCEPTION => mismatch(format!("Error projecting {field}")).caused_by(cause),
        _ => cause,
    }
}

fn part(schema: Option<&SchemaRef>) -> Result<&SchemaRef> {
    schema.ok_or_else(|| Error::data("A schema of an array or map without one for its parts"))
}

fn equal_parameters(source: &Schema, target: &Schema) -> Result<()> {
    let (from, to) = (source.parameters(), target.parameters());
    if from.len() == to.len() && from.iter().all(|parameter| to.contains(parameter)) {
        return Ok(());
    }
    Err(parameters_differ(source, target))
}

/// What Kafka says of `source` and `target` when their parameters differ.
pub fn parameters_differ(source: &Schema, target: &Schema) -> Error {
    mismatch(format!(
        "Schema parameters not equal. source parameters: {} and target parameters: {}",
        parameters_text(source),
        parameters_text(target)
    ))
}

/// The parameters of a schema as Java prints the map, which is null when there are none.
pub fn parameters_text(schema: &Schema) -> String {
    match schema.parameters() {
        [] => "null".to_owned(),
        some => {
            let texts: Vec<String> = some.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{{{}}}", texts.join(", "))
        }
    }
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
    use super::*;
    use crate::data::SchemaBuilder;

    const NUMBERS: [(Type, Value); 6] = [
        (Type::Int8, Value::Int8(7)),
        (Type::Int16, Value::Int16(7)),
        (Type::Int32, Value::Int32(7)),
        (Type::Int64, Value::Int64(7)),
        (Type::Float32, Value::Float32(7.0)),
        (Type::Float64, Value::Float64(7.0)),
    ];

    fn plain(kind: Type) -> SchemaRef {
        SchemaBuilder::new(kind).build()
    }

    #[test]
    fn numbers_widen_and_never_narrow() {
        for (from, (source, value)) in NUMBERS.iter().enumerate() {
            for (to, (target, want)) in NUMBERS.iter().enumerate() {
                let got = Projector::KAFKA.project(&plain(*source), value, &plain(*target));
                if from <= to {
                    assert_eq!(got.expect("widens"), *want, "{} to {}", source.name(), target.name());
                } else {
                    let want = format!(
                        "Schema type mismatch. source type: {} and target type: {}",
                        source.name(),
                        target.name()
                    );
                    assert_eq!(got.expect_err(&want).message(), want);
                }
            }
        }
        let rounded = Projector::KAFKA.project(&Schema::int32(), &Value::Int32(i32::MAX), &Schema::float32());
        assert_eq!(rounded.expect("widens"), Value::Float32(2_147_483_648.0));
    }

    #[test]
    fn values_of_one_type_stay_as_they_are() {
        let decimal = Value::Decimal(Arc::new("1.25".parse().expect("a decimal")));
        let rows = [
            (Schema::boolean(), Value::Bool(true)),
            (Schema::string(), Value::str("x")),
            (Schema::bytes(), Value::Bytes(bytes::Bytes::from_static(b"\x01"))),
            (SchemaBuilder::decimal(2).build(), decimal),
            (SchemaBuilder::date().build(), Value::Date(86_400_000)),
            (SchemaBuilder::timestamp().build(), Value::Date(1)),
        ];
        for (schema, value) in rows {
            let target = schema.to_builder().doc("the same, but not equal").build();
            assert_eq!(Projector::KAFKA.project(&schema, &value, &target).expect("same type"), value, "{schema}");
        }
    }

    #[test]
    fn structs_gain_lose_and_widen_fields() {
        let nested = |kind: SchemaRef| SchemaBuilder::structure().field("n", kind).build();
        let map = |value: SchemaRef| SchemaBuilder::map(Schema::string(), value).build();
        let seven = || SchemaBuilder::new(Type::Int32).default(7).build();
        let old = SchemaBuilder::structure()
            .field("id", Schema::int32())
            .field("gone", Schema::string())
            .field("inner", nested(Schema::float32()))
            .field("list", SchemaBuilder::array(Schema::int8()).build())
            .field("map", map(Schema::int32()))
            .field("unset", seven())
            .build();
        let new = SchemaBuilder::structure()
            .field("id", Schema::int64())
            .field("extra", SchemaBuilder::new(Type::String).default("d").build())
            .field("maybe", Schema::optional_string())
            .field("maybe_with_default", SchemaBuilder::new(Type::String).optional().default("d").build())
            .field("inner", nested(Schema::float64()))
            .field("list", SchemaBuilder::array(Schema::int16()).build())
            .field("map", map(Schema::int64()))
            .field("unset", Schema::int64())
            .build();
        let inner = Struct::new(nested(Schema::float32()), vec![Value::Float32(0.5)]);
        let list = Value::Array(vec![Value::Int8(1)].into());
        let entries = |value| Value::Map(vec![(Value::str("k"), value)].into());
        let row = Struct::new(
            old.clone(),
            vec![Value::Int32(1), Value::str("x"), inner.into(), list, entries(Value::Int32(2)), Value::Null],
        );
        let got = Projector::KAFKA.project(&old, &row.into(), &new).expect("projects");
        let inner = Struct::new(nested(Schema::float64()), vec![Value::Float64(0.5)]);
        let list = Value::Array(vec![Value::Int16(1)].into());
        let want = Struct::new(
            new,
            vec![
                Value::Int64(1),
                Value::str("d"),
                Value::Null,
                Value::Null,
                inner.into(),
                list,
                entries(Value::Int64(2)),
                Value::Int64(7),
            ],
        );
        assert_eq!(got, Value::from(want));
    }

    #[test]
    fn nulls_become_defaults_where_null_is_not_allowed() {
        let with_default = || SchemaBuilder::new(Type::Int64).default(7_i64);
        let rows = [
            (Schema::optional_int32(), Value::Null, with_default().build(), Value::Int64(7)),
            (Schema::optional_int32(), Value::Int32(1), with_default().build(), Value::Int64(1)),
            (Schema::optional_int32(), Value::Null, Schema::optional_int64(), Value::Null),
            (Schema::optional_int32(), Value::Null, with_default().optional().build(), Value::Null),
            (Schema::int32(), Value::Int32(1), Schema::optional_int64(), Value::Int64(1)),
        ];
        for (source, value, target, want) in rows {
            assert_eq!(Projector::KAFKA.project(&source, &value, &target).expect("projects"), want);
        }
    }

    #[test]
    fn what_cannot_be_projected_is_an_error_in_the_words_of_the_jvm() {
        let named = |name: &str| SchemaBuilder::new(Type::Int32).name(name).build();
        let with = |parameters: &[(&str, &str)]| {
            let builder = SchemaBuilder::new(Type::Int32);
            parameters.iter().fold(builder, |b, (name, value)| b.parameter(*name, *value)).build()
        };
        let rows = [
            (Schema::string(), Schema::int32(), "Schema type mismatch. source type: STRING and target type: INT32"),
            (Schema::boolean(), Schema::int8(), "Schema type mismatch. source type: BOOLEAN and target type: INT8"),
            (named("a"), named("b"), "Schema name mismatch. source name: a and target name: b"),
            (named("a"), Schema::int32(), "Schema name mismatch. source name: a and target name: null"),
            (
                with(&[("z", "1"), ("a", "2")]),
                with(&[("z", "1")]),
                "Schema parameters not equal. source parameters: {z=1, a=2} and target parameters: {z=1}",
            ),
            (
                with(&[]),
                with(&[("z", "1")]),
                "Schema parameters not equal. source parameters: null and target parameters: {z=1}",
            ),
            (
                Schema::optional_int32(),
                Schema::int64(),
                "Writer schema is optional, however, target schema does not provide a default value.",
            ),
        ];
        for (source, target, want) in rows {
            let error = Projector::KAFKA.project(&source, &Value::Int32(1), &target).expect_err(want);
            assert_eq!((error.message(), error.class()), (want, SCHEMA_PROJECTOR_EXCEPTION));
        }
        let reordered = Projector::KAFKA.check(&with(&[("a", "1"), ("b", "2")]), &with(&[("b", "2"), ("a", "1")]));
        assert!(reordered.is_ok(), "the order of parameters does not count");
    }

    #[test]
    fn errors_in_structs_name_the_way_to_the_field() {
        let outer = |name: &str, field: SchemaRef| SchemaBuilder::structure().name(name).field("in", field).build();
        let inner = |kind: SchemaRef| SchemaBuilder::structure().field("f", kind).build();
        let empty = SchemaBuilder::structure().name("old.Row").build();
        let source = outer("Row", inner(Schema::string()));
        let row = Struct::new(inner(Schema::string()), vec![Value::str("x")]);
        let value = Value::from(Struct::new(source.clone(), vec![row.into()]));
        let error = Projector::KAFKA
            .project(&source, &value, &outer("Row", inner(Schema::bytes())))
            .expect_err("text is not bytes");
        let chain: Vec<&str> = std::iter::successors(Some(&error), |e| e.cause()).map(Error::message).collect();
        assert_eq!(
            chain,
            [
                "Error projecting in",
                "Error projecting f",
                "Schema type mismatch. source type: STRING and target type: BYTES"
            ]
        );
        let target = SchemaBuilder::structure().name("old.Row").field("id", Schema::int64()).build();
        let value = Value::from(Struct::empty(empty.clone()));
        let error = Projector::KAFKA.project(&empty, &value, &target).expect_err("a required field is missing");
        assert_eq!(error.message(), "Required field `id` is missing from source schema: Schema{old.Row:STRUCT}");
    }
}
