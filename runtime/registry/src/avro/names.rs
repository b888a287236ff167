//! Names and properties that Confluent's `AvroData` uses, and its rules for names.

use couplet_api::data::{Schema, Type};

pub(super) const NAMESPACE: &str = "io.confluent.connect.avro";
pub(super) const DEFAULT_FULL_NAME: &str = "io.confluent.connect.avro.ConnectDefault";
pub(super) const MAP_ENTRY: &str = "MapEntry";
pub(super) const ANYTHING: &str = "io.confluent.connect.avro.Anything";
pub(super) const UNION: &str = "io.confluent.connect.avro.Union";
pub(super) const ENUM: &str = "io.confluent.connect.avro.Enum";
pub(super) const GENERAL_UNION: &str = "org.apache.kafka.connect.data.Union";
pub(super) const GENERAL_ENUM: &str = "org.apache.kafka.connect.data.Enum";
pub(super) const GENERAL_UNION_PREFIX: &str = "connect_union_";
pub(super) const GENERAL_FIELD_PREFIX: &str = "connect_union_field_";
pub(super) const CONNECT_NAME: &str = "connect.name";
pub(super) const CONNECT_DOC: &str = "connect.doc";
pub(super) const CONNECT_RECORD_DOC: &str = "connect.record.doc";
pub(super) const CONNECT_ENUM_DOC: &str = "connect.enum.doc";
pub(super) const CONNECT_VERSION: &str = "connect.version";
pub(super) const CONNECT_DEFAULT: &str = "connect.default";
pub(super) const CONNECT_PARAMETERS: &str = "connect.parameters";
pub(super) const CONNECT_INTERNAL_TYPE: &str = "connect.internal.type";
pub(super) const CONNECT_TYPE: &str = "connect.type";
pub(super) const FIXED_SIZE: &str = "connect.fixed.size";
pub(super) const DECIMAL_PRECISION: &str = "connect.decimal.precision";
pub(super) const RECORD_DOC: &str = "io.confluent.connect.avro.record.doc";
pub(super) const ENUM_DOC_PREFIX: &str = "io.confluent.connect.avro.enum.doc.";
pub(super) const FIELD_DOC_PREFIX: &str = "io.confluent.connect.avro.field.doc.";
pub(super) const FIELD_DEFAULT_FLAG: &str = "io.confluent.connect.avro.field.default";
pub(super) const ENUM_DEFAULT_PREFIX: &str = "io.confluent.connect.avro.enum.default.";
/// Parameters that begin so become properties, and the other way round.
pub(super) const AVRO_PREFIX: &str = "avro";
/// Precision of decimals that do not say theirs.
pub(super) const PRECISION_DEFAULT: i64 = 64;

/// Whether a STRUCT stands for an Avro union.
pub(super) fn is_union(schema: &Schema) -> bool {
    schema.kind() == Type::Struct && (schema.name() == Some(UNION) || schema.parameter(GENERAL_UNION).is_some())
}

/// Whether a STRING stands for an Avro enum.
pub(super) fn is_enum(schema: &Schema) -> bool {
    schema.kind() == Type::String && (schema.parameter(GENERAL_ENUM).is_some() || schema.parameter(ENUM).is_some())
}

/// The size of BYTES that stand for an Avro fixed.
pub(super) fn fixed_size(schema: &Schema) -> Option<&str> {
    schema.name().filter(|_| schema.kind() == Type::Bytes).and_then(|_| schema.parameter(FIXED_SIZE))
}

/// A name in which every character may stand, as `AvroData.doScrubName` makes it: what URL encoding changes becomes `_`.
pub(super) fn scrub(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || (name.bytes().all(plain) && !name.as_bytes()[0].is_ascii_digit()) {
        return name.to_owned();
    }
    let mut encoded = String::with_capacity(name.len() + 2);
    for byte in name.bytes() {
        match byte {
            b if plain(b) => encoded.push(char::from(b)),
            b'.' | b'-' | b'*' | b' ' => encoded.push('_'),
            b => encoded.push_str(&format!("_{b:02X}")),
        }
    }
    if encoded.as_bytes()[0].is_ascii_digit() { format!("x{encoded}") } else { encoded }
}

/// `name` with each part between dots scrubbed, if that is wanted.
pub(super) fn scrub_full(name: &str, scrubs: bool) -> String {
    if !scrubs {
        return name.to_owned();
    }
    name.split('.').map(scrub).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_names_are_scrubbed_as_javas_url_encoder_does() {
        let rows = [
            ("abc_1", "abc_1"),
            ("1abc", "x1abc"),
            ("a-b", "a_b"),
            ("a b*c.d", "a_b_c_d"),
            ("a$b", "a_24b"),
            ("ä", "_C3_A4"),
            ("", ""),
        ];
        for (name, want) in rows {
            assert_eq!(scrub(name), want, "{name}");
        }
        assert_eq!(scrub_full("my-server.in ven.t", true), "my_server.in_ven.t");
        assert_eq!(scrub_full("my-server.t", false), "my-server.t");
    }
}
