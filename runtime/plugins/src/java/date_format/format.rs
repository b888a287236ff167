use std::fmt::Write;

use super::pattern::{DateFormat, Part};
use super::{MONTHS, WEEKDAYS};
use crate::java::civil::{from_days, to_days};

const DAY_MS: i64 = 86_400_000;

/// An instant taken apart.
struct Fields {
    year: i64,
    month: u32,
    day: u32,
    /// From 1.
    day_of_year: i64,
    /// Sunday is 0.
    weekday: i64,
    ms_of_day: i64,
}

impl Fields {
    fn of(ms: i64) -> Self {
        let days = ms.div_euclid(DAY_MS);
        let (year, month, day) = from_days(days);
        let day_of_year = days - to_days(year, 1, 1) + 1;
        Fields { year, month, day, day_of_year, weekday: (days + 4).rem_euclid(7), ms_of_day: ms.rem_euclid(DAY_MS) }
    }

    const fn hour(&self) -> i64 {
        self.ms_of_day / 3_600_000
    }

    /// Week and year that the week belongs to; weeks begin on Sunday, the first holds January 1st.
    fn week(&self) -> (i64, i64) {
        let first_weekday = (self.weekday - self.day_of_year + 1).rem_euclid(7);
        let week = (self.day_of_year - 1 + first_weekday) / 7 + 1;
        let days_in_year = to_days(self.year + 1, 1, 1) - to_days(self.year, 1, 1);
        let next_first_weekday = (first_weekday + days_in_year) % 7;
        let into_next = next_first_weekday != 0 && self.day_of_year > days_in_year - next_first_weekday;
        if into_next { (1, self.year + 1) } else { (week, self.year) }
    }
}

impl DateFormat {
    /// The text of the instant `ms` milliseconds after the epoch.
    pub(crate) fn format(&self, ms: i64) -> String {
        let fields = Fields::of(ms);
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field { letter, count } => append(&mut out, &fields, *letter, *count),
            }
        }
        out
    }
}

fn append(out: &mut String, fields: &Fields, letter: u8, count: usize) {
    // Years before 1 count backwards in the era before Christ.
    let era_year = if fields.year > 0 { fields.year } else { 1 - fields.year };
    let mut number = |value: i64, width: usize| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{value:0width$}");
    };
    match letter {
        b'y' if count == 2 => number(era_year % 100, 2),
        b'y' => number(era_year, count),
        b'Y' if count == 2 => number(fields.week().1 % 100, 2),
        b'Y' => number(fields.week().1, count),
        b'M' | b'L' if count < 3 => number(i64::from(fields.month), count),
        b'M' | b'L' => out.push_str(shortened(MONTHS[fields.month as usize - 1], count)),
        b'd' => number(i64::from(fields.day), count),
        b'D' => number(fields.day_of_year, count),
        b'F' => number(i64::from(fields.day - 1) / 7 + 1, count),
        b'w' => number(fields.week().0, count),
        b'W' => {
            let first_weekday = (fields.weekday - i64::from(fields.day) + 1).rem_euclid(7);
            number((i64::from(fields.day) - 1 + first_weekday) / 7 + 1, count);
        }
        b'E' => out.push_str(shortened(WEEKDAYS[fields.weekday as usize], count)),
        b'u' => number((fields.weekday + 6) % 7 + 1, count),
        b'H' => number(fields.hour(), count),
        b'k' => number((fields.hour() + 23) % 24 + 1, count),
        b'K' => number(fields.hour() % 12, count),
        b'h' => number((fields.hour() + 11) % 12 + 1, count),
        b'm' => number(fields.ms_of_day / 60_000 % 60, count),
        b's' => number(fields.ms_of_day / 1000 % 60, count),
        b'S' => number(fields.ms_of_day % 1000, count),
        b'a' => out.push_str(if fields.hour() < 12 { "AM" } else { "PM" }),
        b'G' => out.push_str(if fields.year > 0 { "AD" } else { "BC" }),
        b'z' if count < 4 => out.push_str("UTC"),
        b'z' => out.push_str("Coordinated Universal Time"),
        b'Z' => out.push_str("+0000"),
        // X, for which UTC has a name of its own.
        _ => out.push('Z'),
    }
}

/// Names in full need four letters of pattern.
fn shortened(name: &'static str, count: usize) -> &'static str {
    if count < 4 { &name[..3] } else { name }
}
