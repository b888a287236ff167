//! From Java's regular expressions to those of the `regex` crate.

/// The pattern in Rust's notation, with the same meaning.
///
/// # Errors
/// The message of Java's `PatternSyntaxException`, or what has no equivalent.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut translation = Translation { pattern, chars: &chars, at: 0, groups: 0, out: String::new() };
    translation.sequence()?;
    if translation.groups > 0 {
        return Err(syntax(pattern, "Unclosed group", chars.len()));
    }
    Ok(translation.out)
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
    groups: usize,
    out: String,
}

/// Classes that Java takes as ASCII unless told otherwise.
const CLASSES: [(char, &str); 9] = [
    ('d', "[0-9]"),
    ('D', "[^0-9]"),
    ('w', "[a-zA-Z0-9_]"),
    ('W', "[^a-zA-Z0-9_]"),
    ('s', r"[ \t\n\x0B\f\r]"),
    ('S', r"[^ \t\n\x0B\f\r]"),
    ('h', r"[ \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"),
    ('v', r"[\n\x0B\f\r\x{85}\x{2028}\x{2029}]"),
    ('N', r"[^\n]"),
];

/// POSIX classes of Java, ASCII only.
const POSIX: [(&str, &str); 13] = [
    ("Lower", "lower"),
    ("Upper", "upper"),
    ("ASCII", "ascii"),
    ("Alpha", "alpha"),
    ("Digit", "digit"),
    ("Alnum", "alnum"),
    ("Punct", "punct"),
    ("Graph", "graph"),
    ("Print", "print"),
    ("Blank", "blank"),
    ("Cntrl", "cntrl"),
    ("XDigit", "xdigit"),
    ("Space", "space"),
];

impl Translation<'_> {
    fn peek(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    fn unsupported<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("{what} not supported here, at index {} of {}", self.at, self.pattern))
    }

    fn sequence(&mut self) -> Result<(), String> {
        let mut can_repeat = false;
        while let Some(c) = self.peek(0) {
            match c {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => {
                    self.open_group()?;
                    can_repeat = false;
                    continue;
                }
                ')' => {
                    if self.groups == 0 {
                        return Err(match self.at {
                            0 => format!("Unmatched closing ')'\n{}", self.pattern),
                            at => syntax(self.pattern, "Unmatched closing ')'", at - 1),
                        });
                    }
                    self.groups -= 1;
                    self.copy(1);
                }
                '*' | '+' | '?' | '{' => {
                    if !can_repeat {
                        return Err(match c {
                            '{' => syntax(self.pattern, "Illegal repetition", self.at + 1),
                            c => syntax(self.pattern, &format!("Dangling meta character '{c}'"), self.at),
                        });
                    }
                    self.quantifier(c)?;
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

    /// A quantifier, with a question mark if it is reluctant.
    fn quantifier(&mut self, first: char) -> Result<(), String> {
        let length = match first {
            '{' => {
                if !self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
                    return Err(syntax(self.pattern, "Illegal repetition", self.at + 1));
                }
                let end = self.chars[self.at..].iter().position(|c| *c == '}');
                end.ok_or_else(|| syntax(self.pattern, "Unclosed counted closure", self.chars.len()))? + 1
            }
            _ => 1,
        };
        self.copy(length);
        match self.peek(0) {
            Some('+') => self.unsupported("possessive quantifiers are"),
            Some('?') => {
                self.copy(1);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open_group(&mut self) -> Result<(), String> {
        self.groups += 1;
        if self.peek(1) != Some('?') {
            self.copy(1);
            return Ok(());
        }
        match (self.peek(2), self.peek(3)) {
            (Some(':'), _) => self.copy(3),
            (Some('=' | '!'), _) | (Some('<'), Some('=' | '!')) => return self.unsupported("look-around is"),
            (Some('>'), _) => return self.unsupported("atomic groups are"),
            (Some('<'), _) => {
                let end = self.chars[self.at..].iter().position(|c| *c == '>');
                let length = end.ok_or_else(|| {
                    syntax(self.pattern, "named capturing group is missing trailing '>'", self.chars.len())
                })?;
                self.copy(length + 1);
            }
            _ => self.flags()?,
        }
        Ok(())
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
        if let Some(flag) = rest[..length].iter().find(|c| !matches!(c, 'i' | 'm' | 's' | '-')) {
            return self.unsupported(&format!("the flag {flag} is"));
        }
        if rest[length] == ')' {
            self.groups -= 1;
        }
        self.copy(length + 3);
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
            '1'..='9' | 'k' => return self.unsupported("backreferences are"),
            c if c.is_ascii_alphanumeric() => {
                return match c {
                    '0' | 'c' | 'G' | 'Z' | 'R' | 'X' | 'H' | 'V' | 'E' => self.unsupported(&format!("\\{c} is")),
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
        ];
        for (pattern, text, want) in rows {
            assert_eq!(JavaRegex::new(pattern).expect(pattern).matches(text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn what_cannot_be_mapped_is_refused() {
        for pattern in ["(?=a)b", "(?<!a)b", "(?>a)", "a++", "a*+", "a?+", "a{1}+", r"(a)\1", r"\k<n>", "(?x)a", r"\G"]
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
            (r"\y", "Illegal/unsupported escape sequence near index 1\n\\y\n ^"),
        ];
        for (pattern, want) in rows {
            assert_eq!(JavaRegex::new(pattern).map(|_| ()), Err(want.to_owned()));
        }
    }
}
