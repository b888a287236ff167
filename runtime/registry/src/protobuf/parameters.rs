//! Names of schema parameters by which the mapping in one direction remembers what the other needs.

use couplet_api::data::{Schema, Type};

/// Name of an enum; with a dot and a symbol behind it, the symbol's number.
pub(super) const ENUM: &str = "io.confluent.connect.protobuf.Enum";
/// In front of the name of a oneof in the name of a union's schema.
pub(super) const UNION_PREFIX: &str = "io.confluent.connect.protobuf.Union.";
/// A schema whose name begins so is a union.
const UNION: &str = "io.confluent.connect.protobuf.Union";
/// Number of a field.
pub(super) const TAG: &str = "io.confluent.connect.protobuf.Tag";
/// Scalar type of a field, where the Connect type does not tell.
pub(super) const TYPE: &str = "io.confluent.connect.protobuf.Type";
/// Marks members of a oneof that were wrapper messages.
pub(super) const WRAPPER: &str = "io.confluent.connect.protobuf.Wrapper";
/// As [`ENUM`], for all schema formats.
pub(super) const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
/// Name of a union, for all schema formats.
pub(super) const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";
/// Precision of a decimal.
pub(super) const CONNECT_PRECISION: &str = "connect.decimal.precision";
/// In the option of a field: its Connect type.
pub(super) const CONNECT_TYPE: &str = "connect.type";

/// Whether `schema` stands for a oneof.
pub(super) fn is_union(schema: &Schema) -> bool {
    schema.kind() == Type::Struct
        && (schema.name().is_some_and(|name| name.starts_with(UNION)) || schema.parameter(GENERALIZED_UNION).is_some())
}

/// Whether `schema` is an enum.
pub(super) fn is_enum(schema: &Schema) -> bool {
    schema.parameter(GENERALIZED_ENUM).is_some() || schema.parameter(ENUM).is_some()
}

/// Whether `schema` is that of a wrapper message in a oneof.
pub(super) fn has_wrapper_mark(schema: &Schema) -> bool {
    schema.parameter(WRAPPER).is_some_and(|mark| mark.eq_ignore_ascii_case("true"))
}
