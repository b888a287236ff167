use std::io::Write;

/// Writes floats as Java's `Double.toString` and `Float.toString` do: shortest digits that read back the same,
/// at least one digit after the point, an exponent outside 10^-3 … 10^7. Reused from value to value, like `itoa::Buffer`.
///
/// The digits are the shortest ones, as in Java 19 and later; older Java versions print one digit too many for a few values.
#[derive(Debug)]
pub struct FloatText {
    bytes: [u8; 32],
}

impl Default for FloatText {
    fn default() -> Self {
        Self::new()
    }
}

impl FloatText {
    /// An empty buffer.
    pub const fn new() -> Self {
        FloatText { bytes: [0; 32] }
    }

    /// `Double.toString(value)`.
    pub fn double(&mut self, value: f64) -> &str {
        match special(value) {
            Some(text) => text,
            None => self.rearranged(ryu::Buffer::new().format_finite(value)),
        }
    }

    /// `Float.toString(value)`.
    pub fn float(&mut self, value: f32) -> &str {
        match special(f64::from(value)) {
            Some(text) => text,
            None => self.rearranged(ryu::Buffer::new().format_finite(value)),
        }
    }

    /// Writes the number `text` (ryu's notation) in Java's notation.
    fn rearranged(&mut self, text: &str) -> &str {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = [0_u8; 32];
        let mut length = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            digits[length] = byte;
            length += 1;
        }
        let leading_zeros = digits[..length].iter().take_while(|d| **d == b'0').count();
        let trailing_zeros = digits[leading_zeros..length].iter().rev().take_while(|d| **d == b'0').count();
        let significant = &digits[leading_zeros..length - trailing_zeros];
        // Place of the first significant digit: 0 for units, 1 for tens, -1 for tenths.
        let place = exponent.parse::<i32>().unwrap_or(0) + whole.len() as i32 - 1 - leading_zeros as i32;
        let mut rest = &mut self.bytes[..];
        let full = rest.len();
        // The buffer holds any double: sign, 17 digits, point, exponent are 24 bytes, three leading zeros included.
        let _ = if negative { rest.write_all(b"-") } else { Ok(()) };
        let _ = write_digits(&mut rest, significant, place);
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
        ];
        for (value, text) in rows {
            assert_eq!(FloatText::new().double(value), text);
        }
        for (value, text) in [(1.1_f32, "1.1"), (3.4e38, "3.4E38"), (16_777_216.0, "1.6777216E7"), (0.0015, "0.0015")] {
            assert_eq!(FloatText::new().float(value), text);
        }
    }
}
