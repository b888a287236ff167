use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use couplet_api::config::{Props, one_of_ignore_case};
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Header, SchemaRef, Value};
use couplet_api::{Error, Result, config_def};

use super::plain_header::header;
use super::{Class, one_of_types, with_type};
use crate::first_problem;
use crate::json::{
    DecimalFormat, JsonOptions, JsonWriter, Recent, Shape, read_schema, read_usual_envelope, read_value, read_value_as,
    read_value_like, split_envelope,
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

/// Schemas read and the lengths of their blocks, by the bytes of their blocks.
type Schemas = Recent<Box<[u8]>, (usize, Option<SchemaRef>)>;

/// Reads and writes JSON, with or without the schema in an envelope.
struct JsonConverter {
    envelopes: bool,
    options: JsonOptions,
    writer: JsonWriter,
    schemas: Mutex<Schemas>,
    /// What messages without a schema look like.
    shape: Mutex<Shape>,
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
        shape: Mutex::default(),
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
            return self.read_plain(bytes).map(Datum::schemaless).map_err(unreadable);
        }
        if let Some((schema, value)) = read_usual_envelope(bytes, &self.options, |rest| self.known_schema(rest)) {
            return Ok(Datum::new(schema, value));
        }
        let (schema, payload) = split_envelope(bytes, |rest| self.known_schema(rest).map(|(length, _)| length))
            .map_err(unreadable)?
            .ok_or_else(not_an_envelope)?;
        let schema = self.schema(&schema)?;
        let value = match &schema {
            Some(schema) => read_value_as(&payload, schema, &self.options)?,
            None => read_value(&payload)?,
        };
        Ok(Datum { schema, value })
    }
}

impl JsonConverter {
    fn read_plain(&self, bytes: &Bytes) -> Result<Value> {
        match self.shape.try_lock() {
            Ok(mut shape) => read_value_like(bytes, &mut shape),
            // Somebody else reads: this thread need not wait.
            Err(_) => read_value(bytes),
        }
    }

    /// The length of the schema that `bytes` begin with, and the schema, if it was read before. An object ends where it ends,
    /// whatever follows; of other JSON that is not so.
    fn known_schema(&self, bytes: &[u8]) -> Option<(usize, Option<SchemaRef>)> {
        self.schemas().get(|key| key.starts_with(b"{") && bytes.starts_with(key))
    }

    fn schema(&self, block: &Bytes) -> Result<Option<SchemaRef>> {
        if let Some((_, found)) = self.schemas().get(|key| **key == **block) {
            return Ok(found);
        }
        let schema = read_schema(block, &self.options)?;
        self.schemas().put(Box::from(&**block), (block.len(), schema.clone()));
        Ok(schema)
    }

    fn schemas(&self) -> MutexGuard<'_, Schemas> {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_reads_alike_whether_its_schema_is_known_or_not() {
        let schema = r#"{"type":"struct","fields":[{"field":"a","type":"int32"},{"field":"b","type":"string","optional":true}]}"#;
        let usual = |payload: &str| format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
        let envelopes = [
            usual(r#"{"a":1,"b":"x"}"#),
            usual(r#"{"b":null,"a":2}"#),
            // What takes a closer look: not of the schema, not JSON, more behind it, another order, other members, space.
            usual(r#"{"b":"x"}"#),
            usual("{}x"),
            usual(r#"{"a":1}"#) + "x",
            usual(r#"{"a":1}"#) + " ",
            usual(r#"{"a":1},"payload":{"a":2}"#),
            usual(r#"{"a":1},"more":1"#),
            format!(r#"{{"payload":{{"a":1}},"schema":{schema}}}"#),
            format!(r#"{{ "schema" : {schema} , "payload" : {{"a":1}} }}"#),
            format!(r#"{{"schema":{schema}}}"#),
            r#"{"schema":null,"payload":{"a":1}}"#.to_owned(),
        ];
        let read = |converter: &dyn Converter, envelope: &str| {
            let datum = converter.to_connect("t", Some(&Bytes::copy_from_slice(envelope.as_bytes())));
            datum.map_err(|error| error.to_string())
        };
        let fresh = || create(&Props::new(), "value").expect("a converter");
        let used = fresh();
        assert!(read(&*used, &usual(r#"{"a":0}"#)).is_ok());
        for envelope in &envelopes {
            assert_eq!(read(&*used, envelope), read(&*fresh(), envelope), "{envelope}");
        }
    }
}
