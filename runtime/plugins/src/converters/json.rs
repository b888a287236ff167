use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use couplet_api::config::{Props, one_of_ignore_case};
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Header, SchemaRef};
use couplet_api::{Error, Result, config_def};

use super::plain_header::header;
use super::{Class, one_of_types, with_type};
use crate::first_problem;
use crate::json::{
    DecimalFormat, JsonOptions, JsonWriter, Recent, read_schema, read_value, read_value_as, split_envelope,
};

pub(super) const CLASS: Class = Class {
    name: "org.apache.kafka.connect.json.JsonConverter",
    config_def: JsonConverterConfig::config_def,
    create: |props, is_key| create(props, if is_key { "key" } else { "value" }),
    create_header: |props| header(create, props),
};

config_def! {
    /// Settings of the JSON converter.
    pub(crate) struct JsonConverterConfig {
        /// Whether the converter is for keys, values or headers. The worker sets it.
        converter_type: Str = "converter.type", Low, required, one_of_types();
        /// Whether each message is an envelope that holds its schema beside its payload.
        schemas_enable: Bool = "schemas.enable", High, default "true"
            => { group: "Schemas", order: 0, width: Medium, display: "Enable Schemas" };
        /// How many schemas the converter remembers in each direction.
        schemas_cache_size: Int = "schemas.cache.size", High, default "1000"
            => { group: "Schemas", order: 1, width: Medium, display: "Schema Cache Size" };
        /// How decimals are written: NUMERIC as JSON numbers, BASE64 as the bytes of the unscaled value.
        decimal_format: Str = "decimal.format", Low, default "BASE64", one_of_ignore_case(&["NUMERIC", "BASE64"])
            => { group: "Serialization", order: 0, width: Medium, display: "Decimal Format" };
        /// Whether a null is replaced by the default value of its schema, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Low, default "true"
            => { group: "Serialization", order: 1, width: Medium, display: "Replace null with default" };
    }
}

/// Reads and writes JSON, with or without the schema in an envelope.
struct JsonConverter {
    envelopes: bool,
    options: JsonOptions,
    writer: JsonWriter,
    /// Schemas read, by the bytes of their block.
    schemas: Mutex<Recent<Box<[u8]>, Option<SchemaRef>>>,
}

fn create(props: &Props, role: &str) -> Result<Arc<dyn Converter>> {
    let config = first_problem(JsonConverterConfig::parse, JsonConverterConfig::config_def, &with_type(props, role))?;
    let numeric = config.decimal_format.eq_ignore_ascii_case("NUMERIC");
    let options = JsonOptions {
        decimal_format: if numeric { DecimalFormat::Numeric } else { DecimalFormat::Base64 },
        replace_null_with_default: config.replace_null_with_default,
    };
    let schemas_max = usize::try_from(config.schemas_cache_size).unwrap_or_default();
    Ok(Arc::new(JsonConverter {
        envelopes: config.schemas_enable,
        options,
        writer: JsonWriter::new(options, schemas_max),
        schemas: Mutex::new(Recent::new(schemas_max)),
    }))
}

impl Converter for JsonConverter {
    fn from_connect(&self, _topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        if data.schema.is_none() && data.is_null() {
            return Ok(false);
        }
        if self.envelopes {
            self.writer.write_envelope(data, out)?;
        } else {
            self.writer.write(data, out)?;
        }
        Ok(true)
    }

    fn to_connect(&self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else { return Ok(Datum::NULL) };
        if !self.envelopes {
            return Ok(Datum::schemaless(read_value(bytes).map_err(unreadable)?));
        }
        let (schema, payload) =
            split_envelope(bytes, |rest| self.known_schema(rest)).map_err(unreadable)?.ok_or_else(not_an_envelope)?;
        let schema = self.schema(&schema)?;
        let value = match &schema {
            Some(schema) => read_value_as(&payload, schema, &self.options)?,
            None => read_value(&payload)?,
        };
        Ok(Datum { schema, value })
    }
}

impl JsonConverter {
    /// The length of the schema that `bytes` begin with, if it was read before. An object ends where it ends, whatever follows;
    /// of other JSON that is not so.
    fn known_schema(&self, bytes: &[u8]) -> Option<usize> {
        let schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        schemas.of_key(|key| (key.starts_with(b"{") && bytes.starts_with(key)).then_some(key.len()))
    }

    fn schema(&self, block: &Bytes) -> Result<Option<SchemaRef>> {
        let lock = || self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(|key| **key == **block) {
            return Ok(found);
        }
        let schema = read_schema(block, &self.options)?;
        lock().put(Box::from(&**block), schema.clone());
        Ok(schema)
    }
}

fn unreadable(cause: Error) -> Error {
    Error::data("Converting byte[] to Kafka Connect data failed due to serialization error: ").caused_by(cause)
}

fn not_an_envelope() -> Error {
    Error::data(
        "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional \
         fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter \
         configuration.",
    )
}
