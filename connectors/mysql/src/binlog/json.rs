//! MySQL's binary JSON as text, spelled as Debezium's binary log client spells it: no blanks, members in the order of
//! the binary form, numbers without exponents.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couplet_mysql_wire::read::Reader;

use super::decimal::decimal_text;

/// Deepest nesting that MySQL makes.
const DEPTH_MAX: u32 = 100;

/// The text of a document; `None` when it is damaged.
pub(crate) fn json_text(document: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(document.len());
    let (kind, value) = document.split_first()?;
    push(*kind, value, 0, &mut out)?;
    Some(out)
}

fn push(kind: u8, bytes: &[u8], depth: u32, out: &mut String) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut reader = Reader::new(bytes);
    // Writing to a String cannot fail.
    match kind {
        0..=3 => return push_container(kind, bytes, depth, out),
        4 => out.push_str(literal(reader.u8()?)?),
        5 => drop(write!(out, "{}", reader.u16()?.cast_signed())),
        6 => drop(write!(out, "{}", reader.u16()?)),
        7 => drop(write!(out, "{}", reader.u32()?.cast_signed())),
        8 => drop(write!(out, "{}", reader.u32()?)),
        9 => drop(write!(out, "{}", reader.u64()?.cast_signed())),
        10 => drop(write!(out, "{}", reader.u64()?)),
        11 => out.push_str(&double(f64::from_bits(reader.u64()?))),
        12 => {
            let length = variable_length(&mut reader)?;
            quoted(&String::from_utf8_lossy(reader.take(length)?), out);
        }
        15 => {
            let kind = reader.u8()?;
            let length = variable_length(&mut reader)?;
            push_opaque(kind, reader.take(length)?, out)?;
        }
        _ => return None,
    }
    Some(())
}

const fn literal(code: u8) -> Option<&'static str> {
    match code {
        0 => Some("null"),
        1 => Some("true"),
        2 => Some("false"),
        _ => None,
    }
}

/// Seven bits a byte, the highest says that more follow.
fn variable_length(reader: &mut Reader<'_>) -> Option<usize> {
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21, 28] {
        let byte = reader.u8()?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

fn push_container(kind: u8, bytes: &[u8], depth: u32, out: &mut String) -> Option<()> {
    let (object, width) = (kind < 2, if kind.is_multiple_of(2) { 2 } else { 4 });
    let mut reader = Reader::new(bytes);
    let count = usize::try_from(reader.le(width)?).ok()?;
    let size = usize::try_from(reader.le(width)?).ok()?;
    let whole = bytes.get(..size)?;
    let keys = if object { count.checked_mul(width + 2)? } else { 0 };
    let mut key_entries = Reader::new(reader.take(keys)?);
    out.push(if object { '{' } else { '[' });
    for index in 0..count {
        if index > 0 {
            out.push(',');
        }
        if object {
            let offset = usize::try_from(key_entries.le(width)?).ok()?;
            let length = usize::from(key_entries.u16()?);
            quoted(&String::from_utf8_lossy(whole.get(offset..offset.checked_add(length)?)?), out);
            out.push(':');
        }
        let kind = reader.u8()?;
        let inline = matches!(kind, 4..=6) || (width == 4 && matches!(kind, 7 | 8));
        let entry = reader.take(width)?;
        if inline {
            push(kind, entry, depth + 1, out)?;
        } else {
            let offset = usize::try_from(Reader::new(entry).le(width)?).ok()?;
            push(kind, whole.get(offset..)?, depth + 1, out)?;
        }
    }
    out.push(if object { '}' } else { ']' });
    Some(())
}

/// Values that JSON itself does not have: decimals and times as such, all else in base 64.
fn push_opaque(kind: u8, bytes: &[u8], out: &mut String) -> Option<()> {
    let packed = || bytes.first_chunk::<8>().map(|b| i64::from_le_bytes(*b));
    match kind {
        0 | 246 => {
            let (head, digits) = bytes.split_at_checked(2)?;
            out.push_str(&decimal_text(head[0].into(), head[1].into(), &mut Reader::new(digits))?);
        }
        10 | 14 => {
            let (year, month, day) = date(packed()?);
            let _ = write!(out, "\"{year:04}-{month:02}-{day:02}\"");
        }
        7 | 12 | 17 | 18 => {
            let packed = packed()?;
            let (year, month, day) = date(packed);
            let _ = write!(out, "\"{year:04}-{month:02}-{day:02} {}\"", clock((packed >> 24) & 0x1_ffff, packed));
        }
        11 | 19 => {
            let packed = packed()?;
            let sign = if packed < 0 { "-" } else { "" };
            let packed = packed.wrapping_abs();
            let _ = write!(out, "\"{sign}{}\"", clock(packed >> 24, packed));
        }
        _ => {
            let _ = write!(out, "\"{}\"", STANDARD.encode(bytes));
        }
    }
    Some(())
}

fn date(packed: i64) -> (i64, i64, i64) {
    let date = packed >> 41;
    ((date >> 5) / 13, (date >> 5) % 13, date & 31)
}

/// Hours, minutes and seconds; microseconds, without zeros at their end, only when there are any.
fn clock(time: i64, packed: i64) -> String {
    let mut text = format!("{:02}:{:02}:{:02}", time >> 12, (time >> 6) & 63, time & 63);
    let micros = packed & 0xff_ffff;
    if micros != 0 {
        let digits = format!(".{micros:06}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text
}

/// As Java writes it; where that has an exponent, all digits of the binary value.
fn double(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:.1074}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => drop(write!(out, "\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_spelled_without_blanks() {
        let rows: [(&[u8], &str); 5] = [
            (&[4, 1], "true"),
            (&[12, 3, b'a', b'"', b'\n'], "\"a\\\"\\n\""),
            (&[2, 2, 0, 10, 0, 5, 1, 0, 5, 0xff, 0xff], "[1,-1]"),
            (&[0, 1, 0, 12, 0, 11, 0, 1, 0, 4, 0, 0, b'k'], "{\"k\":null}"),
            (&[15, 15, 2, 1, 255], "\"Af8=\""),
        ];
        for (bytes, want) in rows {
            assert_eq!(json_text(bytes).as_deref(), Some(want));
            for length in 0..bytes.len() {
                assert_eq!(json_text(&bytes[..length]), None, "{want} cut to {length}");
            }
        }
    }

    #[test]
    fn numbers_have_no_exponent() {
        let rows = [(1e10, "10000000000"), (2.5, "2.5"), (1.0, "1.0"), (0.1, "0.1"), (1e23, "99999999999999991611392")];
        for (value, want) in rows {
            assert_eq!(double(value), want);
        }
    }

    #[test]
    fn nesting_without_end_is_refused() {
        // An array whose only element begins at its own beginning.
        assert_eq!(json_text(&[2, 1, 0, 7, 0, 2, 0, 0]), None);
    }
}
