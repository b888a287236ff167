//! From Java's regular expressions to those of the `regex` crate.

use super::regex_classes::{CLASSES, LINE_ENDS, POSIX, unicode_property};

/// A pattern in Rust's notation.
#[derive(Debug)]
pub(super) struct Translated {
    /// The pattern.
    pub(super) text: String,
    /// Whether only a backtracking engine can run it.
    pub(super) backtracks: bool,
}

/// The pattern in Rust's notation, with the same meaning.
///
/// # Errors
/// The message of Java's `PatternSyntaxException`, or what has no equivalent.
pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut translation = Translation {
        pattern,
        chars: &chars,
        at: 0,
        open: Vec::new(),
        captures: 0,
        closed: Vec::new(),
        names: Vec::new(),
        comments: false,
        backtracks: false,
        out: String::new(),
    };
    translation.sequence()?;
    if !translation.open.is_empty() {
        return Err(syntax(pattern, "Unclosed group", chars.len()));
    }
    Ok(Translated { text: translation.out, backtracks: translation.backtracks })
}

/// Java's message: the problem, the pattern, and a caret under the place.
fn syntax(pattern: &str, problem: &str, index: usize) -> String {
    let caret = if index < pattern.chars().count() { format!("\n{}^", " ".repeat(index)) } else { String::new() };
    format!("{problem} near index {index}\n{pattern}{caret}")
}

struct Translation<'a> {
    pattern: &'a str,
    chars: &'a [char],
    at: usize,
    /// Groups that are not closed yet.
    open: Vec<Group>,
    /// How many groups capture so far.
    captures: usize,
    /// Numbers of the groups that are closed.
    closed: Vec<usize>,
    /// Names of groups and their numbers.
    names: Vec<(String, usize)>,
    /// Whether the flag `x` holds: blanks and what follows a `#` do not count.
    comments: bool,
    backtracks: bool,
    out: String,
}

/// A group on its way.
struct Group {
    /// Where it starts in the translation.
    start: usize,
    /// Its number, if it captures.
    number: Option<usize>,
    /// The flag `x` around it.
    comments: bool,
}

impl Translation<'_> {
    fn peek(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    fn unsupported<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("{what} not supported here, at index {} of {}", self.at, self.pattern))
    }

    fn sequence(&mut self) -> Result<(), String> {
        let mut can_repeat = false;
        // Where the last atom starts in the translation.
        let mut atom = 0;
        while let Some(c) = self.peek(0) {
            if self.comments && self.skip_comment(c) {
                continue;
            }
            if !matches!(c, '*' | '+' | '?' | '{' | ')') {
                atom = self.out.len();
            }
            match c {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => {
                    self.open_group()?;
                    can_repeat = false;
                    continue;
                }
                ')' => {
                    let Some(group) = self.open.pop() else {
                        return Err(match self.at {
                            0 => format!("Unmatched closing ')'\n{}", self.pattern),
                            at => syntax(self.pattern, "Unmatched closing ')'", at - 1),
                        });
                    };
                    atom = group.start;
                    self.comments = group.comments;
                    self.closed.extend(group.number);
                    self.copy(1);
                }
                '*' | '+' | '?' | '{' => {
                    if !can_repeat {
                        return Err(match c {
                            '{' => syntax(self.pattern, "Illegal repetition", self.at + 1),
                            c => syntax(self.pattern, &format!("Dangling meta character '{c}'"), self.at),
                        });
                    }
                    self.quantifier(c, atom)?;
                    can_repeat = false;
                    continue;
                }
                '|' => {
                    self.copy(1);
                    can_repeat = false;
                    continue;
                }
                // Java knows more ends of lines than Rust's dot and dollar; texts here have none of them.
                '.' | '^' | '$' => self.copy(1),
                c => {
                    self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                    self.at += 1;
                }
            }
            can_repeat = true;
        }
        Ok(())
    }

    fn copy(&mut self, count: usize) {
        self.out.extend(&self.chars[self.at..self.at + count]);
        self.at += count;
    }

    /// Passes over a blank, or a comment up to the end of its line.
    fn skip_comment(&mut self, c: char) -> bool {
        let length = match c {
            '#' => self.chars[self.at..].iter().take_while(|c| !matches!(c, '\n' | '\r' | '\u{85}')).count(),
            ' ' | '\t'..='\r' => 1,
            _ => return false,
        };
        self.at += length;
        true
    }

    /// A quantifier, with a question mark if it is reluctant; a plus behind it makes of the atom before it a group that
    /// is not tried again.
    fn quantifier(&mut self, first: char, atom: usize) -> Result<(), String> {
        let length = match first {
            '{' => self.counted()?,
            _ => 1,
        };
        self.copy(length);
        match self.peek(0) {
            Some('+') => {
                self.at += 1;
                self.backtracks = true;
                self.out.insert_str(atom, "(?>");
                self.out.push(')');
            }
            Some('?') => self.copy(1),
            _ => {}
        }
        Ok(())
    }

    /// The length of `{n}`, `{n,}` or `{n,m}`.
    fn counted(&self) -> Result<usize, String> {
        if !self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            return Err(syntax(self.pattern, "Illegal repetition", self.at + 1));
        }
        let unclosed = || syntax(self.pattern, "Unclosed counted closure", self.chars.len());
        let end = self.chars[self.at..].iter().position(|c| *c == '}').ok_or_else(unclosed)?;
        let bounds: String = self.chars[self.at + 1..self.at + end].iter().collect();
        let parse = |text: &str| text.parse::<u32>().ok();
        if let Some((low, high)) = bounds.split_once(',')
            && let (Some(low), Some(high)) = (parse(low), parse(high))
            && high < low
        {
            return Err(syntax(self.pattern, "Illegal repetition range", self.at + end));
        }
        Ok(end + 1)
    }

    fn open_group(&mut self) -> Result<(), String> {
        let group = Group { start: self.out.len(), number: None, comments: self.comments };
        self.open.push(group);
        if self.peek(1) != Some('?') {
            self.copy(1);
            self.capture(None);
            return Ok(());
        }
        match (self.peek(2), self.peek(3)) {
            (Some(':'), _) => self.copy(3),
            (Some('=' | '!' | '>'), _) => {
                self.backtracks = true;
                self.copy(3);
            }
            (Some('<'), Some('=' | '!')) => {
                self.backtracks = true;
                self.copy(4);
            }
            (Some('<'), _) => {
                let name = self.name(3)?;
                let length = name.chars().count();
                if self.names.iter().any(|(known, _)| *known == name) {
                    let problem = format!("Named capturing group <{name}> is already defined");
                    return Err(syntax(self.pattern, &problem, self.at + 3 + length));
                }
                self.copy(length + 4);
                self.capture(Some(name));
            }
            _ => self.flags()?,
        }
        Ok(())
    }

    /// Numbers the group that was opened last.
    fn capture(&mut self, name: Option<String>) {
        self.captures += 1;
        if let Some(group) = self.open.last_mut() {
            group.number = Some(self.captures);
        }
        self.names.extend(name.map(|name| (name, self.captures)));
    }

    /// The name of a group, `offset` characters further on, up to its angle bracket.
    fn name(&self, offset: usize) -> Result<String, String> {
        let start = self.at + offset;
        let name: String = self.chars[start..].iter().take_while(|c| c.is_ascii_alphanumeric()).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(syntax(self.pattern, "capturing group name does not start with a Latin letter", start));
        }
        let end = start + name.len();
        if self.chars.get(end) != Some(&'>') {
            return Err(syntax(self.pattern, "named capturing group is missing trailing '>'", end));
        }
        Ok(name)
    }

    /// `(?i)` or `(?i:`
    fn flags(&mut self) -> Result<(), String> {
        let rest = &self.chars[self.at + 2..];
        let length = rest.iter().take_while(|c| !matches!(c, ':' | ')')).count();
        if length == rest.len() {
            return Err(syntax(self.pattern, "Unknown inline modifier", self.at + 2));
        }
        if let Some(at) = rest[..length].iter().position(|c| !"idmsuxU-".contains(*c)) {
            return Err(syntax(self.pattern, "Unknown inline modifier", self.at + 2 + at));
        }
        if rest[..length].contains(&'U') {
            return self.unsupported("the flag U is");
        }
        let flags: String = rest[..length].iter().collect();
        let (on, off) = flags.split_once('-').unwrap_or((&flags, ""));
        // Letters are compared as Unicode's and dots stop at \n only in either case, so `u` and `d` say nothing new.
        let kept = |flags: &str| flags.chars().filter(|c| "ims".contains(*c)).collect::<String>();
        let (kept_on, kept_off) = (kept(on), kept(off));
        let comments = (self.comments || on.contains('x')) && !off.contains('x');
        let ends_here = rest[length] == ')';
        let minus = if kept_off.is_empty() { "" } else { "-" };
        if ends_here {
            self.open.pop();
            if !kept_on.is_empty() || !kept_off.is_empty() {
                self.out.push_str(&format!("(?{kept_on}{minus}{kept_off})"));
            }
        } else {
            self.out.push_str(&format!("(?{kept_on}{minus}{kept_off}:"));
        }
        self.comments = comments;
        self.at += length + 3;
        Ok(())
    }

    /// `\1` and `\k<name>`: what a group before it matched.
    fn backreference(&mut self) -> Result<(), String> {
        let (number, length) = if self.peek(1) == Some('k') {
            if self.peek(2) != Some('<') {
                return Err(syntax(self.pattern, "\\k is not followed by '<' for named capturing group", self.at + 2));
            }
            let name = self.name(3)?;
            let found = self.names.iter().find(|(known, _)| *known == name);
            let (_, number) = found.ok_or_else(|| {
                let problem = format!("named capturing group <{name}> does not exist");
                syntax(self.pattern, &problem, self.at + 3 + name.len())
            })?;
            (*number, name.len() + 4)
        } else {
            let mut number = 0;
            let mut length = 1;
            // More digits belong to the number as long as there is such a group.
            while let Some(digit) = self.peek(length).and_then(|c| c.to_digit(10)) {
                let longer = number * 10 + digit as usize;
                if length > 1 && longer > self.captures {
                    break;
                }
                number = longer;
                length += 1;
            }
            (number, length)
        };
        if !self.closed.contains(&number) {
            return self.unsupported("a reference to a group that does not end before it is");
        }
        self.backtracks = true;
        self.out.push_str(&format!("(?:\\{number})"));
        self.at += length;
        Ok(())
    }

    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(c) = self.peek(1) else {
            return Err(syntax(self.pattern, "Unexpected internal error", self.at + 1));
        };
        if let Some((_, class)) = CLASSES.iter().find(|(name, _)| *name == c) {
            self.out.push_str(class);
            self.at += 2;
            return Ok(());
        }
        match c {
            'Q' => {
                let quoted: String = self.chars[self.at + 2..].iter().collect();
                let (text, length) = match quoted.find("\\E") {
                    Some(end) => (&quoted[..end], quoted[..end].chars().count() + 2),
                    None => (&*quoted, quoted.chars().count()),
                };
                self.out.push_str(&regex::escape(text));
                self.at += 2 + length;
            }
            'p' | 'P' => self.property(c)?,
            't' | 'n' | 'r' | 'f' | 'a' => self.copy(2),
            'e' => {
                self.out.push_str(r"\x1B");
                self.at += 2;
            }
            'x' | 'u' => self.code(c)?,
            'b' | 'B' | 'A' | 'z' if !in_class => self.copy(2),
            'Z' if !in_class => {
                self.backtracks = true;
                self.out.push_str(&format!(r"(?=(?:\r\n|{LINE_ENDS})?\z)"));
                self.at += 2;
            }
            'R' if !in_class => {
                self.backtracks = true;
                self.out.push_str(&format!(r"(?>\r\n|{LINE_ENDS})"));
                self.at += 2;
            }
            '0' => self.octal()?,
            'c' => match self.peek(2).filter(char::is_ascii) {
                Some(control) => {
                    self.out.push_str(&format!(r"\x{{{:x}}}", control as u32 ^ 64));
                    self.at += 3;
                }
                None => return Err(syntax(self.pattern, "Illegal control escape sequence", self.at + 2)),
            },
            '1'..='9' | 'k' if !in_class => return self.backreference(),
            c if c.is_ascii_alphanumeric() => {
                return match c {
                    'G' | 'X' | 'E' | 'N' => self.unsupported(&format!("\\{c} is")),
                    _ => Err(syntax(self.pattern, "Illegal/unsupported escape sequence", self.at + 1)),
                };
            }
            c => {
                self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                self.at += 2;
            }
        }
        Ok(())
    }

    /// `\0n`, `\0nn` and `\0mnn` with m up to 3.
    fn octal(&mut self) -> Result<(), String> {
        let digit = |at: usize| self.peek(at).and_then(|c| c.to_digit(8));
        let Some(mut code) = digit(2) else {
            return Err(syntax(self.pattern, "Illegal octal escape sequence", self.at + 2));
        };
        let length_max = if code <= 3 { 3 } else { 2 };
        let mut length = 1;
        while let Some(next) = digit(2 + length).filter(|_| length < length_max) {
            code = code * 8 + next;
            length += 1;
        }
        self.out.push_str(&format!(r"\x{{{code:x}}}"));
        self.at += 2 + length;
        Ok(())
    }

    /// `\xhh`, `\x{h…}` and `\uhhhh`.
    fn code(&mut self, letter: char) -> Result<(), String> {
        let rest = &self.chars[self.at + 2..];
        let digits = match (letter, rest.first()) {
            ('x', Some('{')) => rest.iter().skip(1).take_while(|c| **c != '}').collect::<String>(),
            ('x', _) => rest.iter().take(2).collect(),
            _ => rest.iter().take(4).collect(),
        };
        let braces = if letter == 'x' && rest.first() == Some(&'{') { 2 } else { 0 };
        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        let Some(c) = code else {
            return Err(syntax(self.pattern, "Illegal hexadecimal escape sequence", self.at + 1));
        };
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        self.at += 2 + digits.chars().count() + braces;
        Ok(())
    }

    /// `\p{Alpha}`, `\p{Lu}`, `\pL`.
    fn property(&mut self, letter: char) -> Result<(), String> {
        let braced = self.peek(2) == Some('{');
        let name: String = match braced {
            true => self.chars[self.at + 3..].iter().take_while(|c| **c != '}').collect(),
            false => self.chars[self.at + 2..].iter().take(1).collect(),
        };
        let negation = if letter == 'P' { "^" } else { "" };
        if let Some((_, posix)) = POSIX.iter().find(|(java, _)| *java == name) {
            self.out.push_str(&format!("[{negation}[:{posix}:]]"));
        } else if let Some(rust) = unicode_property(&name) {
            self.out.push_str(&format!("\\{letter}{{{rust}}}"));
        } else if (1..=2).contains(&name.len()) && name.starts_with(|c| "LMNPSZC".contains(c)) {
            self.out.push_str(&format!("\\{letter}{{{name}}}"));
        } else {
            return self.unsupported(&format!("the property {name} is"));
        }
        self.at += name.chars().count() + if braced { 4 } else { 2 };
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        self.copy(1);
        if self.peek(0) == Some('^') {
            self.copy(1);
        }
        // A bracket that closes nothing yet is a member.
        if self.peek(0) == Some(']') {
            self.out.push_str("\\]");
            self.at += 1;
        }
        loop {
            match self.peek(0) {
                None => return Err(syntax(self.pattern, "Unclosed character class", self.chars.len() - 1)),
                Some(']') => {
                    self.copy(1);
                    return Ok(());
                }
                Some('[') => self.class()?,
                Some('\\') => self.escape(true)?,
                Some('&') if self.peek(1) == Some('&') => self.copy(2),
                // A range has a member on either side.
                Some('-') if self.is_range() => {
                    let (start, end) = (self.chars[self.at - 1], self.chars[self.at + 1]);
                    let plain = self.chars.get(self.at.wrapping_sub(2)) != Some(&'\\') && end != '\\';
                    if plain && start > end {
                        return Err(syntax(self.pattern, "Illegal character range", self.at + 1));
                    }
                    self.copy(1);
                }
                Some(c) => {
                    self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                    self.at += 1;
                }
            }
        }
    }

    fn is_range(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.chars[at]);
        before.is_some_and(|c| c != '[' && c != '^') && self.peek(1).is_some_and(|c| c != ']' && c != '[')
    }
}

#[cfg(test)]
mod tests {
    use crate::java::JavaRegex;

    #[test]
    fn patterns_mean_the_same() {
        let rows = [
            (r"ord.*", "orders", true),
            (r"(?i)ORDERS", "orders", true),
            (r"[\w.-]+", "a.b-c_1", true),
            (r"\Qa.b\E.*", "a.bc", true),
            (r"\Qa.b\E", "aXb", false),
            (r"\d{2,3}", "123", true),
            (r"\d", "\u{0663}", false),
            (r"[a-z&&[^b]]+", "abc", false),
            (r"[a-z&&[^b]]+", "ac", true),
            (r"a|b", "b", true),
            (r"", "x", false),
            (r"\p{Upper}\p{L}*", "Ab", true),
            (r"[]a]+", "a]", true),
            (r"a{2}?", "aa", true),
            (r"\x41B", "AB", true),
            (r"(?<topic>t)-x", "t-x", true),
            (r"[-a]+", "-a", true),
            (r"a\.b\-c", "a.b-c", true),
            (r"(?!ord).*", "orders", false),
            (r"(?=o)o.*(?<=s)", "orders", true),
            (r"(?>o+)rders", "orders", true),
            (r".*+s", "orders", false),
            (r"(?:ab){1,2}+c", "ababc", true),
            (r"(.)\1x", "aax", true),
            (r"(?<q>r).*\k<q>s", "rders", true),
            (r"(?x) o r d e r s # c", "orders", true),
            (r"(?x: o ) r", "o r", true),
            (r"(?iu)ORD.*", "orders", true),
            (r"orders\Z", "orders\n", false),
            (r"orders\Z\n", "orders\n", true),
            (r"\0157\x{72}\cA", "or\u{1}", true),
            (r"\p{IsAlphabetic}+\p{IsLatin}\p{script=Greek}", "aaα", true),
            (r"\H+\V+\R", "ab\r\n", true),
        ];
        for (pattern, text, want) in rows {
            let regex = JavaRegex::new(pattern).expect(pattern);
            assert_eq!(regex.matches(text).expect("few steps"), want, "{pattern} {text}");
        }
    }

    #[test]
    fn what_cannot_be_mapped_is_refused() {
        for pattern in
            [r"(a\1)", r"\1(a)", "(?U)x", r"\G", r"\X", r"\N{DIGIT ONE}", r"\p{InGreek}", r"\p{javaLowerCase}"]
        {
            let problem = JavaRegex::new(pattern).map(|_| ()).expect_err(pattern);
            assert!(problem.contains("not supported"), "{pattern}: {problem}");
        }
    }

    #[test]
    fn mistakes_are_reported_as_in_java() {
        let rows = [
            ("(", "Unclosed group near index 1\n("),
            ("*a", "Dangling meta character '*' near index 0\n*a\n^"),
            ("[a", "Unclosed character class near index 1\n[a\n ^"),
            ("a)", "Unmatched closing ')' near index 0\na)\n^"),
            ("a{x}", "Illegal repetition near index 2\na{x}\n  ^"),
            ("a{", "Illegal repetition near index 2\na{"),
            ("[b-a]", "Illegal character range near index 3\n[b-a]\n   ^"),
            ("(?q)", "Unknown inline modifier near index 2\n(?q)\n  ^"),
            ("a**", "Dangling meta character '*' near index 2\na**\n  ^"),
            ("a{2,1}", "Illegal repetition range near index 5\na{2,1}\n     ^"),
            ("(?<1>a)", "capturing group name does not start with a Latin letter near index 3\n(?<1>a)\n   ^"),
            (
                "(?<n>a)(?<n>b)",
                "Named capturing group <n> is already defined near index 11\n(?<n>a)(?<n>b)\n           ^",
            ),
            (r"\k<x>", "named capturing group <x> does not exist near index 4\n\\k<x>\n    ^"),
            (r"\y", "Illegal/unsupported escape sequence near index 1\n\\y\n ^"),
        ];
        for (pattern, want) in rows {
            assert_eq!(JavaRegex::new(pattern).map(|_| ()), Err(want.to_owned()));
        }
    }
}
