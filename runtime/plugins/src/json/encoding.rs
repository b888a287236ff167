use bytes::Bytes;
use couplet_api::Result;

/// `bytes` in UTF-8: finds a byte order mark, or tells UTF-16 and UTF-32 by the zeros around the first character, as
/// Jackson does. UTF-8 is not checked here.
///
/// # Errors
/// [`couplet_api::Kind::Data`] for malformed UTF-16 or UTF-32.
pub fn to_utf8(bytes: &Bytes) -> Result<Bytes> {
    let (width, big, skip) = match **bytes {
        [0xef, 0xbb, 0xbf, ..] => return Ok(bytes.slice(3..)),
        [0, 0, 0xfe, 0xff, ..] => (4, true, 4),
        [0xff, 0xfe, 0, 0, ..] => (4, false, 4),
        [0xfe, 0xff, ..] => (2, true, 2),
        [0xff, 0xfe, ..] => (2, false, 2),
        [0, 0, 0, _, ..] => (4, true, 0),
        [_, 0, 0, 0, ..] => (4, false, 0),
        [0, _, ..] => (2, true, 0),
        [_, 0, ..] => (2, false, 0),
        _ => return Ok(bytes.clone()),
    };
    let malformed = || super::syntax("malformed UTF-16 or UTF-32", 0);
    let unit = |chunk: &[u8]| {
        let digits = chunk.iter().enumerate().map(|(i, b)| {
            let place = if big { width - 1 - i } else { i };
            u32::from(*b) << (8 * place)
        });
        digits.sum::<u32>()
    };
    let chunks = bytes[skip..].chunks_exact(width);
    if !chunks.remainder().is_empty() {
        return Err(malformed());
    }
    let units = chunks.map(unit);
    let text: Option<String> = match width {
        2 => char::decode_utf16(units.map(|u| u as u16)).collect::<Result<_, _>>().ok(),
        _ => units.map(char::from_u32).collect(),
    };
    Ok(Bytes::from(text.ok_or_else(malformed)?))
}
