use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couplet_api::data::{FloatText, Value};

use crate::joda::{JodaPattern, Zone};

const DAY_MS: i64 = 86_400_000;

/// The text of a value as `Values.convertToString` makes it; `None` for null.
pub fn to_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Str(text) => Some(text.as_str().to_owned()),
        value => {
            let mut out = String::new();
            append(value, false, &mut out);
            Some(out)
        }
    }
}

/// `embedded`: within a list, map or struct, where text is quoted.
fn append(value: &Value, embedded: bool, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
            let _ = write!(out, "{}", value.as_i64().unwrap_or_default());
        }
        Value::Float32(n) => out.push_str(FloatText::new().float(*n)),
        Value::Float64(n) => out.push_str(FloatText::new().double(*n)),
        Value::Decimal(decimal) => out.push_str(&decimal.to_string()),
        Value::Str(text) => quote(text, embedded, out),
        Value::Bytes(bytes) => quote(&STANDARD.encode(bytes), embedded, out),
        Value::Date(ms) => quote(&date_text(*ms), embedded, out),
        Value::Array(items) => list('[', ']', items.iter(), out, |item, out| append(item, true, out)),
        Value::Map(entries) => list('{', '}', entries.iter(), out, |(key, item), out| {
            append(key, true, out);
            out.push(':');
            append(item, true, out);
        }),
        Value::Struct(row) => {
            let fields = row.schema().fields().iter().zip(row.values());
            list('{', '}', fields, out, |(field, item), out| {
                quote(field.name(), true, out);
                out.push(':');
                append(item, true, out);
            });
        }
    }
}

fn list<T>(open: char, close: char, items: impl Iterator<Item = T>, out: &mut String, each: impl Fn(T, &mut String)) {
    out.push(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(close);
}

fn quote(text: &str, embedded: bool, out: &mut String) {
    if embedded {
        let _ = write!(out, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    } else {
        out.push_str(text);
    }
}

/// A time of day within the first day of the epoch, a date at midnight, else both.
fn date_text(ms: i64) -> String {
    let pattern = match ms {
        ms if ms < DAY_MS => "HH:mm:ss.SSS'Z'",
        ms if ms % DAY_MS == 0 => "yyyy-MM-dd",
        _ => "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
    };
    let mut text = String::new();
    match JodaPattern::parse(pattern, "en").ok().and_then(|p| p.format(ms, &Zone::utc(), &mut text)) {
        Some(()) => text,
        None => ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_values() {
        let map = Value::Map(vec![(Value::str("a"), Value::Int64(1)), (Value::str("q\""), Value::Null)].into());
        let rows = [
            (Value::Null, None),
            (Value::str("a\"b"), Some("a\"b")),
            (Value::Int8(7), Some("7")),
            (Value::Float64(1.5), Some("1.5")),
            (Value::Bool(true), Some("true")),
            (Value::Bytes(::bytes::Bytes::from_static(&[1, 2])), Some("AQI=")),
            (Value::Array(vec![Value::Int32(1), Value::str("x")].into()), Some("[1,\"x\"]")),
            (map, Some("{\"a\":1,\"q\\\"\":null}")),
            (Value::Date(1_767_225_600_000), Some("2026-01-01")),
            (Value::Date(1_767_225_600_001), Some("2026-01-01T00:00:00.001Z")),
            (Value::Date(3_661_000), Some("01:01:01.000Z")),
        ];
        for (value, want) in rows {
            assert_eq!(to_text(&value).as_deref(), want, "{value:?}");
        }
    }
}
