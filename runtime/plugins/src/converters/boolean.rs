use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Header, Schema, Type, Value};
use couplet_api::{Error, Result};

use super::plain_header::header;
use super::{Class, ConverterConfig, with_type};
use crate::first_problem;
use crate::java::class_of;

pub(super) const CLASS: Class = Class {
    name: "org.apache.kafka.connect.converters.BooleanConverter",
    config_def: ConverterConfig::config_def,
    create: |props, is_key| create(props, if is_key { "key" } else { "value" }),
    create_header: |props| header(create, props),
};

/// One byte, 1 or 0.
struct BooleanConverter;

fn create(props: &Props, role: &str) -> Result<Arc<dyn Converter>> {
    first_problem(ConverterConfig::parse, ConverterConfig::config_def, &with_type(props, role))?;
    Ok(Arc::new(BooleanConverter))
}

impl Converter for BooleanConverter {
    fn from_connect(&self, _topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        if let Some(schema) = data.schema.as_ref().filter(|s| s.kind() != Type::Boolean) {
            let kind = schema.kind().name();
            return Err(Error::data(format!("Invalid schema type for BooleanConverter: {kind}")));
        }
        match &data.value {
            Value::Null => return Ok(false),
            Value::Bool(truth) => out.put_u8(u8::from(*truth)),
            other => {
                let class = class_of(other);
                return Err(Error::data(format!(
                    "BooleanConverter is not compatible with objects of type class {class}"
                )));
            }
        }
        Ok(true)
    }

    fn to_connect(&self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let value = match bytes.map(|b| &**b) {
            None => Value::Null,
            Some([0]) => Value::Bool(false),
            Some([1]) => Value::Bool(true),
            Some(other) => {
                let cause = Error::data(match other {
                    [byte] => format!("Unexpected byte received by BooleanDeserializer: {}", *byte as i8),
                    _ => "Size of data received by BooleanDeserializer is not 1".to_owned(),
                });
                let cause = cause.with_class("org.apache.kafka.common.errors.SerializationException");
                return Err(Error::data("Failed to deserialize boolean: ").caused_by(cause));
            }
        };
        Ok(Datum::new(Schema::optional_boolean(), value))
    }
}
