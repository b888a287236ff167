//! Numbers in big-endian binary: `ShortConverter`, `IntegerConverter`, `LongConverter`, `FloatConverter`,
//! `DoubleConverter`.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Header, Schema, SchemaRef, Value};
use couplet_api::{Error, Result};

use super::plain_header::header;
use super::{Class, ConverterConfig, with_type};
use crate::first_problem;
use crate::java::{cast_failure, class_of};

/// What tells one class from the others.
struct Number {
    /// Its name in messages.
    name: &'static str,
    /// The Java class it converts.
    class: &'static str,
    /// Who complains about bytes of a wrong length.
    deserializer: &'static str,
    /// Length in bytes.
    length: usize,
    schema: fn() -> SchemaRef,
    /// Appends the bytes of a value of the class; `false`: it is of another class.
    write: fn(&Value, &mut BytesMut) -> bool,
    /// Reads `length` bytes.
    read: fn(&[u8]) -> Option<Value>,
}

macro_rules! number_class {
    ($class:ident, $name:literal, $converter:literal, $java:literal, $deserializer:literal,
     $type:ty, $variant:ident, $put:ident, $schema:ident) => {
        pub(super) const $class: Class = {
            const NUMBER: &Number = &Number {
                name: $name,
                class: $java,
                deserializer: $deserializer,
                length: size_of::<$type>(),
                schema: Schema::$schema,
                write: |value, out| match value {
                    Value::$variant(number) => {
                        out.$put(*number);
                        true
                    }
                    _ => false,
                },
                read: |bytes| Some(Value::$variant(<$type>::from_be_bytes(bytes.try_into().ok()?))),
            };
            Class {
                name: concat!("org.apache.kafka.connect.converters.", $converter),
                config_def: ConverterConfig::config_def,
                create: |props, is_key| create(NUMBER, props, if is_key { "key" } else { "value" }),
                create_header: |props| header(|props, role| create(NUMBER, props, role), props),
            }
        };
    };
}

number_class!(
    SHORT,
    "short",
    "ShortConverter",
    "java.lang.Short",
    "ShortDeserializer",
    i16,
    Int16,
    put_i16,
    optional_int16
);
number_class!(
    INTEGER,
    "integer",
    "IntegerConverter",
    "java.lang.Integer",
    "IntegerDeserializer",
    i32,
    Int32,
    put_i32,
    optional_int32
);
number_class!(LONG, "long", "LongConverter", "java.lang.Long", "LongDeserializer", i64, Int64, put_i64, optional_int64);
number_class!(
    FLOAT,
    "float",
    "FloatConverter",
    "java.lang.Float",
    "Deserializer",
    f32,
    Float32,
    put_f32,
    optional_float32
);
number_class!(
    DOUBLE,
    "double",
    "DoubleConverter",
    "java.lang.Double",
    "Deserializer",
    f64,
    Float64,
    put_f64,
    optional_float64
);

struct NumberConverter(&'static Number);

fn create(number: &'static Number, props: &Props, role: &str) -> Result<Arc<dyn Converter>> {
    first_problem(ConverterConfig::parse, ConverterConfig::config_def, &with_type(props, role))?;
    Ok(Arc::new(NumberConverter(number)))
}

impl Converter for NumberConverter {
    fn from_connect(&self, _topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        let number = self.0;
        if data.value.is_null() {
            return Ok(false);
        }
        if (number.write)(&data.value, out) {
            return Ok(true);
        }
        let is_number = class_of(&data.value) == "java.math.BigDecimal"
            || data.value.as_i64().is_some()
            || matches!(data.value, Value::Float32(_) | Value::Float64(_));
        let cause = cast_failure(&data.value, if is_number { number.class } else { "java.lang.Number" });
        let class = class_of(&data.value);
        Err(Error::data(format!("Failed to serialize to {} (was class {class}): ", number.name)).caused_by(cause))
    }

    fn to_connect(&self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let number = self.0;
        let value = match bytes {
            None => Value::Null,
            Some(bytes) => (number.read)(bytes).ok_or_else(|| {
                let cause =
                    Error::data(format!("Size of data received by {} is not {}", number.deserializer, number.length))
                        .with_class("org.apache.kafka.common.errors.SerializationException");
                Error::data(format!("Failed to deserialize {}: ", number.name)).caused_by(cause)
            })?,
        };
        Ok(Datum::new((number.schema)(), value))
    }
}
