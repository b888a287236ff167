//! Byte strings and bit strings.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use couplet_api::Result;
use couplet_api::data::Value;
use couplet_api::error::Error;
use couplet_cdc::BinaryMode;

/// `bytea` in hex form, `\x01ff`.
pub(super) fn bytea(text: &str, mode: BinaryMode) -> Result<Value> {
    let digits = text.strip_prefix("\\x").ok_or_else(|| Error::data("a bytea is not in hex form"))?;
    if mode == BinaryMode::Hex {
        return Ok(Value::str(digits));
    }
    let bytes = hex::decode(digits).map_err(|_| Error::data("a bytea is not in hex form"))?;
    Ok(represented(Bytes::from(bytes), mode))
}

/// Bytes as the user wants them.
pub(super) fn represented(bytes: Bytes, mode: BinaryMode) -> Value {
    match mode {
        BinaryMode::Bytes => Value::Bytes(bytes),
        BinaryMode::Base64 => Value::str(STANDARD.encode(bytes)),
        BinaryMode::Base64UrlSafe => Value::str(URL_SAFE.encode(bytes)),
        BinaryMode::Hex => Value::str(hex::encode(bytes)),
    }
}

/// `bit(n)` and `varbit`: little-endian, without leading zero bytes.
pub(super) fn bits(text: &str) -> Value {
    let digits = text.trim_start_matches('0').as_bytes();
    let byte = |chunk: &[u8]| chunk.iter().fold(0_u8, |byte, digit| byte << 1 | u8::from(*digit == b'1'));
    Value::Bytes(digits.rchunks(8).map(byte).collect::<Vec<u8>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_little_endian_and_short() {
        let rows: [(&str, &[u8]); 5] =
            [("", &[]), ("000", &[]), ("101", &[5]), ("10000001", &[0x81]), ("1111000011110000", &[0xf0, 0xf0])];
        for (text, want) in rows {
            assert_eq!(bits(text), Value::Bytes(Bytes::copy_from_slice(want)), "{text}");
        }
        assert_eq!(bits("100000000"), Value::Bytes(Bytes::from_static(&[0, 1])));
    }

    #[test]
    fn bytes_take_the_form_users_ask_for() {
        let form = |mode| bytea("\\xfbff3f", mode).expect("hex");
        assert_eq!(form(BinaryMode::Bytes), Value::Bytes(Bytes::from_static(&[0xfb, 0xff, 0x3f])));
        assert_eq!(form(BinaryMode::Base64), Value::str("+/8/"));
        assert_eq!(form(BinaryMode::Base64UrlSafe), Value::str("-_8_"));
        assert_eq!(form(BinaryMode::Hex), Value::str("fbff3f"));
        assert!(bytea("fb", BinaryMode::Bytes).is_err() && bytea("\\xf", BinaryMode::Bytes).is_err());
    }
}
