//! Which message of a schema's file a record is: a list of places, in front of the message's bytes.
//!
//! Source: Confluent's wire format, "Protobuf message indexes": zigzag varints, the length first; a single 0 stands for the
//! list `[0]`.

use bytes::Buf;
use couplet_api::{Error, Result};
use prost::encoding::{decode_varint, encode_varint};

/// Messages nested deeper than this are not addressed; a longer list is taken for garbage.
const LENGTH_MAX: usize = 1000;

/// The bytes of `indexes`; an empty list is the first message.
pub(super) fn encode(indexes: &[i32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + indexes.len());
    if matches!(indexes, [] | [0]) {
        bytes.push(0);
        return bytes;
    }
    for number in [indexes.len() as i32].iter().chain(indexes) {
        encode_varint(u64::from(((*number << 1) ^ (*number >> 31)) as u32), &mut bytes);
    }
    bytes
}

/// Reads the list from the front of `bytes`.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when there is none.
pub(super) fn decode(bytes: &mut impl Buf) -> Result<Vec<i32>> {
    let length = number(bytes)?;
    if length == 0 {
        return Ok(vec![0]);
    }
    match usize::try_from(length) {
        Ok(length) if length <= LENGTH_MAX => (0..length).map(|_| number(bytes)).collect(),
        _ => Err(malformed()),
    }
}

fn number(bytes: &mut impl Buf) -> Result<i32> {
    let raw = decode_varint(bytes).ok().and_then(|raw| u32::try_from(raw).ok()).ok_or_else(malformed)?;
    Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

fn malformed() -> Error {
    Error::data("the message indexes behind the schema id are malformed")
        .with_class("org.apache.kafka.common.errors.SerializationException")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_zigzag_varints() {
        let rows: [(&[i32], &[u8]); 5] =
            [(&[0], &[0]), (&[1], &[2, 2]), (&[1, 0], &[4, 2, 0]), (&[100], &[2, 200, 1]), (&[0, 0], &[4, 0, 0])];
        for (indexes, bytes) in rows {
            assert_eq!(encode(indexes), bytes);
            let mut rest = bytes;
            assert_eq!(decode(&mut rest).expect("indexes"), indexes);
            assert!(rest.is_empty());
        }
        assert_eq!(encode(&[]), [0]);
        for bad in [&[][..], &[2], &[1, 1], &[255; 12], &[0xfe, 0xff, 0xff, 0xff, 0x0f, 0]] {
            assert!(decode(&mut &*bad).is_err(), "{bad:?}");
        }
    }
}
