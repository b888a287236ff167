use couplet_api::{Error, Result};
use regex::{Captures, Regex};

use super::regex_syntax::translate;

/// A `java.util.regex.Pattern`, as far as Rust's engine can do the same: patterns with look-around, backreferences,
/// possessive quantifiers and the like are refused, never approximated.
#[derive(Debug, Clone)]
pub struct JavaRegex {
    /// Must match the whole text.
    whole: Regex,
    /// Finds the first match.
    first: Regex,
}

impl JavaRegex {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// The message of Java's `PatternSyntaxException`, or what cannot be done here.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let translated = translate(pattern)?;
        let compile = |text: &str| Regex::new(text).map_err(|e| format!("{} in {pattern}", last_line(&e.to_string())));
        Ok(JavaRegex { whole: compile(&format!(r"\A(?:{translated})\z"))?, first: compile(&translated)? })
    }

    /// `matcher(text).matches()`.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// `matcher(text).replaceFirst(replacement)`: `$1`, `${name}` and `\` as in Java.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] for a group that is not there.
    pub fn replace_first(&self, text: &str, replacement: &str) -> Result<String> {
        let Some(captures) = self.first.captures(text) else { return Ok(text.to_owned()) };
        let (start, end) = captures.get(0).map_or((0, 0), |all| (all.start(), all.end()));
        let mut out = text[..start].to_owned();
        self.expand(&captures, replacement, &mut out)?;
        out.push_str(&text[end..]);
        Ok(out)
    }

    fn expand(&self, captures: &Captures<'_>, replacement: &str, out: &mut String) -> Result<()> {
        let mut rest = replacement;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\\' => {
                    let escaped = rest.chars().next().ok_or_else(|| illegal("character to be escaped is missing"))?;
                    out.push(escaped);
                    rest = &rest[escaped.len_utf8()..];
                }
                '$' => {
                    let (group, after) = self.group(rest)?;
                    out.push_str(captures.get(group).map_or("", |m| m.as_str()));
                    rest = after;
                }
                c => out.push(c),
            }
        }
        Ok(())
    }

    /// The group that the text behind a dollar sign names, and what follows.
    fn group<'a>(&self, text: &'a str) -> Result<(usize, &'a str)> {
        if let Some(named) = text.strip_prefix('{') {
            let length = named.bytes().take_while(u8::is_ascii_alphanumeric).count();
            let (name, after) = named.split_at(length);
            if name.is_empty() {
                return Err(illegal("named capturing group has 0 length name"));
            }
            let after =
                after.strip_prefix('}').ok_or_else(|| illegal("named capturing group is missing trailing '}'"))?;
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(illegal(&format!("capturing group name {{{name}}} starts with digit character")));
            }
            let index = self.first.capture_names().position(|n| n == Some(name));
            return Ok((index.ok_or_else(|| illegal(&format!("No group with name {{{name}}}")))?, after));
        }
        let digit = |text: &str| text.chars().next().map(|c| c.to_digit(10));
        let mut number = match digit(text) {
            None => return Err(illegal("Illegal group reference: group index is missing")),
            Some(None) => return Err(illegal("Illegal group reference")),
            Some(Some(first)) => first as usize,
        };
        let groups = self.first.captures_len() - 1;
        let mut rest = &text[1..];
        // More digits belong to the number as long as there is such a group.
        while let Some(Some(next)) = digit(rest) {
            let longer = number * 10 + next as usize;
            if longer > groups {
                break;
            }
            number = longer;
            rest = &rest[1..];
        }
        if number > groups {
            return Err(Error::data(format!("No group {number}")).with_class("java.lang.IndexOutOfBoundsException"));
        }
        Ok((number, rest))
    }
}

fn illegal(message: &str) -> Error {
    Error::data(message).with_class("java.lang.IllegalArgumentException")
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_are_those_of_java() {
        let rows = [
            ("(.*)", "x-$1", "orders", "x-orders"),
            ("(o)(r).*", "$2$1", "orders", "ro"),
            ("o|orders", "X", "orders", "Xrders"),
            ("(?<n>[a-z]+)\\.(\\w+)", "${n}_$2", "db.t1", "db_t1"),
            ("(.*)", "\\$1\\\\", "t", "$1\\"),
            ("(a)", "$12", "a", "a2"),
        ];
        for (pattern, replacement, text, want) in rows {
            let regex = JavaRegex::new(pattern).expect(pattern);
            assert_eq!(regex.replace_first(text, replacement).expect("replaced"), want, "{pattern}");
        }
        for bad in ["$2", "$", "$x", "${m}", "${n", "\\"] {
            assert!(JavaRegex::new("(.*)").expect("pattern").replace_first("t", bad).is_err(), "{bad}");
        }
    }
}
