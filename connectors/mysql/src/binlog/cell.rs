//! One value of a row, as the log has it.

use bytes::Bytes;
use couplet_mysql_wire::read::{Reader, slice_of};

use super::decimal::decimal_text;
use super::table_map::LogColumn;

/// A value. What it means is the table's column to say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// NULL.
    Null,
    /// A whole number; one without sign has its bits.
    Int(i64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL, its digits.
    Decimal(String),
    /// CHAR, VARCHAR, TEXT, BINARY, VARBINARY, BLOB, GEOMETRY, VECTOR: the bytes.
    Bytes(Bytes),
    /// JSON in MySQL's binary form.
    Json(Bytes),
    /// Place in the list of an ENUM, from 1; 0: an invalid value.
    Enum(u64),
    /// A bit for each element of a SET.
    Set(u64),
    /// BIT, highest byte first.
    Bit(Bytes),
    /// YEAR; `0000` is 1900, as Debezium reads it.
    Year(i64),
    /// DATE: year, month, day.
    Date(i64, i64, i64),
    /// DATETIME: year, month, day, microseconds of the day.
    DateTime(i64, i64, i64, i64),
    /// TIMESTAMP: seconds since the epoch, microseconds.
    Timestamp(i64, i64),
    /// TIME in microseconds.
    Time(i64),
}

/// Reads the value of `column`.
pub(super) fn read(column: LogColumn, whole: &Bytes, reader: &mut Reader<'_>) -> Option<Cell> {
    let meta = usize::from(column.meta);
    Some(match column.kind {
        1 => int(reader.le(1)?, 8, column.unsigned),
        2 => int(reader.le(2)?, 16, column.unsigned),
        9 => int(reader.le(3)?, 24, column.unsigned),
        3 => int(reader.le(4)?, 32, column.unsigned),
        8 => int(reader.le(8)?, 64, column.unsigned),
        4 => Cell::Float(f32::from_bits(reader.u32()?)),
        5 => Cell::Double(f64::from_bits(reader.u64()?)),
        13 => Cell::Year(1900 + i64::from(reader.u8()?)),
        10 | 14 => {
            let date = i64::try_from(reader.le(3)?).ok()?;
            Cell::Date(date >> 9, (date >> 5) & 15, date & 31)
        }
        11 => old_time(reader.le(3)?),
        19 => time(meta, reader)?,
        12 => old_datetime(i64::try_from(reader.le(8)?).ok()?),
        18 => datetime(meta, reader)?,
        7 => Cell::Timestamp(i64::from(reader.u32()?), 0),
        17 => {
            let seconds = i64::try_from(reader.be(4)?).ok()?;
            Cell::Timestamp(seconds, fraction(meta, reader)?)
        }
        16 => Cell::Bit(slice_of(whole, reader.take((meta >> 8) + usize::from(meta & 0xff != 0))?)),
        246 => {
            let (precision, scale) = (meta >> 8, meta & 0xff);
            Cell::Decimal(decimal_text(precision, scale, reader)?)
        }
        15 | 253 => {
            let length = usize::try_from(reader.le(if meta < 256 { 1 } else { 2 })?).ok()?;
            Cell::Bytes(slice_of(whole, reader.take(length)?))
        }
        254 | 247 | 248 => string(column, whole, reader)?,
        245 => {
            let length = usize::try_from(reader.le(meta)?).ok()?;
            Cell::Json(slice_of(whole, reader.take(length)?))
        }
        242 | 249..=252 | 255 => {
            let length = usize::try_from(reader.le(meta)?).ok()?;
            Cell::Bytes(slice_of(whole, reader.take(length)?))
        }
        6 => Cell::Null,
        _ => return None,
    })
}

fn int(bits: u64, width: u32, unsigned: bool) -> Cell {
    let shift = 64 - width;
    Cell::Int(if unsigned { bits.cast_signed() } else { (bits << shift).cast_signed() >> shift })
}

/// CHAR, ENUM and SET share a code; the real type stands in the metadata, as do two bits of a long length.
fn string(column: LogColumn, whole: &Bytes, reader: &mut Reader<'_>) -> Option<Cell> {
    let (high, low) = (column.meta >> 8, usize::from(column.meta & 0xff));
    let (kind, length) = match column.kind {
        254 if high & 0x30 != 0x30 => (254, low | usize::from((high & 0x30) ^ 0x30) << 4),
        254 => (high, low),
        kind => (u16::from(kind), low),
    };
    Some(match kind {
        247 => Cell::Enum(reader.le(low)?),
        248 => Cell::Set(reader.le(low)?),
        _ => {
            let length = usize::try_from(reader.le(if length < 256 { 1 } else { 2 })?).ok()?;
            Cell::Bytes(slice_of(whole, reader.take(length)?))
        }
    })
}

/// A second's fraction of `digits` digits, in microseconds.
fn fraction(digits: usize, reader: &mut Reader<'_>) -> Option<i64> {
    let bytes = digits.div_ceil(2);
    let value = i64::try_from(reader.be(bytes)?).ok()?;
    Some(value * [1_000_000, 10_000, 100, 1].get(bytes)?)
}

/// The times of servers before MySQL 5.6 and of tables made by them.
fn old_time(bits: u64) -> Cell {
    let Cell::Int(value) = int(bits, 24, false) else { return Cell::Null };
    let (sign, n) = (value.signum(), value.abs());
    Cell::Time(sign * ((n / 10_000) * 3600 + (n / 100 % 100) * 60 + n % 100) * 1_000_000)
}

fn time(digits: usize, reader: &mut Reader<'_>) -> Option<Cell> {
    let bytes = digits.div_ceil(2);
    let bits = i64::try_from(reader.be(3 + bytes)?).ok()?;
    let width = u32::try_from(bytes).ok()? * 8;
    // The point of zero is in the middle; fractions count on from there.
    let value = bits - (0x80_0000 << width);
    let (sign, value) = (value.signum(), value.abs());
    let (whole, part) = (value >> width, value & ((1 << width) - 1));
    let seconds = (whole >> 12) * 3600 + ((whole >> 6) & 63) * 60 + (whole & 63);
    Some(Cell::Time(sign * (seconds * 1_000_000 + part * [1_000_000, 10_000, 100, 1].get(bytes)?)))
}

fn old_datetime(value: i64) -> Cell {
    let (date, time) = (value / 1_000_000, value % 1_000_000);
    let seconds = (time / 10_000) * 3600 + (time / 100 % 100) * 60 + time % 100;
    Cell::DateTime(date / 10_000, date / 100 % 100, date % 100, seconds * 1_000_000)
}

fn datetime(digits: usize, reader: &mut Reader<'_>) -> Option<Cell> {
    let bits = i64::try_from(reader.be(5)?).ok()? - 0x80_0000_0000;
    let (date, time) = (bits >> 17, bits & 0x1_ffff);
    let (year_month, day) = (date >> 5, date & 31);
    let seconds = (time >> 12) * 3600 + ((time >> 6) & 63) * 60 + (time & 63);
    let micros = seconds * 1_000_000 + fraction(digits, reader)?;
    Some(Cell::DateTime(year_month / 13, year_month % 13, day, micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: u8, meta: u16) -> LogColumn {
        LogColumn { kind, meta, unsigned: false }
    }

    #[test]
    fn values_are_read_as_the_log_has_them() {
        let rows: [(u8, u16, &[u8], Cell); 12] = [
            (9, 0, &[0xff, 0xff, 0xff], Cell::Int(-1)),
            (9, 0, &[0, 0, 0x80], Cell::Int(-8_388_608)),
            (1, 0, &[0x80], Cell::Int(-128)),
            (13, 0, &[0], Cell::Year(1900)),
            (13, 0, &[70], Cell::Year(1970)),
            (10, 0, &[0x5d, 0xd0, 0x0f], Cell::Date(2024, 2, 29)),
            (19, 0, &[0x80, 0xd3, 0x8f], Cell::Time(47_655_000_000)),
            (19, 6, &[0x79, 0xbf, 0xff, 0xff, 0xff, 0xff], Cell::Time(-360_000_000_001)),
            (17, 3, &[0x65, 0xe0, 0x84, 0xe7, 0x04, 0xce], Cell::Timestamp(1_709_212_903, 123_000)),
            (254, 0xf701, &[2], Cell::Enum(2)),
            (16, 0x0102, &[0x02, 0x01], Cell::Bit(Bytes::from_static(&[2, 1]))),
            (15, 300, &[1, 0, b'a'], Cell::Bytes(Bytes::from_static(b"a"))),
        ];
        for (kind, meta, bytes, want) in rows {
            let whole = Bytes::copy_from_slice(bytes);
            let mut reader = Reader::new(&whole);
            assert_eq!(read(column(kind, meta), &whole, &mut reader), Some(want), "type {kind}");
            assert!(reader.is_empty(), "type {kind} was read to its end");
            for length in 0..bytes.len() {
                let part = whole.slice(..length);
                assert_eq!(read(column(kind, meta), &part, &mut Reader::new(&part)), None, "type {kind} cut");
            }
        }
    }
}
