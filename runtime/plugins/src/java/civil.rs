//! Days since the epoch and dates as `java.util.GregorianCalendar` has them: Gregorian, before 1582-10-15 Julian.

/// 1582-10-15, the first day of the Gregorian calendar.
pub(crate) const GREGORIAN_START: i64 = -141_427;

/// Year, month (from 1) and day of the month of the day `days` after 1970-01-01.
pub const fn from_days(days: i64) -> (i64, u32, u32) {
    if days < GREGORIAN_START {
        return julian_from_days(days);
    }
    // Years begin in March here, so that the leap day is the last: eras of 400 years have the same number of days.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month_and_day(year_of_era + era * 400, day_of_year)
}

/// The reverse of [`from_days`]; a day beyond the month's end counts on into the next month.
pub const fn to_days(year: i64, month: u32, day: i64) -> i64 {
    let gregorian = gregorian_to_days(year, month, day);
    if gregorian < GREGORIAN_START { julian_to_days(year, month, day) } else { gregorian }
}

/// Day of a year that begins in March, from 0.
const fn day_of_march_year(month: u32, day: i64) -> i64 {
    let month_from_march = (month as i64 + 9) % 12;
    (153 * month_from_march + 2) / 5 + day - 1
}

/// Days to a date of the Gregorian calendar, whenever it is.
pub(crate) const fn gregorian_to_days(year: i64, month: u32, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_march_year(month, day);
    era * 146_097 + day_of_era - 719_468
}

/// Days to a date of the Julian calendar, whenever it is.
pub(crate) const fn julian_to_days(year: i64, month: u32, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    year.div_euclid(4) * 1461 + year.rem_euclid(4) * 365 + day_of_march_year(month, day) - 719_470
}

const fn julian_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_470;
    let day_of_cycle = shifted.rem_euclid(1461);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1460) / 365;
    month_and_day(shifted.div_euclid(1461) * 4 + year_of_cycle, day_of_cycle - 365 * year_of_cycle)
}

/// The date of a day of a year that begins in March.
const fn month_and_day(march_year: i64, day_of_year: i64) -> (i64, u32, u32) {
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (march_year + (month <= 2) as i64, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_reverse() {
        let rows = [
            (0, (1970, 1, 1)),
            (19_675, (2023, 11, 14)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (-141_427, (1582, 10, 15)),
            (-141_428, (1582, 10, 4)),
            (-719_164, (1, 1, 1)),
        ];
        for (days, (year, month, day)) in rows {
            assert_eq!(from_days(days), (year, month, day));
            assert_eq!(to_days(year, month, i64::from(day)), days);
        }
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = from_days(days);
            assert_eq!(to_days(year, month, i64::from(day)), days);
        }
    }
}
