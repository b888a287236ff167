use std::str::FromStr;

use couplet_api::Result;
use couplet_api::data::Decimal;
use num_bigint::BigInt;

/// A JSON number as written. Integers are Java's `int`, `long` or `BigInteger`, all others `BigDecimal`; narrower types
/// take the low bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'a> {
    text: &'a str,
    integral: bool,
}

impl<'a> Number<'a> {
    /// A number with valid syntax.
    pub(super) const fn new(text: &'a str, integral: bool) -> Self {
        Number { text, integral }
    }

    /// Whether it has neither a point nor an exponent.
    pub(super) const fn is_integral(self) -> bool {
        self.integral
    }

    /// `longValue()`: the low 64 bits of the whole part.
    pub(super) fn low_bits(self) -> i64 {
        if let Ok(number) = self.text.parse() {
            return number;
        }
        let Ok(decimal) = Decimal::from_str(self.text) else { return 0 };
        let scale = decimal.scale();
        let power = |exponent: u32| BigInt::from(10).pow(exponent);
        let whole = match scale {
            0 => decimal.unscaled().clone(),
            // 10^64 is a multiple of 2^64, and a number has fewer digits than a scale beyond its limit.
            ..=-64 => return 0,
            1.. if scale as usize > self.text.len() => return 0,
            1.. => decimal.unscaled() / power(scale.unsigned_abs()),
            _ => decimal.unscaled() * power(scale.unsigned_abs()),
        };
        let low = whole.magnitude().iter_u64_digits().next().unwrap_or(0) as i64;
        if whole.sign() == num_bigint::Sign::Minus { low.wrapping_neg() } else { low }
    }

    /// The number as an `int`, if it is one.
    pub(super) fn int(self) -> Option<i32> {
        if self.integral { self.text.parse().ok() } else { None }
    }

    /// `doubleValue()`. There is no negative zero among big decimals and integers.
    pub(super) fn double(self) -> f64 {
        let value: f64 = self.text.parse().unwrap_or(f64::NAN);
        if value == 0.0 { 0.0 } else { value }
    }

    /// `floatValue()`.
    pub(super) fn float(self) -> f32 {
        let value: f32 = self.text.parse().unwrap_or(f32::NAN);
        if value == 0.0 { 0.0 } else { value }
    }

    /// `decimalValue()`.
    ///
    /// # Errors
    /// When the exponent is beyond what a decimal can have.
    pub(super) fn decimal(self) -> Result<Decimal> {
        Decimal::from_str(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_types_take_low_bits() {
        let rows = [
            ("300", 300),
            ("99999999999999999999", 7_766_279_631_452_241_919),
            ("-99999999999999999999", -7_766_279_631_452_241_919),
            ("1.9", 1),
            ("-1.9", -1),
            ("1e3", 1000),
            ("1E400", 0),
            ("1e-400", 0),
            ("12345e-2", 123),
            ("-0.0", 0),
        ];
        for (text, want) in rows {
            assert_eq!(Number::new(text, false).low_bits(), want, "{text}");
        }
        assert!(Number::new("-0.0", false).double().is_sign_positive());
    }
}
