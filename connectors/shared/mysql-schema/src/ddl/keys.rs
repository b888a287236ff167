//! Primary and unique keys.

use super::cursor::Cursor;
use super::error::Failure;
use super::lexer::Kind;
use crate::table::{ColumnDefault, Table};

/// A key as it was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Primary(Vec<String>),
    Unique(Vec<String>),
    /// Any other index, a foreign key or a check: of no effect on the shape.
    Other,
}

/// Reads `[CONSTRAINT [name]] PRIMARY KEY ..`, `UNIQUE ..` and all other declarations of keys and checks that may stand
/// in the place of a column's. `None`, with nothing taken, when it is a column's.
pub(super) fn declaration(cursor: &mut Cursor<'_>) -> Result<Option<Key>, Failure> {
    let mut named = false;
    if cursor.word("CONSTRAINT") {
        named = true;
        if !cursor.is_any(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
            cursor.name()?;
        }
    }
    if cursor.words(&["PRIMARY", "KEY"]) {
        return columns(cursor).map(|columns| Some(Key::Primary(columns)));
    }
    if cursor.word("UNIQUE") {
        let _ = cursor.word("KEY") || cursor.word("INDEX");
        return columns(cursor).map(|columns| Some(Key::Unique(columns)));
    }
    // The words that are not reserved are names of columns unless the next word says otherwise.
    let other = named
        || cursor.is_any(&["INDEX", "KEY", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"])
        || cursor.is_word("PERIOD") && cursor.is_word_at(1, "FOR")
        || cursor.is_any(&["CLUSTERING", "VECTOR"]) && (cursor.is_word_at(1, "KEY") || cursor.is_word_at(1, "INDEX"));
    if other {
        cursor.skip_item()?;
    }
    Ok(other.then_some(Key::Other))
}

/// Reads `[IF NOT EXISTS] [name] [USING x] (column [(length)] [ASC | DESC], ..) [options]` up to the end of the item.
pub(super) fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<String>, Failure> {
    while !cursor.at_end() && !cursor.is_sign('(') && !cursor.is_sign(',') {
        cursor.next();
    }
    cursor.need_sign('(', "the columns of the key")?;
    let mut names = Vec::new();
    while !cursor.sign(')') {
        if cursor.at_end() {
            return Err(cursor.expected("a closing parenthesis behind the columns of the key"));
        }
        if cursor.is_kind(Kind::Word) || cursor.is_kind(Kind::Quoted) {
            names.push(cursor.name()?);
        } else {
            // An expression: no column of that name will be found.
            let start = cursor.offset();
            cursor.skip()?;
            names.push(cursor.sql[start..cursor.end_offset()].to_owned());
        }
        cursor.skip_item()?;
        cursor.sign(',');
    }
    cursor.skip_item()?;
    Ok(names)
}

impl Key {
    /// Applies the key to `table`, whose columns are all there. A unique key stands in for the primary key that is
    /// missing, if all its columns are required. Returns whether the key concerned the table.
    pub(super) fn apply(&self, table: &mut Table) -> bool {
        match self {
            Key::Primary(names) => {
                let names = names.iter().map(|name| require(table, name)).collect();
                table.primary_key = names;
                true
            }
            Key::Unique(names) => {
                let columns: Option<Vec<_>> = names.iter().map(|name| table.column(name)).collect();
                let Some(columns) = columns.filter(|_| table.primary_key.is_empty()) else { return false };
                if columns.iter().all(|column| !column.optional) {
                    table.primary_key = columns.iter().map(|column| column.name.clone()).collect();
                }
                true
            }
            Key::Other => false,
        }
    }
}

/// A primary key's column is never null. Returns its name as the column spells it.
fn require(table: &mut Table, name: &str) -> String {
    let Some(index) = table.index_of(name) else { return name.to_owned() };
    let column = &mut table.columns[index];
    if column.optional {
        column.optional = false;
        if column.default == ColumnDefault::Null {
            column.default = ColumnDefault::Absent;
        }
    }
    column.name.clone()
}
