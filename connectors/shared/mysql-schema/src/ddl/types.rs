//! Types of columns: their names as Debezium prints them and their codes.

use super::cursor::Cursor;
use super::error::Failure;
use super::lexer::Kind;
use crate::jdbc;
use crate::table::Column;

/// Words of integer and approximate types, which may be followed by a length and a sign.
const NUMBERS: &[(&str, i32)] = &[
    ("TINYINT", jdbc::SMALLINT),
    ("INT1", jdbc::SMALLINT),
    ("SMALLINT", jdbc::SMALLINT),
    ("INT2", jdbc::SMALLINT),
    ("MEDIUMINT", jdbc::INTEGER),
    ("INT3", jdbc::INTEGER),
    ("MIDDLEINT", jdbc::INTEGER),
    ("INT", jdbc::INTEGER),
    ("INTEGER", jdbc::INTEGER),
    ("INT4", jdbc::INTEGER),
    ("BIGINT", jdbc::BIGINT),
    ("INT8", jdbc::BIGINT),
    ("REAL", jdbc::REAL),
    ("DOUBLE", jdbc::DOUBLE),
    ("FLOAT8", jdbc::DOUBLE),
    ("FLOAT", jdbc::FLOAT),
    ("FLOAT4", jdbc::FLOAT),
];

/// Words of exact types: without a precision they have ten digits.
const DECIMALS: &[(&str, i32)] =
    &[("DECIMAL", jdbc::DECIMAL), ("DEC", jdbc::DECIMAL), ("FIXED", jdbc::DECIMAL), ("NUMERIC", jdbc::NUMERIC)];

/// Words of text types, which may be followed by a length and a character set.
const TEXTS: &[(&str, i32)] = &[
    ("CHAR", jdbc::CHAR),
    ("CHARACTER", jdbc::CHAR),
    ("VARCHAR", jdbc::VARCHAR),
    ("TINYTEXT", jdbc::VARCHAR),
    ("TEXT", jdbc::VARCHAR),
    ("MEDIUMTEXT", jdbc::VARCHAR),
    ("LONGTEXT", jdbc::VARCHAR),
    ("NCHAR", jdbc::NCHAR),
    ("NVARCHAR", jdbc::NVARCHAR),
];

/// All other words; a length may follow.
const OTHERS: &[(&str, i32)] = &[
    ("DATE", jdbc::DATE),
    ("TIME", jdbc::TIME),
    ("TIMESTAMP", jdbc::TIMESTAMP_WITH_TIMEZONE),
    ("DATETIME", jdbc::TIMESTAMP),
    ("YEAR", jdbc::INTEGER),
    ("BIT", jdbc::BIT),
    ("BINARY", jdbc::BINARY),
    ("VARBINARY", jdbc::VARBINARY),
    ("BLOB", jdbc::BLOB),
    ("TINYBLOB", jdbc::BLOB),
    ("MEDIUMBLOB", jdbc::BLOB),
    ("LONGBLOB", jdbc::BLOB),
    ("BOOL", jdbc::BOOLEAN),
    ("BOOLEAN", jdbc::BOOLEAN),
];

/// Character set and collation as they were written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct TextSet {
    pub(super) charset: Option<String>,
    pub(super) collation: Option<String>,
}

impl TextSet {
    /// Takes `CHARACTER SET x`, `CHARSET x`, `COLLATE x`, `ASCII`, `UNICODE` or `BINARY` if one of them stands here.
    pub(super) fn take(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Failure> {
        if charset_words(cursor) {
            cursor.sign('=');
            self.charset = Some(cursor.name()?);
        } else if cursor.word("COLLATE") {
            cursor.sign('=');
            self.collation = Some(cursor.name()?);
        } else if cursor.word("ASCII") {
            self.charset = Some("latin1".into());
        } else if cursor.word("UNICODE") {
            self.charset = Some("ucs2".into());
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

/// Takes the words that introduce a character set.
pub(super) fn charset_words(cursor: &mut Cursor<'_>) -> bool {
    cursor.word("CHARSET") || cursor.words(&["CHARACTER", "SET"]) || cursor.words(&["CHAR", "SET"])
}

/// Reads a type into `column`: everything but its character set, of which the explicit one goes to `set`.
/// Returns whether it is `SERIAL`.
pub(super) fn data_type(cursor: &mut Cursor<'_>, column: &mut Column, set: &mut TextSet) -> Result<bool, Failure> {
    if !cursor.is_kind(Kind::Word) {
        return Err(cursor.expected("a data type"));
    }
    if cursor.is_any(&["ENUM", "SET"]) && cursor.is_sign_at(1, '(') {
        collection(cursor, column)?;
        return text_set(cursor, column, set).map(|()| false);
    }
    if national(cursor, column)? || long(cursor, column) {
        return text_set(cursor, column, set).map(|()| false);
    }
    let name = cursor.next().unwrap_or_default().to_uppercase();
    let found = |table: &[(&str, i32)]| table.iter().find(|(word, _)| *word == name).map(|(_, code)| *code);
    if let Some(code) = found(TEXTS) {
        return text(cursor, column, &name, code, set).map(|()| false);
    }
    if let Some(code) = found(NUMBERS) {
        set_type(column, &name, code);
        number(cursor, column)?;
    } else if let Some(code) = found(DECIMALS) {
        set_type(column, &name, code);
        number(cursor, column)?;
        column.length.get_or_insert(10);
        column.scale.get_or_insert(0);
    } else if name == "SERIAL" {
        set_type(column, "BIGINT UNSIGNED", jdbc::BIGINT);
        return Ok(true);
    } else if let Some(code) = found(OTHERS) {
        set_type(column, &name, code);
        length(cursor, column)?;
        if code == jdbc::BIT {
            column.length.get_or_insert(1);
        }
    } else {
        // JSON, spatial types, VECTOR, UUID, INET6 and whatever comes: kept by name, the row metadata says the rest.
        set_type(column, &name, jdbc::OTHER);
        length(cursor, column)?;
        if name == "VECTOR" {
            column.length.get_or_insert(2048);
        }
    }
    Ok(false)
}

fn set_type(column: &mut Column, name: &str, code: i32) {
    name.clone_into(&mut column.type_name);
    name.clone_into(&mut column.type_expression);
    column.jdbc_type = code;
}

fn extend_type(column: &mut Column, suffix: &str) {
    column.type_name = format!("{} {suffix}", column.type_name);
    column.type_expression.clone_from(&column.type_name);
}

fn text(cursor: &mut Cursor<'_>, column: &mut Column, name: &str, code: i32, set: &mut TextSet) -> Result<(), Failure> {
    set_type(column, name, code);
    if cursor.word("VARYING") {
        extend_type(column, "VARYING");
        column.jdbc_type = if code == jdbc::NCHAR { jdbc::NVARCHAR } else { jdbc::VARCHAR };
    } else if name == "NCHAR" && cursor.word("VARCHAR") {
        extend_type(column, "VARCHAR");
        column.jdbc_type = jdbc::NVARCHAR;
    }
    length(cursor, column)?;
    text_set(cursor, column, set)
}

/// Reads what may follow the name and length of a text type.
fn text_set(cursor: &mut Cursor<'_>, column: &mut Column, set: &mut TextSet) -> Result<(), Failure> {
    loop {
        if cursor.word("BINARY") {
            extend_type(column, "BINARY");
        } else if !set.take(cursor)? {
            break;
        }
    }
    if matches!(column.jdbc_type, jdbc::NCHAR | jdbc::NVARCHAR) {
        // National text is in one character set whatever else is written.
        *set = TextSet { charset: Some("utf8".into()), collation: None };
        if column.jdbc_type == jdbc::NCHAR {
            column.length.get_or_insert(1);
        }
    }
    Ok(())
}

/// `NATIONAL CHAR`, `NATIONAL CHARACTER VARYING`, `NATIONAL VARCHAR`.
fn national(cursor: &mut Cursor<'_>, column: &mut Column) -> Result<bool, Failure> {
    if !cursor.word("NATIONAL") {
        return Ok(false);
    }
    let Some(word) = cursor.any(&["CHARACTER", "CHAR", "VARCHAR"]) else {
        return Err(cursor.expected("CHAR, CHARACTER or VARCHAR"));
    };
    let code = if word == "VARCHAR" { jdbc::NVARCHAR } else { jdbc::NCHAR };
    set_type(column, &format!("NATIONAL {word}"), code);
    if cursor.word("VARYING") {
        extend_type(column, "VARYING");
        column.jdbc_type = jdbc::NVARCHAR;
    }
    length(cursor, column)?;
    Ok(true)
}

/// `LONG`, `LONG VARCHAR`, `LONG VARBINARY`.
fn long(cursor: &mut Cursor<'_>, column: &mut Column) -> bool {
    if !cursor.word("LONG") {
        return false;
    }
    match cursor.any(&["VARBINARY", "VARCHAR"]) {
        Some("VARBINARY") => set_type(column, "LONG VARBINARY", jdbc::BLOB),
        Some(_) => set_type(column, "LONG VARCHAR", jdbc::VARCHAR),
        None => set_type(column, "LONG", jdbc::VARCHAR),
    }
    true
}

fn number(cursor: &mut Cursor<'_>, column: &mut Column) -> Result<(), Failure> {
    let mut precision = cursor.word("PRECISION");
    length(cursor, column)?;
    precision |= cursor.word("PRECISION");
    let (mut signed, mut unsigned, mut zerofill) = (false, false, false);
    while let Some(word) = cursor.any(&["SIGNED", "UNSIGNED", "ZEROFILL"]) {
        signed |= word == "SIGNED";
        unsigned |= word == "UNSIGNED";
        zerofill |= word == "ZEROFILL";
    }
    let suffixes = [(precision, "PRECISION"), (signed, "SIGNED"), (unsigned, "UNSIGNED"), (zerofill, "ZEROFILL")];
    suffixes.into_iter().filter(|(present, _)| *present).for_each(|(_, suffix)| extend_type(column, suffix));
    Ok(())
}

/// `(length)` or `(length, scale)`, if it stands here.
fn length(cursor: &mut Cursor<'_>, column: &mut Column) -> Result<(), Failure> {
    if !cursor.sign('(') {
        return Ok(());
    }
    column.length = Some(dimension(cursor)?);
    if cursor.sign(',') {
        column.scale = Some(dimension(cursor)?);
    }
    cursor.need_sign(')', "a closing parenthesis behind the length")
}

/// A number; what does not fit is cut to the largest that does, as Debezium does.
fn dimension(cursor: &mut Cursor<'_>) -> Result<i32, Failure> {
    let missing = cursor.expected("a length");
    let text = cursor.kind(Kind::Number).ok_or(missing)?;
    let whole = text.split('.').next().unwrap_or_default();
    Ok(whole.parse::<i64>().map_or(i32::MAX, |value| i32::try_from(value).unwrap_or(i32::MAX)))
}

fn collection(cursor: &mut Cursor<'_>, column: &mut Column) -> Result<(), Failure> {
    let name = cursor.next().unwrap_or_default().to_uppercase();
    set_type(column, &name, jdbc::CHAR);
    column.enum_values.clear();
    cursor.need_sign('(', "the elements")?;
    loop {
        let missing = cursor.expected("an element in quotes");
        let element = match cursor.kind(Kind::Quoted) {
            Some(text) => text,
            None => cursor.kind(Kind::Hex).ok_or(missing)?,
        };
        column.enum_values.push(element.to_owned());
        if !cursor.sign(',') {
            break;
        }
    }
    cursor.need_sign(')', "a closing parenthesis behind the elements")?;
    let elements = i32::try_from(column.enum_values.len()).unwrap_or(i32::MAX);
    column.length = Some(if name == "SET" { elements.saturating_mul(2) - 1 } else { 1 });
    Ok(())
}
