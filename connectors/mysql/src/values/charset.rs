//! Text in MySQL's character sets. A snapshot's connection gets UTF-8; the log has what the table has.

use bytes::Bytes;
use couplet_api::data::{Utf8, Value};
use encoding_rs::Encoding;

/// How bytes become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    /// UTF-8; also for what is not known, as in Debezium.
    Utf8,
    /// UTF-16 with the high byte first; `ucs2` too.
    Utf16,
    /// UTF-16 with the low byte first.
    Utf16Le,
    /// UTF-32 with the high byte first.
    Utf32,
    /// By table.
    Table(&'static Encoding),
}

impl Charset {
    /// The set that MySQL calls `name`.
    pub(crate) fn named(name: Option<&str>) -> Self {
        use encoding_rs as e;
        let table = match name.unwrap_or_default().to_ascii_lowercase().as_str() {
            "ucs2" | "utf16" => return Charset::Utf16,
            "utf16le" => return Charset::Utf16Le,
            "utf32" => return Charset::Utf32,
            "latin1" | "dec8" | "hp8" => e::WINDOWS_1252,
            "latin2" => e::ISO_8859_2,
            "latin5" => e::WINDOWS_1254,
            "latin7" => e::ISO_8859_13,
            "greek" => e::ISO_8859_7,
            "hebrew" => e::ISO_8859_8,
            "cp1250" => e::WINDOWS_1250,
            "cp1251" => e::WINDOWS_1251,
            "cp1256" => e::WINDOWS_1256,
            "cp1257" => e::WINDOWS_1257,
            "cp866" => e::IBM866,
            "koi8r" => e::KOI8_R,
            "koi8u" => e::KOI8_U,
            "macroman" => e::MACINTOSH,
            "tis620" => e::WINDOWS_874,
            "big5" => e::BIG5,
            "gbk" | "gb2312" => e::GBK,
            "gb18030" => e::GB18030,
            "sjis" | "cp932" => e::SHIFT_JIS,
            "ujis" | "eucjpms" => e::EUC_JP,
            "euckr" => e::EUC_KR,
            _ => return Charset::Utf8,
        };
        Charset::Table(table)
    }

    /// The text of `bytes`; what cannot be read becomes U+FFFD.
    pub(crate) fn decode(self, bytes: &Bytes) -> Value {
        let units = |read: fn([u8; 2]) -> u16| -> String {
            let units = bytes.chunks_exact(2).map(|b| read([b[0], b[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        };
        Value::str(match self {
            Charset::Utf8 => match Utf8::new(bytes.clone()) {
                Ok(text) => return Value::Str(text),
                Err(_) => String::from_utf8_lossy(bytes).into_owned(),
            },
            Charset::Utf16 => units(u16::from_be_bytes),
            Charset::Utf16Le => units(u16::from_le_bytes),
            Charset::Utf32 => bytes
                .chunks_exact(4)
                .map(|b| {
                    let code = u32::from_be_bytes([b[0], b[1], b[2], b[3]]);
                    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                })
                .collect(),
            Charset::Table(table) => table.decode_without_bom_handling(bytes).0.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_its_set() {
        let rows: [(&str, &[u8], &str); 7] = [
            ("utf8mb4", "ü€".as_bytes(), "ü€"),
            ("latin1", b"\xfc\x80", "ü€"),
            ("ucs2", b"\x00\xfc\x20\xac", "ü€"),
            ("utf16le", b"\xfc\x00", "ü"),
            ("utf32", b"\x00\x01\xf6\x00", "😀"),
            ("sjis", b"\x93\xfa", "日"),
            ("cp1251", b"\xe4", "д"),
        ];
        for (name, bytes, want) in rows {
            assert_eq!(
                Charset::named(Some(name)).decode(&Bytes::copy_from_slice(bytes)).as_str(),
                Some(want),
                "{name}"
            );
        }
    }
}
