//! Rows in the text format of `COPY … TO STDOUT`. Pure.

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::data::Value;
use couplet_api::error::Error;

use crate::schema::{Row, TableSchema};

/// One field of a line.
#[derive(Debug, PartialEq)]
enum Field<'a> {
    Null,
    /// A part of the line.
    Plain(&'a [u8]),
    /// Text whose escapes are still to be removed.
    Escaped(&'a [u8]),
}

/// The fields of one line.
struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

fn fields(line: &[u8]) -> Fields<'_> {
    Fields { rest: Some(line.strip_suffix(b"\n").unwrap_or(line)) }
}

/// The row in `line`; `positions`: the column of the table that each field is, `None`: of no interest.
///
/// # Errors
/// When a value cannot be read or fields are missing.
pub(crate) fn row(schema: &TableSchema, positions: &[Option<usize>], line: &Bytes) -> Result<Row> {
    let mut row = vec![Value::Null; schema.width()];
    let mut fields = fields(line);
    for position in positions {
        let field = fields.next().ok_or_else(too_few)?;
        let Some(position) = position else { continue };
        row[*position] = match field {
            Field::Null => schema.snapshot_value(*position, None)?,
            Field::Plain(text) => schema.snapshot_value(*position, Some((text, line)))?,
            Field::Escaped(text) => {
                let text = unescaped(text);
                schema.snapshot_value(*position, Some((&text, &text)))?
            }
        };
    }
    Ok(row)
}

/// The texts of the fields behind the first `skipped` ones.
///
/// # Errors
/// When one is not UTF-8.
pub(crate) fn texts(line: &[u8], skipped: usize) -> Result<Vec<Option<String>>> {
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::data("a value is not UTF-8"))?;
        Ok(Some(text.to_owned()))
    };
    let text = |field: Field<'_>| match field {
        Field::Null => Ok(None),
        Field::Plain(bytes) => text(bytes),
        Field::Escaped(bytes) => text(&unescaped(bytes)),
    };
    fields(line).skip(skipped).map(text).collect()
}

fn too_few() -> Error {
    Error::fatal("a row of COPY has too few columns")
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let rest = self.rest?;
        let field = match memchr::memchr(b'\t', rest) {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                &rest[..end]
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some(match memchr::memchr(b'\\', field) {
            None => Field::Plain(field),
            Some(0) if field == b"\\N" => Field::Null,
            Some(_) => Field::Escaped(field),
        })
    }
}

fn unescaped(field: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        let escaped = match byte {
            b'\\' => bytes.next(),
            _ => None,
        };
        out.push(match escaped {
            None => *byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 11,
            Some(other) => *other,
        });
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_copy_are_unescaped() {
        type Line = (&'static [u8], &'static [Option<&'static [u8]>]);
        let rows: &[Line] = &[
            (b"1\tabc\t\\N", &[Some(b"1"), Some(b"abc"), None]),
            (b"", &[Some(b"")]),
            (b"\t", &[Some(b""), Some(b"")]),
            (b"a\\tb\\n\\\\N\t\\\\N", &[Some(b"a\tb\n\\N"), Some(b"\\N")]),
            (b"\\", &[Some(b"\\")]),
        ];
        for (line, want) in rows {
            let text = |field: Field<'_>| match field {
                Field::Null => None,
                Field::Plain(text) => Some(Bytes::copy_from_slice(text)),
                Field::Escaped(text) => Some(unescaped(text)),
            };
            let got: Vec<Option<Bytes>> = fields(line).map(text).collect();
            let want: Vec<Option<Bytes>> = want.iter().map(|w| w.map(Bytes::copy_from_slice)).collect();
            assert_eq!(got, want, "{line:?}");
        }
    }
}
