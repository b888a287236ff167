use couplet_api::Error;
use couplet_api::data::Value;

/// The Java class of a value, as `value.getClass()` prints it without the word `class`.
pub const fn class_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "java.lang.Boolean",
        Value::Int8(_) => "java.lang.Byte",
        Value::Int16(_) => "java.lang.Short",
        Value::Int32(_) => "java.lang.Integer",
        Value::Int64(_) => "java.lang.Long",
        Value::Float32(_) => "java.lang.Float",
        Value::Float64(_) => "java.lang.Double",
        Value::Str(_) => "java.lang.String",
        Value::Bytes(_) => "[B",
        Value::Decimal(_) => "java.math.BigDecimal",
        Value::Date(_) => "java.util.Date",
        Value::Array(_) => "java.util.ArrayList",
        Value::Map(_) => "java.util.HashMap",
        Value::Struct(_) => "org.apache.kafka.connect.data.Struct",
    }
}

/// The `ClassCastException` of casting `value` to `target`, a class of `java.base`.
pub(crate) fn cast_failure(value: &Value, target: &str) -> Error {
    let class = class_of(value);
    Error::data(format!(
        "class {class} cannot be cast to class {target} ({class} and {target} are in module java.base of loader \
         'bootstrap')"
    ))
    .with_class("java.lang.ClassCastException")
}
