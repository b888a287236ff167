//! Array text: `{1,NULL,"a \"b\""}`, with `[2:3]={…}` for other lower bounds.

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::data::Value;
use couplet_api::error::Error;

/// Reads the elements of `text`, a part of `source`, each through `decode`, which gets an element and what that is a part
/// of. Inner arrays are flattened: the schema has one dimension.
pub(super) fn array(
    text: &[u8],
    source: &Bytes,
    mut decode: impl FnMut(&[u8], &Bytes) -> Result<Value>,
) -> Result<Value> {
    let unreadable = || Error::data("a value of an array type cannot be read");
    let mut at = memchr::memchr(b'{', text).ok_or_else(unreadable)?;
    let mut items = Vec::new();
    let mut depth = 0_usize;
    while at < text.len() {
        match text[at] {
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1).ok_or_else(unreadable)?,
            b',' => {}
            b'"' => {
                let (item, end) = quoted(text, at + 1).ok_or_else(unreadable)?;
                items.push(match item {
                    Item::Plain(item) => decode(item, source)?,
                    Item::Unescaped(item) => decode(&item, &item)?,
                });
                at = end;
                continue;
            }
            _ => {
                let length = memchr::memchr2(b',', b'}', &text[at..]).ok_or_else(unreadable)?;
                let item = &text[at..at + length];
                let null = item.eq_ignore_ascii_case(b"NULL");
                items.push(if null { Value::Null } else { decode(item, source)? });
                at += length;
                continue;
            }
        }
        at += 1;
    }
    if depth != 0 {
        return Err(unreadable());
    }
    Ok(Value::Array(items.into()))
}

/// A quoted element.
enum Item<'a> {
    /// Without escapes: a part of the text.
    Plain(&'a [u8]),
    /// With its escapes removed.
    Unescaped(Bytes),
}

/// The quoted element from `start` on, and the position after its closing quote.
fn quoted(text: &[u8], start: usize) -> Option<(Item<'_>, usize)> {
    let plain = memchr::memchr2(b'"', b'\\', &text[start..])? + start;
    if text[plain] == b'"' {
        return Some((Item::Plain(&text[start..plain]), plain + 1));
    }
    let mut out = text[start..plain].to_vec();
    let mut at = plain;
    loop {
        match *text.get(at)? {
            b'"' => return Some((Item::Unescaped(out.into()), at + 1)),
            b'\\' => {
                out.push(*text.get(at + 1)?);
                at += 2;
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<Vec<Option<String>>> {
        let source = Bytes::from_static(text.as_bytes());
        let value = array(&source, &source, |item, _| Ok(Value::str(String::from_utf8_lossy(item).into_owned())))?;
        match value {
            Value::Array(items) => Ok(items.iter().map(|i| i.as_str().map(str::to_owned)).collect()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn elements_are_unquoted() {
        let rows: &[(&str, &[Option<&str>])] = &[
            ("{}", &[]),
            ("{1,NULL,2}", &[Some("1"), None, Some("2")]),
            (
                r#"{a,"b,c",NULL,"q\"x","","NULL"}"#,
                &[Some("a"), Some("b,c"), None, Some("q\"x"), Some(""), Some("NULL")],
            ),
            ("[2:3]={7,8}", &[Some("7"), Some("8")]),
            ("{{1,2},{3,4}}", &[Some("1"), Some("2"), Some("3"), Some("4")]),
        ];
        for (text, want) in rows {
            let want: Vec<Option<String>> = want.iter().map(|w| w.map(str::to_owned)).collect();
            assert_eq!(read(text).expect("an array"), want, "{text}");
        }
        for bad in ["", "1,2", "{1,2", "{\"a}", "}{"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
