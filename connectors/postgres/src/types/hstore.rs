//! `hstore`: `"a"=>"1", "b"=>NULL`.

use std::fmt::Write as _;

use couplet_api::Result;
use couplet_api::data::Value;
use couplet_api::error::Error;

use crate::config::HstoreMode;

/// As JSON text or as a map, in the order of a Java `HashMap`, which is what Debezium keeps the pairs in.
pub(super) fn hstore(text: &str, mode: HstoreMode) -> Result<Value> {
    let pairs = parse(text).ok_or_else(|| Error::data("a value of type hstore cannot be read"))?;
    let pairs = in_hash_order(pairs);
    Ok(match mode {
        HstoreMode::Json => Value::str(json(&pairs)),
        HstoreMode::Map => Value::Map(pairs.into_iter().map(|(k, v)| (Value::str(k), Value::from(v))).collect()),
    })
}

/// The placeholder of a value that was not sent: the placeholder under itself.
pub(super) fn placeholder(text: &str, mode: HstoreMode) -> Value {
    let pair = (text.to_owned(), Some(text.to_owned()));
    match mode {
        HstoreMode::Json => Value::str(json(&[pair])),
        HstoreMode::Map => Value::Map([(Value::str(text), Value::str(text))].into()),
    }
}

type Pair = (String, Option<String>);

fn parse(text: &str) -> Option<Vec<Pair>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = quoted(rest)?;
        let after = after.strip_prefix("=>")?;
        let (value, after) = match after.strip_prefix("NULL") {
            Some(after) => (None, after),
            None => {
                let (value, after) = quoted(after)?;
                (Some(value), after)
            }
        };
        pairs.push((key, value));
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    Some(pairs)
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 2..])),
            '\\' => out.push(chars.next()?.1),
            _ => out.push(c),
        }
    }
    None
}

/// Buckets of `java.util.HashMap`, which doubles its table beyond three quarters.
fn in_hash_order(pairs: Vec<Pair>) -> Vec<Pair> {
    let mut table = 16_usize;
    while pairs.len() > table / 4 * 3 {
        table *= 2;
    }
    let bucket = |key: &str| {
        let hash = key.encode_utf16().fold(0_u32, |h, unit| h.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ hash >> 16) as usize & (table - 1)
    };
    let mut keyed: Vec<(usize, Pair)> = pairs.into_iter().map(|pair| (bucket(&pair.0), pair)).collect();
    keyed.sort_by_key(|(bucket, _)| *bucket);
    keyed.into_iter().map(|(_, pair)| pair).collect()
}

fn json(pairs: &[Pair]) -> String {
    let mut out = String::from("{");
    for (i, (key, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_string(&mut out, key);
        out.push(':');
        match value {
            Some(value) => push_string(&mut out, value),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    out
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_json_or_a_map() {
        let text = r#""a"=>"1", "b"=>NULL, "c d"=>"x\"y""#;
        let json = hstore(text, HstoreMode::Json).expect("hstore");
        assert_eq!(json, Value::str(r#"{"a":"1","b":null,"c d":"x\"y"}"#));
        let map = hstore(text, HstoreMode::Map).expect("hstore");
        assert_eq!(map.as_map().map(<[_]>::len), Some(3));
        assert_eq!(hstore("", HstoreMode::Json).expect("empty"), Value::str("{}"));
        for bad in ["a", "\"a\"", "\"a\"=>", "\"a\"=>\"b"] {
            assert!(hstore(bad, HstoreMode::Json).is_err(), "{bad}");
        }
    }
}
