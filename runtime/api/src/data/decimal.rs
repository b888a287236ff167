use std::fmt;
use std::str::FromStr;

use num_bigint::BigInt;

use crate::{Error, Result};

/// Most digits that a number may have when it is written out: more than PostgreSQL's `numeric` can have (131072 before the
/// point, 16383 behind it), so that a few characters such as `1e999999999` do not cost gigabytes and hours.
const DIGITS_MAX: u32 = 200_000;

/// An exact decimal number: `unscaled × 10^-scale`, as Java's `BigDecimal`. Equality includes the scale.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    unscaled: BigInt,
    scale: i32,
}

impl Decimal {
    /// `unscaled × 10^-scale`.
    pub const fn new(unscaled: BigInt, scale: i32) -> Self {
        Decimal { unscaled, scale }
    }

    /// The digits as an integer.
    pub const fn unscaled(&self) -> &BigInt {
        &self.unscaled
    }

    /// Number of digits after the point; negative for whole tens, hundreds and so on.
    pub const fn scale(&self) -> i32 {
        self.scale
    }

    /// The unscaled value as big-endian two's complement, shortest form: the payload of Connect's Decimal logical type.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Ok(small) = i64::try_from(&self.unscaled) else { return self.unscaled.to_signed_bytes_be() };
        // Bits without those that repeat the sign, and one for the sign.
        let bits = 65 - if small < 0 { small.leading_ones() } else { small.leading_zeros() };
        small.to_be_bytes()[8 - bits.div_ceil(8) as usize..].to_vec()
    }

    /// The reverse of [`Decimal::to_bytes`].
    pub fn from_bytes(bytes: &[u8], scale: i32) -> Self {
        Decimal { unscaled: BigInt::from_signed_bytes_be(bytes), scale }
    }

    /// The same number with `scale` digits after the point, or `None` when digits would be lost, or 200 000 zeros added.
    pub fn rescaled(&self, scale: i32) -> Option<Self> {
        let shift = i64::from(scale) - i64::from(self.scale);
        let zeros = u32::try_from(shift.unsigned_abs()).ok().filter(|zeros| *zeros <= DIGITS_MAX)?;
        let power = BigInt::from(10).pow(zeros);
        let unscaled = if shift >= 0 {
            &self.unscaled * power
        } else if (&self.unscaled % &power) == BigInt::ZERO {
            &self.unscaled / power
        } else {
            return None;
        };
        Some(Decimal { unscaled, scale })
    }

    /// Without an exponent, as `BigDecimal.toPlainString`.
    pub fn to_plain_string(&self) -> String {
        let negative = self.unscaled.sign() == num_bigint::Sign::Minus;
        let mut digits = self.unscaled.magnitude().to_string();
        if self.scale > 0 {
            let scale = self.scale.unsigned_abs() as usize;
            if digits.len() <= scale {
                digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
            }
            digits.insert(digits.len() - scale, '.');
        } else if self.scale < 0 && digits != "0" {
            digits.push_str(&"0".repeat(self.scale.unsigned_abs() as usize));
        }
        if negative { format!("-{digits}") } else { digits }
    }

    /// The nearest double.
    pub fn to_f64(&self) -> f64 {
        format!("{}e{}", self.unscaled, -i64::from(self.scale)).parse().unwrap_or(f64::NAN)
    }
}

impl FromStr for Decimal {
    type Err = Error;

    /// Reads what Java's `BigDecimal(String)` reads: sign, digits, point, exponent. Numbers that would have more than
    /// 200 000 digits written out are refused.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::data("text is not a decimal number");
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| bad())?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let bare = digits.trim_start_matches(['+', '-']);
        if bare.is_empty() || digits.len() - bare.len() > 1 || !bare.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let unscaled = BigInt::from_str(digits.trim_start_matches('+')).map_err(|_| bad())?;
        let scale = i32::try_from(fraction.len()).map_err(|_| bad())?.checked_sub(exponent).ok_or_else(bad)?;
        if scale.unsigned_abs() > DIGITS_MAX {
            return Err(Error::data("a decimal number has an exponent that is too large"));
        }
        Ok(Decimal { unscaled, scale })
    }
}

/// As Java's `BigDecimal.toString`: an exponent when the scale is negative or the number very small.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.unscaled.magnitude().to_string();
        let adjusted = -i64::from(self.scale) + digits.len() as i64 - 1;
        if self.scale >= 0 && adjusted >= -6 {
            return f.write_str(&self.to_plain_string());
        }
        if self.unscaled.sign() == num_bigint::Sign::Minus {
            f.write_str("-")?;
        }
        f.write_str(&digits[..1])?;
        if digits.len() > 1 {
            write!(f, ".{}", &digits[1..])?;
        }
        if adjusted == 0 { Ok(()) } else { write!(f, "E{adjusted:+}") }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_shortest_with_a_sign() {
        let edges = (0..63).flat_map(|bit| [1_i64 << bit, (1 << bit) - 1, -(1 << bit), -(1 << bit) - 1]);
        for number in edges.chain([0, i64::MAX, i64::MIN]) {
            let decimal = Decimal::new(BigInt::from(number), 2);
            assert_eq!(decimal.to_bytes(), decimal.unscaled().to_signed_bytes_be(), "{number}");
        }
        let large = Decimal::new(BigInt::from(i128::MAX), 0);
        assert_eq!(Decimal::from_bytes(&large.to_bytes(), 0), large);
    }

    #[test]
    fn text_forms_are_those_of_big_decimal() {
        let rows = [
            ("1.50", "1.50", "1.50"),
            ("-0.07", "-0.07", "-0.07"),
            ("1E+3", "1E+3", "1000"),
            ("12e5", "1.2E+6", "1200000"),
            ("0.0000001", "1E-7", "0.0000001"),
            ("-123E-10", "-1.23E-8", "-0.0000000123"),
            ("0E+2", "0E+2", "0"),
            ("+5", "5", "5"),
        ];
        for (input, text, plain) in rows {
            let decimal: Decimal = input.parse().expect(input);
            assert_eq!(decimal.to_string(), text, "{input}");
            assert_eq!(decimal.to_plain_string(), plain, "{input}");
        }
        for bad in ["", "-", "1.2.3", "1e", "--1", "abc", "1-2"] {
            assert!(bad.parse::<Decimal>().is_err(), "{bad} must be refused");
        }
    }

    #[test]
    fn bytes_are_twos_complement() {
        let rows: [(&str, &[u8]); 5] =
            [("0", &[0]), ("127", &[127]), ("128", &[0, 128]), ("-1", &[255]), ("-129", &[255, 127])];
        for (text, bytes) in rows {
            let decimal: Decimal = text.parse().expect(text);
            assert_eq!(decimal.to_bytes(), bytes, "{text}");
            assert_eq!(Decimal::from_bytes(bytes, 0), decimal, "{text}");
        }
    }

    #[test]
    fn rescaling_never_loses_digits() {
        let decimal: Decimal = "1.50".parse().expect("decimal");
        assert_eq!(decimal.rescaled(1).map(|d| d.to_string()), Some("1.5".to_owned()));
        assert_eq!(decimal.rescaled(4).map(|d| d.to_string()), Some("1.5000".to_owned()));
        assert_eq!(decimal.rescaled(0), None);
    }
}
