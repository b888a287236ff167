//! From cells to values.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::{Bytes, BytesMut};
use couplet_api::Result;
use couplet_api::data::{Decimal, Struct, Type, Value};
use couplet_api::error::Error;
use couplet_cdc::time::{Fraction, days_from_civil, iso_timestamp};
use couplet_cdc::{BinaryMode, DecimalMode};
use couplet_mysql_wire::read::Reader;
use num_bigint::BigInt;

use super::column::{ColumnType, Kind};
use crate::binlog::{Cell, json_text};

/// Where a value comes from; a few are spelled differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A snapshot's text.
    Snapshot,
    /// The binary log.
    Stream,
}

impl ColumnType {
    /// The value of `cell`; null also for dates that are none.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when the cell does not fit the column.
    pub(crate) fn convert(&self, cell: Cell, phase: Phase) -> Result<Value> {
        if cell == Cell::Null {
            return Ok(Value::Null);
        }
        let value = self.value(cell, phase).ok_or_else(|| {
            Error::data("a value does not fit the column's type as the schema history has it; take a new snapshot")
        })?;
        Ok(self.customized(value))
    }

    /// What a custom converter, if the column has one, makes of `value`.
    pub(crate) fn customized(&self, value: Value) -> Value {
        match self.custom {
            Some(custom) => custom.convert(value),
            None => value,
        }
    }

    fn value(&self, cell: Cell, phase: Phase) -> Option<Value> {
        Some(match (&self.kind, cell) {
            (Kind::Int { bits, unsigned, target }, Cell::Int(n)) => int(n, *bits, *unsigned, *target)?,
            // A number that became another kind of number since the table's definition was read.
            (Kind::Int { target, .. }, Cell::Year(n)) => int(n, 64, false, *target)?,
            (Kind::BigDecimal, Cell::Int(n)) => {
                Value::Decimal(Arc::new(Decimal::new(BigInt::from(n.cast_unsigned()), 0)))
            }
            (Kind::Float, Cell::Float(n)) => Value::Float32(n),
            #[allow(clippy::cast_possible_truncation, reason = "the column holds a float")]
            (Kind::Float, Cell::Double(n)) => Value::Float32(n as f32),
            (Kind::FloatAsDouble | Kind::Double, Cell::Float(n)) => Value::Float64(n.into()),
            (Kind::FloatAsDouble | Kind::Double, Cell::Double(n)) => Value::Float64(n),
            (Kind::Decimal(mode, scale), Cell::Decimal(text)) => decimal(&text, *mode, *scale)?,
            (Kind::Text(charset), Cell::Bytes(bytes)) => match phase {
                Phase::Stream => charset.decode(&bytes),
                Phase::Snapshot => super::charset::Charset::Utf8.decode(&bytes),
            },
            (Kind::Binary(mode, fill), Cell::Bytes(bytes)) => binary(bytes, *mode, *fill),
            (Kind::Flag, Cell::Bit(bits)) => Value::Bool(bits.iter().any(|byte| *byte != 0)),
            (Kind::Flag, Cell::Int(n)) => Value::Bool(n != 0),
            (Kind::Bits, Cell::Bit(bits)) => Value::Bytes(bits.iter().rev().copied().collect()),
            (Kind::Enum(_) | Kind::Set(_), Cell::Bytes(text)) => super::charset::Charset::Utf8.decode(&text),
            (Kind::Enum(options), Cell::Enum(index)) => match index.checked_sub(1) {
                None => Value::str(""),
                Some(index) => Value::str(options.get(usize::try_from(index).ok()?)?.as_str()),
            },
            (Kind::Set(options), Cell::Set(bits)) => {
                let chosen = options.iter().enumerate().filter(|(i, _)| *i < 64 && bits & (1 << i) != 0);
                Value::str(chosen.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(","))
            }
            (Kind::Year, Cell::Year(year) | Cell::Int(year)) => {
                Value::Int32(i32::try_from(completed(year, true)).ok()?)
            }
            (Kind::Date(unit), Cell::Date(year, month, day)) => match self.days(year, month, day, phase) {
                Some(days) => unit.date(days),
                None => Value::Null,
            },
            (Kind::DateTime(unit), Cell::DateTime(year, month, day, micros)) => {
                match self.days(year, month, day, phase) {
                    Some(days) => unit.datetime(days, micros),
                    None => Value::Null,
                }
            }
            (Kind::Time(unit), Cell::Time(micros)) => unit.time(micros),
            (Kind::Timestamp(digits), Cell::Timestamp(seconds, micros)) => timestamp(seconds, micros, *digits, phase),
            (Kind::Json, Cell::Json(document)) if document.is_empty() => self.fallback.clone(),
            (Kind::Json, Cell::Json(document)) => Value::str(json_text(&document)?),
            (Kind::Json, Cell::Bytes(text)) => super::charset::Charset::Utf8.decode(&text),
            (Kind::Native(native), Cell::Bytes(bytes)) => match phase {
                Phase::Stream => Value::str(native.text(&bytes)?),
                Phase::Snapshot => super::charset::Charset::Utf8.decode(&bytes),
            },
            (Kind::Point | Kind::Geometry, Cell::Bytes(bytes)) => self.shape(&bytes)?,
            _ => return None,
        })
    }

    /// Days since the epoch; `None` for a date that is none. The log's dates have a year as well.
    fn days(&self, year: i64, month: i64, day: i64, phase: Phase) -> Option<i64> {
        let none = month == 0 || day == 0 || (phase == Phase::Stream && year == 0);
        (!none).then(|| days_from_civil(completed(year, self.adjust_years), month, day))
    }

    /// Four bytes of SRID, then well-known binary.
    fn shape(&self, bytes: &Bytes) -> Option<Value> {
        let schema = self.schema.clone().build();
        let mut reader = Reader::new(bytes);
        let srid = match reader.u32()? {
            0 => Value::Null,
            srid => Value::Int32(srid.cast_signed()),
        };
        let wkb = Value::Bytes(bytes.slice(4..));
        if self.kind == Kind::Geometry {
            return Some(Struct::new(schema, [wkb, srid]).into());
        }
        reader.take(5)?;
        let (x, y) = (f64::from_bits(reader.u64()?), f64::from_bits(reader.u64()?));
        Some(Struct::new(schema, [Value::Float64(x), Value::Float64(y), wkb, srid]).into())
    }
}

/// Two digits mean a year between 1970 and 2069.
const fn completed(year: i64, adjust: bool) -> i64 {
    match year {
        0..=69 if adjust => year + 2000,
        70..=99 if adjust => year + 1900,
        _ => year,
    }
}

fn int(n: i64, bits: u32, unsigned: bool, target: Type) -> Option<Value> {
    // Without full metadata the log does not say that a number has no sign.
    let n = if unsigned && bits < 64 { n & ((1 << bits) - 1) } else { n };
    Some(match target {
        Type::Int16 => Value::Int16(i16::try_from(n).ok()?),
        Type::Int32 => Value::Int32(i32::try_from(n).ok()?),
        _ => Value::Int64(n),
    })
}

fn decimal(text: &str, mode: DecimalMode, scale: i32) -> Option<Value> {
    Some(match mode {
        DecimalMode::Precise => Value::Decimal(Arc::new(text.parse::<Decimal>().ok()?.rescaled(scale)?)),
        DecimalMode::String => Value::str(text),
        DecimalMode::Double => Value::Float64(text.parse().ok()?),
    })
}

fn binary(bytes: Bytes, mode: BinaryMode, fill: usize) -> Value {
    let bytes = if bytes.len() < fill {
        let mut filled = BytesMut::from(&bytes[..]);
        filled.resize(fill, 0);
        filled.freeze()
    } else {
        bytes
    };
    match mode {
        BinaryMode::Bytes => Value::Bytes(bytes),
        BinaryMode::Base64 => Value::str(STANDARD.encode(&bytes)),
        BinaryMode::Base64UrlSafe => Value::str(URL_SAFE.encode(&bytes)),
        BinaryMode::Hex => Value::str(hex::encode(&bytes)),
    }
}

/// The stream shows all digits of the column's precision, the snapshot as many as needed.
fn timestamp(seconds: i64, micros: i64, digits: i32, phase: Phase) -> Value {
    let fraction = match (phase, usize::try_from(digits)) {
        (Phase::Stream, Ok(digits)) if digits > 0 => Fraction::Fixed(digits),
        _ => Fraction::Shortest,
    };
    Value::str(iso_timestamp(seconds, micros, fraction))
}
