use ::bytes::{BufMut, BytesMut};
use couplet_api::data::{Datum, Type, Value};
use couplet_api::{Error, Result};

/// Bytes as they are: `io.confluent.connect.s3.format.bytearray.ByteArrayFormat`.
#[derive(Debug, Clone)]
pub struct BytesFormat {
    extension: String,
    separator: Vec<u8>,
}

impl BytesFormat {
    /// `extension` with its dot; `separator` follows each value.
    pub fn new(extension: impl Into<String>, separator: impl Into<Vec<u8>>) -> Self {
        BytesFormat { extension: extension.into(), separator: separator.into() }
    }

    pub(super) fn extension(&self) -> &str {
        &self.extension
    }

    pub(super) fn write(&self, datum: &Datum, out: &mut BytesMut) -> Result<()> {
        if let Some(kind) = datum.schema.as_ref().map(|s| s.kind()).filter(|kind| *kind != Type::Bytes) {
            return Err(Error::data(format!("Invalid schema type for ByteArrayConverter: {}", kind.name())));
        }
        match &datum.value {
            Value::Bytes(bytes) => out.put_slice(bytes),
            Value::Null => return Err(Error::data("ByteArrayConverter cannot write a null")),
            _ => return Err(Error::data("ByteArrayConverter is not compatible with objects that are not bytes")),
        }
        out.put_slice(&self.separator);
        Ok(())
    }

    #[allow(clippy::unused_self, reason = "the format answers, whatever its settings")]
    pub(super) fn refuse_headers(&self) -> Result<()> {
        Err(Error::data("ByteArrayFormat cannot write headers"))
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::Schema;

    use super::*;

    #[test]
    fn only_bytes_are_written() {
        let format = BytesFormat::new(".bin", "|");
        let mut out = BytesMut::new();
        let value = ::bytes::Bytes::from_static(b"a\0b");
        format.write(&Datum::new(Schema::bytes(), value.clone()), &mut out).expect("bytes");
        format.write(&Datum::schemaless(value), &mut out).expect("bytes");
        assert_eq!(&out[..], b"a\0b|a\0b|");
        for datum in [Datum::new(Schema::string(), "x"), Datum::schemaless("x"), Datum::NULL] {
            format.write(&datum, &mut out).expect_err("no bytes");
        }
        assert_eq!(out.len(), 8, "nothing of a refused value is kept");
    }
}
