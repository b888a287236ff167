//! Results of text queries.

use bytes::Bytes;
use couplet_api::Result;

use crate::error::{SqlError, malformed};
use crate::packet::Packets;
use crate::read::{Reader, slice_of};

/// SERVER_MORE_RESULTS_EXISTS.
const MORE_RESULTS: u16 = 8;

/// Rows as they arrive. Must be read to their end: the connection has nothing else to say before.
pub struct Rows<'a> {
    packets: &'a mut Packets,
    /// Names of the columns.
    pub columns: Vec<String>,
    done: bool,
}

/// One row: the columns' texts.
#[derive(Debug, Clone)]
pub struct TextRow(Vec<Option<Bytes>>);

impl TextRow {
    /// The values, `None` for NULL.
    pub fn values(&self) -> &[Option<Bytes>] {
        &self.0
    }

    /// The value of the column at `index` as text; `None` for NULL or when there is no such column.
    pub fn text(&self, index: usize) -> Option<String> {
        let bytes = self.0.get(index)?.as_ref()?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}

impl<'a> Rows<'a> {
    /// Reads up to the first row.
    pub(crate) async fn begin(packets: &'a mut Packets) -> Result<Self> {
        let columns = head(packets).await?;
        let done = columns.is_none();
        Ok(Rows { packets, columns: columns.unwrap_or_default(), done })
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// What the server says, or that the connection broke.
    pub async fn next(&mut self) -> Result<Option<TextRow>> {
        while !self.done {
            let message = self.packets.next().await?;
            match message.first() {
                Some(0xff) => {
                    self.done = true;
                    return Err(SqlError::parse(&message[1..]).into_error());
                }
                Some(0xfe) if message.len() < 9 => {
                    let status = message.get(3..5).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
                    if status & MORE_RESULTS == 0 {
                        self.done = true;
                    } else {
                        self.done = head(self.packets).await?.is_none();
                    }
                }
                _ => return row(&message, self.columns.len()).map(Some).ok_or_else(|| malformed("row")),
            }
        }
        Ok(None)
    }
}

/// Reads the head of a result: the columns' names, or `None` when there are no rows.
async fn head(packets: &mut Packets) -> Result<Option<Vec<String>>> {
    let message = packets.next_ok().await?;
    if message[0] == 0 {
        return Ok(None);
    }
    let count = Reader::new(&message).lenenc().ok_or_else(|| malformed("result"))?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let definition = packets.next_ok().await?;
        columns.push(column_name(&definition).ok_or_else(|| malformed("column definition"))?);
    }
    packets.next_ok().await?;
    Ok(Some(columns))
}

/// Catalogue, schema, table, original table, name, …
fn column_name(definition: &[u8]) -> Option<String> {
    let mut reader = Reader::new(definition);
    for _ in 0..4 {
        reader.lenenc_bytes()?;
    }
    Some(String::from_utf8_lossy(reader.lenenc_bytes()?).into_owned())
}

fn row(message: &Bytes, columns: usize) -> Option<TextRow> {
    let mut reader = Reader::new(message);
    let mut values = Vec::with_capacity(columns);
    for _ in 0..columns {
        values.push(if reader.rest().first() == Some(&0xfb) {
            reader.u8();
            None
        } else {
            Some(slice_of(message, reader.lenenc_bytes()?))
        });
    }
    Some(TextRow(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_nulls_and_texts() {
        let message = Bytes::from_static(b"\x01a\xfb\x00\x02bc");
        let row = row(&message, 4).expect("a whole row");
        let texts: Vec<_> = (0..5).map(|i| row.text(i)).collect();
        assert_eq!(texts, [Some("a".to_owned()), None, Some(String::new()), Some("bc".to_owned()), None]);
        assert!(super::row(&message, 5).is_none(), "a column is missing");
    }
}
