//! Bytes into lines.

use bytes::Bytes;
use memchr::memchr2;

/// Bytes that were read and not yet handed out as lines. A line ends with `\n`, `\r` or `\r\n`; a `\r` at the very end
/// waits for the byte behind it. Lines are slices of the bytes that were put in.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Bytes,
    /// How much of `pending` is known to hold no line end.
    scanned: usize,
}

/// A line and how much of its file it takes up.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Its bytes without the line end.
    pub bytes: Bytes,
    /// UTF-16 code units of the line and its end: the unit in which the original counts positions.
    pub units: i64,
}

impl Lines {
    /// The unfinished line, to be put in front of what is read next; see [`Lines::replace`].
    pub fn unfinished(&self) -> &Bytes {
        &self.pending
    }

    /// Takes `pending`, which begins with what [`Lines::unfinished`] held.
    pub fn replace(&mut self, pending: Bytes) {
        debug_assert!(pending.starts_with(&self.pending), "the unfinished line is kept");
        self.pending = pending;
    }

    /// The next finished line.
    pub fn next_line(&mut self) -> Option<Line> {
        let Some(found) = memchr2(b'\n', b'\r', &self.pending[self.scanned..]) else {
            self.scanned = self.pending.len();
            return None;
        };
        let end = self.scanned + found;
        let next = match (self.pending[end], self.pending.get(end + 1)) {
            (b'\n', _) => end + 1,
            (_, Some(b'\n')) => end + 2,
            (_, Some(_)) => end + 1,
            (_, None) => {
                self.scanned = end;
                return None;
            }
        };
        let taken = self.pending.split_to(next);
        self.scanned = 0;
        Some(Line { bytes: taken.slice(..end), units: utf16_units(&taken[..end]) + (next - end) as i64 })
    }
}

/// Length of `utf8` in UTF-16 code units: one per character, two beyond the basic plane. A malformed sequence counts as
/// the one replacement character Java decodes it to.
fn utf16_units(utf8: &[u8]) -> i64 {
    if utf8.is_ascii() {
        return utf8.len() as i64;
    }
    String::from_utf8_lossy(utf8).chars().map(|c| c.len_utf16() as i64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row: chunks as they arrive, then the lines and their sizes in UTF-16 units.
    #[test]
    fn lines_end_as_in_the_original() {
        type Row = (&'static str, &'static [&'static str], &'static [(&'static str, i64)]);
        let rows: &[Row] = &[
            ("newlines", &["a\nbb\n"], &[("a", 2), ("bb", 3)]),
            ("carriage returns and both", &["a\rb\r\nc\n\n"], &[("a", 2), ("b", 3), ("c", 2), ("", 1)]),
            ("a carriage return at the end waits", &["a\r"], &[]),
            ("and is one line end with the newline that follows", &["a\r", "\nb\n"], &[("a", 3), ("b", 2)]),
            ("and a line end of its own before anything else", &["a\r", "b\n"], &[("a", 2), ("b", 2)]),
            ("a line in pieces", &["on", "e t", "wo\nthree"], &[("one two", 8)]),
            ("units, not bytes", &["fünf\n", "😀\n"], &[("fünf", 5), ("😀", 3)]),
            ("nothing", &[""], &[]),
        ];
        for (claim, chunks, want) in rows {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            for chunk in *chunks {
                let mut pending = lines.unfinished().to_vec();
                pending.extend_from_slice(chunk.as_bytes());
                lines.replace(Bytes::from(pending));
                got.extend(std::iter::from_fn(|| lines.next_line()));
            }
            let want: Vec<Line> = want
                .iter()
                .map(|(text, units)| Line { bytes: Bytes::copy_from_slice(text.as_bytes()), units: *units })
                .collect();
            assert_eq!(got, want, "{claim}");
        }
    }

    #[test]
    fn malformed_bytes_count_as_replacement_characters() {
        let mut lines = Lines::default();
        lines.replace(Bytes::from_static(b"a\xffb\n"));
        assert_eq!(lines.next_line().map(|line| line.units), Some(4));
    }
}
