//! The text protocol's values as cells.

use bytes::Bytes;
use couplet_cdc::time::days_from_civil;

use super::column::Kind;
use crate::binlog::Cell;

/// The cell that `text`, a value of a column of `kind`, stands for; `None`: it cannot be read. The session's time zone
/// must be UTC.
pub(crate) fn cell_of_text(kind: &Kind, text: &Bytes) -> Option<Cell> {
    let string = || std::str::from_utf8(text).ok();
    Some(match kind {
        Kind::Int { .. } | Kind::BigDecimal => {
            let text = string()?.trim();
            Cell::Int(text.parse::<i64>().ok().or_else(|| Some(text.parse::<u64>().ok()?.cast_signed()))?)
        }
        Kind::Float | Kind::FloatAsDouble => Cell::Float(string()?.trim().parse().ok()?),
        Kind::Double => Cell::Double(string()?.trim().parse().ok()?),
        Kind::Decimal(..) => Cell::Decimal(string()?.trim().to_owned()),
        Kind::Flag | Kind::Bits => Cell::Bit(text.clone()),
        Kind::Year => Cell::Year(string()?.parse().ok()?),
        Kind::Date(_) => {
            let (year, month, day) = date(string()?)?;
            Cell::Date(year, month, day)
        }
        Kind::DateTime(_) => {
            let (year, month, day, micros) = moment(string()?)?;
            // Java's calendar has no year 0.
            Cell::DateTime(year.max(1), month, day, micros)
        }
        Kind::Timestamp(_) => {
            let (year, month, day, micros) = moment(string()?)?;
            if month == 0 || day == 0 {
                return Some(Cell::Null);
            }
            let seconds = days_from_civil(year, month, day) * 86_400 + micros.div_euclid(1_000_000);
            Cell::Timestamp(seconds, micros.rem_euclid(1_000_000))
        }
        Kind::Time(_) => Cell::Time(time(string()?)?),
        Kind::Text(_)
        | Kind::Binary(..)
        | Kind::Enum(_)
        | Kind::Set(_)
        | Kind::Json
        | Kind::Native(_)
        | Kind::Point
        | Kind::Geometry => Cell::Bytes(text.clone()),
    })
}

/// `2024-02-29`.
fn date(text: &str) -> Option<(i64, i64, i64)> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// `2024-02-29 13:14:15.123`; the time may be missing.
fn moment(text: &str) -> Option<(i64, i64, i64, i64)> {
    let (day, clock) = text.trim().split_once([' ', 'T']).unwrap_or((text.trim(), "00:00:00"));
    let (year, month, day) = date(day)?;
    Some((year, month, day, time(clock)?))
}

/// `-838:59:59.000001` in microseconds; seconds may be missing.
pub(super) fn time(text: &str) -> Option<i64> {
    let (sign, text) = text.trim().strip_prefix('-').map_or((1, text.trim()), |rest| (-1, rest));
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(6).collect();
    let micros: i64 = digits.parse().ok()?;
    Some(sign * ((hours * 3600 + minutes * 60 + seconds) * 1_000_000 + micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_be_longer_than_a_day_or_negative() {
        let rows = [("13:14:15", 47_655_000_000), ("-838:59:59.5", -3_020_399_500_000), ("01:02", 3_720_000_000)];
        for (text, want) in rows {
            assert_eq!(time(text), Some(want), "{text}");
        }
        assert_eq!((time(""), time("x:y"), date("2024-02")), (None, None, None));
    }
}
