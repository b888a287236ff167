//! Dates and times as `time.precision.mode` wants them.

use couplet_api::data::{SchemaBuilder, Value};
use couplet_cdc::time::{Fraction, MICROS_PER_DAY, iso_date, iso_time, iso_timestamp};
use couplet_cdc::{self as cdc, TimeMode};

/// Representation of a time of day, or of a date with one.
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
    /// For `TIME`.
    pub(super) const fn of_time(mode: TimeMode) -> Self {
        match mode {
            TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => Unit::Micros,
            TimeMode::Connect => Unit::Connect,
            TimeMode::IsoString => Unit::Iso,
            TimeMode::Nanoseconds => Unit::Nanos,
        }
    }

    /// For `DATETIME` with `digits` digits of a fraction.
    pub(super) const fn of_datetime(mode: TimeMode, digits: i32) -> Self {
        match mode {
            TimeMode::AdaptiveTimeMicroseconds | TimeMode::Adaptive if digits <= 3 => Unit::Millis,
            _ => Unit::of_time(mode),
        }
    }

    /// For `DATE`.
    pub(super) const fn of_date(mode: TimeMode) -> Self {
        match mode {
            TimeMode::Connect => Unit::Connect,
            TimeMode::IsoString => Unit::Iso,
            _ => Unit::Millis,
        }
    }

    /// Schema of a date.
    pub(super) fn date_schema(self) -> SchemaBuilder {
        match self {
            Unit::Connect => SchemaBuilder::date(),
            Unit::Iso => cdc::iso_date(),
            _ => cdc::date(),
        }
    }

    /// Schema of a time.
    pub(super) fn time_schema(self) -> SchemaBuilder {
        match self {
            Unit::Connect => SchemaBuilder::time(),
            Unit::Iso => cdc::iso_time(),
            Unit::Millis => cdc::time(),
            Unit::Micros => cdc::micro_time(),
            Unit::Nanos => cdc::nano_time(),
        }
    }

    /// Schema of a date with time.
    pub(super) fn datetime_schema(self) -> SchemaBuilder {
        match self {
            Unit::Connect => SchemaBuilder::timestamp(),
            Unit::Iso => cdc::iso_timestamp(),
            Unit::Millis => cdc::timestamp(),
            Unit::Micros => cdc::micro_timestamp(),
            Unit::Nanos => cdc::nano_timestamp(),
        }
    }

    /// A date that is `days` after the epoch.
    pub(super) fn date(self, days: i64) -> Value {
        match self {
            Unit::Connect => Value::Date(days * 86_400_000),
            Unit::Iso => Value::str(iso_date(days)),
            _ => i32::try_from(days).map_or(Value::Null, Value::Int32),
        }
    }

    /// A time of `micros`. Only microseconds and nanoseconds can hold what is no time of day.
    pub(super) fn time(self, micros: i64) -> Value {
        let of_day = micros.rem_euclid(MICROS_PER_DAY);
        match self {
            // Connect's times are times of a day.
            Unit::Connect if micros != of_day => Value::Null,
            Unit::Connect => Value::Date(of_day / 1_000),
            Unit::Iso => Value::str(iso_time(of_day)),
            Unit::Millis => i32::try_from(of_day / 1_000).map_or(Value::Null, Value::Int32),
            Unit::Micros => Value::Int64(micros),
            Unit::Nanos => Value::Int64(micros * 1_000),
        }
    }

    /// A moment `micros` after the start of the day that is `days` after the epoch.
    pub(super) fn datetime(self, days: i64, micros: i64) -> Value {
        let total = days * MICROS_PER_DAY + micros;
        match self {
            Unit::Connect => Value::Date(total.div_euclid(1_000)),
            Unit::Millis => Value::Int64(total.div_euclid(1_000)),
            Unit::Micros => Value::Int64(total),
            Unit::Nanos => Value::Int64(total.wrapping_mul(1_000)),
            Unit::Iso => {
                let (seconds, rest) = (total.div_euclid(1_000_000), total.rem_euclid(1_000_000));
                Value::str(iso_timestamp(seconds, rest, Fraction::Shortest))
            }
        }
    }
}
