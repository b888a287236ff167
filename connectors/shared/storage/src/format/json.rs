use ::bytes::{BufMut, BytesMut};
use couplet_api::data::{Datum, Header, Value};
use couplet_api::{Error, Result};
use couplet_plugins::json::{DecimalFormat, JsonOptions, JsonWriter};

use super::to_text;

/// One JSON value a line: `io.confluent.connect.s3.format.json.JsonFormat`.
///
/// Structs are written as the JSON converter writes them without schemas; any other value as Jackson writes a Java
/// object, which differs for decimals (always a number) and dates (milliseconds).
#[derive(Debug)]
pub struct JsonFormat(JsonWriter);

impl JsonFormat {
    /// `decimal_format` is for decimals in structs; what depends on a schema is kept for `schemas_max` of them.
    pub fn new(decimal_format: DecimalFormat, schemas_max: usize) -> Self {
        let options = JsonOptions { decimal_format, ..JsonOptions::default() };
        JsonFormat(JsonWriter::new(options, schemas_max.max(1)))
    }

    pub(super) fn write(&self, datum: &Datum, out: &mut BytesMut) -> Result<()> {
        match &datum.value {
            Value::Struct(_) => self.0.write(datum, out)?,
            value => self.write_object(value, out)?,
        }
        out.put_u8(b'\n');
        Ok(())
    }

    /// A Java object as Jackson writes it, whatever its schema.
    fn write_object(&self, value: &Value, out: &mut BytesMut) -> Result<()> {
        match value {
            Value::Struct(row) => {
                self.0.write(&Datum::new(row.schema().clone(), Value::Struct(row.clone())), out)?;
            }
            Value::Decimal(decimal) => out.put_slice(decimal.to_string().as_bytes()),
            Value::Date(ms) => out.put_slice(ms.to_string().as_bytes()),
            Value::Array(items) => {
                out.put_u8(b'[');
                for (at, item) in items.iter().enumerate() {
                    comma(at, out);
                    self.write_object(item, out)?;
                }
                out.put_u8(b']');
            }
            Value::Map(entries) => {
                out.put_u8(b'{');
                for (at, (key, item)) in entries.iter().enumerate() {
                    comma(at, out);
                    let name = to_text(key).ok_or_else(|| Error::data("Null key for a Map not allowed in JSON"))?;
                    self.0.write(&Datum::schemaless(name), out)?;
                    out.put_u8(b':');
                    self.write_object(item, out)?;
                }
                out.put_u8(b'}');
            }
            scalar => self.0.write(&Datum::schemaless(scalar.clone()), out)?,
        }
        Ok(())
    }

    /// All headers of a record in one object, their values as text.
    pub(super) fn write_headers(&self, headers: &[Header], out: &mut BytesMut) -> Result<()> {
        out.put_slice(b"{\"headers\":[");
        for (at, header) in headers.iter().enumerate() {
            comma(at, out);
            let value = to_text(&header.value.value).ok_or_else(|| {
                Error::data("Invalid value: null used for required field: \"value\", schema type: STRING")
            })?;
            out.put_slice(b"{\"key\":");
            self.0.write(&Datum::schemaless(&*header.key), out)?;
            out.put_slice(b",\"value\":");
            self.0.write(&Datum::schemaless(value), out)?;
            out.put_u8(b'}');
        }
        out.put_slice(b"]}\n");
        Ok(())
    }
}

fn comma(at: usize, out: &mut BytesMut) {
    if at > 0 {
        out.put_u8(b',');
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use couplet_api::data::{Schema, SchemaBuilder, Struct};

    use super::*;

    fn decimal() -> Value {
        Value::Decimal(Arc::new("1.25".parse().expect("decimal")))
    }

    fn line(format: &JsonFormat, datum: &Datum) -> String {
        let mut out = BytesMut::new();
        format.write(datum, &mut out).expect("written");
        String::from_utf8(out.to_vec()).expect("text")
    }

    #[test]
    fn structs_and_other_values() {
        let base64 = JsonFormat::new(DecimalFormat::Base64, 10);
        let numeric = JsonFormat::new(DecimalFormat::Numeric, 10);
        let schema = SchemaBuilder::structure().field("d", SchemaBuilder::decimal(2).build()).build();
        let row = Datum::new(schema.clone(), Struct::new(schema, vec![decimal()]));
        let map = Value::Map(vec![(Value::Int32(1), decimal()), (Value::str("a\"b"), Value::Null)].into());
        let list = Value::Array(vec![row.value.clone(), Value::Date(5), Value::Bool(true)].into());
        let rows = [
            (&base64, row.clone(), "{\"d\":\"fQ==\"}\n"),
            (&numeric, row, "{\"d\":1.25}\n"),
            (&base64, Datum::new(SchemaBuilder::decimal(2).build(), decimal()), "1.25\n"),
            (&base64, Datum::new(SchemaBuilder::date().build(), Value::Date(86_400_000)), "86400000\n"),
            (&base64, Datum::schemaless(map), "{\"1\":1.25,\"a\\\"b\":null}\n"),
            (&base64, Datum::schemaless(list), "[{\"d\":\"fQ==\"},5,true]\n"),
            (&base64, Datum::new(Schema::string(), "plain \"0\""), "\"plain \\\"0\\\"\"\n"),
            (&base64, Datum::new(Schema::bytes(), ::bytes::Bytes::from_static(&[1, 2])), "\"AQI=\"\n"),
            (&base64, Datum::NULL, "null\n"),
        ];
        for (format, datum, want) in rows {
            assert_eq!(line(format, &datum), want);
        }
    }

    #[test]
    fn headers_are_text() {
        let header = |key: &str, value: Datum| Header { key: key.into(), value };
        let format = JsonFormat::new(DecimalFormat::Base64, 10);
        let mut out = BytesMut::new();
        let headers = [header("h\"1", Datum::schemaless("abc")), header("n", Datum::new(Schema::int8(), 7_i8))];
        format.write_headers(&headers, &mut out).expect("text");
        assert_eq!(
            &out[..],
            &b"{\"headers\":[{\"key\":\"h\\\"1\",\"value\":\"abc\"},{\"key\":\"n\",\"value\":\"7\"}]}\n"[..]
        );
        format.write_headers(&[header("x", Datum::NULL)], &mut out).expect_err("null");
    }
}
