use std::borrow::Cow;

use bytes::Bytes;
use couplet_api::data::{Utf8, Value};
use couplet_api::{Error, Result};

use super::number::Number;
use super::syntax;
use crate::java::HashMapOrder;

/// Deepest nesting, as Jackson's `StreamReadConstraints`.
const DEPTH_MAX: usize = 1000;
/// Longest number, in characters, as Jackson's `StreamReadConstraints`.
const NUMBER_LENGTH_MAX: usize = 1000;

/// What the next value is, told by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// Any number.
    Number,
    /// Text.
    String,
    /// `[…]`.
    Array,
    /// `{…}`.
    Object,
}

impl Node {
    /// Jackson's name of the node type.
    pub const fn name(self) -> &'static str {
        match self {
            Node::Null => "NULL",
            Node::Boolean => "BOOLEAN",
            Node::Number => "NUMBER",
            Node::String => "STRING",
            Node::Array => "ARRAY",
            Node::Object => "OBJECT",
        }
    }
}

/// A place in JSON bytes. Every method that reads fails with [`couplet_api::Kind::Data`] where the bytes are not what it
/// reads; nesting is limited as in Jackson.
pub struct Reader<'a> {
    source: &'a Bytes,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// At the start of `source`.
    pub const fn new(source: &'a Bytes) -> Self {
        Reader { source, at: 0, depth: 0 }
    }

    /// Within an object that is all of `source`, at byte `at`.
    pub(super) const fn in_object(source: &'a Bytes, at: usize) -> Self {
        Reader { source, at, depth: 1 }
    }

    /// What `read` reads, if nothing but the end of the object and of the source follows.
    pub(super) fn last_member<T>(mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Option<T> {
        let value = read(&mut self).ok()?;
        (self.leave(b'}') && self.at_end()).then_some(value)
    }

    fn error(&self, what: &str) -> Error {
        syntax(what, self.at)
    }

    /// The next byte behind white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.source.get(self.at) {
            self.at += 1;
        }
        self.source.get(self.at).copied()
    }

    /// Whether only white space is left.
    pub fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// What comes next.
    ///
    /// # Errors
    /// When no value comes next.
    pub fn node(&mut self) -> Result<Node> {
        Ok(match self.peek().ok_or_else(|| self.error("unexpected end of input"))? {
            b'{' => Node::Object,
            b'[' => Node::Array,
            b'"' => Node::String,
            b'-' | b'0'..=b'9' => Node::Number,
            b't' | b'f' => Node::Boolean,
            b'n' => Node::Null,
            _ => return Err(self.error("unexpected character, no value starts with it")),
        })
    }

    /// Reads `null`.
    pub fn null(&mut self) -> Result<()> {
        self.word("null")
    }

    /// Reads `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool> {
        let truth = self.peek() == Some(b't');
        self.word(if truth { "true" } else { "false" })?;
        Ok(truth)
    }

    fn word(&mut self, word: &str) -> Result<()> {
        self.peek();
        let end = self.at + word.len();
        let follows = self.source.get(end).copied();
        if !self.source[self.at..].starts_with(word.as_bytes()) || follows.is_some_and(|b| b.is_ascii_alphanumeric()) {
            return Err(self.error("unrecognized token"));
        }
        self.at = end;
        Ok(())
    }

    /// Reads a number.
    pub fn number(&mut self) -> Result<Number<'a>> {
        self.peek();
        let start = self.at;
        let mut integral = true;
        self.skip_if(b"-");
        self.digits()?;
        if self.skip_if(b".") {
            integral = false;
            self.digits()?;
        }
        if self.skip_if(b"eE") {
            integral = false;
            self.skip_if(b"+-");
            let digits = self.digits()?;
            if digits > 9 {
                return Err(self.error("exponent out of range"));
            }
        }
        let follows = self.source.get(self.at).copied();
        let ends_here = match follows {
            None | Some(b' ' | b'\t' | b'\n' | b'\r') => true,
            Some(b',' | b']' | b'}') => self.depth > 0,
            Some(_) => false,
        };
        if !ends_here {
            return Err(self.error("unexpected character behind a number"));
        }
        if self.at - start > NUMBER_LENGTH_MAX {
            return Err(self.error("number is too long"));
        }
        // Only ASCII got through.
        Ok(Number::new(std::str::from_utf8(&self.source[start..self.at]).unwrap_or("0"), integral))
    }

    fn skip_if(&mut self, any: &[u8]) -> bool {
        let skipped = self.source.get(self.at).is_some_and(|b| any.contains(b));
        self.at += usize::from(skipped);
        skipped
    }

    fn digits(&mut self) -> Result<usize> {
        let count = self.source[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.error("number without digits")) } else { Ok(count) }
    }

    /// Reads text: a slice of the source unless it holds escapes.
    pub fn text(&mut self) -> Result<Utf8> {
        match self.text_end()? {
            (start, end, b'"') => {
                self.at = end + 1;
                Utf8::new(self.source.slice(start..end)).map_err(|e| syntax(e.message(), start))
            }
            (start, escape, _) => self.text_with_escapes(start, escape).map(Utf8::from),
        }
    }

    /// As [`Reader::text`], for who only looks at it.
    pub(super) fn borrowed_text(&mut self) -> Result<Cow<'a, str>> {
        match self.text_end()? {
            (start, end, b'"') => {
                self.at = end + 1;
                self.utf8(start, end).map(Cow::Borrowed)
            }
            (start, escape, _) => self.text_with_escapes(start, escape).map(Cow::Owned),
        }
    }

    /// Where the next text begins, where its plain part ends, and what ends that: a quote or a backslash.
    fn text_end(&mut self) -> Result<(usize, usize, u8)> {
        self.peek();
        let start = self.at + 1;
        let rest = self.source.get(start..).unwrap_or_default();
        let length = rest.iter().position(|b| matches!(b, b'"' | b'\\' | ..0x20)).unwrap_or(rest.len());
        match rest.get(length) {
            Some(ends @ (b'"' | b'\\')) => Ok((start, start + length, *ends)),
            Some(_) => Err(syntax("control character in text", start + length)),
            None => Err(syntax("unexpected end of text", start + length)),
        }
    }

    fn utf8(&self, start: usize, end: usize) -> Result<&'a str> {
        let invalid =
            |error: std::str::Utf8Error| syntax(&format!("text is not UTF-8 at byte {}", error.valid_up_to()), start);
        std::str::from_utf8(&self.source[start..end]).map_err(invalid)
    }

    fn text_with_escapes(&mut self, start: usize, first_escape: usize) -> Result<String> {
        let mut text = self.utf8(start, first_escape)?.to_owned();
        let mut at = first_escape;
        loop {
            let run = self.source[at..].iter().take_while(|b| !matches!(b, b'"' | b'\\' | ..0x20)).count();
            text.push_str(self.utf8(at, at + run)?);
            at += run;
            match self.source.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at = self.escape(at + 1, &mut text)?,
                Some(_) => return Err(syntax("control character in text", at)),
                None => return Err(syntax("unexpected end of text", at)),
            }
        }
        self.at = at + 1;
        Ok(text)
    }

    /// Reads the escape whose letter is at `at`; returns the place behind it.
    fn escape(&self, at: usize, text: &mut String) -> Result<usize> {
        let letter = *self.source.get(at).ok_or_else(|| syntax("unexpected end of text", at))?;
        text.push(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex(at + 1)?;
                let second = self.source[at + 5..].starts_with(b"\\u").then(|| self.hex(at + 7)).transpose()?;
                let units = [first, second.unwrap_or_default()];
                // Half a pair cannot be text in UTF-8.
                let (c, used) = match char::decode_utf16(units).next() {
                    Some(Ok(c)) => (c, c.len_utf16()),
                    _ => (char::REPLACEMENT_CHARACTER, 1),
                };
                text.push(c);
                return Ok(at + 5 + if used == 2 { 6 } else { 0 });
            }
            _ => return Err(syntax("unrecognized escape", at)),
        });
        Ok(at + 1)
    }

    fn hex(&self, at: usize) -> Result<u16> {
        let digits = self.source.get(at..at + 4).and_then(|d| std::str::from_utf8(d).ok());
        let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        digits.and_then(|d| u16::from_str_radix(d, 16).ok()).ok_or_else(|| syntax("expected four hex digits", at))
    }

    /// Reads an object: `member` is called behind each name and must read the value.
    pub fn object(&mut self, member: impl FnMut(&mut Self, Utf8) -> Result<()>) -> Result<()> {
        self.entries(Self::text, member)
    }

    /// As [`Reader::object`], for who does not keep the names.
    pub(super) fn members(&mut self, member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<()>) -> Result<()> {
        self.entries(Self::borrowed_text, member)
    }

    /// Reads an object whose names are read by `read_name`.
    pub(super) fn entries<N>(
        &mut self,
        read_name: impl Fn(&mut Self) -> Result<N>,
        mut member: impl FnMut(&mut Self, N) -> Result<()>,
    ) -> Result<()> {
        self.enter(b'{')?;
        if self.leave(b'}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a field name in double quotes"));
            }
            let name = read_name(self)?;
            if self.peek() != Some(b':') {
                return Err(self.error("expected a colon"));
            }
            self.at += 1;
            member(self, name)?;
            if self.leave(b'}') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    /// Passes over the text that comes next if it is `name`, written without escapes and not in need of them.
    pub(super) fn skip_name(&mut self, name: &str) -> bool {
        if name.bytes().any(|b| matches!(b, b'"' | b'\\' | ..0x20)) {
            return false;
        }
        let rest = self.source.get(self.at + 1..).unwrap_or_default();
        let is_it = rest.strip_prefix(name.as_bytes()).is_some_and(|behind| behind.first() == Some(&b'"'));
        self.at += if is_it { name.len() + 2 } else { 0 };
        is_it
    }

    /// Reads an array: `item` is called before each value and must read it.
    pub fn array(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.enter(b'[')?;
        if self.leave(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.leave(b']') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    fn enter(&mut self, bracket: u8) -> Result<()> {
        if self.peek() != Some(bracket) || self.depth == DEPTH_MAX {
            return Err(self.error("nested too deeply"));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self, bracket: u8) -> bool {
        let left = self.peek() == Some(bracket);
        if left {
            self.at += 1;
            self.depth -= 1;
        }
        left
    }

    fn comma(&mut self) -> Result<()> {
        if self.peek() != Some(b',') {
            return Err(self.error("expected a comma or the end of the object or array"));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a value of any type.
    pub fn value(&mut self) -> Result<Value> {
        let mut value = Value::Null;
        self.value_into(&mut value)?;
        Ok(value)
    }

    /// As [`Reader::value`], into the place where it stays.
    pub(super) fn value_into(&mut self, out: &mut Value) -> Result<()> {
        match self.node()? {
            Node::Null => {
                self.null()?;
                *out = Value::Null;
            }
            Node::Boolean => *out = Value::Bool(self.boolean()?),
            Node::Number => {
                let number = self.number()?;
                match number.is_integral() {
                    true => *out = Value::Int64(number.low_bits()),
                    false => *out = Value::Float64(number.double()),
                }
            }
            Node::String => *out = Value::Str(self.text()?),
            Node::Array => {
                let mut items = Vec::new();
                self.array(|reader| {
                    items.push(reader.value()?);
                    Ok(())
                })?;
                *out = Value::Array(items.into());
            }
            Node::Object => {
                let mut map = HashMapOrder::new();
                self.object(|reader, name| {
                    map.put(name, reader.value()?);
                    Ok(())
                })?;
                *out = map.into_value();
            }
        }
        Ok(())
    }

    /// Reads a value and forgets it.
    pub fn skip(&mut self) -> Result<()> {
        match self.node()? {
            Node::Null => self.null(),
            Node::Boolean => self.boolean().map(drop),
            Node::Number => self.number().map(drop),
            Node::String => self.borrowed_text().map(drop),
            Node::Array => self.array(Self::skip),
            Node::Object => self.members(|reader, _| reader.skip()),
        }
    }

    /// Reads a value and returns its bytes.
    pub fn raw(&mut self) -> Result<Bytes> {
        self.peek();
        let start = self.at;
        self.skip()?;
        Ok(self.source.slice(start..self.at))
    }

    /// The bytes of the members `schema` and `payload`, if the source is an object of just these two. `known` says how many
    /// bytes at the beginning of some are a schema that was read before: they need not be looked at again.
    pub(super) fn envelope(mut self, known: impl Fn(&[u8]) -> Option<usize>) -> Result<Option<(Bytes, Bytes)>> {
        if self.at_end() {
            return Ok(None);
        }
        if self.node()? != Node::Object {
            return self.skip().map(|()| None);
        }
        let (mut schema, mut payload, mut others) = (None, None, false);
        self.members(|reader, name| {
            reader.peek();
            let length = known(&reader.source[reader.at..]).filter(|_| name == "schema");
            let member = Some(match length {
                Some(length) => reader.source.slice(reader.at..reader.at + length),
                None => reader.raw()?,
            });
            reader.at += length.unwrap_or_default();
            match &*name {
                "schema" => schema = member,
                "payload" => payload = member,
                _ => others = true,
            }
            Ok(())
        })?;
        Ok(if others { None } else { schema.zip(payload) })
    }
}
