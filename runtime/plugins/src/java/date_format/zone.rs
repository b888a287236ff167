//! Time zones in texts.

/// Offset from UTC in minutes and the text behind it: `Z`, `UTC`, `GMT+1:00`, `+0100`, `+01:00`, `+01`. `None` when the
/// text has none.
///
/// # Errors
/// When the text looks like the name of a zone: which zone it means is a table of the JVM.
pub(super) fn parse(text: &str, letter: u8, count: usize) -> Result<Option<(i64, &str)>, String> {
    if letter == b'X' {
        if let Some(rest) = text.strip_prefix('Z') {
            return Ok(Some((0, rest)));
        }
        let Some((sign, rest)) = sign(text) else { return Ok(None) };
        return Ok(numeric(rest, sign, count, count == 3));
    }
    if let Some((sign, rest)) = sign(text) {
        return Ok(numeric(rest, sign, 0, false));
    }
    if let Some(rest) = prefixed(text, "GMT") {
        return Ok(match sign(rest) {
            Some((sign, rest)) => numeric(rest, sign, 0, true),
            None => Some((0, rest)),
        });
    }
    let utc = ["Coordinated Universal Time", "Greenwich Mean Time", "UTC"];
    if let Some(rest) = utc.into_iter().find_map(|name| prefixed(text, name)) {
        return Ok(Some((0, rest)));
    }
    let short: String = text.chars().take_while(|c| c.is_ascii_uppercase()).collect();
    let is_name = short.len() >= 3 || text.find(" Time").is_some_and(|at| text[..at].is_ascii());
    if !is_name {
        return Ok(None);
    }
    let problem = "names of time zones other than UTC and GMT are not known here, offsets such as +0100 are";
    Err(format!("{problem}: \"{text}\""))
}

fn prefixed<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name)).map(|_| &text[name.len()..])
}

fn sign(text: &str) -> Option<(i64, &str)> {
    text.strip_prefix('+').map(|rest| (1, rest)).or_else(|| text.strip_prefix('-').map(|rest| (-1, rest)))
}

/// Hours, and minutes unless `count` is 1; a single digit of hours needs a colon and no `count`.
fn numeric(text: &str, sign: i64, count: usize, colon: bool) -> Option<(i64, &str)> {
    let digit = |at: usize| text.as_bytes().get(at).filter(|b| b.is_ascii_digit()).map(|b| i64::from(b - b'0'));
    let (hours, mut at) = match (digit(0)?, digit(1)) {
        (tens, Some(ones)) => (tens * 10 + ones, 2),
        (hours, None) if count == 0 && colon => (hours, 1),
        _ => return None,
    };
    let mut minutes = 0;
    if count != 1 {
        if colon {
            (text.as_bytes().get(at) == Some(&b':')).then_some(())?;
            at += 1;
        }
        minutes = digit(at)? * 10 + digit(at + 1)?;
        at += 2;
    }
    (hours <= 23 && minutes <= 59).then(|| (sign * (hours * 60 + minutes), &text[at..]))
}
