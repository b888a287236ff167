//! Cuts the text of statements into tokens.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or an unquoted name, also `@variable`.
    Word,
    /// Something in quotes, which are part of the text; what may stand before them (`N'..'`) as well.
    Quoted,
    /// A number.
    Number,
    /// `b'..'`, `0b..`.
    Bits,
    /// `x'..'`, `0x..`.
    Hex,
    /// One character.
    Sign(char),
}

/// A token: its kind and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether it stands in a comment that only some servers read (`/*! .. */`).
    pub(super) in_comment: bool,
}

/// How the server that wrote the statement reads text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// `\` escapes in quoted text; not so under `NO_BACKSLASH_ESCAPES`.
    pub(super) backslash_escapes: bool,
    /// Whether `/*M! .. */` is read.
    pub(super) mariadb: bool,
    /// The server's version as comments give it: `80031` is 8.0.31.
    pub(super) version: u32,
}

/// Tokens of `sql`, without blanks and comments.
///
/// # Errors
/// Where a quoted text begins that does not end.
pub(super) fn tokens(sql: &str, reading: Reading) -> Result<Vec<Token>, usize> {
    let mut lexer = Lexer { sql: sql.as_bytes(), at: 0, reading, tokens: Vec::new(), in_comment: false };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
    reading: Reading,
    tokens: Vec<Token>,
    in_comment: bool,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), usize> {
        while let Some(byte) = self.peek(0) {
            match byte {
                b if b.is_ascii_whitespace() || b == 0x0b => self.at += 1,
                b'#' => self.skip_line(),
                b'-' if self.peek(1) == Some(b'-') && self.peek(2).is_none_or(|b| b <= b' ') => self.skip_line(),
                b'/' if self.peek(1) == Some(b'*') => self.comment(),
                b'*' if self.in_comment && self.peek(1) == Some(b'/') => {
                    self.in_comment = false;
                    self.at += 2;
                }
                b'\'' | b'"' | b'`' => self.quoted(self.at)?,
                b'.' if self.peek(1).is_some_and(|b| b.is_ascii_digit()) && !self.behind_name() => self.number(),
                b if b.is_ascii_digit() => self.number(),
                b if is_word(b) || b == b'@' => self.word()?,
                _ => self.push(Kind::Sign(char::from(byte)), self.at, self.at + 1),
            }
        }
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.sql.get(self.at + ahead).copied()
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.tokens.push(Token { kind, start, end, in_comment: self.in_comment });
        self.at = end;
    }

    fn skip_line(&mut self) {
        let rest = &self.sql[self.at..];
        self.at += rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |place| place + 1);
    }

    /// Skips a comment, or only its beginning where the server reads what is inside.
    fn comment(&mut self) {
        let marked = match (self.peek(2), self.peek(3)) {
            (Some(b'!'), _) => Some(3),
            (Some(b'M'), Some(b'!')) if self.reading.mariadb => Some(4),
            _ => None,
        };
        if let Some(length) = marked {
            let digits = self.sql[self.at + length..].iter().take(6).take_while(|b| b.is_ascii_digit()).count();
            let digits = if digits < 5 { 0 } else { digits };
            let text = &self.sql[self.at + length..self.at + length + digits];
            let version = text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
            if self.is_read(version) {
                self.in_comment = true;
                self.at += length + digits;
                return;
            }
        }
        let rest = &self.sql[self.at + 2..];
        let end = rest.windows(2).position(|pair| pair == b"*/");
        self.at += 2 + end.map_or(rest.len(), |place| place + 2);
    }

    /// MariaDB leaves out what is meant for MySQL from 5.7 on.
    const fn is_read(&self, version: u32) -> bool {
        version <= self.reading.version && !(self.reading.mariadb && version >= 50_700 && version <= 99_999)
    }

    /// Reads from the quote at the current place to its end; the token begins at `start`.
    fn quoted(&mut self, start: usize) -> Result<(), usize> {
        let quote = self.sql[self.at];
        let escapes = quote != b'`' && self.reading.backslash_escapes;
        let mut at = self.at + 1;
        loop {
            match self.sql.get(at) {
                None => return Err(start),
                Some(b'\\') if escapes => at += 2,
                Some(byte) if *byte == quote && self.sql.get(at + 1) == Some(&quote) => at += 2,
                Some(byte) if *byte == quote => break,
                Some(_) => at += 1,
            }
        }
        let kind = match &self.sql[start..self.at] {
            b"b" | b"B" => Kind::Bits,
            b"x" | b"X" => Kind::Hex,
            _ => Kind::Quoted,
        };
        self.push(kind, start, at + 1);
        Ok(())
    }

    fn number(&mut self) {
        let start = self.at;
        let digits = |from: usize| self.sql[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut at = start + digits(start);
        let word = start + self.sql[start..].iter().take_while(|b| is_word(**b)).count();
        match &self.sql[start..word] {
            [b'0', b'x' | b'X', hex @ ..] if !hex.is_empty() && hex.iter().all(u8::is_ascii_hexdigit) => {
                return self.push(Kind::Hex, start, word);
            }
            [b'0', b'b' | b'B', bits @ ..] if !bits.is_empty() && bits.iter().all(|b| matches!(b, b'0' | b'1')) => {
                return self.push(Kind::Bits, start, word);
            }
            _ => {}
        }
        if self.sql.get(at) == Some(&b'.') && !self.behind_dot() {
            at += 1 + digits(at + 1);
        }
        if matches!(self.sql.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.sql.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at + 1 + sign);
            if exponent > 0 {
                at += 1 + sign + exponent;
            }
        }
        if at < word {
            // A name may begin with digits, as long as something else follows.
            return self.push(Kind::Word, start, word);
        }
        self.push(Kind::Number, start, at);
    }

    fn word(&mut self) -> Result<(), usize> {
        let start = self.at;
        let mut at = start;
        while self.sql.get(at) == Some(&b'@') {
            at += 1;
        }
        let variable = at > start;
        at += self.sql[at..].iter().take_while(|b| is_word(**b) || variable && **b == b'.').count();
        let prefix = &self.sql[start..at];
        let prefixed = matches!(prefix, b"b" | b"B" | b"x" | b"X" | b"n" | b"N") && self.sql.get(at) == Some(&b'\'');
        if prefixed {
            self.at = at;
            return self.quoted(start);
        }
        if prefix == b"@" && matches!(self.sql.get(at), Some(b'\'' | b'"' | b'`')) {
            self.at = at;
            return self.quoted(start);
        }
        self.push(Kind::Word, start, at);
        Ok(())
    }

    /// Whether a name stands right before: then a dot joins it to what follows.
    fn behind_name(&self) -> bool {
        self.tokens.last().is_some_and(|last| last.end == self.at && matches!(last.kind, Kind::Word | Kind::Quoted))
    }

    fn behind_dot(&self) -> bool {
        self.tokens.last().is_some_and(|last| last.end == self.at && last.kind == Kind::Sign('.'))
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    const MYSQL: Reading = Reading { backslash_escapes: true, mariadb: false, version: 80_031 };
    const MARIADB: Reading = Reading { backslash_escapes: true, mariadb: true, version: 101_119 };

    fn texts(sql: &str, reading: Reading) -> Vec<&str> {
        tokens(sql, reading).unwrap().iter().map(|token| &sql[token.start..token.end]).collect()
    }

    #[test]
    fn text_is_cut_into_tokens() {
        let rows: &[(&str, &[&str])] = &[
            ("a.b , `c d`.\"e\"", &["a", ".", "b", ",", "`c d`", ".", "\"e\""]),
            ("'it''s' 'a\\'b' ''", &["'it''s'", "'a\\'b'", "''"]),
            ("`a``b`", &["`a``b`"]),
            ("b'101' X'4f' N'x' _utf8'y'", &["b'101'", "X'4f'", "N'x'", "_utf8", "'y'"]),
            ("1.5e-3 .5 9lives 1e5 0x1F 0b11", &["1.5e-3", ".5", "9lives", "1e5", "0x1F", "0b11"]),
            ("t.1a", &["t", ".", "1a"]),
            ("-- c\n1 # d\n2 --3", &["1", "2", "-", "-", "3"]),
            ("a /* 'b' */ c", &["a", "c"]),
            ("a /*!80023 b */ c /*!90000 d */ e", &["a", "b", "c", "e"]),
            ("@a @@global.b naïve", &["@a", "@@global.b", "naïve"]),
        ];
        for (sql, want) in rows {
            assert_eq!(texts(sql, MYSQL), *want, "{sql}");
        }
    }

    #[test]
    fn each_server_reads_its_own_comments() {
        let sql = "/*!50101 a */ /*!80000 b */ /*M!100100 c */ /*M! d */";
        assert_eq!(texts(sql, MYSQL), ["a", "b"]);
        assert_eq!(texts(sql, MARIADB), ["a", "c", "d"]);
    }

    #[test]
    fn backslashes_escape_unless_the_mode_says_no() {
        assert_eq!(texts(r"'a\' b'", MYSQL), [r"'a\' b'"]);
        assert_eq!(texts(r"'a\' b", Reading { backslash_escapes: false, ..MYSQL }), [r"'a\'", "b"]);
    }

    #[test]
    fn text_without_its_closing_quote_is_found() {
        assert_eq!(tokens("a 'b", MYSQL), Err(2));
    }
}
