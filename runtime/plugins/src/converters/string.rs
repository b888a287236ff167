use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Header, Schema, Utf8, Value};
use couplet_api::{Error, Result, config_def};

use super::plain_header::header;
use super::{Class, one_of_types, with_type};
use crate::first_problem;
use crate::java::to_string;

pub(super) const CLASS: Class = Class {
    name: "org.apache.kafka.connect.storage.StringConverter",
    config_def: StringConverterConfig::config_def,
    create: |props, is_key| create(props, if is_key { "key" } else { "value" }),
    create_header: |props| header(create, props),
};

config_def! {
    /// Settings of the string converter.
    pub(crate) struct StringConverterConfig {
        /// Whether the converter is for keys, values or headers. The worker sets it.
        converter_type: Str = "converter.type", Low, required, one_of_types();
        /// The character set of the bytes: UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE or UTF-16LE.
        converter_encoding: Str = "converter.encoding", High, default "UTF-8"
            => { width: Medium, display: "Encoding" };
    }
}

/// A character set that Java also knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
    /// Written big-endian behind a byte order mark, read in the order of its mark.
    Utf16,
    Utf16Be,
    Utf16Le,
}

const CHARSETS: [(&str, Charset); 14] = [
    ("UTF-8", Charset::Utf8),
    ("UTF8", Charset::Utf8),
    ("US-ASCII", Charset::Ascii),
    ("ASCII", Charset::Ascii),
    ("ISO-8859-1", Charset::Latin1),
    ("ISO8859_1", Charset::Latin1),
    ("ISO8859-1", Charset::Latin1),
    ("LATIN1", Charset::Latin1),
    ("UTF-16", Charset::Utf16),
    ("UTF16", Charset::Utf16),
    ("UTF-16BE", Charset::Utf16Be),
    ("UTF_16BE", Charset::Utf16Be),
    ("UTF-16LE", Charset::Utf16Le),
    ("UTF_16LE", Charset::Utf16Le),
];

/// Writes the text of any value, reads text.
struct StringConverter(Charset);

fn create(props: &Props, role: &str) -> Result<Arc<dyn Converter>> {
    let config =
        first_problem(StringConverterConfig::parse, StringConverterConfig::config_def, &with_type(props, role))?;
    let name = config.converter_encoding;
    let charset = CHARSETS.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
    let (_, charset) = charset.ok_or_else(|| {
        let is_legal = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-+.:_".contains(c));
        let cause = Error::config(&*name).with_class(match is_legal {
            true => "java.nio.charset.UnsupportedCharsetException",
            false => "java.nio.charset.IllegalCharsetNameException",
        });
        Error::config(format!("Unsupported encoding {name}"))
            .with_class("org.apache.kafka.common.errors.SerializationException")
            .caused_by(cause)
    })?;
    Ok(Arc::new(StringConverter(*charset)))
}

impl Converter for StringConverter {
    fn from_connect(&self, _topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        match &data.value {
            Value::Null => return Ok(false),
            Value::Str(text) => self.0.encode(text, out),
            other => self.0.encode(&to_string(other), out),
        }
        Ok(true)
    }

    fn to_connect(&self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        Ok(Datum::new(Schema::optional_string(), bytes.map(|b| self.0.decode(b))))
    }
}

impl Charset {
    /// Appends `text`; a character that the set lacks becomes a question mark.
    fn encode(self, text: &str, out: &mut BytesMut) {
        let mut narrow = |limit: u32| {
            out.extend(
                text.chars().map(|c| u8::try_from(u32::from(c)).ok().filter(|b| u32::from(*b) < limit).unwrap_or(b'?')),
            );
        };
        match self {
            Charset::Utf8 => out.put_slice(text.as_bytes()),
            Charset::Ascii => narrow(0x80),
            Charset::Latin1 => narrow(0x100),
            Charset::Utf16 if text.is_empty() => {}
            Charset::Utf16 => {
                out.put_u16(0xfeff);
                text.encode_utf16().for_each(|unit| out.put_u16(unit));
            }
            Charset::Utf16Be => text.encode_utf16().for_each(|unit| out.put_u16(unit)),
            Charset::Utf16Le => text.encode_utf16().for_each(|unit| out.put_u16_le(unit)),
        }
    }

    /// Reads text; bytes that are no character become U+FFFD.
    fn decode(self, bytes: &Bytes) -> Utf8 {
        let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
            let mut text: String = char::decode_utf16(bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])))
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect();
            text.extend((bytes.len() % 2 == 1).then_some(char::REPLACEMENT_CHARACTER));
            Utf8::from(text)
        };
        match (self, &**bytes) {
            (Charset::Utf8, _) => {
                Utf8::new(bytes.clone()).unwrap_or_else(|_| Utf8::from(String::from_utf8_lossy(bytes).into_owned()))
            }
            (Charset::Ascii, bytes) => {
                let char_of = |b: &u8| if b.is_ascii() { char::from(*b) } else { char::REPLACEMENT_CHARACTER };
                Utf8::from(bytes.iter().map(char_of).collect::<String>())
            }
            (Charset::Latin1, bytes) => Utf8::from(bytes.iter().map(|b| char::from(*b)).collect::<String>()),
            (Charset::Utf16, [0xff, 0xfe, rest @ ..]) => wide(rest, u16::from_le_bytes),
            (Charset::Utf16, [0xfe, 0xff, rest @ ..]) => wide(rest, u16::from_be_bytes),
            (Charset::Utf16 | Charset::Utf16Be, bytes) => wide(bytes, u16::from_be_bytes),
            (Charset::Utf16Le, bytes) => wide(bytes, u16::from_le_bytes),
        }
    }
}
