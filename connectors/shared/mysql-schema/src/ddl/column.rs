//! Definitions of columns.

use super::cursor::{Cursor, strip_quotes};
use super::error::Failure;
use super::lexer::Kind;
use super::types::{TextSet, data_type};
use crate::charset::charset_of;
use crate::table::{Column, ColumnDefault};

/// Time functions whose value Debezium replaces by the epoch.
const NOW: &[&str] = &["CURRENT_TIMESTAMP", "NOW"];
/// Time functions whose name Debezium takes for the value.
const OTHER_TIME: &[&str] = &["LOCALTIME", "LOCALTIMESTAMP", "CURDATE", "CURTIME"];

/// A column as it was defined.
pub(super) struct Definition {
    pub(super) column: Column,
    /// It is the primary key by itself.
    pub(super) primary: bool,
    /// It is a unique key by itself.
    pub(super) unique: bool,
}

/// Reads type and attributes of the column `name`, up to a comma, a closing parenthesis, `FIRST` or `AFTER`.
pub(super) fn definition(cursor: &mut Cursor<'_>, name: String, comments: bool) -> Result<Definition, Failure> {
    let mut defined = Definition { column: Column::new(name), primary: false, unique: false };
    let mut set = TextSet::default();
    let serial = data_type(cursor, &mut defined.column, &mut set)?;
    let mut optional = None;
    if serial {
        defined.make_serial(&mut optional);
    }
    while !cursor.at_end() && !cursor.is_sign(',') && !cursor.is_sign(')') && !cursor.is_any(&["FIRST", "AFTER"]) {
        attribute(cursor, &mut defined, &mut set, &mut optional, comments)?;
    }
    let column = &mut defined.column;
    column.optional = optional.unwrap_or(true);
    if column.optional && !column.default.is_present() {
        column.default = ColumnDefault::Null;
    }
    column.charset = set.charset.or_else(|| set.collation.as_deref().and_then(charset_of).map(ToOwned::to_owned));
    Ok(defined)
}

impl Definition {
    fn make_serial(&mut self, optional: &mut Option<bool>) {
        optional.get_or_insert(false);
        self.unique = true;
        self.column.auto_incremented = true;
        self.column.generated = true;
    }
}

fn attribute(
    cursor: &mut Cursor<'_>,
    defined: &mut Definition,
    set: &mut TextSet,
    optional: &mut Option<bool>,
    comments: bool,
) -> Result<(), Failure> {
    let column = &mut defined.column;
    if cursor.words(&["NOT", "NULL"]) {
        *optional = Some(false);
    } else if cursor.word("NULL") {
        *optional = Some(true);
    } else if cursor.word("DEFAULT") {
        if let Some(default) = default_value(cursor)? {
            column.default = default;
        }
    } else if cursor.word("AUTO_INCREMENT") || cursor.words(&["ON", "UPDATE"]) {
        // Debezium takes both for the same.
        column.auto_incremented = true;
        column.generated = true;
    } else if cursor.words(&["PRIMARY", "KEY"]) || cursor.word("KEY") {
        *optional = Some(false);
        defined.primary = true;
    } else if cursor.word("UNIQUE") {
        cursor.word("KEY");
        defined.unique = true;
    } else if cursor.words(&["SERIAL", "DEFAULT", "VALUE"]) {
        defined.make_serial(optional);
    } else if cursor.word("COMMENT") {
        let missing = cursor.expected("a comment in quotes");
        let text = cursor.kind(Kind::Quoted).ok_or(missing)?;
        column.comment = comments.then(|| strip_quotes(text).to_owned());
    } else if cursor.is_any(&["CHECK", "AS"]) && cursor.is_sign_at(1, '(') {
        cursor.next();
        cursor.skip_parentheses()?;
    } else if cursor.word("REFERENCES") {
        references(cursor)?;
    } else if cursor.words(&["COLUMN_FORMAT", "DEFAULT"]) || cursor.words(&["STORAGE", "DEFAULT"]) {
        // Not a default of the column.
    } else if !set.take(cursor)? {
        cursor.skip()?;
    }
    Ok(())
}

/// Reads what follows `DEFAULT`, with an `ON UPDATE` behind a time function. `None` where Debezium learns nothing:
/// NULL, and hexadecimal literals.
pub(super) fn default_value(cursor: &mut Cursor<'_>) -> Result<Option<ColumnDefault>, Failure> {
    if cursor.word("NULL") {
        return Ok(None);
    }
    let text = |text: String| Some(ColumnDefault::Text(text));
    if cursor.is_sign('(') {
        cursor.skip_parentheses()?;
        return Ok(Some(ColumnDefault::Null));
    }
    if cursor.is_any(NOW) || cursor.is_any(OTHER_TIME) {
        let (now, start) = (cursor.is_any(NOW), cursor.offset());
        cursor.next();
        if cursor.is_sign('(') {
            cursor.skip_parentheses()?;
        }
        let written = without_blanks(&cursor.sql[start..cursor.end_offset()]);
        if cursor.words(&["ON", "UPDATE"]) {
            cursor.next();
            if cursor.is_sign('(') {
                cursor.skip_parentheses()?;
            }
        }
        return Ok(text(if now { "1970-01-01 00:00:00".to_owned() } else { written }));
    }
    let sign = ['-', '+', '!', '~'].into_iter().find(|sign| cursor.sign(*sign));
    let signed = |text: &str| sign.map_or_else(|| text.to_owned(), |sign| format!("{sign}{text}"));
    if cursor.is_kind(Kind::Quoted) || cursor.text().starts_with('_') {
        return Ok(text(signed(&literal(cursor))));
    }
    if let Some(number) = cursor.kind(Kind::Number) {
        return Ok(text(signed(number)));
    }
    if let Some(bits) = cursor.kind(Kind::Bits) {
        return Ok(text(bits[2..].trim_end_matches('\'').to_owned()));
    }
    if cursor.kind(Kind::Hex).is_some() {
        return Ok(None);
    }
    if cursor.is_any(&["TRUE", "FALSE"]) {
        return Ok(text(cursor.next().unwrap_or_default().to_owned()));
    }
    // A function, `NEXT VALUE FOR sequence`, or whatever else computes it.
    function(cursor)?;
    Ok(Some(ColumnDefault::Null))
}

/// A text: without quotes, unless its character set stands before it, then as it is. Pieces side by side are one.
fn literal(cursor: &mut Cursor<'_>) -> String {
    let mut written = String::new();
    if cursor.text().starts_with('_') {
        written.push_str(cursor.next().unwrap_or_default());
    }
    while let Some(piece) = cursor.kind(Kind::Quoted) {
        written.push_str(piece);
    }
    strip_quotes(&written).to_owned()
}

fn function(cursor: &mut Cursor<'_>) -> Result<(), Failure> {
    if cursor.words(&["NEXT", "VALUE", "FOR"]) {
        cursor.table("")?;
        return Ok(());
    }
    cursor.name()?;
    while cursor.sign('.') {
        cursor.name()?;
    }
    if cursor.is_sign('(') { cursor.skip_parentheses() } else { Ok(()) }
}

/// What follows `REFERENCES`: words in it look like attributes.
fn references(cursor: &mut Cursor<'_>) -> Result<(), Failure> {
    cursor.table("")?;
    if cursor.is_sign('(') {
        cursor.skip_parentheses()?;
    }
    loop {
        if cursor.word("MATCH") {
            cursor.next();
        } else if cursor.words(&["ON", "DELETE"]) || cursor.words(&["ON", "UPDATE"]) {
            let two = cursor.is_any(&["SET", "NO"]);
            cursor.next();
            if two {
                cursor.next();
            }
        } else {
            return Ok(());
        }
    }
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
