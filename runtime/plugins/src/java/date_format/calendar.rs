//! How `java.util.GregorianCalendar` makes an instant of fields: of those that tell the same, the one set last decides.
//! Weeks begin on Sunday and the first week of a year is that of January 1st, as in the locale `en_US`.

use crate::java::civil::{GREGORIAN_START, gregorian_to_days, julian_to_days};

const DAY_MS: i64 = 86_400_000;
/// The year in which the calendar changed.
const GREGORIAN_START_YEAR: i64 = 1582;
/// Days are counted from a Thursday; Sunday is 1.
const EPOCH_WEEKDAY: i64 = 5;

/// A field that a pattern letter sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// 0 before Christ, 1 after.
    Era,
    Year,
    /// From 0.
    Month,
    WeekOfYear,
    WeekOfMonth,
    DayOfMonth,
    DayOfYear,
    /// Sunday is 1.
    DayOfWeek,
    DayOfWeekInMonth,
    AmPm,
    Hour,
    HourOfDay,
    Minute,
    Second,
    Millisecond,
    WeekYear,
}

const FIELDS: usize = Field::WeekYear as usize + 1;

/// What the day is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    DayOfMonth,
    WeekOfMonth,
    DayOfWeekInMonth,
    DayOfYear,
    WeekOfYear,
}

/// Fields and when they were set.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    values: [i64; FIELDS],
    /// Counts up; 0 is never.
    stamps: [u32; FIELDS],
    latest: u32,
    /// Milliseconds east of UTC.
    pub(super) offset_ms: i64,
}

impl Fields {
    /// Sets a field.
    pub(super) fn set(&mut self, field: Field, value: i64) {
        self.latest += 1;
        self.stamps[field as usize] = self.latest;
        self.values[field as usize] = value;
    }

    /// Moves the year, and the year of the week.
    pub(super) fn add_years(&mut self, years: i64) {
        self.values[Field::Year as usize] += years;
        self.values[Field::WeekYear as usize] += years;
    }

    const fn get(&self, field: Field) -> i64 {
        self.values[field as usize]
    }

    const fn stamp(&self, field: Field) -> u32 {
        self.stamps[field as usize]
    }

    const fn is_set(&self, field: Field) -> bool {
        self.stamp(field) > 0
    }

    /// When both were set.
    fn both(&self, a: Field, b: Field) -> u32 {
        if self.is_set(a) && self.is_set(b) { self.stamp(a).max(self.stamp(b)) } else { 0 }
    }

    /// Milliseconds since the epoch; beyond its range the number wraps, as Java's does.
    pub(super) fn instant(&self) -> i64 {
        let ms = self.ms_of_day();
        let carried = ms.div_euclid(DAY_MS);
        let days = match self.stamp(Field::WeekYear) > self.stamp(Field::Year) {
            true => self.week_date().wrapping_add(carried),
            false => self.days(carried),
        };
        days.wrapping_mul(DAY_MS).wrapping_add(ms.rem_euclid(DAY_MS)).wrapping_sub(self.offset_ms)
    }

    fn ms_of_day(&self) -> i64 {
        let of_half = self.both(Field::Hour, Field::AmPm);
        let of_day = self.stamp(Field::HourOfDay);
        let told_by_day = if of_half.max(of_day) > 0 {
            of_day >= of_half
        } else {
            !self.is_set(Field::Hour) && !self.is_set(Field::AmPm)
        };
        let hours = match told_by_day {
            true => self.get(Field::HourOfDay),
            false => self.get(Field::Hour) + 12 * self.get(Field::AmPm),
        };
        let seconds = (hours * 60 + self.get(Field::Minute)) * 60 + self.get(Field::Second);
        seconds * 1000 + self.get(Field::Millisecond)
    }

    /// The day of a week date. Weeks and days out of range count on.
    fn week_date(&self) -> i64 {
        let mut week = if self.is_set(Field::WeekOfYear) { self.get(Field::WeekOfYear) } else { 1 };
        let mut weekday = if self.is_set(Field::DayOfWeek) { self.get(Field::DayOfWeek) } else { 1 };
        if weekday >= 8 {
            weekday -= 1;
            week += weekday / 7;
            weekday = iso_weekday(weekday % 7 + 1);
        } else if weekday <= 0 {
            let weeks = (7 - weekday) / 7;
            (week, weekday) = (week - weeks, iso_weekday(weekday + 7 * weeks));
        }
        let first = gregorian_or_julian(self.get(Field::WeekYear));
        first_week(first) + weekday - 1 + 7 * (week - 1)
    }

    fn days(&self, carried: i64) -> i64 {
        let year = if self.is_set(Field::Year) { self.get(Field::Year) } else { 1970 };
        let year = if self.is_set(Field::Era) && self.get(Field::Era) == 0 { 1 - year } else { year };
        let told = self.told();
        let in_calendar = |first_of: fn(i64, u32, i64) -> i64| carried.wrapping_add(self.days_in(year, told, first_of));
        let gregorian = match year {
            GREGORIAN_START_YEAR.. => in_calendar(gregorian_to_days),
            _ => in_calendar(julian_to_days),
        };
        if year > GREGORIAN_START_YEAR && gregorian >= GREGORIAN_START {
            return gregorian;
        }
        let julian = in_calendar(julian_to_days);
        let by_year = matches!(told, Told::DayOfYear | Told::WeekOfYear);
        if !by_year && gregorian >= GREGORIAN_START { gregorian } else { julian }
    }

    /// What the day is told by: the combination of which a part was set last.
    fn told(&self) -> Told {
        let weekday = self.stamp(Field::DayOfWeek);
        let day = self.stamp(Field::DayOfMonth);
        let day_of_year = self.stamp(Field::DayOfYear);
        let mut week_of_month = self.both(Field::WeekOfMonth, Field::DayOfWeek);
        let mut in_month = self.both(Field::DayOfWeekInMonth, Field::DayOfWeek);
        let mut week_of_year = self.both(Field::WeekOfYear, Field::DayOfWeek);
        let mut best = day.max(week_of_month).max(in_month).max(day_of_year).max(week_of_year);
        if best == 0 {
            week_of_month = self.stamp(Field::WeekOfMonth);
            in_month = self.stamp(Field::DayOfWeekInMonth).max(weekday);
            week_of_year = self.stamp(Field::WeekOfYear);
            best = week_of_month.max(in_month).max(week_of_year);
        }
        let year_week = self.stamp(Field::WeekOfYear);
        if best == day {
            Told::DayOfMonth
        } else if (best == week_of_month && self.stamp(Field::WeekOfMonth) >= year_week)
            || (best == in_month && self.stamp(Field::DayOfWeekInMonth) >= year_week)
        {
            let by_week = match week_of_month == in_month {
                true => self.stamp(Field::WeekOfMonth) >= self.stamp(Field::DayOfWeekInMonth),
                false => best == week_of_month,
            };
            if by_week { Told::WeekOfMonth } else { Told::DayOfWeekInMonth }
        } else if best == day_of_year {
            Told::DayOfYear
        } else {
            Told::WeekOfYear
        }
    }

    /// The day in the calendar whose days `first_of` counts.
    fn days_in(&self, year: i64, told: Told, first_of: fn(i64, u32, i64) -> i64) -> i64 {
        let weekday = self.is_set(Field::DayOfWeek).then(|| self.get(Field::DayOfWeek));
        if matches!(told, Told::DayOfYear | Told::WeekOfYear) {
            let first = first_of(year, 1, 1);
            if told == Told::DayOfYear {
                return first + self.get(Field::DayOfYear) - 1;
            }
            let week = first_week(first);
            let day = weekday.filter(|day| *day != 1).map_or(week, |day| on_or_before(week + 6, day));
            return day + 7 * (self.get(Field::WeekOfYear) - 1);
        }
        let month = self.get(Field::Month);
        let (year, month) = (year + month.div_euclid(12), month.rem_euclid(12) as u32 + 1);
        let first = first_of(year, month, 1);
        match told {
            Told::WeekOfMonth => {
                let week = first_week(first);
                let day = weekday.map_or(week, |day| on_or_before(week + 6, day));
                day + 7 * (self.get(Field::WeekOfMonth) - 1)
            }
            Told::DayOfWeekInMonth => {
                let set = self.is_set(Field::DayOfWeekInMonth);
                let count = if set { self.get(Field::DayOfWeekInMonth) } else { 1 };
                let last_of_span = if count >= 0 {
                    7 * count
                } else {
                    let next = if month == 12 { first_of(year + 1, 1, 1) } else { first_of(year, month + 1, 1) };
                    next - first + 7 * (count + 1)
                };
                on_or_before(first + last_of_span - 1, weekday.unwrap_or(1))
            }
            _ if self.is_set(Field::DayOfMonth) => first + self.get(Field::DayOfMonth) - 1,
            _ => first,
        }
    }
}

/// The first day of the week that `first`, the first day of a year or month, is in.
const fn first_week(first: i64) -> i64 {
    on_or_before(first, 1)
}

/// The last day not after `day` that is that day of the week.
const fn on_or_before(day: i64, weekday: i64) -> i64 {
    day - (day + EPOCH_WEEKDAY - weekday).rem_euclid(7)
}

/// January 1st of `year`.
const fn gregorian_or_julian(year: i64) -> i64 {
    crate::java::civil::to_days(year, 1, 1)
}

/// The day of the week whose first day is Monday, as one whose first is Sunday; what is none stays.
pub(super) const fn iso_weekday(day: i64) -> i64 {
    match day {
        1..=6 => day + 1,
        7 => 1,
        _ => day,
    }
}
