//! Walks over the tokens of one statement.

use couplet_cdc::TableId;

use super::error::Failure;
use super::lexer::{Kind, Token};

/// A place among the tokens of a statement.
pub(super) struct Cursor<'a> {
    pub(super) sql: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(sql: &'a str, tokens: &'a [Token]) -> Self {
        Cursor { sql, tokens, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn text_of(&self, token: Token) -> &'a str {
        &self.sql[token.start..token.end]
    }

    /// Text of the token at the current place, or nothing at the end.
    pub(super) fn text(&self) -> &'a str {
        self.peek().map_or("", |token| self.text_of(token))
    }

    pub(super) const fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Whether the current token is the last.
    pub(super) const fn is_at_last(&self) -> bool {
        self.at + 1 == self.tokens.len()
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let token = self.peek()?;
        self.at += 1;
        Some(self.text_of(token))
    }

    /// Whether the token `ahead` of the current one is that word.
    pub(super) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        self.tokens
            .get(self.at + ahead)
            .is_some_and(|token| token.kind == Kind::Word && self.text_of(*token).eq_ignore_ascii_case(word))
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(word))
    }

    /// Takes the word if it stands here.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    /// Takes one of the words, and says which.
    pub(super) fn any(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.word(word))
    }

    /// Takes the words if all of them stand here in this order.
    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(ahead, word)| self.is_word_at(ahead, word));
        self.at += if found { words.len() } else { 0 };
        found
    }

    pub(super) fn is_sign_at(&self, ahead: usize, sign: char) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.kind == Kind::Sign(sign))
    }

    pub(super) fn is_sign(&self, sign: char) -> bool {
        self.is_sign_at(0, sign)
    }

    /// Takes the sign if it stands here.
    pub(super) fn sign(&mut self, sign: char) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn is_kind(&self, kind: Kind) -> bool {
        self.peek().is_some_and(|token| token.kind == kind)
    }

    /// Takes a token of that kind.
    pub(super) fn kind(&mut self, kind: Kind) -> Option<&'a str> {
        if self.is_kind(kind) { self.next() } else { None }
    }

    /// That something else was expected here.
    pub(super) fn expected(&self, what: &'static str) -> Failure {
        Failure { at: self.peek().map_or(self.sql.len(), |token| token.start), expected: what }
    }

    pub(super) fn need_sign(&mut self, sign: char, what: &'static str) -> Result<(), Failure> {
        if self.sign(sign) { Ok(()) } else { Err(self.expected(what)) }
    }

    /// Takes a name, quoted or not.
    pub(super) fn name(&mut self) -> Result<String, Failure> {
        match self.peek().map(|token| token.kind) {
            Some(Kind::Word | Kind::Quoted) => Ok(unquoted(self.next().unwrap_or_default())),
            // A keyword-like name that begins with digits is a word already; this one has only digits.
            _ => Err(self.expected("a name")),
        }
    }

    /// Takes `table`, `database.table` or `.table`.
    pub(super) fn table(&mut self, database: &str) -> Result<TableId, Failure> {
        if self.sign('.') {
            return Ok(TableId::new(database, self.name()?));
        }
        let first = self.name()?;
        if self.sign('.') { Ok(TableId::new(first, self.name()?)) } else { Ok(TableId::new(database, first)) }
    }

    /// Skips from the opening parenthesis here to behind the one that closes it.
    pub(super) fn skip_parentheses(&mut self) -> Result<(), Failure> {
        let opening = self.expected("a closing parenthesis for this one");
        let mut depth = 0_u32;
        while let Some(token) = self.peek() {
            self.at += 1;
            match token.kind {
                Kind::Sign('(') => depth += 1,
                Kind::Sign(')') if depth <= 1 => return Ok(()),
                Kind::Sign(')') => depth -= 1,
                _ => {}
            }
        }
        Err(opening)
    }

    /// Skips one token, or all between a pair of parentheses.
    pub(super) fn skip(&mut self) -> Result<(), Failure> {
        if self.is_sign('(') {
            return self.skip_parentheses();
        }
        self.at += 1;
        Ok(())
    }

    /// Skips to the next comma or closing parenthesis that does not belong to a pair in between.
    pub(super) fn skip_item(&mut self) -> Result<(), Failure> {
        while !self.at_end() && !self.is_sign(',') && !self.is_sign(')') {
            self.skip()?;
        }
        Ok(())
    }

    /// Skips everything.
    pub(super) const fn skip_all(&mut self) {
        self.at = self.tokens.len();
    }

    /// Where the current token stands in the text.
    pub(super) fn offset(&self) -> usize {
        self.peek().map_or(self.sql.len(), |token| token.start)
    }

    /// Where the last token taken ends.
    pub(super) fn end_offset(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.end)
    }

    /// The text of the statement before the current token.
    pub(super) fn before(&self) -> &'a str {
        let start = self.tokens.first().map_or(0, |token| token.start);
        &self.sql[start..self.offset()]
    }

    /// The whole statement, from its first token to its last; comments that only some servers read are not at its ends,
    /// unless there is nothing else.
    pub(super) fn statement(&self) -> &'a str {
        let visible = |token: &&Token| !token.in_comment;
        let ends = (self.tokens.iter().find(visible), self.tokens.iter().rfind(visible));
        match ends {
            (Some(first), Some(last)) => &self.sql[first.start..last.end],
            _ => self.sql.trim(),
        }
    }
}

/// A name or text without its quotes; doubled backticks are one.
pub(super) fn unquoted(text: &str) -> String {
    let inner = strip_quotes(text);
    if text.starts_with('`') { inner.replace("``", "`") } else { inner.to_owned() }
}

/// `text` without the pair of quotes around it, if there is one. Escapes inside stay.
pub(super) fn strip_quotes(text: &str) -> &str {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'));
    quote.and_then(|quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text)
}
