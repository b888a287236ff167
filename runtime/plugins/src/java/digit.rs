/// Zeros of the scripts whose digits Java reads, each followed by its one to nine; ASCII's are told apart before.
const ZEROS: [char; 36] = [
    '\u{660}', '\u{6F0}', '\u{7C0}', '\u{966}', '\u{9E6}', '\u{A66}', '\u{AE6}', '\u{B66}', '\u{BE6}', '\u{C66}',
    '\u{CE6}', '\u{D66}', '\u{DE6}', '\u{E50}', '\u{ED0}', '\u{F20}', '\u{1040}', '\u{1090}', '\u{17E0}', '\u{1810}',
    '\u{1946}', '\u{19D0}', '\u{1A80}', '\u{1A90}', '\u{1B50}', '\u{1BB0}', '\u{1C40}', '\u{1C50}', '\u{A620}',
    '\u{A8D0}', '\u{A900}', '\u{A9D0}', '\u{A9F0}', '\u{AA50}', '\u{ABF0}', '\u{FF10}',
];

/// `Character.digit(c, 10)` of a character in one UTF-16 unit.
pub(crate) fn digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.is_ascii_digit().then(|| c as u8 - b'0');
    }
    let zero = ZEROS[ZEROS.partition_point(|zero| *zero <= c).checked_sub(1)?];
    u8::try_from(c as u32 - zero as u32).ok().filter(|digit| *digit < 10)
}

/// `text` with the digits of all scripts as ASCII's, as Java's number parsers see it.
pub(crate) fn ascii_digits(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    text.chars().map(|c| digit(c).map_or(c, |digit| char::from(b'0' + digit))).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_all_scripts_count() {
        assert_eq!(ascii_digits("-12x"), "-12x");
        assert_eq!(ascii_digits("\u{663}\u{FF11}\u{E50}é½"), "310é½");
        assert!(ZEROS.is_sorted());
        assert_eq!(digit('\u{65F}'), None);
    }
}
