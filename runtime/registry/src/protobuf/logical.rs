//! Decimal, Date, Time and Timestamp: the messages that stand for Connect's logical types.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::data::{Decimal, Type, Value};
use couplet_api::{Error, Result};
use couplet_plugins::{civil, class_of};
use num_bigint::BigInt;
use prost::encoding::{DecodeContext, decode_key, encode_key, skip_field};

use super::scalar::{self, Raw, Scalar};

const DAY_MS: i64 = 86_400_000;
const NANOS_IN_MS: i64 = 1_000_000;
/// Longest decimal that is read, some 40,000 digits.
const UNSCALED_BYTES_MAX: usize = 16_384;

/// A logical type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logical {
    /// `confluent.type.Decimal`.
    Decimal,
    /// `google.type.Date`.
    Date,
    /// `google.type.TimeOfDay`.
    Time,
    /// `google.protobuf.Timestamp`.
    Timestamp,
}

impl Logical {
    const fn name(self) -> &'static str {
        match self {
            Logical::Decimal => "Decimal",
            Logical::Date => "Date",
            Logical::Time => "Time",
            Logical::Timestamp => "Timestamp",
        }
    }
}

/// Appends the message of `value`, without a length.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `value` is of another type or has more than the type can hold.
pub(super) fn write(logical: Logical, value: &Value, out: &mut BytesMut) -> Result<()> {
    match (logical, value) {
        (Logical::Decimal, Value::Decimal(decimal)) => {
            encode_key(1, Scalar::Bytes.wire_type(), out);
            scalar::write_bytes(&decimal.to_bytes(), out);
            integer(2, precision(decimal), out)?;
            integer(3, i64::from(decimal.scale()), out)
        }
        (Logical::Date, Value::Date(ms)) => write_date(*ms, out),
        (Logical::Time, Value::Date(ms)) => write_time(*ms, out),
        (Logical::Timestamp, Value::Date(ms)) => {
            check_timestamp(ms.div_euclid(1000))?;
            integer(1, ms.div_euclid(1000), out)?;
            integer(2, ms.rem_euclid(1000) * NANOS_IN_MS, out)
        }
        (logical, other) => Err(Error::data(format!(
            "Invalid type for {}, expected {} but was class {}",
            logical.name(),
            if logical == Logical::Decimal { "BigDecimal" } else { "Date" },
            class_of(other)
        ))),
    }
}

fn integer(number: u32, value: i64, out: &mut BytesMut) -> Result<()> {
    scalar::write_field(number, Scalar::Varint, Type::Int64, &Value::Int64(value), false, out)
}

/// Number of digits.
fn precision(decimal: &Decimal) -> i64 {
    let magnitude = decimal.unscaled().magnitude();
    match u128::try_from(magnitude) {
        Ok(small) => i64::from(small.checked_ilog10().unwrap_or_default()) + 1,
        Err(_) => magnitude.to_string().len() as i64,
    }
}

fn write_date(ms: i64, out: &mut BytesMut) -> Result<()> {
    if ms.rem_euclid(DAY_MS) != 0 {
        return Err(Error::data("Kafka Connect Date type should not have any time fields set to non-zero values."));
    }
    let (year, month, day) = civil::from_days(ms / DAY_MS);
    // Java's calendar counts years from 1 in both eras, and the message has no era.
    let year = if year > 0 { year } else { 1 - year };
    for (number, value) in [(1, year), (2, i64::from(month)), (3, i64::from(day))] {
        integer(number, value, out)?;
    }
    Ok(())
}

fn write_time(ms: i64, out: &mut BytesMut) -> Result<()> {
    if !(0..=DAY_MS).contains(&ms) {
        return Err(Error::data("Time values must use number of millis greater than 0 and less than 86400000"));
    }
    let ms = ms % DAY_MS;
    let parts = [ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000 * NANOS_IN_MS];
    (1..).zip(parts).try_for_each(|(number, value)| integer(number, value, out))
}

/// Years 1 to 9999 are valid.
fn check_timestamp(seconds: i64) -> Result<()> {
    if (-62_135_596_800..=253_402_300_799).contains(&seconds) {
        return Ok(());
    }
    Err(Error::data(format!(
        "Timestamp is not valid. See proto definition for valid values. Seconds ({seconds}) must be in range \
         [-62,135,596,800, +253,402,300,799]. Nanos must be in range [0, +999,999,999]."
    ))
    .with_class("java.lang.IllegalArgumentException"))
}

/// The value of a message.
///
/// # Errors
/// [`couplet_api::Kind::Data`] when `bytes` is no such message or its value does not exist.
pub(super) fn read(logical: Logical, bytes: &Bytes) -> Result<Value> {
    let mut numbers: [Option<i64>; 4] = [None; 4];
    let mut unscaled = None;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (number, wire) = decode_key(&mut rest).map_err(|e| scalar::malformed(&e.to_string()))?;
        if logical == Logical::Decimal && number == 1 && wire == Scalar::Bytes.wire_type() {
            unscaled = Some(scalar::slice(bytes, &mut rest)?);
        } else if (1..=4).contains(&number) && wire == Scalar::Varint.wire_type() {
            if let Raw::Integer(value) = scalar::read(Scalar::Varint, bytes, &mut rest)? {
                numbers[number as usize - 1] = Some(value);
            }
        } else {
            skip_field(wire, number, &mut rest, DecodeContext::default())
                .map_err(|e| scalar::malformed(&e.to_string()))?;
        }
    }
    let small = |at: usize| i64::from(numbers[at].unwrap_or_default() as i32);
    match logical {
        Logical::Decimal => decimal(unscaled.unwrap_or_default(), numbers[1].map(|p| p as i32), small(2) as i32),
        Logical::Date => date(small(0), small(1), small(2)),
        Logical::Time => time([small(0), small(1), small(2), small(3)]),
        Logical::Timestamp => {
            let seconds = numbers[0].unwrap_or_default();
            check_timestamp(seconds)?;
            Ok(Value::Date(seconds * 1000 + small(1) / NANOS_IN_MS))
        }
    }
}

fn decimal(unscaled: Bytes, precision: Option<i32>, scale: i32) -> Result<Value> {
    if unscaled.is_empty() {
        return Err(Error::data("Zero length BigInteger").with_class("java.lang.NumberFormatException"));
    }
    // Counting digits takes longer than reading them.
    if unscaled.len() > UNSCALED_BYTES_MAX {
        return Err(Error::data(format!(
            "a decimal of {} bytes is too long: at most {UNSCALED_BYTES_MAX}",
            unscaled.len()
        )));
    }
    let decimal = Decimal::from_bytes(&unscaled, scale);
    let rounded = match precision.and_then(|p| u32::try_from(p).ok()) {
        Some(precision) if precision > 0 => round(decimal, precision),
        _ => decimal,
    };
    Ok(Value::Decimal(Arc::new(rounded)))
}

/// `decimal` with at most `precision` digits, halves rounded away from zero.
fn round(decimal: Decimal, precision: u32) -> Decimal {
    let mut decimal = decimal;
    // Rounding up 99.9 makes a digit more, which a second turn cuts off.
    loop {
        let excess = self::precision(&decimal) - i64::from(precision);
        if excess <= 0 {
            return decimal;
        }
        let Ok(excess) = u32::try_from(excess) else { return decimal };
        let Some(scale) = decimal.scale().checked_sub_unsigned(excess) else { return decimal };
        let power = BigInt::from(10).pow(excess);
        let half: BigInt = &power / 2;
        let signed_half = if decimal.unscaled().sign() == num_bigint::Sign::Minus { -half } else { half };
        decimal = Decimal::new((decimal.unscaled() + signed_half) / power, scale);
    }
}

fn date(year: i64, month: i64, day: i64) -> Result<Value> {
    let invalid = |field: &str| Error::data(field.to_owned()).with_class("java.lang.IllegalArgumentException");
    if year < 1 {
        return Err(invalid("YEAR"));
    }
    let month = u32::try_from(month).ok().filter(|m| (1..=12).contains(m)).ok_or_else(|| invalid("MONTH"))?;
    let days = civil::to_days(year, month, day);
    if civil::from_days(days) != (year, month, u32::try_from(day).unwrap_or_default()) {
        return Err(invalid("DAY_OF_MONTH"));
    }
    Ok(Value::Date(days * DAY_MS))
}

fn time(parts: [i64; 4]) -> Result<Value> {
    let limits = [("HourOfDay", 23), ("MinuteOfHour", 59), ("SecondOfMinute", 59), ("NanoOfSecond", 999_999_999)];
    for ((name, max), value) in limits.into_iter().zip(parts) {
        if !(0..=max).contains(&value) {
            return Err(Error::data(format!("Invalid value for {name} (valid values 0 - {max}): {value}"))
                .with_class("java.time.DateTimeException"));
        }
    }
    let [hours, minutes, seconds, nanos] = parts;
    Ok(Value::Date(((hours * 60 + minutes) * 60 + seconds) * 1000 + nanos / NANOS_IN_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal_of(text: &str) -> Value {
        Value::Decimal(Arc::new(text.parse().expect(text)))
    }

    #[test]
    fn values_come_back() {
        let rows = [
            (Logical::Decimal, decimal_of("12.50")),
            (Logical::Decimal, decimal_of("-0.001")),
            (Logical::Decimal, decimal_of("0")),
            (Logical::Decimal, decimal_of("1E+3")),
            (Logical::Date, Value::Date(0)),
            (Logical::Date, Value::Date(-719_164 * DAY_MS)),
            (Logical::Date, Value::Date(20_000 * DAY_MS)),
            (Logical::Time, Value::Date(0)),
            (Logical::Time, Value::Date(DAY_MS - 1)),
            (Logical::Timestamp, Value::Date(-1)),
            (Logical::Timestamp, Value::Date(1_700_000_000_123)),
        ];
        for (logical, value) in rows {
            let mut out = BytesMut::new();
            write(logical, &value, &mut out).expect("written");
            assert_eq!(read(logical, &out.freeze()).expect("read"), value);
        }
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        let rows = [
            (Logical::Date, Value::Date(1)),
            (Logical::Time, Value::Date(-1)),
            (Logical::Time, Value::Date(DAY_MS + 1)),
            (Logical::Timestamp, Value::Date(i64::MAX)),
            (Logical::Decimal, Value::Int32(1)),
            (Logical::Date, Value::str("today")),
        ];
        for (logical, value) in rows {
            assert!(write(logical, &value, &mut BytesMut::new()).is_err(), "{logical:?} {value:?}");
        }
        assert!(date(2023, 2, 29).is_err() && date(2024, 2, 29).is_ok() && date(0, 0, 0).is_err());
        assert!(time([24, 0, 0, 0]).is_err() && time([0, 0, 0, -1]).is_err());
        assert!(decimal(Bytes::new(), None, 0).is_err() && decimal(vec![1; 16_385].into(), Some(1), 0).is_err());
    }

    #[test]
    fn digits_beyond_the_precision_are_rounded() {
        for (text, precision, want) in
            [("12345", 3, "1.23E+4"), ("9.996", 3, "10.0"), ("-1.25", 2, "-1.3"), ("1.5", 9, "1.5")]
        {
            assert_eq!(round(text.parse().expect(text), precision).to_string(), want);
        }
    }
}
