//! DECIMAL: groups of nine digits in four bytes, what is over in fewer.

use std::fmt::Write as _;

use couplet_mysql_wire::read::Reader;

/// Bytes of a group of so many digits.
const BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// Reads a value with `precision` digits, `scale` of them behind the point.
pub(crate) fn decimal_text(precision: usize, scale: usize, reader: &mut Reader<'_>) -> Option<String> {
    let whole = precision.checked_sub(scale)?;
    let length = whole / 9 * 4 + BYTES[whole % 9] + scale / 9 * 4 + BYTES[scale % 9];
    let mut bytes = reader.take(length)?.to_vec();
    let first = bytes.first_mut()?;
    let negative = *first & 0x80 == 0;
    *first ^= 0x80;
    if negative {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let mut groups = Reader::new(&bytes);
    let mut digits = String::with_capacity(precision + 2);
    let mut group = |width: usize, digits: &mut String| {
        if width > 0 {
            let value = groups.be(BYTES[width])?;
            // Writing to a String cannot fail.
            let _ = write!(digits, "{value:0width$}");
        }
        Some(())
    };
    group(whole % 9, &mut digits)?;
    for _ in 0..whole / 9 {
        group(9, &mut digits)?;
    }
    let shortened = digits.trim_start_matches('0');
    let mut text = String::with_capacity(precision + 3);
    if negative {
        text.push('-');
    }
    text.push_str(if shortened.is_empty() { "0" } else { shortened });
    if scale > 0 {
        text.push('.');
        for _ in 0..scale / 9 {
            group(9, &mut text)?;
        }
        group(scale % 9, &mut text)?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_out_as_they_were_written() {
        let rows: [(usize, usize, &[u8], &str); 4] = [
            (10, 2, &[0x80, 0x00, 0x04, 0xd2, 0x38], "1234.56"),
            (10, 2, &[0x7f, 0xff, 0xfb, 0x2d, 0xc7], "-1234.56"),
            (5, 0, &[0x80, 0x00, 0x07], "7"),
            (4, 4, &[0x80, 0x05], "0.0005"),
        ];
        for (precision, scale, bytes, want) in rows {
            assert_eq!(decimal_text(precision, scale, &mut Reader::new(bytes)).as_deref(), Some(want));
        }
        assert_eq!(decimal_text(2, 4, &mut Reader::new(&[0; 9])), None, "a scale above the precision");
    }
}
