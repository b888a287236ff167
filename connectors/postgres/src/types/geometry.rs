//! Points, PostGIS geometries, pgvector, and the text that Java's classes give other geometric types.

use bytes::{BufMut, Bytes, BytesMut};
use couplet_api::Result;
use couplet_api::data::{FloatText, SchemaRef, Struct, Value};
use couplet_api::error::Error;

use super::number::parse;

/// `(1.5,-2.25)`: coordinates and well-known binary.
pub(super) fn point(text: &str, schema: &SchemaRef) -> Result<Value> {
    let unreadable = || Error::data("a value of type point cannot be read");
    let bare = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).ok_or_else(unreadable)?;
    let (x, y) = bare.split_once(',').ok_or_else(unreadable)?;
    Ok(point_value(parse(x, "point")?, parse(y, "point")?, schema))
}

/// The point at `x`, `y`.
pub(super) fn point_value(x: f64, y: f64, schema: &SchemaRef) -> Value {
    let mut wkb = BytesMut::with_capacity(21);
    wkb.put_u8(1);
    wkb.put_u32_le(1);
    wkb.put_f64_le(x);
    wkb.put_f64_le(y);
    let values = [Value::Float64(x), Value::Float64(y), Value::Bytes(wkb.freeze()), Value::Null];
    Struct::new(schema.clone(), values).into()
}

/// PostGIS: extended well-known binary in hex, with its reference system when it has one.
pub(super) fn ewkb(text: &str, schema: &SchemaRef) -> Result<Value> {
    let bytes = hex::decode(text).map_err(|_| Error::data("a geometry is not in hex form"))?;
    let head: Option<&[u8; 9]> = bytes.first_chunk();
    let srid = head.and_then(|head| {
        let word = |at: usize| -> [u8; 4] { [head[at], head[at + 1], head[at + 2], head[at + 3]] };
        let number = |word: [u8; 4]| if head[0] == 1 { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) };
        // Bit 29 of the type says that a reference system follows.
        (number(word(1)) & 0x2000_0000 != 0).then(|| number(word(5)).cast_signed())
    });
    Ok(Struct::new(schema.clone(), [Value::Bytes(Bytes::from(bytes)), Value::from(srid)]).into())
}

/// pgvector: `[1,2,3]`, as doubles or floats.
pub(super) fn vector(text: &str, doubles: bool) -> Result<Value> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let item = |t: &str| match doubles {
        true => parse(t, "vector").map(Value::Float64),
        false => parse(t, "halfvec").map(Value::Float32),
    };
    let items: Vec<Value> = bare.split(',').filter(|t| !t.is_empty()).map(item).collect::<Result<_>>()?;
    Ok(Value::Array(items.into()))
}

/// The server's text with every number as Java writes doubles: what the JDBC driver's classes for `box`, `line`,
/// `lseg`, `path`, `polygon` and `circle` print.
pub(super) fn java_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '-') {
        out.push_str(&rest[..start]);
        let tail = &rest[start..];
        let end = tail.find([',', ')', '}', '>', ']']).unwrap_or(tail.len());
        match tail[..end].parse::<f64>() {
            Ok(number) => out.push_str(FloatText::new().double(number)),
            Err(_) => out.push_str(&tail[..end]),
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometric_text_has_javas_numbers() {
        let rows = [
            ("(1,1),(0,0)", "(1.0,1.0),(0.0,0.0)"),
            ("{1,2,3}", "{1.0,2.0,3.0}"),
            ("<(0,0),5>", "<(0.0,0.0),5.0>"),
            ("((0,-1.5),(1e+20,1))", "((0.0,-1.5),(1.0E20,1.0))"),
        ];
        for (text, want) in rows {
            assert_eq!(java_numbers(text), want);
        }
    }

    #[test]
    fn geometries_carry_their_reference_system() {
        let schema = couplet_cdc::geometry().build();
        let value = ewkb("0101000020E6100000000000000000F03F0000000000000040", &schema).expect("ewkb");
        assert_eq!(value.as_struct().and_then(|s| s.get("srid")), Some(&Value::Int32(4326)));
        assert!(ewkb("xy", &schema).is_err());
        let plain = ewkb("0101000000000000000000F03F0000000000000040", &schema).expect("wkb");
        assert_eq!(plain.as_struct().and_then(|s| s.get("srid")), Some(&Value::Null));
    }
}
