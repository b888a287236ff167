//! The frame around every message: a magic byte, then the schema's id.
//!
//! Source: Confluent documentation, "Wire format" (magic byte 0, four bytes of id, big-endian, then the payload).

use bytes::{BufMut, Bytes, BytesMut};
use couplet_api::{Error, Result};

use crate::failure::serialization;

const MAGIC: u8 = 0;
/// Bytes before the payload.
pub const PREFIX_LEN: usize = 5;

/// Appends magic byte and id.
pub fn put_prefix(id: i32, out: &mut BytesMut) {
    out.put_u8(MAGIC);
    out.put_i32(id);
}

/// Splits a message into the schema's id and the payload.
///
/// # Errors
/// `Kind::Data`: another magic byte, or fewer bytes than a prefix has.
pub fn split(message: &Bytes) -> Result<(i32, Bytes)> {
    let unknown = || -> Error { serialization("Unknown magic byte!") };
    let (prefix, _) = message.split_first_chunk::<PREFIX_LEN>().ok_or_else(unknown)?;
    let [MAGIC, id @ ..] = *prefix else { return Err(unknown()) };
    Ok((i32::from_be_bytes(id), message.slice(PREFIX_LEN..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_magic_and_four_bytes_of_id_are_a_prefix() {
        let mut out = BytesMut::new();
        put_prefix(258, &mut out);
        out.extend_from_slice(b"xy");
        assert_eq!(&out[..], b"\0\0\0\x01\x02xy");
        assert_eq!(split(&out.freeze()).expect("framed"), (258, Bytes::from_static(b"xy")));
        for bad in [&b""[..], b"\0", b"\0\0\0\0", b"\x01\0\0\0\x01x", b"{\"a\":1}"] {
            let error = split(&Bytes::copy_from_slice(bad)).expect_err("no frame");
            assert_eq!(error.message(), "Unknown magic byte!", "{bad:?}");
        }
    }
}
