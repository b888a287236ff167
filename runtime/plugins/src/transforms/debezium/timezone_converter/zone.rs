use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp};

/// The largest offset that Java takes, in seconds.
const OFFSET_MAX: i32 = 18 * 3600;

/// The first and last times that are looked up, in seconds since 1970; the calendar has about 9999 years.
const SECONDS_MIN: i64 = -377_000_000_000;
const SECONDS_MAX: i64 = 253_000_000_000;
/// Seconds in 400 years, after which the calendar repeats with its days of the week.
const CYCLE: i64 = 146_097 * 86_400;

/// A time zone, as `ZoneId.of` makes it of a name or an offset.
#[derive(Debug)]
pub(super) struct Zone(TimeZone);

impl Zone {
    /// The zone called `name`, or at the offset `+hh:mm` or `+hh:mm:ss`.
    pub(super) fn named(name: &str) -> Option<Self> {
        if name.starts_with(['+', '-']) {
            return offset_seconds(name).and_then(|s| Offset::from_seconds(s).ok()).map(|o| Zone(TimeZone::fixed(o)));
        }
        // Java leaves out the names that are offsets of North America.
        if ["EST", "MST", "HST"].contains(&name) {
            return None;
        }
        // Unlike the database Java minds the case.
        TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name)).map(Zone)
    }

    /// Seconds east of UTC when clocks in the zone show the time `seconds` after 1970. Where clocks go forward or back it
    /// is the offset before that, as `ZoneRules.getOffset(LocalDateTime)`.
    pub(super) fn offset_at_local(&self, seconds: i64) -> i32 {
        // Before the years of the calendar the offset is that of its first; behind them the last 400 years repeat.
        let seconds = match seconds {
            SECONDS_MAX.. => SECONDS_MAX - CYCLE + (seconds - SECONDS_MAX) % CYCLE,
            _ => seconds.max(SECONDS_MIN),
        };
        let local = Timestamp::from_second(seconds).map(|at| TimeZone::UTC.to_datetime(at));
        local.map_or(0, |local| self.offset_of(local).seconds())
    }

    fn offset_of(&self, local: civil::DateTime) -> Offset {
        match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        }
    }

    /// An ISO date and time with offset, at this zone's offset; `None` when it cannot be read.
    pub(super) fn timestamp(&self, text: &str) -> Option<String> {
        let (local, offset) = split_offset(text)?;
        let local: civil::DateTime = local.parse().ok()?;
        let new = self.offset_of(local);
        let shifted = local.checked_add(Span::new().seconds(i64::from(new.seconds()) - i64::from(offset))).ok()?;
        let date = shifted.date();
        let day = format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
        Some(format!("{day}T{}{}", time_text(shifted.time()), offset_text(new.seconds())))
    }

    /// An ISO time with offset, at the zone's offset of today; `None` when it cannot be read.
    pub(super) fn time(&self, text: &str) -> Option<String> {
        let (local, offset) = split_offset(text)?;
        let local: civil::Time = local.parse().ok()?;
        let new = self.0.to_offset(Timestamp::now());
        let shifted = local.wrapping_add(Span::new().seconds(i64::from(new.seconds()) - i64::from(offset)));
        Some(format!("{}{}", time_text(shifted), offset_text(new.seconds())))
    }
}

/// The text before its offset, and the offset in seconds.
fn split_offset(text: &str) -> Option<(&str, i32)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local, 0));
    }
    // Hyphens of the date stand before the time.
    let time = text.find(['T', 't']).unwrap_or(0);
    let at = time + text[time..].rfind(['+', '-'])?;
    Some((&text[..at], offset_seconds(&text[at..])?))
}

/// Reads `+hh:mm` or `+hh:mm:ss`.
fn offset_seconds(text: &str) -> Option<i32> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut seconds = 0;
    let parts: Vec<&str> = text.get(1..)?.split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    for (part, (unit, limit)) in parts.iter().zip([(3600, 18), (60, 59), (1, 59)]) {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        let number: i32 = part.parse().ok().filter(|number| digits && *number <= limit)?;
        seconds += number * unit;
    }
    (seconds <= OFFSET_MAX).then_some(sign * seconds)
}

/// As `ISO_LOCAL_TIME` prints it: as many digits of the second as there are.
fn time_text(time: civil::Time) -> String {
    let whole = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    match time.subsec_nanosecond() {
        0 => whole,
        nanos => format!("{whole}.{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// As `+HH:MM:ss` prints it: `Z` for zero, seconds where there are some.
fn offset_text(seconds: i32) -> String {
    if seconds == 0 {
        return "Z".to_owned();
    }
    let (sign, rest) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let minutes = format!("{sign}{:02}:{:02}", rest / 3600, rest / 60 % 60);
    if rest % 60 == 0 { minutes } else { format!("{minutes}:{:02}", rest % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_move_to_the_zone() {
        let rows = [
            ("+05:30", "2024-01-01T10:00:00Z", "2024-01-01T15:30:00+05:30"),
            ("America/New_York", "2024-07-01T02:00:00.120+02:00", "2024-06-30T20:00:00.12-04:00"),
            ("Europe/Berlin", "2024-01-01T10:00:00.000001-01:00", "2024-01-01T12:00:00.000001+01:00"),
            ("UTC", "2024-01-01T10:00:00+02:00", "2024-01-01T08:00:00Z"),
        ];
        for (zone, text, want) in rows {
            assert_eq!(Zone::named(zone).expect(zone).timestamp(text).as_deref(), Some(want), "{zone}");
        }
        let zone = Zone::named("-03:00").expect("zone");
        assert_eq!(zone.time("01:30:00.5+00:00").as_deref(), Some("22:30:00.5-03:00"));
        assert_eq!((zone.timestamp("infinity"), zone.time("x")), (None, None));
    }

    #[test]
    fn offsets_are_those_of_the_clocks() {
        let berlin = Zone::named("Europe/Berlin").expect("zone");
        let rows = [
            (1_704_103_200, 3600),         // winter
            (1_719_828_000, 7200),         // summer
            (1_711_852_200, 3600),         // 2024-03-31 02:30, which clocks skip
            (1_729_996_200, 7200),         // 2024-10-27 02:30, which they show twice
            (-400_000_000_000, 3208),      // local mean time
            (9_223_372_036_825_200, 7200), // August of the year 292278994
        ];
        for (seconds, want) in rows {
            assert_eq!(berlin.offset_at_local(seconds), want, "{seconds}");
        }
    }

    #[test]
    fn names_and_offsets_are_checked() {
        for good in ["UTC", "GMT", "Asia/Kolkata", "+18:00", "-00:30", "+01:02:03"] {
            assert!(Zone::named(good).is_some(), "{good}");
        }
        for bad in ["", "utc", "Nowhere/Town", "+5:30", "+05", "+19:00", "+05:60", "+05:30:00:00", "+ab:cd"] {
            assert!(Zone::named(bad).is_none(), "{bad}");
        }
    }
}
