//! Dates and times. The server writes ISO 8601 with a blank, in UTC; years before 1 end with `BC`.
//!
//! A snapshot of Debezium reads timestamps through `java.sql.Timestamp`, whose calendar is the Julian one before
//! 1582-10-15, and dates through `java.sql.Date`, which forgets the era. Both are contract.

use couplet_api::Result;
use couplet_api::data::Value;
use couplet_api::error::Error;
use couplet_cdc::TimeMode;
use couplet_cdc::time::{
    Fraction, MICROS_PER_DAY, days_from_civil, days_from_julian, iso_date, iso_time, iso_timestamp,
};

use super::Phase;

/// Representation of a time of day or a timestamp without time zone, chosen once per column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Connect's logical type.
    Connect,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// ISO text.
    Iso,
}

impl Unit {
    /// For `time` with `precision` digits.
    pub(super) const fn of_time(mode: TimeMode, precision: i32) -> Self {
        match mode {
            TimeMode::Adaptive if precision <= 3 => Unit::Millis,
            TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => Unit::Micros,
            TimeMode::Connect => Unit::Connect,
            TimeMode::IsoString => Unit::Iso,
            TimeMode::Nanoseconds => Unit::Nanos,
        }
    }

    /// For `timestamp` with `precision` digits.
    pub(super) const fn of_timestamp(mode: TimeMode, precision: i32) -> Self {
        match mode {
            TimeMode::AdaptiveTimeMicroseconds if precision <= 3 => Unit::Millis,
            _ => Unit::of_time(mode, precision),
        }
    }

    /// For `date`.
    pub(super) const fn of_date(mode: TimeMode) -> Self {
        match mode {
            TimeMode::Connect => Unit::Connect,
            TimeMode::IsoString => Unit::Iso,
            _ => Unit::Millis,
        }
    }
}

/// What the JDBC driver stands for infinity with, in microseconds.
const POSITIVE_INFINITY_US: i64 = 9_223_372_036_825_200_000;
const NEGATIVE_INFINITY_US: i64 = -9_223_372_036_832_400_000;
/// Infinite dates, in days: `LocalDate`s beyond Java's range in the stream, overflowed ones in the snapshot.
const INFINITE_DAYS: [(i64, i64); 2] = [(-622_191_234, -2_147_472_692), (-625_821_272, -2_147_472_691)];

/// Year (0 is 1 BC), month and day, and where they end in the text. The era comes at the end of the whole text.
struct Day {
    year: i64,
    month: i64,
    day: i64,
}

fn unreadable(what: &str) -> Error {
    Error::data(format!("a value of type {what} cannot be read"))
}

fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    text.iter().try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// Reads `2024-02-29` with the era already cut off.
fn day(text: &[u8], before_christ: bool) -> Option<Day> {
    let mut parts = text.split(|b| *b == b'-');
    let (year, month, day) = (digits(parts.next()?)?, digits(parts.next()?)?, digits(parts.next()?)?);
    let year = if before_christ { 1 - year } else { year };
    parts.next().is_none().then_some(Day { year, month, day })
}

impl Day {
    fn days(&self) -> i64 {
        days_from_civil(self.year, self.month, self.day)
    }

    /// Through the calendar of `java.util.GregorianCalendar`.
    fn days_in_phase(&self, phase: Phase) -> i64 {
        let julian = (self.year, self.month, self.day) < (1582, 10, 15);
        match phase {
            Phase::Snapshot if julian => days_from_julian(self.year, self.month, self.day),
            _ => self.days(),
        }
    }
}

/// Reads `13:14:15.123456`: microseconds past midnight.
fn time_of_day(text: &[u8]) -> Option<i64> {
    let (clock, fraction) = match memchr::memchr(b'.', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &text[..0]),
    };
    let mut parts = clock.split(|b| *b == b':');
    let (hours, minutes) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let seconds = parts.next().map_or(Some(0), digits)?;
    let micros = match fraction.len() {
        0 => 0,
        n @ 1..=6 => digits(fraction)? * 10_i64.pow(6 - u32::try_from(n).ok()?),
        _ => return None,
    };
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
}

/// Cuts a trailing ` BC`.
fn era(text: &[u8]) -> (&[u8], bool) {
    text.strip_suffix(b" BC").map_or((text, false), |rest| (rest, true))
}

/// Seconds and microseconds since the epoch of a timestamp without its zone.
fn local(text: &[u8], before_christ: bool, phase: Phase) -> Option<(i64, i64)> {
    let at = memchr::memchr(b' ', text)?;
    let days = day(&text[..at], before_christ)?.days_in_phase(phase);
    let micros = time_of_day(&text[at + 1..])?;
    Some((days * 86_400 + micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000)))
}

const fn split(micros: i64) -> (i64, i64) {
    (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
}

/// `TimeUnit.SECONDS.toMicros` saturates, and the addition after it wraps.
const fn java_micros(seconds: i64, micros: i64) -> i64 {
    seconds.saturating_mul(1_000_000).wrapping_add(micros)
}

/// `date`.
pub(super) fn date(text: &str, unit: Unit, phase: Phase) -> Result<Value> {
    let days = match text {
        "infinity" | "-infinity" => {
            let (snapshot, stream) = INFINITE_DAYS[usize::from(text.starts_with('-'))];
            if phase == Phase::Snapshot { snapshot } else { stream }
        }
        _ => {
            let (text, before_christ) = era(text.as_bytes());
            let forgets_era = phase == Phase::Snapshot;
            day(text, before_christ && !forgets_era).ok_or_else(|| unreadable("date"))?.days()
        }
    };
    Ok(match unit {
        Unit::Connect => Value::Date(days * 86_400_000),
        Unit::Iso => Value::str(iso_date(days)),
        _ => Value::Int32(i32::try_from(days).map_err(|_| unreadable("date"))?),
    })
}

/// `time`.
pub(super) fn time(text: &str, unit: Unit) -> Result<Value> {
    let micros = time_of_day(text.as_bytes()).ok_or_else(|| unreadable("time"))?;
    Ok(match unit {
        Unit::Connect => Value::Date(micros / 1_000),
        Unit::Millis => Value::Int32(i32::try_from(micros / 1_000).map_err(|_| unreadable("time"))?),
        Unit::Micros => Value::Int64(micros),
        Unit::Nanos => Value::Int64(micros * 1_000),
        Unit::Iso => Value::str(iso_time(micros)),
    })
}

/// `timestamp`.
pub(super) fn timestamp(text: &str, unit: Unit, phase: Phase) -> Result<Value> {
    let (seconds, micros) = match text {
        "infinity" => split(POSITIVE_INFINITY_US),
        "-infinity" => split(NEGATIVE_INFINITY_US),
        _ => {
            let (text, before_christ) = era(text.as_bytes());
            local(text, before_christ, phase).ok_or_else(|| unreadable("timestamp"))?
        }
    };
    let millis = seconds.wrapping_mul(1_000) + micros / 1_000;
    Ok(match unit {
        Unit::Connect => Value::Date(millis),
        Unit::Millis => Value::Int64(millis),
        Unit::Micros => Value::Int64(java_micros(seconds, micros)),
        Unit::Nanos => Value::Int64(seconds.wrapping_mul(1_000_000_000).wrapping_add(micros * 1_000)),
        Unit::Iso => Value::str(iso_timestamp(seconds, micros, Fraction::Shortest)),
    })
}

/// Cuts the zone (`+02`, `-03:30`, `+00:53:28`) off the end: text before it and its offset in seconds.
fn zone(text: &[u8]) -> Option<(&[u8], i64)> {
    let at = text.iter().rposition(|b| matches!(b, b'+' | b'-'))?;
    let sign = if text[at] == b'-' { -1 } else { 1 };
    let mut parts = text[at + 1..].split(|b| *b == b':');
    let hours = digits(parts.next()?)?;
    let minutes = parts.next().map_or(Some(0), digits)?;
    let seconds = parts.next().map_or(Some(0), digits)?;
    Some((&text[..at], sign * ((hours * 60 + minutes) * 60 + seconds)))
}

/// `timestamptz`, in UTC.
pub(super) fn timestamp_tz(text: &str, fraction: Fraction, phase: Phase) -> Result<Value> {
    if text == "infinity" || text == "-infinity" {
        return Ok(Value::str(text));
    }
    let (bare, before_christ) = era(text.as_bytes());
    let read = || {
        let (bare, offset) = zone(bare)?;
        let (seconds, micros) = local(bare, before_christ, phase)?;
        Some((seconds - offset, micros))
    };
    let (seconds, micros) = read().ok_or_else(|| unreadable("timestamptz"))?;
    Ok(Value::str(iso_timestamp(seconds, micros, fraction)))
}

/// `timetz`, in UTC.
pub(super) fn time_tz(text: &str) -> Result<Value> {
    let (bare, offset) = zone(text.as_bytes()).ok_or_else(|| unreadable("timetz"))?;
    let micros = time_of_day(bare).ok_or_else(|| unreadable("timetz"))? - offset * 1_000_000;
    Ok(Value::str(iso_time(micros.rem_euclid(MICROS_PER_DAY))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: Result<Value>) -> i64 {
        let value = value.expect("readable");
        value.as_i64().unwrap_or_else(|| panic!("{value:?}"))
    }

    #[test]
    fn old_dates_differ_between_snapshot_and_stream() {
        let rows = [
            ("2024-02-29", 19782, 19782),
            ("0001-01-01", -719_162, -719_162),
            ("0044-03-15 BC", -703_383, -735_160),
            ("infinity", -622_191_234, -2_147_472_692),
            ("-infinity", -625_821_272, -2_147_472_691),
        ];
        for (text, snapshot, stream) in rows {
            assert_eq!(int(date(text, Unit::Millis, Phase::Snapshot)), snapshot, "{text}");
            assert_eq!(int(date(text, Unit::Millis, Phase::Stream)), stream, "{text}");
        }
        let rows = [
            ("0001-01-01 00:00:00", -62_135_769_600_000_000, -62_135_596_800_000_000),
            ("0044-03-15 12:00:00 BC", -63_517_953_600_000_000, -63_517_780_800_000_000),
            ("294276-12-31 23:59:59.999999", -9_223_372_036_853_775_810, -9_223_372_036_853_775_810),
            ("infinity", 9_223_372_036_825_200_000, 9_223_372_036_825_200_000),
        ];
        for (text, snapshot, stream) in rows {
            assert_eq!(int(timestamp(text, Unit::Micros, Phase::Snapshot)), snapshot, "{text}");
            assert_eq!(int(timestamp(text, Unit::Micros, Phase::Stream)), stream, "{text}");
        }
    }

    #[test]
    fn zones_become_utc() {
        let stamp = |text| timestamp_tz(text, Fraction::Fixed(6), Phase::Stream).expect("readable");
        assert_eq!(stamp("2024-02-29 13:14:15.123456+02"), Value::str("2024-02-29T11:14:15.123456Z"));
        assert_eq!(stamp("0044-03-15 12:00:00+00 BC"), Value::str("-0043-03-15T12:00:00.000000Z"));
        assert_eq!(stamp("294276-12-31 23:59:59.999999+00"), Value::str("+294276-12-31T23:59:59.999999Z"));
        assert_eq!(stamp("1883-11-18 12:00:00+00:53:28"), Value::str("1883-11-18T11:06:32.000000Z"));
        assert_eq!(time_tz("13:14:15.123456+02:30").expect("readable"), Value::str("10:44:15.123456Z"));
        assert_eq!(time_tz("23:59:59-12").expect("readable"), Value::str("11:59:59Z"));
    }

    #[test]
    fn times_of_day_have_the_unit_of_their_column() {
        assert_eq!(time("24:00:00", Unit::Micros).expect("readable"), Value::Int64(86_400_000_000));
        assert_eq!(time("13:14:15.12", Unit::Millis).expect("readable"), Value::Int32(47_655_120));
        assert_eq!(time("24:00:00", Unit::Iso).expect("readable"), Value::str("00:00:00Z"));
        for bad in ["", "1", "1:2:3.1234567", "a:b", "1:2:x"] {
            assert!(time(bad, Unit::Micros).is_err(), "{bad}");
        }
        for bad in ["", "2024-01-01", "2024-01-01 ", "x-1-1 00:00:00", "2024-01 00:00:00"] {
            assert!(timestamp(bad, Unit::Micros, Phase::Stream).is_err(), "{bad}");
        }
    }
}
