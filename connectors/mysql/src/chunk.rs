//! One chunk of an incremental snapshot: which rows, and how they are read.

use std::sync::Arc;

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::error::Error;
use couplet_cdc::{ChunkQuery, ChunkRow, DataCollection, Dialect, JavaObject, KeyColumn, RowKey};
use couplet_mysql_schema::{Column, Table};
use num_bigint::BigInt;

use crate::config::MyConfig;
use crate::schema::{Row, TableSchema};
use crate::server::{Server, quoted, quoted_table};

/// Null is the smallest value; MySQL answers comparisons of rows without its indexes.
const DIALECT: Dialect = Dialect { name: quoted, literal, nulls_last: false, compares_rows: false };

/// ER_BAD_FIELD_ERROR and ER_NO_SUCH_TABLE: what a definition that lags behind the table leads to.
const LAGGING: [&str; 2] = ["(error 1054,", "(error 1146,"];

/// How the values of a key column are read, and what Debezium's driver makes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Integer,
    Long,
    Integral,
    Decimal,
    Double,
    Text,
    Bytes,
}

/// How chunks of one table are read.
pub(crate) struct ChunkPlan {
    /// The table's plan.
    pub(crate) schema: Arc<TableSchema>,
    /// Its definition when the plan was made.
    pub(crate) table: Arc<Table>,
    key: Vec<KeyColumn>,
    kinds: Vec<KeyKind>,
    condition: Option<String>,
}

impl ChunkPlan {
    /// Chunks of `table`, as `wanted` asks.
    ///
    /// # Errors
    /// When there is no such surrogate key, or rows cannot be read in the order of the key.
    pub(crate) fn new(
        table: Arc<Table>,
        schema: Arc<TableSchema>,
        wanted: &DataCollection,
        config: &MyConfig,
    ) -> Result<Self> {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let positions: Vec<usize> = match &wanted.surrogate_key {
            Some(name) => vec![table.index_of(name).ok_or_else(|| {
                Error::config(format!("surrogate key \"{name}\" doesn't exist in table {}", wanted.id))
            })?],
            None => {
                let own = config.keys.of(&table.id, &names);
                if own.is_empty() {
                    table.primary_key.iter().filter_map(|key| table.index_of(key)).collect()
                } else {
                    own
                }
            }
        };
        let columns: Vec<&Column> = positions.iter().map(|position| &table.columns[*position]).collect();
        let kinds = columns.iter().map(|column| {
            kind(column).ok_or_else(|| {
                Error::config(format!(
                    "rows of table {} cannot be read in the order of column {}, whose type is {}; name another one as \
                     surrogate-key",
                    wanted.id, column.name, column.type_name
                ))
            })
        });
        let kinds = kinds.collect::<Result<_>>()?;
        let key = columns.iter().map(|c| KeyColumn { name: c.name.clone(), optional: c.optional }).collect();
        Ok(ChunkPlan { schema, key, kinds, condition: wanted.condition.clone(), table })
    }

    /// Whether nothing says in which order to read.
    pub(crate) fn is_unordered(&self) -> bool {
        self.key.is_empty()
    }

    fn query(&self) -> ChunkQuery<'_> {
        ChunkQuery {
            dialect: DIALECT,
            table: quoted_table(&self.schema.id),
            key: &self.key,
            condition: self.condition.as_deref(),
        }
    }

    /// The largest key; `None`: no rows.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn largest_key(&self, server: &mut Server) -> Result<Option<RowKey>> {
        let row = server.sql().first(&self.query().largest()).await?;
        row.map(|row| self.key_of(row.values())).transpose()
    }

    /// At most `count` rows with their keys: the first ones, or those behind the first key of `bounds` and up to the second.
    /// `None`: the table looks different from what the stream knows of it so far.
    ///
    /// # Errors
    /// As the server says, or when a value cannot be read.
    pub(crate) async fn rows(
        &self,
        server: &mut Server,
        bounds: Option<(&RowKey, &RowKey)>,
        count: usize,
    ) -> Result<Option<Vec<ChunkRow<Row>>>> {
        let (positions, columns): (Vec<usize>, Vec<String>) =
            self.schema.read_columns().map(|(position, name)| (position, quoted(name))).unzip();
        let read = match server.sql().all(&self.query().chunk(&columns, bounds, count)).await {
            Err(error) if LAGGING.iter().any(|code| error.message().contains(code)) => return Ok(None),
            read => read?,
        };
        let rows = read.iter().map(|row| {
            let row = row.values();
            let mut values = vec![couplet_api::data::Value::Null; self.schema.width()];
            for (text, position) in row.iter().zip(&positions) {
                values[*position] = self.schema.snapshot_value(*position, text.as_ref())?;
            }
            let position = self.key_of(&row[positions.len()..])?;
            Ok(ChunkRow { key: self.schema.key(&values), row: values, position })
        });
        rows.collect::<Result<_>>().map(Some)
    }

    fn key_of(&self, texts: &[Option<Bytes>]) -> Result<RowKey> {
        let parts = texts.iter().zip(&self.kinds).zip(&self.key);
        let part = |((text, kind), column): ((&Option<Bytes>, &KeyKind), &KeyColumn)| match text {
            None => Ok(JavaObject::Null),
            Some(text) => object(*kind, text).ok_or_else(|| {
                Error::data(format!("column {} of table {}: the key cannot be read", column.name, self.schema.name))
            }),
        };
        parts.map(part).collect()
    }
}

/// How the key column `column` is read; `None`: the server orders rows by it in another way than it compares it, or
/// shows less of it than it has.
fn kind(column: &Column) -> Option<KeyKind> {
    let name = column.type_name.to_uppercase();
    let base = name.split([' ', '(']).next().unwrap_or_default();
    let unsigned = name.contains("UNSIGNED") || name.contains("ZEROFILL");
    Some(match base {
        "ENUM" | "SET" | "FLOAT" | "JSON" => return None,
        "BIGINT" if unsigned => KeyKind::Integral,
        "BIGINT" | "SERIAL" => KeyKind::Long,
        "INT" | "INTEGER" if unsigned => KeyKind::Long,
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "INTEGER" | "YEAR" | "BOOL" | "BOOLEAN" => KeyKind::Integer,
        "DECIMAL" | "NUMERIC" | "DEC" | "FIXED" => KeyKind::Decimal,
        "DOUBLE" | "REAL" => KeyKind::Double,
        "BINARY" | "VARBINARY" | "BIT" => KeyKind::Bytes,
        _ if base.ends_with("BLOB") => KeyKind::Bytes,
        _ => KeyKind::Text,
    })
}

fn object(kind: KeyKind, bytes: &Bytes) -> Option<JavaObject> {
    if kind == KeyKind::Bytes {
        return Some(JavaObject::Bytes(bytes.to_vec()));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    Some(match kind {
        KeyKind::Integer => JavaObject::Integer(text.parse().ok()?),
        KeyKind::Long => JavaObject::Long(text.parse().ok()?),
        KeyKind::Integral => JavaObject::Integral(text.parse().ok()?),
        KeyKind::Double => JavaObject::Double(text.parse().ok()?),
        KeyKind::Decimal => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let unscaled: BigInt = format!("{whole}{fraction}").parse().ok()?;
            JavaObject::Decimal(unscaled, i32::try_from(fraction.len()).ok()?)
        }
        KeyKind::Text | KeyKind::Bytes => JavaObject::Text(text.to_owned()),
    })
}

/// Numbers without quotes: compared with a text, a column of numbers is compared as floating point.
fn literal(value: &JavaObject) -> Option<String> {
    match value {
        JavaObject::Bytes(bytes) => Some(format!("X'{}'", hex::encode(bytes))),
        // In hexadecimal it means the same whatever sql_mode makes of backslashes.
        JavaObject::Text(text) if text.contains(['\'', '\\']) => {
            Some(format!("_utf8mb4 X'{}'", hex::encode(text.as_bytes())))
        }
        JavaObject::Text(text) => Some(format!("'{text}'")),
        JavaObject::Uuid(_) => value.to_text().map(|text| format!("'{text}'")),
        other => other.to_text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_classes_of_the_driver_and_compare_as_they_are() {
        let rows = [
            ("INT", "-7", "-7"),
            ("INT UNSIGNED", "4294967295", "4294967295"),
            ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
            ("DECIMAL", "-1.50", "-1.50"),
            ("VARCHAR", "it's", "_utf8mb4 X'69742773'"),
            ("DATE", "2024-01-01", "'2024-01-01'"),
            ("VARBINARY", "ab", "X'6162'"),
        ];
        for (type_name, text, want) in rows {
            let column = Column { type_name: type_name.to_owned(), ..Column::new("k") };
            let object = kind(&column).and_then(|kind| object(kind, &Bytes::from_static(text.as_bytes())));
            assert_eq!(object.as_ref().and_then(literal).as_deref(), Some(want), "{type_name}");
        }
        assert_eq!(kind(&Column { type_name: "ENUM".to_owned(), ..Column::new("k") }), None);
        assert_eq!(literal(&JavaObject::Null), None);
    }
}
