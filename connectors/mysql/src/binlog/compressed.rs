//! MariaDB's compressed events (`log_bin_compress`): the head of the event as ever, what follows packed by zlib.
//!
//! Contract: <https://mariadb.com/kb/en/compressing-events-to-reduce-size-of-the-binary-log/>; a packed part begins with a byte
//! whose lowest three bits say how many bytes the unpacked length has, highest byte first.

use std::io::Read as _;

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::error::Error;
use couplet_mysql_wire::read::Reader;
use flate2::read::ZlibDecoder;

/// The longest event that a server sends: the largest `max_allowed_packet`.
pub(super) const EVENT_BYTES_MAX: usize = 1 << 30;
/// What marks a packed part; the algorithm behind it, of which there is one, is 0.
const PACKED: u8 = 0x80;

/// The type and body that an event of type `kind` had before it was packed; those of any other type are returned as they are.
///
/// # Errors
/// [`couplet_api::Kind::Fatal`] when it cannot be unpacked, or says that it is longer than [`EVENT_BYTES_MAX`].
pub(super) fn unpacked(kind: u8, body: Bytes) -> Result<(u8, Bytes)> {
    let plain = match kind {
        165 => 2,
        166..=168 => kind - 143,
        169..=171 => kind - 139,
        _ => return Ok((kind, body)),
    };
    let damaged = || Error::fatal("a compressed event of the binary log (log_bin_compress=ON) is damaged");
    let head = if plain == 2 { statement_head(&body) } else { rows_head(plain, &body) }.ok_or_else(damaged)?;
    let mut packed = Reader::new(&body[head..]);
    let (length, data) = packed_part(&mut packed).ok_or_else(damaged)?;
    if length > EVENT_BYTES_MAX {
        return Err(Error::fatal(format!(
            "a compressed event of the binary log says that it has {length} bytes, above the limit of {EVENT_BYTES_MAX}"
        )));
    }
    let mut whole = Vec::with_capacity(head);
    whole.extend_from_slice(&body[..head]);
    // Grows with what there is, not with what is promised.
    let mut decoder = ZlibDecoder::new(data);
    decoder.by_ref().take(length as u64 + 1).read_to_end(&mut whole).map_err(|_| damaged())?;
    if whole.len() != head + length || decoder.total_in() != data.len() as u64 {
        return Err(damaged());
    }
    Ok((plain, whole.into()))
}

fn packed_part<'a>(reader: &mut Reader<'a>) -> Option<(usize, &'a [u8])> {
    let mark = reader.u8()?;
    let width = usize::from(mark & 7);
    if mark & 0xf0 != PACKED || !(1..=4).contains(&width) {
        return None;
    }
    Some((usize::try_from(reader.be(width)?).ok()?, reader.rest()))
}

/// Bytes in front of a statement's text.
fn statement_head(body: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(body);
    reader.take(8)?;
    let database = usize::from(reader.u8()?);
    reader.take(2)?;
    let variables = usize::from(reader.u16()?);
    reader.take(variables + database + 1)?;
    Some(body.len() - reader.rest().len())
}

/// Bytes in front of rows: the table, how many columns, and which of them are there, for an update twice.
fn rows_head(kind: u8, body: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(body);
    reader.take(8)?;
    if kind >= 30 {
        let extra = usize::from(reader.u16()?);
        reader.take(extra.checked_sub(2)?)?;
    }
    let columns = usize::try_from(reader.lenenc()?).ok()?;
    let maps = if matches!(kind, 24 | 31) { 2 } else { 1 };
    reader.take(columns.div_ceil(8) * maps)?;
    Some(body.len() - reader.rest().len())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).expect("in memory");
        let mut part = vec![0x82];
        part.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
        part.extend(encoder.finish().expect("in memory"));
        part
    }

    #[test]
    fn the_head_stays_and_the_rest_is_unpacked() {
        let text = b"CREATE TABLE t(id INT)".repeat(20);
        let statement = [&[7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 3, 0, 9, 9, 9][..], b"db\0"].concat();
        let rows = [1, 0, 0, 0, 0, 0, 0, 0, 9, 255, 1];
        let update = [1, 0, 0, 0, 0, 0, 0, 0, 9, 255, 1, 255, 1];
        let extra = [1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 8, 8, 9, 255, 1];
        let cases: [(u8, &[u8], u8); 5] =
            [(165, &statement, 2), (166, &rows, 23), (167, &update, 24), (168, &rows, 25), (169, &extra, 30)];
        for (kind, head, plain) in cases {
            let body = Bytes::from([head, &packed(&text)].concat());
            let want = Bytes::from([head, &text].concat());
            assert_eq!(unpacked(kind, body.clone()).expect("sound"), (plain, want), "type {kind}");
            for length in 0..body.len() {
                assert!(unpacked(kind, body.slice(..length)).is_err(), "type {kind} cut to {length}");
            }
        }
        assert_eq!(unpacked(2, Bytes::from_static(b"x")).expect("not packed"), (2, Bytes::from_static(b"x")));
    }

    #[test]
    fn lengths_are_checked() {
        let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0, 1, 255];
        body.extend([0x84, 0x40, 0, 0, 1]);
        let error = unpacked(166, body.clone().into()).expect_err("too long").to_string();
        assert!(error.contains("1073741825 bytes") && error.contains("1073741824"), "{error}");
        let mut short = packed(b"abc");
        short[2] = 2;
        assert!(unpacked(166, [&body[..10], &short].concat().into()).is_err(), "more than was said");
    }
}
