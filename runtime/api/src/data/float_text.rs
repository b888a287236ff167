use std::io::Write;

use super::float_digits::{Digits, of_double, of_float};

/// Writes floats as Java's `Double.toString` and `Float.toString` do, in the digits of Java 18 and older (which the JVM
/// workers of the recordings run on): at least one digit after the point, an exponent outside 10^-3 … 10^7. Reused from
/// value to value, like `itoa::Buffer`.
#[derive(Debug)]
pub struct FloatText {
    bytes: [u8; 40],
}

impl Default for FloatText {
    fn default() -> Self {
        Self::new()
    }
}

impl FloatText {
    /// An empty buffer.
    pub const fn new() -> Self {
        FloatText { bytes: [0; 40] }
    }

    /// `Double.toString(value)`.
    pub fn double(&mut self, value: f64) -> &str {
        match special(value) {
            Some(text) => text,
            None => self.arranged(value < 0.0, &of_double(value)),
        }
    }

    /// `Float.toString(value)`.
    pub fn float(&mut self, value: f32) -> &str {
        match special(f64::from(value)) {
            Some(text) => text,
            None => self.arranged(value < 0.0, &of_float(value)),
        }
    }

    fn arranged(&mut self, negative: bool, digits: &Digits) -> &str {
        let mut rest = &mut self.bytes[..];
        let full = rest.len();
        // The buffer holds any double: sign, 20 digits, point, exponent are 27 bytes, three leading zeros included.
        let _ = if negative { rest.write_all(b"-") } else { Ok(()) };
        let _ = write_digits(&mut rest, digits.as_bytes(), digits.place());
        let used = full - rest.len();
        std::str::from_utf8(&self.bytes[..used]).unwrap_or_default()
    }
}

fn special(value: f64) -> Option<&'static str> {
    Some(match value {
        v if v.is_nan() => "NaN",
        v if v == f64::INFINITY => "Infinity",
        v if v == f64::NEG_INFINITY => "-Infinity",
        v if v == 0.0 && v.is_sign_negative() => "-0.0",
        0.0 => "0.0",
        _ => return None,
    })
}

fn write_digits(out: &mut &mut [u8], digits: &[u8], place: i32) -> std::io::Result<()> {
    match place {
        0..7 => {
            let whole = place as usize + 1;
            let given = digits.len().min(whole);
            out.write_all(&digits[..given])?;
            out.write_all(&b"0000000"[..whole - given])?;
            out.write_all(b".")?;
            out.write_all(if digits.len() > whole { &digits[whole..] } else { b"0" })
        }
        -3..0 => {
            out.write_all(b"0.")?;
            out.write_all(&b"00"[..(-place - 1) as usize])?;
            out.write_all(digits)
        }
        _ => {
            out.write_all(&digits[..1])?;
            out.write_all(b".")?;
            out.write_all(if digits.len() > 1 { &digits[1..] } else { b"0" })?;
            write!(out, "E{place}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        let rows = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-7.5, "-7.5"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (1_234_567.89, "1234567.89"),
            (123_456_789.125, "1.23456789125E8"),
            (1e300, "1.0E300"),
            (1e-7, "1.0E-7"),
            (100.0, "100.0"),
            (1e16, "1.0E16"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (9_007_199_254_740_993.0, "9.007199254740992E15"),
            (8.207_880_399_131_84e-304, "8.20788039913184E-304"),
            (5e-324, "4.9E-324"),
            // Older Javas print a digit that is not needed.
            (2.0e23, "1.9999999999999998E23"),
            (2.2e-322, "2.2E-322"),
            (0.002_617_549_016_508_610_3, "0.0026175490165086103"),
            (2.0_f64.powi(-44), "5.6843418860808015E-14"),
        ];
        for (value, text) in rows {
            assert_eq!(FloatText::new().double(value), text);
        }
        for (value, text) in [
            (1.1_f32, "1.1"),
            (3.4e38, "3.4E38"),
            (16_777_216.0, "1.6777216E7"),
            (0.0015, "0.0015"),
            (123_456_792.0, "1.23456792E8"),
            (1.4e-45, "1.4E-45"),
            (f32::MAX, "3.4028235E38"),
            (-6.424_923_4e25, "-6.4249234E25"),
        ] {
            assert_eq!(FloatText::new().float(value), text);
        }
    }
}
