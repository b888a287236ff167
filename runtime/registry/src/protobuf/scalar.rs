use bytes::{Buf, BufMut, Bytes, BytesMut};
use couplet_api::data::{Type, Utf8, Value};
use couplet_api::{Error, Result};
use couplet_plugins::class_of;
use prost::encoding::{WireType, decode_varint, encode_key, encode_varint};
use prost_reflect::Kind;

/// How a scalar is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Double,
    Float,
    /// `int32`, `int64`, `uint64`, enums: a varint, negative numbers in ten bytes.
    Varint,
    /// `uint32`: a varint of 32 bits.
    Uint32,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Bool,
    String,
    Bytes,
}

impl Scalar {
    /// Of a field's type; `None` for messages.
    pub(super) fn of(kind: &Kind) -> Option<Scalar> {
        Some(match kind {
            Kind::Double => Scalar::Double,
            Kind::Float => Scalar::Float,
            Kind::Int32 | Kind::Int64 | Kind::Uint64 | Kind::Enum(_) => Scalar::Varint,
            Kind::Uint32 => Scalar::Uint32,
            Kind::Sint32 => Scalar::Sint32,
            Kind::Sint64 => Scalar::Sint64,
            Kind::Fixed32 | Kind::Sfixed32 => Scalar::Fixed32,
            Kind::Fixed64 | Kind::Sfixed64 => Scalar::Fixed64,
            Kind::Bool => Scalar::Bool,
            Kind::String => Scalar::String,
            Kind::Bytes => Scalar::Bytes,
            Kind::Message(_) => return None,
        })
    }

    pub(super) const fn wire_type(self) -> WireType {
        match self {
            Scalar::Double | Scalar::Fixed64 => WireType::SixtyFourBit,
            Scalar::Float | Scalar::Fixed32 => WireType::ThirtyTwoBit,
            Scalar::String | Scalar::Bytes => WireType::LengthDelimited,
            _ => WireType::Varint,
        }
    }

    /// Whether lists of it are written as one block.
    pub(super) const fn is_packable(self) -> bool {
        !matches!(self, Scalar::String | Scalar::Bytes)
    }
}

/// Appends a field of a scalar type; its default is left out unless the field tells absence from it.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `value` is not of type `kind`.
pub(super) fn write_field(
    number: u32,
    scalar: Scalar,
    kind: Type,
    value: &Value,
    presence: bool,
    out: &mut BytesMut,
) -> Result<()> {
    let start = out.len();
    encode_key(number, scalar.wire_type(), out);
    if !write(scalar, kind, value, out)? && !presence {
        out.truncate(start);
    }
    Ok(())
}

/// Appends a scalar without its key. Returns false for the default: zero, false or empty.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `value` is not of type `kind`.
pub(super) fn write(scalar: Scalar, kind: Type, value: &Value, out: &mut BytesMut) -> Result<bool> {
    let invalid = || invalid_type(kind, value);
    let integer = || value.as_i64().ok_or_else(invalid);
    Ok(match scalar {
        Scalar::Double => {
            let number = match value {
                Value::Float64(f) => *f,
                Value::Float32(f) => f64::from(*f),
                _ => integer()? as f64,
            };
            out.put_f64_le(number);
            number.to_bits() != 0
        }
        Scalar::Float => {
            let number = match value {
                Value::Float32(f) => *f,
                Value::Float64(f) => *f as f32,
                _ => integer()? as f32,
            };
            out.put_f32_le(number);
            number.to_bits() != 0
        }
        Scalar::Bool => {
            let truth = value.as_bool().ok_or_else(invalid)?;
            out.put_u8(u8::from(truth));
            truth
        }
        Scalar::String => match value {
            Value::Str(text) => write_bytes(text.as_bytes(), out),
            _ => return Err(invalid()),
        },
        Scalar::Bytes => match value {
            Value::Bytes(bytes) => write_bytes(bytes, out),
            _ => return Err(invalid()),
        },
        integral => {
            let number = integer()?;
            write_integer(integral, number, out);
            number != 0
        }
    })
}

fn write_integer(scalar: Scalar, number: i64, out: &mut BytesMut) {
    match scalar {
        Scalar::Uint32 => encode_varint(u64::from(number as u32), out),
        Scalar::Sint32 => {
            let number = number as i32;
            encode_varint(u64::from(((number << 1) ^ (number >> 31)) as u32), out);
        }
        Scalar::Sint64 => encode_varint(((number << 1) ^ (number >> 63)) as u64, out),
        Scalar::Fixed32 => out.put_u32_le(number as u32),
        Scalar::Fixed64 => out.put_u64_le(number as u64),
        _ => encode_varint(number as u64, out),
    }
}

/// Appends bytes behind their length. Returns false for none.
pub(super) fn write_bytes(bytes: &[u8], out: &mut BytesMut) -> bool {
    encode_varint(bytes.len() as u64, out);
    out.put_slice(bytes);
    !bytes.is_empty()
}

/// Appends what `write` appends, behind its length.
pub(super) fn delimited(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> Result<()>) -> Result<()> {
    let start = out.len();
    out.put_u8(0);
    write(out)?;
    let body = start + 1..out.len();
    let length = body.len() as u64;
    if length < 0x80 {
        out[start] = length as u8;
        return Ok(());
    }
    // Most messages are short; the others move once.
    let mut prefix = [0_u8; 10];
    let mut rest = &mut prefix[..];
    encode_varint(length, &mut rest);
    let prefix_length = 10 - rest.len();
    out.put_bytes(0, prefix_length - 1);
    out.copy_within(body, start + prefix_length);
    out[start..start + prefix_length].copy_from_slice(&prefix[..prefix_length]);
    Ok(())
}

/// The error of a Java cast that fails.
pub(super) fn invalid_type(kind: Type, value: &Value) -> Error {
    Error::data(format!("Invalid type for {}: class {}", kind.name(), class_of(value)))
}

/// A scalar as it was read.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    Integer(i64),
    Double(f64),
    Float(f32),
    Bool(bool),
    Bytes(Bytes),
}

/// Reads one scalar from the front of `rest`, a part of `source`.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `rest` ends before it does.
pub(super) fn read(scalar: Scalar, source: &Bytes, rest: &mut &[u8]) -> Result<Raw> {
    let need = |rest: &&[u8], length: usize| if rest.len() < length { Err(truncated()) } else { Ok(()) };
    Ok(match scalar {
        Scalar::Double => {
            need(rest, 8)?;
            Raw::Double(rest.get_f64_le())
        }
        Scalar::Float => {
            need(rest, 4)?;
            Raw::Float(rest.get_f32_le())
        }
        Scalar::Fixed32 => {
            need(rest, 4)?;
            Raw::Integer(i64::from(rest.get_i32_le()))
        }
        Scalar::Fixed64 => {
            need(rest, 8)?;
            Raw::Integer(rest.get_i64_le())
        }
        Scalar::Bool => Raw::Bool(varint(rest)? != 0),
        Scalar::Varint => Raw::Integer(varint(rest)? as i64),
        Scalar::Uint32 => Raw::Integer(i64::from(varint(rest)? as i32)),
        Scalar::Sint32 => {
            let raw = varint(rest)? as u32;
            Raw::Integer(i64::from((raw >> 1) as i32 ^ -((raw & 1) as i32)))
        }
        Scalar::Sint64 => {
            let raw = varint(rest)?;
            Raw::Integer((raw >> 1) as i64 ^ -((raw & 1) as i64))
        }
        Scalar::String | Scalar::Bytes => Raw::Bytes(slice(source, rest)?),
    })
}

/// Reads a length and as many bytes.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `rest` ends before they do.
pub(super) fn slice(source: &Bytes, rest: &mut &[u8]) -> Result<Bytes> {
    let length = usize::try_from(varint(rest)?).map_err(|_| truncated())?;
    let (head, tail) = rest.split_at_checked(length).ok_or_else(truncated)?;
    *rest = tail;
    Ok(source.slice_ref(head))
}

fn varint(rest: &mut &[u8]) -> Result<u64> {
    decode_varint(rest).map_err(|error| malformed(&error.to_string()))
}

/// Class of the error for bytes that are no message.
pub(super) const MALFORMED: &str = "com.google.protobuf.InvalidProtocolBufferException";

/// Bytes that are no message.
pub(super) fn malformed(why: &str) -> Error {
    Error::data(format!("the bytes are not a Protobuf message: {why}")).with_class(MALFORMED)
}

fn truncated() -> Error {
    malformed(
        "While parsing a protocol message, the input ended unexpectedly in the middle of a field. This could mean either \
         that the input has been truncated or that an embedded message misreported its own length.",
    )
}

/// The text of a string field.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when it is not UTF-8.
pub(super) fn text(bytes: Bytes) -> Result<Utf8> {
    Utf8::new(bytes).map_err(|_| malformed("Protocol message had invalid UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_any_size_stand_in_front() {
        for length in [0_usize, 1, 127, 128, 300, 16_383, 16_384, 3_000_000] {
            let mut out = BytesMut::from(&b"x"[..]);
            delimited(&mut out, |out| {
                out.put_bytes(7, length);
                Ok(())
            })
            .expect("written");
            let source = out.split_off(1).freeze();
            let mut rest = &source[..];
            assert_eq!(slice(&source, &mut rest).expect("slice"), vec![7; length]);
            assert!(rest.is_empty());
        }
    }
}
