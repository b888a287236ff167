use std::str::FromStr;

use couplet_api::Result;
use couplet_api::data::Decimal;

use crate::java::low_bits;

/// A JSON number as written. Integers are Java's `int`, `long` or `BigInteger`, all others `BigDecimal`; narrower types
/// take the low bits.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    text: &'a str,
    integral: bool,
}

impl<'a> Number<'a> {
    /// A number with valid syntax.
    pub(super) const fn new(text: &'a str, integral: bool) -> Self {
        Number { text, integral }
    }

    /// Whether it has neither a point nor an exponent.
    pub const fn is_integral(self) -> bool {
        self.integral
    }

    /// `longValue()`: the low 64 bits of the whole part.
    pub fn low_bits(self) -> i64 {
        if let Ok(number) = self.text.parse() {
            return number;
        }
        Decimal::from_str(self.text).map_or(0, |decimal| low_bits(&decimal))
    }

    /// The number as an `int`, if it is one.
    pub fn int(self) -> Option<i32> {
        if self.integral { self.text.parse().ok() } else { None }
    }

    /// `doubleValue()`. There is no negative zero among big decimals and integers.
    pub fn double(self) -> f64 {
        let value: f64 = self.text.parse().unwrap_or(f64::NAN);
        if value == 0.0 { 0.0 } else { value }
    }

    /// `floatValue()`.
    pub fn float(self) -> f32 {
        let value: f32 = self.text.parse().unwrap_or(f32::NAN);
        if value == 0.0 { 0.0 } else { value }
    }

    /// `decimalValue()`.
    ///
    /// # Errors
    /// When the exponent is beyond what a decimal can have.
    pub fn decimal(self) -> Result<Decimal> {
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
