//! TABLE_MAP: what the rows that follow look like.

use bytes::Bytes;
use couplet_mysql_wire::read::Reader;

/// Columns of a table as the log has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMap {
    /// The table's number within the log.
    pub(crate) number: u64,
    /// Database.
    pub(crate) database: String,
    /// Name.
    pub(crate) table: String,
    /// Columns in order.
    pub(crate) columns: Vec<LogColumn>,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogColumn {
    /// Type code.
    pub(crate) kind: u8,
    /// What belongs to the type: lengths, digits.
    pub(crate) meta: u16,
    /// Whether it is a number without sign, where the log says so.
    pub(crate) unsigned: bool,
}

/// Numbers, which have a sign or not.
const fn is_numeric(kind: u8) -> bool {
    matches!(kind, 1 | 2 | 3 | 4 | 5 | 8 | 9 | 246)
}

impl TableMap {
    /// Reads the body of the event.
    pub(crate) fn parse(body: &Bytes) -> Option<Self> {
        let mut reader = Reader::new(body);
        let number = reader.le(6)?;
        reader.take(2)?;
        let database = name(&mut reader)?;
        let table = name(&mut reader)?;
        let count = usize::try_from(reader.lenenc()?).ok()?;
        let kinds = reader.take(count)?;
        let mut metas = Reader::new(reader.lenenc_bytes()?);
        let mut columns = Vec::with_capacity(count);
        for kind in kinds {
            let meta = match kind {
                // FLOAT, DOUBLE, the fractions of times, BLOB, GEOMETRY, JSON, VECTOR
                4 | 5 | 17 | 18 | 19 | 242 | 245 | 249..=252 | 255 => u16::from(metas.u8()?),
                // VARCHAR, BIT
                15 | 16 => metas.u16()?,
                // DECIMAL, ENUM, SET, CHAR: high byte first
                246 | 247 | 248 | 253 | 254 => u16::try_from(metas.be(2)?).ok()?,
                _ => 0,
            };
            columns.push(LogColumn { kind: *kind, meta, unsigned: false });
        }
        reader.take(count.div_ceil(8))?;
        signs(&mut reader, &mut columns);
        Some(TableMap { number, database, table, columns })
    }
}

fn name(reader: &mut Reader<'_>) -> Option<String> {
    let length = usize::from(reader.u8()?);
    let text = String::from_utf8_lossy(reader.take(length)?).into_owned();
    reader.u8()?;
    Some(text)
}

/// Optional metadata: field 1 has a bit for each number, highest first.
fn signs(reader: &mut Reader<'_>, columns: &mut [LogColumn]) {
    while let Some(field) = reader.u8() {
        let Some(value) = reader.lenenc_bytes() else { return };
        if field == 1 {
            let numbers = columns.iter_mut().filter(|column| is_numeric(column.kind));
            for (index, column) in numbers.enumerate() {
                let byte = value.get(index / 8).copied().unwrap_or(0);
                column.unsigned = byte & (0x80 >> (index % 8)) != 0;
            }
        }
    }
}
