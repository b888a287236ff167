//! A look at the lengths in a message of Kafka's protocol before it is decoded.
//!
//! kafka-protocol reserves room for as many elements as an array says it has, so a few bytes could make it ask for hundreds
//! of gigabytes, which ends the process. Here a message is decoded once for nothing, from a buffer that knows what is left:
//! no length in a well-formed message is larger than the number of bytes behind it.

use std::ops::Range;

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::buf::ByteBuf;

/// Checks that `body` can be decoded as an `R` without promises that its bytes do not keep.
///
/// # Errors
/// What decoding says.
pub fn check<R: Decodable>(body: &Bytes, version: i16) -> Result<(), String> {
    let decoded = R::decode(&mut Wary { rest: body.clone(), varint: 0, shift: 0 }, version);
    decoded.map(drop).map_err(|error| error.to_string())
}

struct Wary {
    rest: Bytes,
    /// The bytes since the last other read as a variable-length integer, which all compact lengths are.
    varint: u64,
    shift: u32,
}

impl Buf for Wary {
    fn remaining(&self) -> usize {
        self.rest.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.rest.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.rest.advance(count);
    }

    /// Only booleans and the bytes of variable-length integers are read so.
    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let byte = self.rest.try_get_u8()?;
        self.varint |= u64::from(byte & 0x7f) << self.shift;
        self.shift += 7;
        // The decoder takes five bytes at most, whatever the last one says.
        if byte & 0x80 == 0 || self.shift == 35 {
            let length = std::mem::take(&mut self.varint);
            self.shift = 0;
            // A compact length is one more than it means.
            if length > self.rest.remaining() as u64 + 1 {
                return Err(TryGetError { requested: usize::MAX, available: self.rest.remaining() });
            }
        }
        Ok(byte)
    }

    /// A length, or a number that no length depends on: one that cannot be a length is made so small that reading as many
    /// elements fails by running out of bytes, and so large that it does fail.
    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        let number = self.rest.try_get_i32()?;
        let left = i32::try_from(self.rest.remaining()).unwrap_or(i32::MAX);
        Ok(number.min(left.saturating_add(1)))
    }
}

impl ByteBuf for Wary {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        self.rest.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.rest.split_to(size)
    }
}
