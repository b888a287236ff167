use couplet_api::data::{Decimal, Value};

/// `value.hashCode()`; `None` for structs, whose hash includes that of their schema.
pub(crate) fn hash_code(value: &Value) -> Option<i32> {
    Some(match value {
        Value::Null => 0,
        Value::Bool(b) => {
            if *b {
                1231
            } else {
                1237
            }
        }
        Value::Int8(n) => i32::from(*n),
        Value::Int16(n) => i32::from(*n),
        Value::Int32(n) => *n,
        Value::Int64(n) | Value::Date(n) => fold(*n as u64),
        Value::Float32(f) => (if f.is_nan() { 0x7fc0_0000 } else { f.to_bits() }) as i32,
        Value::Float64(f) => fold(if f.is_nan() { 0x7ff8_0000_0000_0000 } else { f.to_bits() }),
        Value::Str(text) => text.as_str().encode_utf16().fold(0, |hash, unit| step(hash, i32::from(unit))),
        // As a buffer, backwards: a bare array has no hash that stays the same.
        Value::Bytes(bytes) => bytes.iter().rev().fold(1, |hash, byte| step(hash, i32::from(*byte as i8))),
        Value::Decimal(decimal) => of_decimal(decimal),
        Value::Array(items) => items.iter().try_fold(1, |hash, item| Some(step(hash, hash_code(item)?)))?,
        Value::Map(entries) => entries
            .iter()
            .try_fold(0i32, |hash, (key, value)| Some(hash.wrapping_add(hash_code(key)? ^ hash_code(value)?)))?,
        Value::Struct(_) => return None,
    })
}

const fn step(hash: i32, next: i32) -> i32 {
    hash.wrapping_mul(31).wrapping_add(next)
}

const fn fold(bits: u64) -> i32 {
    (bits ^ (bits >> 32)) as i32
}

fn of_decimal(decimal: &Decimal) -> i32 {
    let digits = decimal.unscaled().magnitude().to_u32_digits();
    let hash = digits.iter().rev().fold(0, |hash, digit| step(hash, *digit as i32));
    let negative = decimal.unscaled().sign() == num_bigint::Sign::Minus;
    step(if negative { hash.wrapping_neg() } else { hash }, decimal.scale())
}

/// What `MurmurHash3.hash` of Infinispan, which Debezium copied, makes of a value: the upper half of the first 64 bits
/// of the hash with seed 9001, over the UTF-8 bytes of a text or the hash code of anything else.
pub(crate) fn murmur(value: &Value) -> Option<i32> {
    Some(match value {
        Value::Str(text) => murmur_bytes(text.as_str().as_bytes()),
        other => murmur_bytes(&hash_code(other)?.to_le_bytes()),
    })
}

const SEED: u64 = 9001;

struct Murmur {
    h1: u64,
    h2: u64,
    c1: u64,
    c2: u64,
}

impl Murmur {
    const fn mix(&mut self, k1: u64, k2: u64) {
        self.h1 ^= k1.wrapping_mul(self.c1).rotate_left(23).wrapping_mul(self.c2);
        self.h1 = self.h1.wrapping_add(self.h2);
        self.h2 = self.h2.rotate_left(41);
        self.h2 ^= k2.wrapping_mul(self.c2).rotate_left(23).wrapping_mul(self.c1);
        self.h2 = self.h2.wrapping_add(self.h1);
        self.h1 = self.h1.wrapping_mul(3).wrapping_add(0x52dc_e729);
        self.h2 = self.h2.wrapping_mul(3).wrapping_add(0x3849_5ab5);
        self.c1 = self.c1.wrapping_mul(5).wrapping_add(0x7b7d_159c);
        self.c2 = self.c2.wrapping_mul(5).wrapping_add(0x6bce_6396);
    }
}

fn murmur_bytes(bytes: &[u8]) -> i32 {
    let mut state = Murmur {
        h1: 0x9368_e53c_2f6a_f274 ^ SEED,
        h2: 0x586d_cd20_8f7c_d3fd ^ SEED,
        c1: 0x87c3_7b91_1142_53d5,
        c2: 0x4cf5_ad43_2745_937f,
    };
    let blocks = bytes.chunks_exact(16);
    let rest = blocks.remainder();
    for block in blocks {
        let (low, high) = block.split_at(8);
        state.mix(word(low), word(high));
    }
    if !rest.is_empty() {
        let (low, high) = rest.split_at(rest.len().min(8));
        state.mix(tail(low), tail(high));
    }
    let mut h2 = state.h2 ^ bytes.len() as u64;
    let mut h1 = state.h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2) = (scramble(h1), scramble(h2));
    (h1.wrapping_add(h2) >> 32) as i32
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The last bytes. Java's are signed, so each also flips all bits above it when it is negative.
fn tail(bytes: &[u8]) -> u64 {
    bytes.iter().enumerate().fold(0, |word, (at, byte)| word ^ ((i64::from(*byte as i8) << (8 * at)) as u64))
}

const fn scramble(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;

    #[test]
    fn hash_codes_are_those_of_java() {
        let decimal = |text: &str| Value::Decimal(Arc::new(text.parse().expect(text)));
        let rows = [
            (Value::str("hello"), 99_162_322),
            (Value::str(""), 0),
            (Value::Int64(-1), 0),
            (Value::Int64(4_294_967_296), 1),
            (Value::Bool(true), 1231),
            (Value::Float64(1.5), 1_073_217_536),
            (Value::Float32(1.5), 1_069_547_520),
            (decimal("1.50"), 150 * 31 + 2),
            (decimal("-7"), -217),
            (decimal("4294967297"), (31 + 1) * 31),
            (decimal("-12345678901234567890.12"), -494_185_779),
            (Value::Bytes(Bytes::from_static(&[1, 2])), (31 + 2) * 31 + 1),
            (Value::Array([Value::Int32(1), Value::Null].into()), (31 + 1) * 31),
        ];
        for (value, want) in rows {
            assert_eq!(hash_code(&value), Some(want), "{value:?}");
        }
    }

    #[test]
    fn murmur_is_that_of_debezium() {
        // Printed by the original class.
        let rows = [
            (Value::str(""), 89_125_410),
            (Value::str("abc"), 1_809_745_788),
            (Value::str("orange"), -1_471_092_080),
            (Value::str("0123456789abcdef"), 26_898_387),
            (Value::str("0123456789abcdefg\u{e9}\u{ff}"), 450_506_631),
            (Value::str("\u{e9}\u{ff}\u{20ac}\u{1f600} 12345"), -1_664_254_176),
            (Value::Int64(1), -1_931_162_451),
            (Value::Int32(-7), -1_990_014_637),
        ];
        for (value, want) in rows {
            assert_eq!(murmur(&value), Some(want), "{value:?}");
        }
    }
}
