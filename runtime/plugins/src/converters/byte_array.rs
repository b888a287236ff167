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
    name: "org.apache.kafka.connect.converters.ByteArrayConverter",
    config_def: ConverterConfig::config_def,
    create: |props, is_key| create(props, if is_key { "key" } else { "value" }),
    create_header: |props| header(create, props),
};

/// Hands bytes through.
struct ByteArrayConverter;

fn create(props: &Props, role: &str) -> Result<Arc<dyn Converter>> {
    first_problem(ConverterConfig::parse, ConverterConfig::config_def, &with_type(props, role))?;
    Ok(Arc::new(ByteArrayConverter))
}

impl Converter for ByteArrayConverter {
    fn from_connect(&self, _topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        if let Some(schema) = data.schema.as_ref().filter(|s| s.kind() != Type::Bytes) {
            let kind = schema.kind().name();
            return Err(Error::data(format!("Invalid schema type for ByteArrayConverter: {kind}")));
        }
        match &data.value {
            Value::Null => Ok(false),
            Value::Bytes(bytes) => {
                out.put_slice(bytes);
                Ok(true)
            }
            other => {
                let class = class_of(other);
                Err(Error::data(format!("ByteArrayConverter is not compatible with objects of type class {class}")))
            }
        }
    }

    fn to_connect(&self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        Ok(Datum::new(Schema::optional_bytes(), bytes.map_or(Value::Null, |b| Value::Bytes(b.clone()))))
    }

    fn is_pass_through(&self) -> bool {
        true
    }
}
