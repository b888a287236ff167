//! What is said of a statement that cannot be understood.

use std::fmt;

/// How many characters around the place are shown.
const SHOWN_CHARS: usize = 40;

/// Where a statement could not be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    /// Place in the text.
    pub(super) at: usize,
    /// What should be there.
    pub(super) expected: &'static str,
}

/// A statement that cannot be understood: where, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlError {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
    /// What was expected.
    pub expected: &'static str,
    /// The text there; empty at the end.
    pub near: String,
}

impl DdlError {
    pub(super) fn new(sql: &str, failure: Failure) -> Self {
        let at = (0..=failure.at.min(sql.len())).rev().find(|at| sql.is_char_boundary(*at)).unwrap_or(0);
        let before = &sql[..at];
        DdlError {
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            expected: failure.expected,
            near: sql[at..].chars().take(SHOWN_CHARS).collect(),
        }
    }
}

impl fmt::Display for DdlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = format!("line {}, column {}", self.line, self.column);
        if self.near.is_empty() {
            return write!(f, "expected {} at the end ({place})", self.expected);
        }
        write!(f, "expected {} at {place}, near '{}'", self.expected, self.near.replace('\n', " "))
    }
}

impl std::error::Error for DdlError {}
