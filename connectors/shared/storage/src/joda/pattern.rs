use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::names;
use super::zone::{Zone, offset_text};

/// A pattern of `DateTimeFormat.forPattern`, for writing.
///
/// All letters but `z` (localized zone names) are known. Names of months, days, eras and halves of the day are English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JodaPattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Number(Field, usize),
    TwoDigits(Field),
    MonthName { long: bool },
    DayName { long: bool },
    HalfDay,
    Era,
    Fraction(usize),
    Offset { colon: bool },
    ZoneId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Century,
    Year,
    YearOfEra,
    WeekYear,
    Week,
    DayOfWeek,
    DayOfYear,
    Month,
    Day,
    HalfDayHour,
    HalfDayClockHour,
    Hour,
    ClockHour,
    Minute,
    Second,
}

impl JodaPattern {
    /// Reads `pattern`; `locale` is the text users give as `locale`.
    ///
    /// # Errors
    /// What is wrong with it: Joda's sentence for an unknown letter, ours for what cannot be written.
    pub fn parse(pattern: &str, locale: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut chars = pattern.chars().peekable();
        let mut quoted = false;
        while let Some(c) = chars.next() {
            if c == '\'' {
                match chars.next_if_eq(&'\'') {
                    Some(_) => text.push('\''),
                    None => quoted = !quoted,
                }
            } else if quoted || !c.is_ascii_alphabetic() {
                text.push(c);
            } else {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                parts.push(part(c, count, locale)?);
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        if parts.is_empty() {
            return Err("Invalid pattern specification".to_owned());
        }
        Ok(JodaPattern(parts))
    }

    /// Appends the text of `utc_ms` (milliseconds since the epoch) in `zone`. `None` outside the calendar.
    pub fn format(&self, utc_ms: i64, zone: &Zone, out: &mut String) -> Option<()> {
        let instant = Timestamp::from_millisecond(utc_ms).ok()?;
        let local = zone.tz().to_datetime(instant);
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Number(field, digits) => pad(field.value(&local), *digits, out),
                Part::TwoDigits(field) => pad(field.value(&local).abs() % 100, 2, out),
                Part::MonthName { long } => out.push_str(name(names::month(local.month()), *long)),
                Part::DayName { long } => {
                    out.push_str(name(names::day_of_week(local.weekday().to_monday_one_offset()), *long));
                }
                Part::HalfDay => out.push_str(if local.hour() < 12 { "AM" } else { "PM" }),
                Part::Era => out.push_str(if local.year() > 0 { "AD" } else { "BC" }),
                Part::Fraction(digits) => {
                    let nanos = format!("{:09}", local.subsec_nanosecond());
                    (0..*digits).for_each(|at| out.push_str(nanos.get(at..=at).unwrap_or("0")));
                }
                Part::Offset { colon } => out.push_str(&offset_text(zone.tz().to_offset(instant).seconds(), *colon)),
                Part::ZoneId => out.push_str(zone.id()),
            }
        }
        Some(())
    }
}

fn part(letter: char, count: usize, locale: &str) -> Result<Part, String> {
    let number = |field| Ok(Part::Number(field, count));
    let named = |part: Part| match locale.to_ascii_lowercase().split(['-', '_']).next() {
        Some("en") => Ok(part),
        _ => Err(format!(
            "Pattern letter {letter} writes names in the language of locale '{locale}'; only English names can be \
             written: set locale to en or use numbers"
        )),
    };
    match letter {
        'G' => named(Part::Era),
        'C' => number(Field::Century),
        'Y' | 'y' if count == 2 => Ok(Part::TwoDigits(Field::Year)),
        'x' if count == 2 => Ok(Part::TwoDigits(Field::WeekYear)),
        'Y' => number(Field::YearOfEra),
        'y' => number(Field::Year),
        'x' => number(Field::WeekYear),
        'w' => number(Field::Week),
        'e' => number(Field::DayOfWeek),
        'E' => named(Part::DayName { long: count >= 4 }),
        'D' => number(Field::DayOfYear),
        'M' if count >= 3 => named(Part::MonthName { long: count >= 4 }),
        'M' => number(Field::Month),
        'd' => number(Field::Day),
        'a' => named(Part::HalfDay),
        'K' => number(Field::HalfDayHour),
        'h' => number(Field::HalfDayClockHour),
        'H' => number(Field::Hour),
        'k' => number(Field::ClockHour),
        'm' => number(Field::Minute),
        's' => number(Field::Second),
        'S' => Ok(Part::Fraction(count)),
        'Z' if count >= 3 => Ok(Part::ZoneId),
        'Z' => Ok(Part::Offset { colon: count == 2 }),
        'z' => Err("Pattern letter z writes localized names of time zones, which cannot be written: \
                    use Z, ZZ or ZZZ"
            .to_owned()),
        other => Err(format!("Illegal pattern component: {}", other.to_string().repeat(count))),
    }
}

fn name(full: &'static str, long: bool) -> &'static str {
    if long { full } else { names::short(full) }
}

fn pad(number: i64, digits: usize, out: &mut String) {
    if number < 0 {
        out.push('-');
    }
    let _ = write!(out, "{:0digits$}", number.unsigned_abs());
}

impl Field {
    fn value(self, at: &DateTime) -> i64 {
        let year = i64::from(at.year());
        let year_of_era = if year > 0 { year } else { 1 - year };
        let hour = i64::from(at.hour());
        match self {
            Field::Century => year_of_era / 100,
            Field::Year => year,
            Field::YearOfEra => year_of_era,
            Field::WeekYear => at.date().iso_week_date().year().into(),
            Field::Week => at.date().iso_week_date().week().into(),
            Field::DayOfWeek => at.weekday().to_monday_one_offset().into(),
            Field::DayOfYear => at.day_of_year().into(),
            Field::Month => at.month().into(),
            Field::Day => at.day().into(),
            Field::HalfDayHour => hour % 12,
            Field::HalfDayClockHour => (hour + 11) % 12 + 1,
            Field::Hour => hour,
            Field::ClockHour => (hour + 23) % 24 + 1,
            Field::Minute => at.minute().into(),
            Field::Second => at.second().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_write_what_joda_writes() {
        // 2026-01-04T13:05:09.078Z, a Sunday in the first ISO week of 2026.
        let at = 1_767_531_909_078;
        let rows = [
            ("'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", "UTC", "year=2026/month=01/day=04/hour=13"),
            ("'dt'=yyyy-MM-dd", "Asia/Kolkata", "dt=2026-01-04"),
            ("yy.YY.xx x-ww-e", "UTC", "26.26.26 2026-01-7"),
            ("MMM MMMM E EEEE", "UTC", "Jan January Sun Sunday"),
            ("D DDD C G", "UTC", "4 004 20 AD"),
            ("K h kk HH a", "UTC", "1 1 13 13 PM"),
            ("mm ss S SSS SSSSS", "UTC", "05 09 0 078 07800"),
            ("Z ZZ ZZZ", "Asia/Kolkata", "+0530 +05:30 Asia/Kolkata"),
            ("'o''clock' ''Y''", "UTC", "o'clock '2026'"),
            ("'open Y", "UTC", "open Y"),
            ("YYYYY-M-d", "UTC", "02026-1-4"),
        ];
        for (pattern, zone, want) in rows {
            let zone = Zone::for_id(zone).expect(zone);
            let mut text = String::new();
            JodaPattern::parse(pattern, "en").expect(pattern).format(at, &zone, &mut text).expect("in range");
            assert_eq!(text, want, "{pattern}");
        }
    }

    #[test]
    fn hours_at_the_edges_of_the_day() {
        for (at, want) in [(0, "0 12 0 24 AM"), (43_200_000, "0 12 12 12 PM"), (82_800_000, "11 11 23 23 PM")] {
            let mut text = String::new();
            JodaPattern::parse("K h H k a", "en-US").expect("pattern").format(at, &Zone::utc(), &mut text);
            assert_eq!(text, want, "{at}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let rows = [
            ("YYYY-bb", "en", "Illegal pattern component: bb"),
            ("", "en", "Invalid pattern specification"),
            ("HHz", "en", "Pattern letter z"),
            ("MMM", "fr", "locale 'fr'"),
            ("EEEE", "de_DE", "locale 'de_DE'"),
        ];
        for (pattern, locale, want) in rows {
            let problem = JodaPattern::parse(pattern, locale).expect_err(pattern);
            assert!(problem.contains(want), "{pattern}: {problem}");
        }
        JodaPattern::parse("YYYY/MM/dd", "fr").expect("numbers have no language");
    }
}
