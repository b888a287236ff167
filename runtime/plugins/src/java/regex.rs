use couplet_api::{Error, Result};

use super::regex_syntax::{Translated, translate};

/// Steps back that a match may take, so that no pattern can stop a task for ever.
const BACKTRACKS_MAX: usize = 1_000_000;

/// A `java.util.regex.Pattern`. Most patterns run in linear time; those with look-around, backreferences, atomic groups
/// or possessive quantifiers run on a backtracking engine with a limit. What neither engine means the same by is
/// refused, never approximated.
#[derive(Debug, Clone)]
pub struct JavaRegex {
    pattern: String,
    engine: Engine,
}

/// The compiled pattern: once for the whole text, once for the first match.
#[derive(Debug, Clone)]
enum Engine {
    Linear { whole: regex::Regex, first: regex::Regex },
    Backtracking { whole: fancy_regex::Regex, first: fancy_regex::Regex },
}

/// Where groups are in a text.
type Groups = Vec<Option<(usize, usize)>>;

impl JavaRegex {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// The message of Java's `PatternSyntaxException`, or what cannot be done here.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let Translated { text, backtracks } = translate(pattern)?;
        let whole = format!(r"\A(?:{text})\z");
        let engine = if backtracks {
            let compile = |text: &str| {
                let built = fancy_regex::RegexBuilder::new(text).backtrack_limit(BACKTRACKS_MAX).build();
                built.map_err(|e| format!("{} in {pattern}", last_line(&e.to_string())))
            };
            Engine::Backtracking { whole: compile(&whole)?, first: compile(&text)? }
        } else {
            let compile =
                |text: &str| regex::Regex::new(text).map_err(|e| format!("{} in {pattern}", last_line(&e.to_string())));
            Engine::Linear { whole: compile(&whole)?, first: compile(&text)? }
        };
        Ok(JavaRegex { pattern: pattern.to_owned(), engine })
    }

    /// `matcher(text).matches()`.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when the match takes too many steps.
    pub fn matches(&self, text: &str) -> Result<bool> {
        match &self.engine {
            Engine::Linear { whole, .. } => Ok(whole.is_match(text)),
            Engine::Backtracking { whole, .. } => whole.is_match(text).map_err(|_| self.too_many_steps(text)),
        }
    }

    /// `matcher(text).replaceFirst(replacement)`: `$1`, `${name}` and `\` as in Java.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] for a group that is not there, or when the match takes too many steps.
    pub fn replace_first(&self, text: &str, replacement: &str) -> Result<String> {
        let groups = self.first(text)?;
        let Some((start, end)) = groups.first().copied().flatten() else { return Ok(text.to_owned()) };
        let mut out = text[..start].to_owned();
        self.expand(text, &groups, replacement, &mut out)?;
        out.push_str(&text[end..]);
        Ok(out)
    }

    /// The groups of the first match, the match itself first; none without a match.
    fn first(&self, text: &str) -> Result<Groups> {
        Ok(match &self.engine {
            Engine::Linear { first, .. } => first
                .captures(text)
                .map(|found| found.iter().map(|group| group.map(|m| (m.start(), m.end()))).collect()),
            Engine::Backtracking { first, .. } => first
                .captures(text)
                .map_err(|_| self.too_many_steps(text))?
                .map(|found| found.iter().map(|group| group.map(|m| (m.start(), m.end()))).collect()),
        }
        .unwrap_or_default())
    }

    fn too_many_steps(&self, text: &str) -> Error {
        Error::data(format!(
            "The regular expression {} goes back more than {BACKTRACKS_MAX} times over a text of {} bytes; give it fewer \
             nested repetitions",
            self.pattern,
            text.len()
        ))
    }

    /// The number of the group called `name`.
    fn group_named(&self, name: &str) -> Option<usize> {
        match &self.engine {
            Engine::Linear { first, .. } => first.capture_names().position(|n| n == Some(name)),
            Engine::Backtracking { first, .. } => first.capture_names().position(|n| n == Some(name)),
        }
    }

    fn expand(&self, text: &str, groups: &Groups, replacement: &str, out: &mut String) -> Result<()> {
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
                    let (group, after) = self.group(rest, groups.len() - 1)?;
                    out.push_str(groups[group].map_or("", |(start, end)| &text[start..end]));
                    rest = after;
                }
                c => out.push(c),
            }
        }
        Ok(())
    }

    /// The group that the text behind a dollar sign names, and what follows; `groups` is the number of the last one.
    fn group<'a>(&self, text: &'a str, groups: usize) -> Result<(usize, &'a str)> {
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
            let index = self.group_named(name);
            return Ok((index.ok_or_else(|| illegal(&format!("No group with name {{{name}}}")))?, after));
        }
        let digit = |text: &str| text.chars().next().map(|c| c.to_digit(10));
        let mut number = match digit(text) {
            None => return Err(illegal("Illegal group reference: group index is missing")),
            Some(None) => return Err(illegal("Illegal group reference")),
            Some(Some(first)) => first as usize,
        };
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
            ("(?!db)(\\w+)\\.(?<t>.*)", "${t}", "x.t1", "t1"),
            ("(\\w)\\1(.*)", "$1-$2", "aab", "a-b"),
        ];
        for (pattern, replacement, text, want) in rows {
            let regex = JavaRegex::new(pattern).expect(pattern);
            assert_eq!(regex.replace_first(text, replacement).expect("replaced"), want, "{pattern}");
        }
        for bad in ["$2", "$", "$x", "${m}", "${n", "\\"] {
            assert!(JavaRegex::new("(.*)").expect("pattern").replace_first("t", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_match_that_would_never_end_is_an_error() {
        let regex = JavaRegex::new(r"(?=(a+)+$)((a|aa)+)+\1b").expect("pattern");
        let problem = regex.matches(&"a".repeat(60)).expect_err("too many steps");
        assert!(problem.message().contains("goes back more than"), "{problem}");
    }
}
