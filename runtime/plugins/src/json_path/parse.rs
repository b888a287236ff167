use std::str::FromStr;

use super::compare::Operator;
use super::condition::{Condition, Expression, Source};
use super::path::{JsonPath, Token};
use crate::java::JavaRegex;

/// Conditions within conditions, and negations, that a path may have.
const DEPTH_MAX: usize = 64;

/// Operators by their text; a longer one stands before its beginning.
const OPERATORS: [(&str, Operator); 17] = [
    ("===", Operator::Same),
    ("!==", Operator::NotSame),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("=~", Operator::Matches),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("subsetof", Operator::SubsetOf),
    ("noneof", Operator::NoneOf),
    ("anyof", Operator::AnyOf),
    ("contains", Operator::Contains),
    ("empty", Operator::Empty),
    ("size", Operator::Size),
    ("nin", Operator::NotIn),
    ("in", Operator::In),
];

impl FromStr for JsonPath {
    type Err = String;

    /// Reads a path, whose `$.` at the start may be left out; the error says what is wrong at which character.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parser = Parser { text, rest: text.trim(), depth: 0 };
        let first = if parser.take("$") { None } else { Some(Token::Names(vec![parser.name()?])) };
        let mut path = parser.path()?;
        path.tokens.splice(0..0, first);
        if parser.rest.is_empty() { Ok(path) } else { Err(parser.problem("expected the end of the path")) }
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

type Parsed<T> = Result<T, String>;

impl<'a> Parser<'a> {
    fn problem(&self, what: &str) -> String {
        let at = self.text.trim_end().len().saturating_sub(self.rest.len());
        format!("{what}, at character {}", self.text.get(..at).map_or(0, |before| before.chars().count()) + 1)
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Parsed<()> {
        self.blanks();
        if self.take(text) { Ok(()) } else { Err(self.problem(&format!("expected {text}"))) }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// What the next characters are as long as `belongs` holds.
    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// The steps behind `$` or `@`.
    fn path(&mut self) -> Parsed<JsonPath> {
        let mut tokens = Vec::new();
        loop {
            if self.take("..") {
                tokens.push(Token::Anywhere(self.name()?));
            } else if self.take(".") {
                if self.take("*") {
                    tokens.push(Token::All);
                } else if !self.rest.starts_with('[') {
                    tokens.push(Token::Names(vec![self.name()?]));
                }
            } else if self.take("[") {
                tokens.push(self.bracket()?);
                self.expect("]")?;
            } else {
                return Ok(JsonPath { tokens });
            }
        }
    }

    fn name(&mut self) -> Parsed<String> {
        let name = self.word(|c| !c.is_whitespace() && !".[]()=!<>&|,'\"*?@".contains(c));
        if name.is_empty() {
            return Err(self.problem("expected the name of a field"));
        }
        if self.rest.starts_with('(') {
            return Err(self.problem(&format!("the function {name}() is not supported")));
        }
        Ok(name.to_owned())
    }

    fn bracket(&mut self) -> Parsed<Token> {
        self.blanks();
        if self.take("*") {
            return Ok(Token::All);
        }
        if self.take("?") {
            self.expect("(")?;
            let condition = self.condition()?;
            self.expect(")")?;
            return Ok(Token::Filter(condition));
        }
        if self.rest.starts_with(['\'', '"']) {
            let names = self.separated(Self::quoted)?;
            return Ok(Token::Names(names));
        }
        let digits = self.word(|c| c.is_ascii_digit() || "-:, ".contains(c));
        let number = |text: &str| text.trim().parse::<i64>().map_err(|_| self.problem("expected a number"));
        if let Some((from, to)) = digits.split_once(':') {
            let bound = |text: &str| if text.trim().is_empty() { Ok(None) } else { number(text).map(Some) };
            return Ok(Token::Slice(bound(from)?, bound(to)?));
        }
        Ok(Token::Items(digits.split(',').map(number).collect::<Parsed<_>>()?))
    }

    fn separated<T>(&mut self, one: fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut all = Vec::new();
        loop {
            self.blanks();
            all.push(one(self)?);
            self.blanks();
            if !self.take(",") {
                return Ok(all);
            }
        }
    }

    /// Text in single or double quotes; a backslash makes the next character a plain one, or is one of JSON's escapes.
    fn quoted(&mut self) -> Parsed<String> {
        let quote = self.rest.chars().next().filter(|c| "'\"".contains(*c));
        let quote = quote.ok_or_else(|| self.problem("expected text in quotes"))?;
        let mut text = String::new();
        let mut rest = self.rest[1..].chars();
        while let Some(c) = rest.next() {
            match c {
                c if c == quote => {
                    self.rest = rest.as_str();
                    return Ok(text);
                }
                '\\' => match rest.next() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('b') => text.push('\u{8}'),
                    Some('f') => text.push('\u{c}'),
                    Some('u') => {
                        let digits = rest.as_str().get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                        let c = digits.and_then(char::from_u32);
                        text.push(c.ok_or_else(|| self.problem("expected \\u and the code of a character"))?);
                        rest = rest.as_str()[4..].chars();
                    }
                    Some(other) => text.push(other),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(self.problem(&format!("a text has no closing {quote}")))
    }

    fn condition(&mut self) -> Parsed<Condition> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.problem("conditions are nested too deeply"));
        }
        let any = self.joined("||", |parser| {
            let all = parser.joined("&&", Self::operand_of_logic)?;
            Ok(one_or(all, Condition::All))
        })?;
        self.depth -= 1;
        Ok(one_or(any, Condition::Any))
    }

    fn joined(&mut self, by: &str, part: impl Fn(&mut Self) -> Parsed<Condition>) -> Parsed<Vec<Condition>> {
        let mut parts = vec![part(self)?];
        loop {
            self.blanks();
            if !self.take(by) {
                return Ok(parts);
            }
            parts.push(part(self)?);
        }
    }

    fn operand_of_logic(&mut self) -> Parsed<Condition> {
        self.blanks();
        if self.rest.starts_with('!') && !self.rest.starts_with("!=") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(self.problem("conditions are nested too deeply"));
            }
            self.rest = &self.rest[1..];
            let negated = Condition::Not(Box::new(self.operand_of_logic()?));
            self.depth -= 1;
            return Ok(negated);
        }
        if self.take("(") {
            let condition = self.condition()?;
            self.expect(")")?;
            return Ok(condition);
        }
        let left = self.expression()?;
        self.blanks();
        let Some(operator) = self.operator()? else {
            return match left {
                Expression::Path(source) => Ok(Condition::Exists(source)),
                _ => Err(self.problem("expected an operator")),
            };
        };
        self.blanks();
        let right = self.expression()?;
        Ok(Condition::Compare(left, operator, right))
    }

    fn operator(&mut self) -> Parsed<Option<Operator>> {
        if self.rest.is_empty() || self.rest.starts_with([')', '&', '|']) {
            return Ok(None);
        }
        for (text, operator) in OPERATORS {
            let start = self.rest.get(..text.len()).filter(|start| start.eq_ignore_ascii_case(text));
            let after = self.rest.get(text.len()..).and_then(|rest| rest.chars().next());
            let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic());
            if start.is_some() && !(is_word && after.is_some_and(char::is_alphanumeric)) {
                self.rest = &self.rest[text.len()..];
                return Ok(Some(operator));
            }
        }
        Err(self.problem(
            "expected an operator (==, !=, ===, !==, <, <=, >, >=, =~, in, nin, subsetof, anyof, noneof, \
            contains, size, empty); others are not supported",
        ))
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.blanks();
        if self.take("@") {
            return Ok(Expression::Path(Source::Item(self.definite_path()?)));
        }
        if self.take("$") {
            return Ok(Expression::Path(Source::Root(self.definite_path()?)));
        }
        if self.rest.starts_with(['\'', '"']) {
            return self.quoted().map(Expression::Text);
        }
        if self.take("/") {
            return self.pattern();
        }
        if self.take("[") {
            self.blanks();
            if self.take("]") {
                return Ok(Expression::List(Vec::new()));
            }
            let items = self.separated(|parser| match parser.rest.starts_with(['[', '@', '$', '/']) {
                true => Err(parser.problem("a list may have texts, numbers, true, false and null only")),
                false => parser.expression(),
            })?;
            self.expect("]")?;
            return Ok(Expression::List(items));
        }
        match self.word(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            "true" => Ok(Expression::Bool(true)),
            "false" => Ok(Expression::Bool(false)),
            "null" => Ok(Expression::Null),
            word => word.parse().map(Expression::Number).map_err(|_| {
                self.problem("expected a path, a text in quotes, a number, true, false, null, a list or a /pattern/")
            }),
        }
    }

    fn definite_path(&mut self) -> Parsed<JsonPath> {
        let path = self.path()?;
        match path.is_definite() {
            true => Ok(path),
            false => Err(self.problem("a path inside of a condition must lead to one place")),
        }
    }

    fn pattern(&mut self) -> Parsed<Expression> {
        let mut escaped = false;
        let end = self.rest.find(|c| {
            let is_end = c == '/' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        });
        let end = end.ok_or_else(|| self.problem("a pattern has no closing /"))?;
        let pattern = self.rest[..end].to_owned();
        self.rest = &self.rest[end + 1..];
        let flags = self.word(|c| c.is_ascii_alphabetic());
        let pattern = if flags.is_empty() { pattern } else { format!("(?{flags}){pattern}") };
        JavaRegex::new(&pattern).map(Box::new).map(Expression::Pattern).map_err(|problem| self.problem(&problem))
    }
}

/// The only part itself, or several joined.
fn one_or(mut parts: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}
