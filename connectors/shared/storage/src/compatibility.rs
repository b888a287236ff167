//! Whether a record still fits the schema of the open file: `schema.compatibility`. Confluent's sinks compare schemas as
//! Kafka does, but for parameters.

use std::collections::BTreeMap;

use couplet_api::data::{
    Projector, SCHEMA_PROJECTOR_EXCEPTION, Schema, SchemaRef, Type, Value, parameters_differ, parameters_text,
};
use couplet_api::{Error, Result};

/// Compares what both schemas have of parameters other than documentation.
const PROJECTOR: Projector = Projector::with_parameter_rule(check_parameters);

/// Parameters that mark an enumeration.
const ENUM_PARAMETERS: [&str; 3] =
    ["org.apache.kafka.connect.data.Enum", "io.confluent.connect.avro.Enum", "io.confluent.connect.protobuf.Enum"];

/// How schemas may differ within one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compatibility {
    /// Not at all.
    None,
    /// Older records are projected to the file's schema; a newer version closes the file.
    Backward,
    /// Newer records are projected to the file's schema; an older version closes the file.
    Forward,
    /// As `Backward`.
    Full,
}

impl Compatibility {
    /// By the name users write; what is unknown means `NONE`, as in the JVM.
    pub fn from_name(name: &str) -> Self {
        match name {
            "BACKWARD" => Compatibility::Backward,
            "FORWARD" => Compatibility::Forward,
            "FULL" => Compatibility::Full,
            _ => Compatibility::None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Compatibility::None => "NONE",
            Compatibility::Backward => "BACKWARD",
            Compatibility::Forward => "FORWARD",
            Compatibility::Full => "FULL",
        }
    }

    /// Whether a record of `schema` must not go into a file of `current`.
    ///
    /// # Errors
    /// `Kind::Data` (`SchemaProjectorException`) when a version is missing that the rule needs.
    pub fn closes_file(self, schema: Option<&SchemaRef>, current: Option<&SchemaRef>) -> Result<bool> {
        let (schema, current) = match (schema, current) {
            (None, None) => return Ok(false),
            (Some(a), Some(b)) if Schema::same(a, b) => return Ok(false),
            (Some(a), Some(b)) => (a, b),
            _ => return Err(mismatch("Switch between schema-based and schema-less data is not supported")),
        };
        if self == Compatibility::None {
            return Ok(true);
        }
        let (Some(version), Some(current_version)) = (schema.version(), current.version()) else {
            return Err(mismatch(format!("Schema version required for {} compatibility", self.name())));
        };
        let wrong_version = match self {
            Compatibility::Forward => version < current_version,
            _ => version > current_version,
        };
        Ok(wrong_version || !projects(schema, current))
    }
}

/// `value` of `source` as a value of the open file's schema.
///
/// # Errors
/// `Kind::Data` (`SchemaProjectorException`) when the schemas cannot be reconciled.
pub fn project(source: &SchemaRef, value: &Value, target: &SchemaRef) -> Result<Value> {
    if Schema::same(source, target) { Ok(value.clone()) } else { PROJECTOR.project(source, value, target) }
}

fn mismatch(message: impl Into<String>) -> Error {
    Error::data(message).with_class(SCHEMA_PROJECTOR_EXCEPTION)
}

/// Whether values of `source` can be projected to `target`, at every level.
fn projects(source: &SchemaRef, target: &SchemaRef) -> bool {
    let types_match = source.kind() == target.kind() || source.kind().is_promotable_to(target.kind());
    if !types_match || source.name() != target.name() || !parameters_match(source, target) {
        return false;
    }
    if source.is_optional() && !target.is_optional() && target.default().is_none() {
        return false;
    }
    match source.kind() {
        Type::Struct => fields_project(source, target),
        Type::Array => parts_project(source.value_schema(), target.value_schema()),
        Type::Map => {
            parts_project(source.key_schema(), target.key_schema())
                && parts_project(source.value_schema(), target.value_schema())
        }
        _ => true,
    }
}

fn parts_project(source: Option<&SchemaRef>, target: Option<&SchemaRef>) -> bool {
    match (source, target) {
        (Some(source), Some(target)) => projects(source, target),
        _ => true,
    }
}

fn fields_project(source: &SchemaRef, target: &SchemaRef) -> bool {
    let shared = source.fields().iter().filter_map(|f| Some((f.schema(), target.field(f.name())?.schema())));
    let mut missing = target.fields().iter().filter(|f| source.field(f.name()).is_none()).map(|f| f.schema());
    shared.into_iter().all(|(source, target)| projects(source, target))
        && missing.all(|schema| schema.is_optional() || schema.default().is_some())
}

/// The rule of Confluent's projector, texts included.
fn check_parameters(source: &Schema, target: &Schema) -> Result<()> {
    if source.parameters().is_empty() || target.parameters().is_empty() || parameters_match(source, target) {
        return Ok(());
    }
    if is_enum(source) && is_enum(target) {
        return Err(mismatch(format!(
            "Schema parameters mismatch. Source parameter: {} is not a subset of target parameters: {}",
            parameters_text(source),
            parameters_text(target)
        )));
    }
    Err(parameters_differ(source, target))
}

fn is_enum(schema: &Schema) -> bool {
    ENUM_PARAMETERS.iter().any(|name| schema.parameter(name).is_some())
}

/// Equal but for documentation; the symbols of an enumeration may be a part of the target's.
fn parameters_match(source: &Schema, target: &Schema) -> bool {
    let (from, to) = (meaningful(source), meaningful(target));
    match is_enum(source) && is_enum(target) {
        true => from.iter().all(|(name, value)| to.get(name) == Some(value)),
        false => from == to,
    }
}

fn meaningful(schema: &Schema) -> BTreeMap<&str, &str> {
    const DOCUMENTATION: [&str; 3] = ["connect.record.doc", "connect.record.aliases", "connect.record.namespace"];
    let keep = |name: &str| !DOCUMENTATION.contains(&name) && !name.starts_with("io.confluent.connect.avro.field.doc.");
    schema.parameters().iter().filter(|(name, _)| keep(name)).map(|(name, value)| (&**name, &**value)).collect()
}

#[cfg(test)]
mod tests {
    use couplet_api::data::SchemaBuilder;

    use super::*;

    fn version(number: impl Into<Option<i32>>, extra: Option<SchemaRef>) -> SchemaRef {
        let builder = SchemaBuilder::structure().name("Rec").version(number).field("id", Schema::int64());
        extra.into_iter().fold(builder, |b, schema| b.field("extra", schema)).build()
    }

    #[test]
    fn rules_of_the_four_modes() {
        use Compatibility::{Backward, Forward, Full, None as Never};
        let (v1, v2) = (version(1, None), version(2, Some(Schema::optional_string())));
        let required = version(3, Some(Schema::string()));
        let rows = [
            (Never, &v1, &v1, false),
            (Never, &v2, &v1, true),
            (Backward, &v2, &v1, true),
            (Backward, &v1, &v2, false),
            (Full, &v2, &v1, true),
            (Full, &v1, &v2, false),
            (Forward, &v2, &v1, false),
            (Forward, &v1, &v2, true),
            // The file wants a field that the record lacks.
            (Backward, &v1, &required, true),
            // The record may lack what the file requires.
            (Forward, &required, &v2, false),
            (Backward, &v2, &required, true),
        ];
        for (mode, schema, current, want) in rows {
            let got = mode.closes_file(Some(schema), Some(current)).expect("versions are there");
            assert_eq!(got, want, "{mode:?} {:?} into {:?}", schema.version(), current.version());
        }
    }

    #[test]
    fn missing_versions_and_schemas_are_errors() {
        let (v1, none) = (version(1, None), version(None, Some(Schema::string())));
        let error = Compatibility::Full.closes_file(Some(&none), Some(&v1)).expect_err("no version");
        assert_eq!(error.message(), "Schema version required for FULL compatibility");
        assert_eq!(error.class(), SCHEMA_PROJECTOR_EXCEPTION);
        assert!(Compatibility::None.closes_file(None, Some(&v1)).is_err());
        assert!(!Compatibility::Full.closes_file(None, None).expect("no schema, no change"));
        assert!(!Compatibility::Full.closes_file(Some(&none), Some(&none.clone())).expect("the same schema"));
    }

    #[test]
    fn names_types_and_parameters_count_at_every_level() {
        let array = |item: SchemaRef| SchemaBuilder::array(item).version(1).build();
        let rows = [
            (array(Schema::int32()), array(Schema::int64()), false),
            (array(Schema::int64()), array(Schema::int32()), true),
            (array(Schema::string()), array(Schema::bytes()), true),
            (array(SchemaBuilder::decimal(2).build()), array(SchemaBuilder::decimal(3).build()), true),
            (array(Schema::optional_int32()), array(Schema::int32()), true),
        ];
        for (schema, current, want) in rows {
            assert_eq!(Compatibility::Full.closes_file(Some(&schema), Some(&current)).expect("versions"), want);
        }
    }

    #[test]
    fn projection_ignores_documentation_and_lets_enumerations_grow() {
        let with = |parameters: &[(&str, &str)]| {
            let builder = SchemaBuilder::new(Type::Int32);
            parameters.iter().fold(builder, |b, (name, value)| b.parameter(*name, *value)).build()
        };
        const ENUM: &str = "io.confluent.connect.avro.Enum";
        let few = with(&[(ENUM, "Color"), ("Color.RED", "RED")]);
        let many = with(&[(ENUM, "Color"), ("Color.RED", "RED"), ("Color.BLUE", "BLUE")]);
        let documented = with(&[("connect.record.doc", "x"), ("io.confluent.connect.avro.field.doc.a", "y")]);
        let rows = [
            (&few, &many, None),
            (&documented, &with(&[("connect.record.namespace", "z")]), None),
            (&with(&[]), &with(&[("a", "1")]), None),
            (
                &with(&[("a", "1")]),
                &with(&[("a", "2")]),
                Some("Schema parameters not equal. source parameters: {a=1} and target parameters: {a=2}"),
            ),
            (
                &many,
                &few,
                Some(
                    "Schema parameters mismatch. Source parameter: {io.confluent.connect.avro.Enum=Color, \
                     Color.RED=RED, Color.BLUE=BLUE} is not a subset of target parameters: \
                     {io.confluent.connect.avro.Enum=Color, Color.RED=RED}",
                ),
            ),
        ];
        for (source, target, want) in rows {
            match (project(source, &Value::Int32(1), target), want) {
                (Ok(value), None) => assert_eq!(value, Value::Int32(1)),
                (Err(error), Some(want)) => assert_eq!(error.message(), want),
                (got, want) => panic!("{got:?} where {want:?} was expected"),
            }
        }
    }
}
