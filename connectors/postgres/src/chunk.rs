//! One chunk of an incremental snapshot: which rows, and how they are read.

use std::sync::Arc;

use couplet_api::Result;
use couplet_api::data::SchemaRef;
use couplet_api::error::{Error, ResultExt};
use couplet_cdc::{ChunkQuery, ChunkRow, DataCollection, Dialect, JavaObject, KeyColumn, RowKey};
use futures::{StreamExt, pin_mut};

use crate::catalog::Table;
use crate::config::PgConfig;
use crate::copy;
use crate::publication::quoted_table;
use crate::schema::{Row, TableSchema};
use crate::types::{TypeRegistry, oid};
use crate::wire::{Sql, quoted, quoted_literal, sql_error};

/// Literals without a type, which the server reads as the type of the column they are compared with; null is the largest.
const DIALECT: Dialect = Dialect {
    name: quoted,
    literal: |value| value.to_text().map(|text| quoted_literal(&text)),
    nulls_last: true,
    compares_rows: true,
};

/// How chunks of one table are read.
pub(crate) struct ChunkPlan {
    /// The table's plan.
    pub(crate) schema: Arc<TableSchema>,
    key: Vec<KeyColumn>,
    /// Type of each key column.
    types: Vec<u32>,
    condition: Option<String>,
}

impl ChunkPlan {
    /// Chunks of `table`, as `wanted` asks.
    ///
    /// # Errors
    /// When there is no such surrogate key.
    pub(crate) fn new(
        table: &Table,
        wanted: &DataCollection,
        types: &TypeRegistry,
        source: &SchemaRef,
        config: &PgConfig,
    ) -> Result<Self> {
        let names: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
        let position = |name: &str| names.iter().position(|column| *column == name);
        let positions: Vec<usize> = match &wanted.surrogate_key {
            Some(name) => vec![position(name).ok_or_else(|| {
                Error::config(format!("surrogate key \"{name}\" doesn't exist in table {}", wanted.id))
            })?],
            None => {
                let own = config.keys.of(&table.id, &names);
                if own.is_empty() { table.key.iter().filter_map(|name| position(name)).collect() } else { own }
            }
        };
        let columns = positions.iter().map(|position| &table.columns[*position]);
        Ok(ChunkPlan {
            schema: Arc::new(TableSchema::new(table, types, source, config)),
            key: columns.clone().map(|c| KeyColumn { name: c.name.to_string(), optional: c.optional }).collect(),
            types: columns.map(|column| types.root(column.type_oid).oid).collect(),
            condition: wanted.condition.clone(),
        })
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
    pub(crate) async fn largest_key(&self, sql: &Sql) -> Result<Option<RowKey>> {
        let lines = sql.copy_out(&format!("COPY ({}) TO STDOUT", self.query().largest())).await?;
        pin_mut!(lines);
        let mut key = None;
        while let Some(line) = lines.next().await {
            key = Some(self.key_of(copy::texts(&line.map_err(|error| sql_error(&error))?, 0)?));
        }
        Ok(key)
    }

    /// At most `count` rows with their keys: the first ones, or those behind the first key of `bounds` and up to the second.
    ///
    /// # Errors
    /// As the server says, or when a value cannot be read.
    pub(crate) async fn rows(
        &self,
        sql: &Sql,
        bounds: Option<(&RowKey, &RowKey)>,
        count: usize,
    ) -> Result<Vec<ChunkRow<Row>>> {
        let (positions, columns): (Vec<_>, Vec<_>) =
            self.schema.read_columns().map(|(position, name)| (Some(position), quoted(name))).unzip();
        let query = self.query().chunk(&columns, bounds, count);
        let lines = sql.copy_out(&format!("COPY ({query}) TO STDOUT")).await?;
        pin_mut!(lines);
        let mut rows = Vec::new();
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| sql_error(&error))?;
            let row = copy::row(&self.schema, &positions, &line)
                .context(|| format!("a row of table {}", self.schema.name))?;
            let position = self.key_of(copy::texts(&line, positions.len())?);
            rows.push(ChunkRow { key: self.schema.key(&row), row, position });
        }
        Ok(rows)
    }

    fn key_of(&self, texts: Vec<Option<String>>) -> RowKey {
        texts.into_iter().zip(&self.types).map(|(text, kind)| java_object(text, *kind)).collect()
    }
}

/// What the JDBC driver makes of a value of the type `kind`. Types whose class is the driver's own, or depends on the
/// JVM's time zone, stay text: the JVM cannot go on behind such a key, we can.
fn java_object(text: Option<String>, kind: u32) -> JavaObject {
    let Some(text) = text else { return JavaObject::Null };
    let object = match kind {
        oid::INT2 | oid::INT4 => text.parse().ok().map(JavaObject::Integer),
        oid::INT8 | oid::OID => text.parse().ok().map(JavaObject::Long),
        oid::BOOL => Some(JavaObject::Boolean(text == "t")),
        oid::UUID => uuid::Uuid::parse_str(&text).ok().map(|uuid| JavaObject::Uuid(uuid.as_u128())),
        oid::NUMERIC => decimal(&text),
        _ => None,
    };
    object.unwrap_or(JavaObject::Text(text))
}

fn decimal(text: &str) -> Option<JavaObject> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let unscaled = format!("{whole}{fraction}").parse().ok()?;
    Some(JavaObject::Decimal(unscaled, i32::try_from(fraction.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_classes_of_the_driver() {
        let object = |text: &str, kind| java_object(Some(text.to_owned()), kind);
        assert_eq!(object("7", oid::INT2), JavaObject::Integer(7));
        assert_eq!(object("7", oid::INT8), JavaObject::Long(7));
        assert_eq!(object("NaN", oid::NUMERIC), JavaObject::Text("NaN".to_owned()));
        assert_eq!(object("-1.50", oid::NUMERIC).to_text().as_deref(), Some("-1.50"));
        assert_eq!(object("2024-01-01", oid::DATE), JavaObject::Text("2024-01-01".to_owned()));
        let uuid = "0708644d-a408-458f-beb1-bca1e620ceb3";
        assert_eq!(object(uuid, oid::UUID).to_text().as_deref(), Some(uuid));
    }
}
