use super::pattern::{DateFormat, Part};
use super::{MONTHS, WEEKDAYS};
use crate::java::civil::{from_days, to_days};

/// Two-digit years lie within 80 years before and 20 years after this day, 1 January of the century's turn plus the
/// running year: Java takes the day the format was made.
const PIVOT_BACK_YEARS: i64 = 80;

/// What was read so far; absent fields are those of the epoch.
#[derive(Debug, Default)]
struct Fields {
    before_christ: bool,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    hour_of_half: Option<i64>,
    afternoon: bool,
    minute: i64,
    second: i64,
    ms: i64,
    offset_minutes: i64,
}

impl DateFormat {
    /// Milliseconds since the epoch of the date at the start of `text`; what follows it is ignored. Fields out of range
    /// count on into the next larger one.
    ///
    /// # Errors
    /// The message of Java's `ParseException`.
    pub(crate) fn parse(&self, text: &str) -> Result<i64, String> {
        let unparseable = || format!("Unparseable date: \"{text}\"");
        let fields = self.fields(text).ok_or_else(unparseable)?;
        if !self.tells_days() {
            return Err(format!(
                "reading dates by week or weekday is not supported, as the pattern {} asks",
                self.pattern()
            ));
        }
        fields.instant().ok_or_else(unparseable)
    }

    /// Whether dates can be read with this pattern: those told by weeks and weekdays alone cannot.
    fn tells_days(&self) -> bool {
        let has = |letters: &[u8]| {
            self.parts.iter().any(|part| matches!(part, Part::Field { letter, .. } if letters.contains(letter)))
        };
        !has(b"YwWF") && (has(b"dD") || !has(b"Eu"))
    }

    fn fields(&self, text: &str) -> Option<Fields> {
        let mut fields = Fields::default();
        let mut rest = text;
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(expected) => rest = skip_text(rest, expected)?,
                Part::Field { letter, count } => {
                    // Numbers that touch take just their own digits.
                    let touching = self.parts.get(at + 1).is_some_and(is_numeric);
                    rest = fields.read(*letter, *count, touching && is_numeric(part), rest)?;
                }
            }
        }
        Some(fields)
    }
}

fn is_numeric(part: &Part) -> bool {
    match part {
        Part::Field { letter: b'M' | b'L', count } => *count < 3,
        Part::Field { letter, .. } => !b"GEazZX".contains(letter),
        Part::Text(_) => false,
    }
}

/// Blanks of the pattern stand for any number of blanks, also before other text.
fn skip_text<'a>(text: &'a str, expected: &str) -> Option<&'a str> {
    let blank = [' ', '\t'];
    let mut rest = text;
    for c in expected.chars() {
        if blank.contains(&c) {
            let trimmed = rest.trim_start_matches(blank);
            if trimmed.len() == rest.len() {
                return None;
            }
            rest = trimmed;
        } else {
            rest = rest.strip_prefix(c)?;
        }
    }
    Some(rest)
}

/// A number with its sign, as the `int` Java makes of it; blanks before it are skipped. With a `window` it is looked
/// for in that many characters, blanks and sign included. Also its number of digits.
fn number(text: &str, window: Option<usize>) -> Option<(i64, usize, &str)> {
    let looked_at = match window {
        Some(length) => text.get(..length)?,
        None => text,
    };
    let signed = looked_at.trim_start_matches([' ', '\t']);
    let digits = signed.strip_prefix('-').unwrap_or(signed);
    let width = digits.bytes().take_while(u8::is_ascii_digit).count();
    if width == 0 {
        return None;
    }
    let end = looked_at.len() - digits.len() + width;
    // Longs lose their high bits, larger numbers stop at the end of the range.
    let value = match digits[..width].parse::<i64>() {
        Ok(long) if signed.len() > digits.len() => -long as i32,
        Ok(long) => long as i32,
        Err(_) if signed.len() > digits.len() => i32::MIN,
        Err(_) => i32::MAX,
    };
    Some((i64::from(value), width, &text[end..]))
}

/// The position of a name, full or shortened to three letters, and the text behind it.
fn name<'a>(text: &'a str, names: &[&str]) -> Option<(i64, &'a str)> {
    let starts = |prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let full = names.iter().position(|n| starts(n)).map(|at| (at, names[at].len()));
    let (at, length) = full.or_else(|| names.iter().position(|n| starts(&n[..3.min(n.len())])).map(|at| (at, 3)))?;
    Some((at as i64, &text[length..]))
}

impl Fields {
    fn read<'a>(&mut self, letter: u8, count: usize, touching: bool, text: &'a str) -> Option<&'a str> {
        match letter {
            b'M' | b'L' if count >= 3 => {
                let (month, rest) = name(text, &MONTHS)?;
                self.month = Some(month);
                Some(rest)
            }
            b'E' => name(text, &WEEKDAYS).map(|(_, rest)| rest),
            b'a' => {
                let (half, rest) = [("AM", false), ("PM", true)].into_iter().find_map(|(label, afternoon)| {
                    let start = text.get(..2)?;
                    start.eq_ignore_ascii_case(label).then_some((afternoon, &text[2..]))
                })?;
                self.afternoon = half;
                Some(rest)
            }
            b'G' => {
                self.before_christ = text.get(..2)?.eq_ignore_ascii_case("BC");
                (self.before_christ || text[..2].eq_ignore_ascii_case("AD")).then_some(&text[2..])
            }
            b'z' | b'Z' | b'X' => {
                let (offset, rest) = zone(text, letter, count)?;
                self.offset_minutes = offset;
                Some(rest)
            }
            _ => {
                let (value, width, rest) = number(text, touching.then_some(count))?;
                self.set(letter, count, value, width);
                Some(rest)
            }
        }
    }

    fn set(&mut self, letter: u8, count: usize, value: i64, width: usize) {
        match letter {
            b'y' if count <= 2 && width == 2 && value >= 0 => self.year = Some(full_year(value)),
            b'y' => self.year = Some(value),
            b'M' | b'L' => self.month = Some(value - 1),
            b'd' => self.day = Some(value),
            b'D' => self.day_of_year = Some(value),
            b'H' => self.hour = Some(value),
            b'k' => self.hour = Some(if value == 24 { 0 } else { value }),
            b'K' => self.hour_of_half = Some(value),
            b'h' => self.hour_of_half = Some(if value == 12 { 0 } else { value }),
            b'm' => self.minute = value,
            b's' => self.second = value,
            b'S' => self.ms = value,
            // A weekday beside a date tells nothing new.
            _ => {}
        }
    }

    fn instant(&self) -> Option<i64> {
        let year = self.year.unwrap_or(1970);
        let year = if self.before_christ { 1 - year } else { year };
        let month = self.month.unwrap_or(0);
        let year = year.checked_add(month.div_euclid(12))?;
        if year.unsigned_abs() > 290_000_000 {
            return None;
        }
        let first_of_month = to_days(year, month.rem_euclid(12) as u32 + 1, 1);
        let days = match (self.day, self.day_of_year) {
            (None, Some(day)) => to_days(year, 1, 1).checked_add(day - 1)?,
            (day, _) => first_of_month.checked_add(day.unwrap_or(1) - 1)?,
        };
        let half = if self.afternoon { 12 } else { 0 };
        let hours = self.hour.or_else(|| self.hour_of_half.map(|h| h + half)).unwrap_or(half);
        let minutes = days.checked_mul(24)?.checked_add(hours)?.checked_mul(60)?.checked_add(self.minute)?;
        let seconds = minutes.checked_sub(self.offset_minutes)?.checked_mul(60)?.checked_add(self.second)?;
        seconds.checked_mul(1000)?.checked_add(self.ms)
    }
}

/// The year that two digits mean.
fn full_year(two_digits: i64) -> i64 {
    let now = couplet_api::clock::Clock::now_ms(&couplet_api::clock::SystemClock);
    let (this_year, ..) = from_days(now.div_euclid(86_400_000));
    let start = this_year - PIVOT_BACK_YEARS;
    start + (two_digits - start).rem_euclid(100)
}

/// Offset from UTC in minutes: `Z`, `UTC`, `GMT+1:00`, `+0100`, `+01:00`, `+01`.
fn zone(text: &str, letter: u8, count: usize) -> Option<(i64, &str)> {
    if letter == b'X' && text.starts_with('Z') {
        return Some((0, &text[1..]));
    }
    let named = ["UTC", "GMT"].into_iter().find_map(|name| text.strip_prefix(name));
    let rest = match named {
        Some(rest) if letter != b'X' => {
            if !rest.starts_with(['+', '-']) {
                return Some((0, rest));
            }
            rest
        }
        _ => text,
    };
    let sign = match rest.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let rest = &rest[1..];
    let hour_width = if named.is_some() && rest.as_bytes().get(1) == Some(&b':') { 1 } else { 2 };
    let hours: i64 = digits(rest, hour_width)?;
    let rest = &rest[hour_width..];
    if letter == b'X' && count == 1 {
        return Some((sign * hours * 60, rest));
    }
    // Zone names and three X have a colon, numbers and two X have none.
    let with_colon = named.is_some() || (letter == b'X' && count == 3);
    let rest = if with_colon { rest.strip_prefix(':')? } else { rest };
    let minutes = digits(rest, 2)?;
    Some((sign * (hours * 60 + minutes), &rest[2..]))
}

fn digits(text: &str, width: usize) -> Option<i64> {
    text.get(..width).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}
