//! Reads numbers and texts out of bytes; nothing panics, whatever the bytes.

use bytes::Bytes;

/// A cursor over bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// At the beginning of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// What is left.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        let (head, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*head)
    }

    /// A little-endian number of `n` bytes, at most 8.
    pub fn le(&mut self, n: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes.get_mut(..n)?.copy_from_slice(self.take(n)?);
        Some(u64::from_le_bytes(bytes))
    }

    /// A big-endian number of `n` bytes, at most 8.
    pub fn be(&mut self, n: usize) -> Option<u64> {
        if n > 8 {
            return None;
        }
        Some(self.take(n)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// A number of two bytes, little-endian.
    pub fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|b| u16::from_le_bytes(*b))
    }

    /// A number of four bytes, little-endian.
    pub fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|b| u32::from_le_bytes(*b))
    }

    /// A number of eight bytes, little-endian.
    pub fn u64(&mut self) -> Option<u64> {
        self.take(8)?.first_chunk().map(|b| u64::from_le_bytes(*b))
    }

    /// A length-encoded number; `None` also for the mark of NULL.
    pub fn lenenc(&mut self) -> Option<u64> {
        match self.u8()? {
            n @ 0..=0xfa => Some(u64::from(n)),
            0xfc => self.le(2),
            0xfd => self.le(3),
            0xfe => self.le(8),
            _ => None,
        }
    }

    /// Bytes behind their length-encoded length.
    pub fn lenenc_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.lenenc()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Bytes up to a NUL, which is skipped; all that is left when there is none.
    pub fn nul_terminated(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let text = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        text
    }
}

/// The part of `whole` that `part`, one of its slices, is.
pub fn slice_of(whole: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() { Bytes::new() } else { whole.slice_ref(part) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths() {
        let mut reader = Reader::new(&[0x01, 0xfc, 0x02, 0x01, 0xfb, 0x12, 0x34, 0x03, b'a']);
        assert_eq!((reader.lenenc(), reader.lenenc(), reader.lenenc()), (Some(1), Some(0x102), None));
        assert_eq!(reader.be(2), Some(0x1234));
        assert_eq!(reader.lenenc_bytes(), None, "three bytes are promised, one is there");
    }

    #[test]
    fn short_input_is_never_a_panic() {
        for length in 0..8 {
            let bytes = vec![0xfe; length];
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.lenenc(), None);
            assert_eq!(Reader::new(&bytes).u64(), None);
            assert_eq!(Reader::new(&bytes).be(9), None);
        }
    }
}
