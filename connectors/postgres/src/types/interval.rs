//! `interval` in the server's `postgres` style: `1 year 2 mons 3 days 04:05:06.78`.

use couplet_api::Result;
use couplet_api::data::Value;
use couplet_api::error::Error;

#[derive(Debug, Default, PartialEq)]
struct Interval {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    /// Seconds with their fraction, in microseconds.
    second_us: i64,
}

/// Microseconds, a month being 365.25 / 12 days, or ISO text.
pub(super) fn interval(text: &str, iso: bool) -> Result<Value> {
    let parsed = parse(text).ok_or_else(|| Error::data("a value of type interval cannot be read"))?;
    Ok(if iso { Value::str(parsed.iso()) } else { Value::Int64(parsed.micros()) })
}

fn parse(text: &str) -> Option<Interval> {
    let mut interval = Interval::default();
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if word.contains(':') {
            read_clock(&mut interval, word)?;
            continue;
        }
        // As the server keeps them: four bytes for years, months and days.
        let number: i64 = word.parse::<i32>().ok()?.into();
        match words.next()?.trim_end_matches('s') {
            "year" => interval.years = number,
            "mon" => interval.months = number,
            "day" => interval.days = number,
            _ => return None,
        }
    }
    Some(interval)
}

fn read_clock(interval: &mut Interval, word: &str) -> Option<()> {
    let (sign, bare) = match word.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, word.trim_start_matches('+')),
    };
    let mut parts = bare.split(':');
    // At most 2562047788 hours.
    let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
    interval.hours = sign * number(parts.next()?)?;
    interval.minutes = sign * number(parts.next()?)?;
    let (whole, fraction) = parts.next().map_or(("0", ""), |s| s.split_once('.').unwrap_or((s, "")));
    let fraction = number(format!("{fraction:0<6}").get(..6)?)?;
    interval.second_us = sign * (number(whole)? * 1_000_000 + fraction);
    Some(())
}

impl Interval {
    fn micros(&self) -> i64 {
        let days = (self.years * 12 + self.months) as f64 * (365.25 / 12.0) + self.days as f64;
        let minutes = (days * 24.0 + self.hours as f64) * 60.0 + self.minutes as f64;
        // Java's cast saturates, as this one does.
        ((minutes * 60.0 + self.second_us as f64 / 1e6) * 1e6) as i64
    }

    fn iso(&self) -> String {
        let sign = if self.second_us < 0 { "-" } else { "" };
        let (whole, fraction) = (self.second_us.abs() / 1_000_000, self.second_us.abs() % 1_000_000);
        let mut seconds = format!("{sign}{whole}");
        if fraction != 0 {
            seconds.push('.');
            seconds.push_str(format!("{fraction:06}").trim_end_matches('0'));
        }
        let Interval { years, months, days, hours, minutes, .. } = self;
        format!("P{years}Y{months}M{days}DT{hours}H{minutes}M{seconds}S")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let rows = [
            ("1 year 2 mons 3 days 04:05:06.78", "P1Y2M3DT4H5M6.78S", 37_091_106_780_000),
            ("-1 years -2 days +03:00:00", "P-1Y0M-2DT3H0M0S", -31_719_600_000_000),
            ("00:00:00", "P0Y0M0DT0H0M0S", 0),
            ("-00:00:01.5", "P0Y0M0DT0H0M-1.5S", -1_500_000),
            ("10 years", "P10Y0M0DT0H0M0S", 315_576_000_000_000),
        ];
        for (text, iso, micros) in rows {
            assert_eq!(interval(text, true).expect(text), Value::str(iso));
            assert_eq!(interval(text, false).expect(text), Value::Int64(micros), "{text}");
        }
        assert!(interval("1 fortnight", true).is_err());
    }
}
