use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// A time zone as `DateTimeZone.forID` finds it.
#[derive(Debug, Clone)]
pub struct Zone {
    id: String,
    tz: TimeZone,
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Zone { id: "UTC".to_owned(), tz: TimeZone::UTC }
    }

    /// The zone of the machine: what Joda uses where no zone is given.
    pub fn system() -> Self {
        let tz = TimeZone::system();
        Zone { id: tz.iana_name().unwrap_or("UTC").to_owned(), tz }
    }

    /// The zone called `id`: a name of the tz database in its own spelling, `UTC`, or an offset such as `+05:30`.
    ///
    /// # Errors
    /// Joda's sentence when there is no such zone.
    pub fn for_id(id: &str) -> Result<Self, String> {
        let unknown = || format!("The datetime zone id '{id}' is not recognised");
        if matches!(id, "UTC" | "UT" | "GMT") {
            return Ok(Zone { id: "UTC".to_owned(), tz: TimeZone::UTC });
        }
        let offset = id.strip_prefix("UTC").or_else(|| id.strip_prefix("GMT")).unwrap_or(id);
        if offset.starts_with(['+', '-']) {
            let seconds = parse_offset(offset).ok_or_else(unknown)?;
            let tz = TimeZone::fixed(Offset::from_seconds(seconds).map_err(|_| unknown())?);
            return Ok(Zone { id: offset_text(seconds, true), tz });
        }
        let tz = TimeZone::get(id).map_err(|_| unknown())?;
        // Names are found whatever their case; Joda wants the exact one.
        match tz.iana_name() {
            Some(name) if name == id => Ok(Zone { id: id.to_owned(), tz }),
            _ => Err(unknown()),
        }
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The zone itself.
    pub(super) const fn tz(&self) -> &TimeZone {
        &self.tz
    }

    /// What has to be added to universal time at `utc_ms`, in milliseconds; `None` outside the calendar.
    pub(super) fn offset_ms(&self, utc_ms: i64) -> Option<i64> {
        let instant = Timestamp::from_millisecond(utc_ms).ok()?;
        Some(i64::from(self.tz.to_offset(instant).seconds()) * 1000)
    }

    /// Start, in universal time, of the bucket of `length_ms` milliseconds of local time that holds `utc_ms`.
    /// `None` outside the calendar. Both are milliseconds since the epoch.
    pub fn bucket_start(&self, utc_ms: i64, length_ms: i64) -> Option<i64> {
        let local = utc_ms.checked_add(self.offset_ms(utc_ms)?)?;
        self.local_to_utc((local / length_ms) * length_ms)
    }

    /// `DateTimeZone.convertLocalToUTC(local, strict = false)`: in a gap the offset before it counts, in an overlap the
    /// earlier instant for western zones and the later for eastern ones.
    fn local_to_utc(&self, local_ms: i64) -> Option<i64> {
        let estimate = self.offset_ms(local_ms)?;
        let mut offset = self.offset_ms(local_ms - estimate)?;
        if estimate != offset && estimate < 0 {
            let next = |ms: i64| self.next_transition(ms).unwrap_or(i64::MAX);
            if next(local_ms - estimate) != next(local_ms - offset) {
                offset = estimate;
            }
        }
        local_ms.checked_sub(offset)
    }

    fn next_transition(&self, utc_ms: i64) -> Option<i64> {
        let instant = Timestamp::from_millisecond(utc_ms).ok()?;
        self.tz.following(instant).next().map(|t| t.timestamp().as_millisecond())
    }

    /// The next multiple of `period_ms` after `now_ms`, counted from midnight of this zone and never past the next
    /// midnight. All are milliseconds since the epoch; saturates outside the calendar.
    pub fn next_period_of_day(&self, now_ms: i64, period_ms: i64) -> i64 {
        let day = || {
            let start = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(self.tz.clone()).start_of_day().ok()?;
            let next = start.tomorrow().ok()?.start_of_day().ok()?;
            Some((start.timestamp().as_millisecond(), next.timestamp().as_millisecond()))
        };
        let Some((start, next)) = day() else { return i64::MAX };
        start.saturating_add(((now_ms - start) / period_ms + 1).saturating_mul(period_ms)).min(next)
    }
}

/// `+hh`, `+hh:mm`, `+hh:mm:ss`, with or without colons; seconds.
fn parse_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let parts: Vec<&str> = match rest.contains(':') {
        true => rest.split(':').collect(),
        false if rest.len() % 2 == 0 && rest.is_ascii() => {
            (0..rest.len()).step_by(2).map(|at| &rest[at..at + 2]).collect()
        }
        false => return None,
    };
    let limits = [23, 59, 59];
    if parts.is_empty() || parts.len() > limits.len() {
        return None;
    }
    let mut seconds = 0;
    for (at, part) in parts.iter().enumerate() {
        if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: i32 = part.parse().ok().filter(|n| *n <= limits[at])?;
        seconds += number * [3600, 60, 1][at];
    }
    Some(sign * seconds)
}

/// `+05:30` or `+0530`; seconds of the offset are not shown.
pub(super) fn offset_text(seconds: i32, colon: bool) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    let separator = if colon { ":" } else { "" };
    format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_as_joda_finds_them() {
        for (id, want) in [
            ("UTC", "UTC"),
            ("Asia/Kolkata", "Asia/Kolkata"),
            ("+05:30", "+05:30"),
            ("-0800", "-08:00"),
            ("UTC+02", "+02:00"),
        ] {
            assert_eq!(Zone::for_id(id).map(|z| z.id), Ok(want.to_owned()));
        }
        for id in ["Mars/X", "asia/kolkata", "+25", "+1", "", "+05:3x", "+é0"] {
            assert_eq!(
                Zone::for_id(id).map(|z| z.id),
                Err(format!("The datetime zone id '{id}' is not recognised")),
                "{id}"
            );
        }
    }

    #[test]
    fn buckets_follow_local_time_over_daylight_saving() {
        let new_york = Zone::for_id("America/New_York").expect("zone");
        let hour = 3_600_000;
        // 2026-03-08: 01:59:59 EST is followed by 03:00 EDT; 2026-11-01: 01:59:59 EDT is followed by 01:00 EST.
        let rows = [
            (1_772_949_600_000, 1_772_949_600_000),
            (1_772_951_400_000, 1_772_949_600_000),
            (1_772_953_200_000, 1_772_953_200_000),
            (1_772_955_000_000, 1_772_953_200_000),
        ];
        for (at, want) in rows {
            assert_eq!(new_york.bucket_start(at, hour), Some(want), "{at}");
        }
        let kolkata = Zone::for_id("Asia/Kolkata").expect("zone");
        assert_eq!(kolkata.bucket_start(1_767_290_400_000, 86_400_000), Some(1_767_205_800_000));
        assert_eq!(Zone::utc().bucket_start(i64::MAX, hour), None);
    }

    #[test]
    fn schedules_start_again_at_midnight() {
        let utc = Zone::utc();
        let midnight = 1_767_225_600_000;
        let rows = [
            (midnight, 1_000, midnight + 1_000),
            (midnight + 1, 1_000, midnight + 1_000),
            (midnight + 999, 1_000, midnight + 1_000),
            (midnight + 86_000_000, 7 * 3_600_000, midnight + 86_400_000),
        ];
        for (now, period, want) in rows {
            assert_eq!(utc.next_period_of_day(now, period), want, "{now} every {period}");
        }
        let new_york = Zone::for_id("America/New_York").expect("zone");
        // The day of the change has 23 hours.
        let start = 1_772_946_000_000;
        assert_eq!(new_york.next_period_of_day(start, 86_400_000), start + 23 * 3_600_000);
    }
}
