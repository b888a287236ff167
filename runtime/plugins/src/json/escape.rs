use bytes::{BufMut, BytesMut};

/// What a byte needs: nothing, `\u00XX`, a character pair of its own, or (first of four bytes) two surrogate escapes.
const PLAIN: u8 = 0;
const HEX: u8 = 1;
const WIDE: u8 = 2;

const ESCAPES: [u8; 256] = {
    let mut table = [PLAIN; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = HEX;
        byte += 1;
    }
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table[0x08] = b'b';
    table[0x0c] = b'f';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    byte = 0xf0;
    while byte < 256 {
        table[byte] = WIDE;
        byte += 1;
    }
    table
};

const HEX_DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `text` in quotes, escaped as Jackson does: control characters, quote and backslash, and characters beyond
/// U+FFFF as two surrogates; all else as it is.
pub fn write_text(text: &str, out: &mut BytesMut) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.put_u8(b'"');
    let mut start = 0;
    while let Some(length) = bytes[start..].iter().position(|b| ESCAPES[*b as usize] != PLAIN) {
        let at = start + length;
        out.put_slice(&bytes[start..at]);
        start = at + write_escape(text, at, out);
    }
    out.put_slice(&bytes[start..]);
    out.put_u8(b'"');
}

/// Escapes the character at `at`; returns its length in bytes.
fn write_escape(text: &str, at: usize, out: &mut BytesMut) -> usize {
    let byte = text.as_bytes()[at];
    match ESCAPES[byte as usize] {
        WIDE => {
            let wide = text[at..].chars().next().unwrap_or_default();
            for unit in wide.encode_utf16(&mut [0; 2]) {
                write_unit(*unit, out);
            }
            wide.len_utf8()
        }
        HEX => {
            write_unit(u16::from(byte), out);
            1
        }
        short => {
            out.put_slice(&[b'\\', short]);
            1
        }
    }
}

fn write_unit(unit: u16, out: &mut BytesMut) {
    let digit = |shift: u16| HEX_DIGITS[usize::from(unit >> shift & 15)];
    out.put_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_jacksons() {
        let rows = [
            ("", r#""""#),
            ("a/b</script>", r#""a/b</script>""#),
            ("q\"\\\n\r\t\u{8}\u{c}\u{1}\u{1f}", r#""q\"\\\n\r\t\b\f\u0001\u001F""#),
            ("é\u{2028}\u{7f}", "\"é\u{2028}\u{7f}\""),
            ("a😀b", r#""a\uD83D\uDE00b""#),
        ];
        for (text, want) in rows {
            let mut out = BytesMut::new();
            write_text(text, &mut out);
            assert_eq!(out, want);
        }
    }
}
