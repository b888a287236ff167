//! Gzip as Java's `GZIPOutputStream` writes it: no name, no time.

use std::io::Write as _;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

/// "Unknown", as Java 16 and later write.
const OPERATING_SYSTEM_UNKNOWN: u8 = 255;

/// Compresses one file.
#[derive(Debug)]
pub struct Gzip(GzEncoder<Vec<u8>>);

impl Gzip {
    /// `level`: 0 to 9; any other number is the default.
    pub fn new(level: i32) -> Self {
        let level = u32::try_from(level).ok().filter(|l| *l <= 9).map_or_else(Compression::default, Compression::new);
        Gzip(GzBuilder::new().operating_system(OPERATING_SYSTEM_UNKNOWN).write(Vec::new(), level))
    }

    /// Takes `bytes`; returns what is ready.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        // Writing to memory cannot fail.
        let _ = self.0.write_all(bytes);
        std::mem::take(self.0.get_mut())
    }

    /// The rest of the file.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let text = b"{\"id\":1}\n".repeat(50_000);
        for level in [-1, 0, 9] {
            let mut gzip = Gzip::new(level);
            let mut file = Vec::new();
            for part in text.chunks(7_000) {
                file.extend(gzip.push(part));
            }
            file.extend(gzip.finish());
            assert_eq!((&file[..4], &file[4..8], file[9]), (&[0x1f, 0x8b, 8, 0][..], &[0; 4][..], 255));
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(&file[..]).read_to_end(&mut back).expect("gzip");
            assert!(back == text, "level {level}");
        }
    }
}
