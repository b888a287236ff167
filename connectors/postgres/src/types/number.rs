//! Numbers: integers and floats from text, decimals and money in the three modes.

use std::sync::Arc;

use couplet_api::Result;
use couplet_api::data::{Decimal, FloatText, SchemaRef, Struct, Utf8, Value};
use couplet_api::error::Error;
use couplet_cdc::DecimalMode;
use num_bigint::BigInt;

use super::Phase;

/// Reads any type that `FromStr` reads.
pub(super) fn parse<T: std::str::FromStr>(text: &str, what: &str) -> Result<T> {
    text.parse().map_err(|_| Error::data(format!("a value of type {what} cannot be read")))
}

/// Digits of `numeric` without exponent, as the server prints them.
fn decimal(text: &str) -> Result<Decimal> {
    // Numbers up to 18 digits, nearly all of them, need no big arithmetic.
    let (mut unscaled, mut scale, mut digits, mut point) = (0_i64, 0_i32, 0, false);
    let (negative, bare) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if bare.len() > 18 {
        return text.parse();
    }
    for byte in bare.bytes() {
        match byte {
            b'0'..=b'9' => {
                unscaled = unscaled * 10 + i64::from(byte - b'0');
                digits += 1;
                scale += i32::from(point);
            }
            b'.' if !point => point = true,
            _ => return text.parse(),
        }
    }
    if digits == 0 {
        return text.parse();
    }
    Ok(Decimal::new(BigInt::from(if negative { -unscaled } else { unscaled }), scale))
}

/// `NaN` and the infinities, by mode.
fn special(text: &str, mode: DecimalMode) -> Option<Value> {
    let (name, number) = match text {
        "NaN" => ("NAN", f64::NAN),
        "Infinity" => ("POSITIVE_INFINITY", f64::INFINITY),
        "-Infinity" => ("NEGATIVE_INFINITY", f64::NEG_INFINITY),
        _ => return None,
    };
    Some(match mode {
        DecimalMode::Precise => Value::Null,
        DecimalMode::String => Value::Str(Utf8::from_static(name)),
        DecimalMode::Double => Value::Float64(number),
    })
}

/// A `numeric` with the column's scale; `None`: without one.
pub(super) fn numeric(text: &str, scale: Option<i32>, mode: DecimalMode) -> Result<Value> {
    if let Some(value) = special(text, mode) {
        return Ok(value);
    }
    if mode == DecimalMode::Double {
        return parse(text, "numeric").map(Value::Float64);
    }
    let parsed = decimal(text)?;
    let fitted = match scale {
        Some(scale) if scale != parsed.scale() => {
            parsed.rescaled(scale).ok_or_else(|| Error::data("a numeric has more digits than its column"))?
        }
        _ => parsed,
    };
    Ok(match mode {
        DecimalMode::Precise => Value::Decimal(Arc::new(fitted)),
        _ => Value::str(fitted.to_plain_string()),
    })
}

/// A `numeric` without precision, as a struct with its own scale: the smallest that loses nothing, not below 0.
pub(super) fn variable_scale(text: &str, schema: &SchemaRef) -> Result<Value> {
    if special(text, DecimalMode::Precise).is_some() {
        return Ok(Value::Null);
    }
    let trimmed = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    let parsed = decimal(if trimmed.is_empty() || trimmed == "-" { "0" } else { trimmed })?;
    let bytes = bytes::Bytes::from(parsed.to_bytes());
    Ok(Struct::new(schema.clone(), [Value::Int32(parsed.scale()), Value::Bytes(bytes)]).into())
}

/// `money`: `-$1,234.56`. The snapshot goes through a double, as the JDBC driver does.
pub(super) fn money(text: &str, digits: i32, mode: DecimalMode, phase: Phase) -> Result<Value> {
    let plain: String = text.chars().filter(|c| c.is_ascii_digit() || matches!(c, '.' | '-')).collect();
    let double = || parse::<f64>(&plain, "money");
    match (mode, phase) {
        (DecimalMode::Double, _) => double().map(Value::Float64),
        (DecimalMode::String, Phase::Snapshot) => Ok(Value::str(FloatText::new().double(double()?))),
        (DecimalMode::String, Phase::Stream) => Ok(Value::str(plain)),
        (DecimalMode::Precise, Phase::Snapshot) => {
            let exact: Decimal = FloatText::new().double(double()?).parse()?;
            Ok(Value::Decimal(Arc::new(rounded(&exact, digits))))
        }
        (DecimalMode::Precise, Phase::Stream) => Ok(Value::Decimal(Arc::new(rounded(&decimal(&plain)?, digits)))),
    }
}

/// `BigDecimal.setScale(scale, HALF_UP)`.
fn rounded(value: &Decimal, scale: i32) -> Decimal {
    value.rescaled(scale).unwrap_or_else(|| {
        let ten = BigInt::from(10);
        let drop = value.scale().abs_diff(scale);
        let power = ten.pow(drop);
        let half = &power / 2;
        let negative = value.unscaled().sign() == num_bigint::Sign::Minus;
        let magnitude = if negative { -value.unscaled() } else { value.unscaled().clone() };
        let quotient: BigInt = (magnitude + half) / power;
        Decimal::new(if negative { -quotient } else { quotient }, scale)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(value: &Value) -> String {
        match value {
            Value::Decimal(d) => d.to_plain_string(),
            Value::Str(s) => s.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn numerics_keep_every_digit() {
        let rows = [
            ("12345678.90", Some(2), "12345678.90"),
            ("-0.01", Some(2), "-0.01"),
            ("5", Some(2), "5.00"),
            ("1234567890123456789012345678.0123456789", Some(10), "1234567890123456789012345678.0123456789"),
            ("1.10", None, "1.10"),
        ];
        for (text, scale, want) in rows {
            for mode in [DecimalMode::Precise, DecimalMode::String] {
                assert_eq!(text_of(&numeric(text, scale, mode).expect(text)), want);
            }
        }
        assert_eq!(numeric("NaN", None, DecimalMode::Precise).expect("NaN"), Value::Null);
        assert_eq!(text_of(&numeric("-Infinity", None, DecimalMode::String).expect("inf")), "NEGATIVE_INFINITY");
        for bad in ["", "-", "1.2.3", "x"] {
            assert!(numeric(bad, None, DecimalMode::Precise).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variable_scale_drops_trailing_zeros() {
        let schema = couplet_cdc::variable_scale_decimal().build();
        for (text, scale, unscaled) in [("1.10", 1, 11_i64), ("100", 0, 100), ("0.00", 0, 0), ("-0.00001", 5, -1)] {
            let value = variable_scale(text, &schema).expect(text);
            let row = value.as_struct().expect("a struct");
            let bytes = match &row.values()[1] {
                Value::Bytes(bytes) => BigInt::from_signed_bytes_be(bytes),
                other => panic!("{other:?}"),
            };
            assert_eq!((row.values()[0].clone(), bytes), (Value::Int32(scale), BigInt::from(unscaled)), "{text}");
        }
    }

    #[test]
    fn money_is_rounded_through_a_double_in_a_snapshot_only() {
        let largest = "$92,233,720,368,547,758.07";
        let rows = [
            (largest, DecimalMode::String, Phase::Snapshot, "9.223372036854776E16"),
            (largest, DecimalMode::String, Phase::Stream, "92233720368547758.07"),
            (largest, DecimalMode::Precise, Phase::Snapshot, "92233720368547760.00"),
            ("-$0.01", DecimalMode::Precise, Phase::Stream, "-0.01"),
            ("$0.00", DecimalMode::String, Phase::Snapshot, "0.0"),
        ];
        for (text, mode, phase, want) in rows {
            assert_eq!(text_of(&money(text, 2, mode, phase).expect(text)), want);
        }
    }
}
