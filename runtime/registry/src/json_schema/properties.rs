//! Names of properties in JSON Schemas and of parameters in Connect schemas by which the mapping in one direction remembers
//! what the other needs.

use couplet_api::data::{Schema, Value};
use couplet_plugins::HashMapOrder;

pub(super) const CONNECT_TYPE: &str = "connect.type";
pub(super) const CONNECT_VERSION: &str = "connect.version";
pub(super) const CONNECT_PARAMETERS: &str = "connect.parameters";
/// Place of a property among the fields of its struct.
pub(super) const CONNECT_INDEX: &str = "connect.index";

/// In front of parameters that are the converter's own.
pub(super) const NAMESPACE: &str = "io.confluent.connect.json";
/// An identifier by which other parts of a schema refer to this one.
pub(super) const ID: &str = "io.confluent.connect.json.Id";
/// Marks an enum; with a dot and a symbol behind it, the symbol.
pub(super) const ENUM: &str = "io.confluent.connect.json.Enum";
/// Name of unions.
pub(super) const ONE_OF: &str = "io.confluent.connect.json.OneOf";
/// As [`ENUM`], for all schema formats.
pub(super) const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
/// Name of a union, for all schema formats.
pub(super) const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";
/// The symbol for null in an enum.
pub(super) const NULL_MARKER: &str = "<NULL>";

/// Whether `schema` stands for a choice of schemas.
pub(super) fn is_union(schema: &Schema) -> bool {
    schema.name() == Some(ONE_OF) || schema.parameter(GENERALIZED_UNION).is_some()
}

/// The keys in the order of a `HashMap` that was filled with them.
pub(super) fn java_order<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    keys_of(&filled(keys))
}

/// The keys in the order of a `HashMap` that was filled with them and then copied.
pub(super) fn java_order_copied<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    keys_of(&HashMapOrder::copy_of(filled(keys).as_map().unwrap_or_default()).into_value())
}

fn filled<'a>(keys: impl IntoIterator<Item = &'a str>) -> Value {
    keys.into_iter().map(|key| (Value::str(key), Value::Null)).collect::<HashMapOrder>().into_value()
}

fn keys_of(map: &Value) -> Vec<String> {
    map.as_map().unwrap_or_default().iter().filter_map(|(key, _)| key.as_str().map(str::to_owned)).collect()
}
