use jiff::civil::{Date, ISOWeekDate, Weekday};

use super::Zone;

/// Milliseconds since the epoch of `text`, read as `ISODateTimeFormat.dateTimeParser()` reads it: a date (calendar,
/// ordinal or week), a time that starts with `T`, or both, with a fraction on the last part of the time and an offset.
/// Without an offset the text is local time of `zone`.
///
/// # Errors
/// Joda's sentence.
pub fn parse_millis(text: &str, zone: &Zone) -> Result<i64, String> {
    let mut reader = Reader { text, at: 0 };
    let parsed = reader.date_time().map_err(|stop| stop.sentence(text))?;
    if reader.at < text.len() {
        return Err(Stop::At(reader.at).sentence(text));
    }
    let local = parsed.local_ms().ok_or_else(|| format!("Cannot parse \"{text}\": the date is out of range"))?;
    match parsed.offset_ms {
        Some(offset) => Ok(local - offset),
        None => zone.local_start(local).ok_or_else(|| format!("Cannot parse \"{text}\": the date is out of range")),
    }
}

impl Zone {
    /// The instant of a local time; both milliseconds.
    fn local_start(&self, local_ms: i64) -> Option<i64> {
        local_ms.checked_sub(self.offset_ms(local_ms - self.offset_ms(local_ms)?)?)
    }
}

/// Why reading stopped.
enum Stop {
    At(usize),
    Range { field: &'static str, value: i64, low: i64, high: i64 },
}

impl Stop {
    fn sentence(self, text: &str) -> String {
        match self {
            Stop::At(0) => format!("Invalid format: \"{text}\""),
            Stop::At(at) if at >= text.len() => format!("Invalid format: \"{text}\" is too short"),
            Stop::At(at) => {
                format!("Invalid format: \"{text}\" is malformed at \"{}\"", text.get(at..).unwrap_or_default())
            }
            Stop::Range { field, value, low, high } => {
                format!("Cannot parse \"{text}\": Value {value} for {field} must be in the range [{low},{high}]")
            }
        }
    }
}

struct Parsed {
    date: Date,
    time_ms: i64,
    offset_ms: Option<i64>,
}

impl Parsed {
    fn local_ms(&self) -> Option<i64> {
        let midnight = self.date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
        midnight.checked_add(self.time_ms)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, wanted: &[u8]) -> bool {
        let found = self.peek().is_some_and(|b| wanted.contains(&b));
        self.at += usize::from(found);
        found
    }

    /// At most `digits_max` digits.
    fn number(&mut self, digits_max: usize) -> Result<i64, Stop> {
        let start = self.at;
        while self.at - start < digits_max && self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.text[start..self.at].parse().map_err(|_| Stop::At(start))
    }

    fn ranged(&mut self, digits: usize, field: &'static str, low: i64, high: i64) -> Result<i64, Stop> {
        let value = self.number(digits)?;
        match (low..=high).contains(&value) {
            true => Ok(value),
            false => Err(Stop::Range { field, value, low, high }),
        }
    }

    fn date_time(&mut self) -> Result<Parsed, Stop> {
        let epoch = Date::constant(1970, 1, 1);
        let date = if self.peek() == Some(b'T') { epoch } else { self.date()? };
        let mut parsed = Parsed { date, time_ms: 0, offset_ms: None };
        if self.eat(b"T") {
            if self.peek().is_some_and(|b| b.is_ascii_digit()) {
                parsed.time_ms = self.time()?;
            }
            parsed.offset_ms = self.offset()?;
        }
        Ok(parsed)
    }

    fn date(&mut self) -> Result<Date, Stop> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if self.peek().is_some_and(|b| matches!(b, b'-' | b'+')) {
            self.at += 1;
        }
        let year = self.number(9).map_err(|_| Stop::At(start))?;
        let year = if negative { -year } else { year };
        let range = |value| Stop::Range { field: "year", value, low: -9999, high: 9999 };
        let year16 = i16::try_from(year).ok().filter(|y| (-9999..=9999).contains(y)).ok_or_else(|| range(year))?;
        if !self.eat(b"-") {
            return Date::new(year16, 1, 1).map_err(|_| range(year));
        }
        if self.eat(b"W") {
            return self.week_date(year16);
        }
        let digits = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 3 {
            let days = Date::new(year16, 1, 1).map_err(|_| range(year))?.days_in_year();
            let day = self.ranged(3, "dayOfYear", 1, days.into())?;
            let day = i16::try_from(day).map_err(|_| Stop::At(self.at))?;
            return Date::new(year16, 1, 1)
                .and_then(|d| d.with().day_of_year(day).build())
                .map_err(|_| Stop::At(self.at));
        }
        let month = self.ranged(2, "monthOfYear", 1, 12)?;
        let month = i8::try_from(month).map_err(|_| Stop::At(self.at))?;
        let first = Date::new(year16, month, 1).map_err(|_| range(year))?;
        if !self.eat(b"-") {
            return Ok(first);
        }
        let day = self.ranged(2, "dayOfMonth", 1, first.days_in_month().into())?;
        Date::new(year16, month, i8::try_from(day).map_err(|_| Stop::At(self.at))?).map_err(|_| Stop::At(self.at))
    }

    fn week_date(&mut self, year: i16) -> Result<Date, Stop> {
        let week = self.ranged(2, "weekOfWeekyear", 1, 53)?;
        let day = if self.eat(b"-") { self.ranged(1, "dayOfWeek", 1, 7)? } else { 1 };
        let stop = Stop::At(self.at);
        let parts = (i8::try_from(week), i8::try_from(day).map(Weekday::from_monday_one_offset));
        let (Ok(week), Ok(Ok(day))) = parts else { return Err(stop) };
        ISOWeekDate::new(year, week, day).map(|w| w.date()).map_err(|_| stop)
    }

    /// `HH`, `HH:mm`, `HH:mm:ss`, with a fraction on the last; milliseconds.
    fn time(&mut self) -> Result<i64, Stop> {
        const FIELDS: [(&str, i64, i64); 3] =
            [("hourOfDay", 23, 3_600_000), ("minuteOfHour", 59, 60_000), ("secondOfMinute", 59, 1_000)];
        let mut time_ms = 0;
        for (at, (field, high, unit)) in FIELDS.into_iter().enumerate() {
            if at > 0 && !self.eat(b":") {
                break;
            }
            time_ms += self.ranged(2, field, 0, high)? * unit;
            if self.eat(b".,") {
                return Ok(time_ms + self.fraction(unit)?);
            }
        }
        Ok(time_ms)
    }

    /// Digits behind the point, as a share of `unit_ms`, cut to whole milliseconds.
    fn fraction(&mut self, unit_ms: i64) -> Result<i64, Stop> {
        let digits = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(Stop::At(self.at));
        }
        let kept = digits.min(9);
        let share: i64 = self.text[self.at..self.at + kept].parse().map_err(|_| Stop::At(self.at))?;
        self.at += digits;
        Ok(share * unit_ms / 10_i64.pow(u32::try_from(kept).unwrap_or(9)))
    }

    fn offset(&mut self) -> Result<Option<i64>, Stop> {
        if self.eat(b"Z") {
            return Ok(Some(0));
        }
        let sign = match self.peek() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Ok(None),
        };
        self.at += 1;
        let hours = self.ranged(2, "hours", 0, 23)?;
        let colon = self.eat(b":");
        let minutes = if colon || self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.ranged(2, "minutes", 0, 59)?
        } else {
            0
        };
        Ok(Some(sign * (hours * 3_600_000 + minutes * 60_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_joda_reads() {
        let day = 1_767_225_600_000;
        let rows = [
            ("2026-01-01", day),
            ("2026", day),
            ("2026-01", day),
            ("2026-001", day),
            ("2026-W01-4", day),
            ("2026-01-01T00:00:00Z", day),
            ("2026-01-01T01:02:03.456Z", day + 3_723_456),
            ("2026-01-01T01:02:03,4567899+00:00", day + 3_723_456),
            ("2026-01-01T05:30+05:30", day),
            ("2026-01-01T05:30+0530", day),
            ("2026-01-01T12.5", day + 45_000_000),
            ("2026-01-01T", day),
            ("2026-01-01T-08:00", day + 28_800_000),
            ("T10:00Z", 36_000_000),
        ];
        for (text, want) in rows {
            assert_eq!(parse_millis(text, &Zone::utc()), Ok(want), "{text}");
        }
        let kolkata = Zone::for_id("Asia/Kolkata").expect("zone");
        assert_eq!(parse_millis("2026-01-01T05:30", &kolkata), Ok(day));
    }

    #[test]
    fn other_text_is_refused_in_jodas_words() {
        let rows = [
            ("n0", "Invalid format: \"n0\""),
            ("", "Invalid format: \"\""),
            ("2026-01-01x", "Invalid format: \"2026-01-01x\" is malformed at \"x\""),
            ("2026-", "Invalid format: \"2026-\" is too short"),
            ("2026-13-01", "Cannot parse \"2026-13-01\": Value 13 for monthOfYear must be in the range [1,12]"),
            ("2026-02-30", "Cannot parse \"2026-02-30\": Value 30 for dayOfMonth must be in the range [1,28]"),
            ("2026-01-01 10:00", "Invalid format: \"2026-01-01 10:00\" is malformed at \" 10:00\""),
        ];
        for (text, want) in rows {
            assert_eq!(parse_millis(text, &Zone::utc()), Err(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn no_text_panics() {
        for text in ["2026-é", "é", "T", "-", "+", "2026-W", "2026-W1-9", "99999999999999999999", "2026-01-01T1:2:3.é"]
        {
            let _ = parse_millis(text, &Zone::utc());
        }
    }
}
