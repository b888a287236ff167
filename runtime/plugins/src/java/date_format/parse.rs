use super::calendar::{Field, Fields, iso_weekday};
use super::pattern::{DateFormat, Part};
use super::{MONTHS, WEEKDAYS, zone};
use crate::java::civil::{from_days, to_days};
use crate::java::digit::digit;

const DAY_MS: i64 = 86_400_000;
/// Two-digit years lie within 80 years before and 20 years after now; Java takes the moment the format was made.
const PIVOT_BACK_YEARS: i64 = 80;

/// What is parsed: the fields read so far, and what two-digit years mean.
struct Parse {
    fields: Fields,
    /// The first moment that a year of two digits can be in.
    century_start_ms: i64,
    century_start_year: i64,
    /// Whether the two digits are those of the first year: the rest decides on which side of the start it is.
    year_is_ambiguous: bool,
}

impl DateFormat {
    /// Milliseconds since the epoch of the date at the start of `text`; what follows it is ignored. Fields out of range
    /// count on into the next larger one.
    ///
    /// # Errors
    /// The message of Java's `ParseException`, or the name of a time zone that is not known here.
    pub(crate) fn parse(&self, text: &str) -> Result<i64, String> {
        let mut parse = Parse::now();
        let mut rest = text;
        for (at, part) in self.parts.iter().enumerate() {
            let behind = match part {
                Part::Text(expected) => rest.strip_prefix(expected.as_str()),
                Part::Field { letter, count } => {
                    // Numbers that touch take just their own digits.
                    let touching = self.parts.get(at + 1).is_some_and(is_numeric);
                    parse.read(*letter, *count, touching, rest)?
                }
            };
            rest = behind.ok_or_else(|| format!("Unparseable date: \"{text}\""))?;
        }
        Ok(parse.instant())
    }
}

fn is_numeric(part: &Part) -> bool {
    match part {
        Part::Field { letter: b'M' | b'L', count } => *count < 3,
        Part::Field { letter, .. } => !b"GEazZX".contains(letter),
        Part::Text(_) => false,
    }
}

/// A number with its sign, as the `int` Java makes of it. Also its number of digits.
fn number(text: &str) -> Option<(i64, usize, &str)> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let behind = digits.trim_start_matches(|c| digit(c).is_some());
    let read = &digits[..digits.len() - behind.len()];
    if read.is_empty() {
        return None;
    }
    let sign = if digits.len() < text.len() { -1 } else { 1 };
    let magnitude = read.chars().filter_map(digit).try_fold(0_i64, |sum, d| {
        // Longs lose their high bits, larger numbers stop at the end of the range.
        sum.checked_mul(10)?.checked_add(i64::from(d))
    });
    let value = match magnitude {
        Some(long) => (sign * long) as i32,
        None if sign < 0 => i32::MIN,
        None => i32::MAX,
    };
    Some((i64::from(value), read.chars().count(), behind))
}

/// The position of a name, full or shortened to three letters, and the text behind it.
fn name<'a>(text: &'a str, names: &[&str]) -> Option<(i64, &'a str)> {
    let starts = |prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let full = names.iter().position(|n| starts(n)).map(|at| (at, names[at].len()));
    let (at, length) = full.or_else(|| names.iter().position(|n| starts(&n[..3.min(n.len())])).map(|at| (at, 3)))?;
    Some((at as i64, &text[length..]))
}

impl Parse {
    fn now() -> Self {
        let now = couplet_api::clock::Clock::now_ms(&couplet_api::clock::SystemClock);
        let (year, month, day) = from_days(now.div_euclid(DAY_MS));
        let year = year - PIVOT_BACK_YEARS;
        let century_start_ms = to_days(year, month, i64::from(day)) * DAY_MS + now.rem_euclid(DAY_MS);
        Parse { fields: Fields::default(), century_start_ms, century_start_year: year, year_is_ambiguous: false }
    }

    fn instant(mut self) -> i64 {
        let ms = self.fields.instant();
        if !self.year_is_ambiguous || ms >= self.century_start_ms {
            return ms;
        }
        self.fields.add_years(100);
        self.fields.instant()
    }

    /// Reads one field; `None` when the text has none here.
    fn read<'a>(&mut self, letter: u8, count: usize, touching: bool, text: &'a str) -> Result<Option<&'a str>, String> {
        // Blanks before a field are skipped, but names begin where the text does.
        let trimmed = text.trim_start_matches([' ', '\t']);
        if trimmed.is_empty() {
            return Ok(None);
        }
        let names: (Field, &[&str], i64) = match letter {
            b'M' | b'L' if count >= 3 => (Field::Month, &MONTHS, 0),
            b'E' => (Field::DayOfWeek, &WEEKDAYS, 1),
            b'a' => (Field::AmPm, &["AM", "PM"], 0),
            b'G' => (Field::Era, &["BC", "AD"], 0),
            b'z' | b'Z' | b'X' => {
                let Some((offset_minutes, rest)) = zone::parse(trimmed, letter, count)? else { return Ok(None) };
                self.fields.offset_ms = offset_minutes * 60_000;
                return Ok(Some(rest));
            }
            _ => return Ok(self.read_number(letter, count, touching, text, trimmed)),
        };
        let (field, names, first) = names;
        let Some((at, rest)) = name(text, names) else { return Ok(None) };
        self.fields.set(field, at + first);
        Ok(Some(rest))
    }

    fn read_number<'a>(
        &mut self,
        letter: u8,
        count: usize,
        touching: bool,
        text: &'a str,
        trimmed: &'a str,
    ) -> Option<&'a str> {
        // The digits looked at are counted from before the blanks.
        let behind_window = match touching {
            true => &text[text.char_indices().nth(count - 1).map(|(at, c)| at + c.len_utf8())?..],
            false => "",
        };
        let window = trimmed.get(..trimmed.len().checked_sub(behind_window.len())?)?;
        let (value, width, unread) = number(window)?;
        let signed = window.starts_with('-');
        self.set(letter, count, value, if signed { 0 } else { width });
        Some(&trimmed[window.len() - unread.len()..])
    }

    /// `width`: how many digits there were; 0 for a signed number.
    fn set(&mut self, letter: u8, count: usize, value: i64, width: usize) {
        let (field, value) = match letter {
            b'y' | b'Y' => {
                let field = if letter == b'y' { Field::Year } else { Field::WeekYear };
                (field, if count <= 2 && width == 2 { self.full_year(value) } else { value })
            }
            b'M' | b'L' => (Field::Month, value - 1),
            b'w' => (Field::WeekOfYear, value),
            b'W' => (Field::WeekOfMonth, value),
            b'd' => (Field::DayOfMonth, value),
            b'D' => (Field::DayOfYear, value),
            b'F' => (Field::DayOfWeekInMonth, value),
            b'u' => (Field::DayOfWeek, iso_weekday(value)),
            b'H' => (Field::HourOfDay, value),
            b'k' => (Field::HourOfDay, if value == 24 { 0 } else { value }),
            b'K' => (Field::Hour, value),
            b'h' => (Field::Hour, if value == 12 { 0 } else { value }),
            b'm' => (Field::Minute, value),
            b's' => (Field::Second, value),
            _ => (Field::Millisecond, value),
        };
        self.fields.set(field, value);
    }

    /// The year that two digits mean.
    const fn full_year(&mut self, two_digits: i64) -> i64 {
        let start = self.century_start_year % 100;
        self.year_is_ambiguous = two_digits == start;
        two_digits + self.century_start_year / 100 * 100 + if two_digits < start { 100 } else { 0 }
    }
}
