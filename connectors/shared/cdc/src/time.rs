//! Calendar arithmetic and ISO 8601 text, as Java's `java.time` does them.

use std::fmt::Write as _;

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar; year 0 is 1 BC.
pub const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Days from 1970-01-01 (Gregorian) to a day of the Julian calendar; year 0 is 1 BC.
pub const fn days_from_julian(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let cycle = y.div_euclid(4);
    let year_of_cycle = y - cycle * 4;
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    cycle * 1461 + year_of_cycle * 365 + day_of_year - 719_470
}

/// The day of the proleptic Gregorian calendar that is `days` after 1970-01-01: year, month, day.
pub const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Appends a year as `DateTimeFormatter.ISO_LOCAL_DATE` writes it: four digits, a sign beyond them.
fn push_date(out: &mut String, days: i64) {
    let (year, month, day) = civil_from_days(days);
    let sign = match year {
        _ if year < 0 => "-",
        _ if year > 9999 => "+",
        _ => "",
    };
    // Writing to a String cannot fail.
    let _ = write!(out, "{sign}{:04}-{month:02}-{day:02}", year.unsigned_abs());
}

/// How many digits of a second's fraction are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fraction {
    /// As many as needed.
    Shortest,
    /// Exactly so many, 1 to 9.
    Fixed(usize),
}

fn push_time(out: &mut String, micros: i64, fraction: Fraction) {
    let seconds = micros / 1_000_000;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let digits = format!("{:06}000", micros % 1_000_000);
    match fraction {
        Fraction::Fixed(width) => {
            out.push('.');
            out.push_str(&digits[..width.min(9)]);
        }
        Fraction::Shortest => {
            let shortest = digits.trim_end_matches('0');
            if !shortest.is_empty() {
                out.push('.');
                out.push_str(shortest);
            }
        }
    }
}

/// `2024-02-29Z`. `days`: since the epoch.
pub fn iso_date(days: i64) -> String {
    let mut out = String::with_capacity(11);
    push_date(&mut out, days);
    out.push('Z');
    out
}

/// `13:14:15.123Z`. `micros`: past midnight; a whole day shows as `00:00:00Z`, as in Java.
pub fn iso_time(micros: i64) -> String {
    let mut out = String::with_capacity(16);
    push_time(&mut out, micros.rem_euclid(MICROS_PER_DAY), Fraction::Shortest);
    out.push('Z');
    out
}

/// `2024-02-29T13:14:15.123Z`. `seconds`: since the epoch; `micros`: of that second. Together they reach beyond what
/// 64 bits of microseconds hold.
pub fn iso_timestamp(seconds: i64, micros: i64, fraction: Fraction) -> String {
    let mut out = String::with_capacity(27);
    push_date(&mut out, seconds.div_euclid(86_400));
    out.push('T');
    push_time(&mut out, seconds.rem_euclid(86_400) * 1_000_000 + micros, fraction);
    out.push('Z');
    out
}

/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        let rows = [((1970, 1, 1), 0), ((2000, 2, 29), 11016), ((1969, 12, 31), -1), ((1, 1, 1), -719_162)];
        for ((y, m, d), days) in rows {
            assert_eq!(days_from_civil(y, m, d), days);
            assert_eq!(civil_from_days(days), (y, m, d));
        }
        for days in (-1_000_000..3_000_000).step_by(997) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(days_from_julian(1582, 10, 4) + 1, days_from_civil(1582, 10, 15), "the day the calendar changed");
    }

    #[test]
    fn text_is_iso_8601() {
        assert_eq!(iso_timestamp(1_709_212_455, 123_456, Fraction::Shortest), "2024-02-29T13:14:15.123456Z");
        assert_eq!(iso_timestamp(-1, 999_999, Fraction::Shortest), "1969-12-31T23:59:59.999999Z");
        assert_eq!(iso_timestamp(0, 0, Fraction::Fixed(3)), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_date(-719_162), "0001-01-01Z");
        assert_eq!(iso_date(days_from_civil(-43, 3, 15)), "-0043-03-15Z");
        assert_eq!(iso_date(days_from_civil(294_276, 12, 31)), "+294276-12-31Z");
        assert_eq!((iso_time(86_400_000_000), iso_time(47_655_123_000)), ("00:00:00Z".into(), "13:14:15.123Z".into()));
    }
}
