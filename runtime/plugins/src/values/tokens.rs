/// Text cut at `: , { } [ ] "` where they are not escaped; each of these is a token of its own.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    next: Option<&'a str>,
    previous: Option<&'a str>,
}

/// Blank as Java's `trim` sees it.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

impl<'a> Tokens<'a> {
    /// At the start of `text`.
    pub(super) const fn new(text: &'a str) -> Self {
        Tokens { text, at: 0, next: None, previous: None }
    }

    /// The whole text.
    pub(super) const fn original(&self) -> &'a str {
        self.text
    }

    /// A place to go back to.
    pub(super) fn mark(&self) -> usize {
        self.at - self.next.map_or(0, str::len)
    }

    /// Goes back to a marked place.
    pub(super) const fn rewind(&mut self, mark: usize) {
        self.at = mark;
        self.next = None;
        self.previous = None;
    }

    const fn has_more_text(&self) -> bool {
        self.at < self.text.len()
    }

    /// Whether a token is left.
    pub(super) const fn has_next(&self) -> bool {
        self.next.is_some() || self.has_more_text()
    }

    /// The next token.
    pub(super) fn next(&mut self) -> &'a str {
        let token = match self.next.take() {
            Some(token) => token,
            None => self.cut(),
        };
        self.previous = Some(token);
        token
    }

    /// The next `count` tokens in one, or none of them.
    pub(super) fn next_many(&mut self, count: usize) -> Option<&'a str> {
        let start = self.mark();
        for _ in 0..count {
            if !self.has_next() {
                self.rewind(start);
                return None;
            }
            self.next();
        }
        Some(&self.text[start..self.at])
    }

    /// Takes the next token if it is `expected`, white space around it aside. Blank tokens before it are lost either way.
    pub(super) fn take(&mut self, expected: &str) -> bool {
        if self.next.is_none() {
            if !self.has_more_text() {
                return false;
            }
            self.next = Some(self.cut());
        }
        while self.next.is_some_and(|t| trim(t).is_empty()) && self.has_more_text() {
            self.next = Some(self.cut());
        }
        let found = self.next.is_some_and(|t| trim(t) == expected);
        if found {
            self.next = None;
        }
        found
    }

    /// Cuts off a token.
    fn cut(&mut self) -> &'a str {
        let start = self.at;
        let mut escaped = false;
        for (offset, c) in self.text[start..].char_indices() {
            match c {
                '\\' => escaped = !escaped,
                ':' | ',' | '{' | '}' | '[' | ']' | '"' if !escaped => {
                    self.at = start + offset.max(1);
                    return &self.text[start..self.at];
                }
                _ => escaped = false,
            }
        }
        self.at = self.text.len();
        &self.text[start..]
    }
}
