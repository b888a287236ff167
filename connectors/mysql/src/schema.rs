//! A table's schemas and its decoding plan: made once per definition, shared by all its records.

use std::sync::Arc;

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::data::{Datum, Schema, SchemaBuilder, SchemaRef, Struct, Value};
use couplet_api::error::{Error, ResultExt};
use couplet_cdc::{ColumnChange, Envelope, SourceType, TableId, source_schema, transaction_block_schema};
use couplet_mysql_schema::{Column, Table};

use crate::binlog::Cell;
use crate::config::MyConfig;
use crate::flavour::Flavour;
use crate::values::{ColumnType, Kind, Phase, cell_of_text, default_value};

/// The schema of `source`.
pub(crate) fn source_block_schema(flavour: Flavour) -> SchemaRef {
    source_schema(&format!("io.debezium.connector.{}.Source", flavour.name()))
        .field("table", Schema::optional_string())
        .field("server_id", Schema::int64())
        .field("gtid", Schema::optional_string())
        .field("file", Schema::string())
        .field("pos", Schema::int64())
        .field("row", Schema::int32())
        .field("thread", Schema::optional_int64())
        .field("query", Schema::optional_string())
        .build()
}

/// How one column is read.
#[derive(Debug)]
struct ColumnPlan {
    name: String,
    /// `None`: the column is in no record.
    known: Option<ColumnType>,
    /// For null: null, or what stands for it in a required column.
    absent: Value,
    change: Option<ColumnChange>,
    in_value: bool,
}

/// The key of a table's records.
#[derive(Debug)]
struct KeyPlan {
    schema: SchemaRef,
    columns: Vec<usize>,
    /// Tells the tables of a shared topic apart.
    table: Option<Value>,
}

/// Everything needed to make records of one table.
#[derive(Debug)]
pub(crate) struct TableSchema {
    /// The table.
    pub(crate) id: TableId,
    /// `database.table`.
    pub(crate) name: String,
    /// Topic of its records.
    pub(crate) topic: Arc<str>,
    /// Envelope of its records.
    pub(crate) envelope: Envelope,
    /// Database for the source block.
    pub(crate) database_value: Value,
    /// Name for the source block.
    pub(crate) table_value: Value,
    value_schema: SchemaRef,
    columns: Vec<ColumnPlan>,
    key: Option<KeyPlan>,
    whole: bool,
}

/// The values of a row, one per column of the table.
pub(crate) type Row = Vec<Value>;

impl TableSchema {
    /// The plan for `table`.
    pub(crate) fn new(table: &Table, source: &SchemaRef, config: &MyConfig) -> Self {
        let topic = config.naming.data_topic(&table.id);
        let mut value = SchemaBuilder::structure().name(config.schema_names.schema_name(&format!("{topic}.Value")));
        let mut columns = Vec::with_capacity(table.columns.len());
        let mut fields = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let (plan, field) = column_plan(&table.id, column, config);
            if let (true, Some(field)) = (plan.in_value, &field) {
                value = value.field(config.field_names.field_name(&column.name), field.described.clone());
            }
            columns.push(plan);
            fields.push(field);
        }
        let key = key_plan(table, &topic, &fields, config);
        for (position, plan) in columns.iter_mut().enumerate() {
            let keyed = key.as_ref().is_some_and(|key| key.columns.contains(&position));
            if !plan.in_value && !keyed {
                plan.known = None;
            }
        }
        let value_schema = value.optional().build();
        let envelope_name = config.schema_names.schema_name(&format!("{topic}.Envelope"));
        TableSchema {
            name: table.id.to_string(),
            envelope: Envelope::new(&envelope_name, &value_schema, source, &transaction_block_schema()),
            database_value: Value::str(&*table.id.schema),
            table_value: Value::str(&*table.id.table),
            whole: columns.iter().all(|c| c.in_value && c.change.is_none()),
            id: table.id.clone(),
            topic: topic.into(),
            value_schema,
            columns,
            key,
        }
    }

    /// Names of the columns that a snapshot must read, with their place.
    pub(crate) fn read_columns(&self) -> impl Iterator<Item = (usize, &str)> {
        self.columns.iter().enumerate().filter(|(_, plan)| plan.known.is_some()).map(|(i, plan)| (i, &*plan.name))
    }

    /// Number of columns.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Reads a row of the log, which must have all columns.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Fatal`] in Debezium's words when it has fewer or more.
    pub(crate) fn row(&self, cells: Vec<Cell>) -> Result<Row> {
        if cells.len() != self.columns.len() {
            return Err(Error::fatal(format!(
                "Error processing row in {}, internal schema size {}, but row size {} , restart connector with schema \
                 recovery mode.",
                self.id.table,
                self.columns.len(),
                cells.len()
            ))
            .with_class("io.debezium.DebeziumException"));
        }
        let values = cells.into_iter().zip(&self.columns);
        values.map(|(cell, plan)| self.value_of(plan, cell, Phase::Stream)).collect()
    }

    /// Reads one value of a snapshot; `None`: null.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] naming the column.
    pub(crate) fn snapshot_value(&self, position: usize, text: Option<&Bytes>) -> Result<Value> {
        let plan = &self.columns[position];
        let (Some(known), Some(text)) = (&plan.known, text) else { return Ok(plan.absent.clone()) };
        let cell = cell_of_text(&known.kind, text).ok_or_else(|| {
            Error::data(format!("column {} of table {}: the value cannot be read", plan.name, self.name))
        })?;
        self.value_of(plan, cell, Phase::Snapshot)
    }

    fn value_of(&self, plan: &ColumnPlan, cell: Cell, phase: Phase) -> Result<Value> {
        let Some(known) = &plan.known else { return Ok(Value::Null) };
        let value = known.convert(cell, phase).context(|| format!("column {} of table {}", plan.name, self.name))?;
        Ok(if value.is_null() { plan.absent.clone() } else { value })
    }

    /// The record key of a row.
    pub(crate) fn key(&self, row: &Row) -> Datum {
        let Some(key) = &self.key else { return Datum::NULL };
        let columns = key.columns.iter().map(|position| row[*position].clone());
        let values: Vec<Value> = columns.chain(key.table.clone()).collect();
        Datum::new(key.schema.clone(), Struct::new(key.schema.clone(), values))
    }

    /// The row as it stands in an envelope.
    pub(crate) fn value(&self, row: Row) -> Value {
        if self.whole {
            return Struct::new(self.value_schema.clone(), row).into();
        }
        let included = row.into_iter().zip(&self.columns).filter(|(_, plan)| plan.in_value);
        let changed = included.map(|(value, plan)| match &plan.change {
            Some(change) => change.apply(value),
            None => value,
        });
        Struct::new(self.value_schema.clone(), changed.collect::<Vec<_>>()).into()
    }
}

/// The schemas of one column: as the key has it, and with the parameters that only values get.
struct Fields {
    bare: SchemaRef,
    described: SchemaRef,
}

fn column_plan(table: &TableId, column: &Column, config: &MyConfig) -> (ColumnPlan, Option<Fields>) {
    let Some(known) = ColumnType::new(column, &config.values) else {
        tracing::warn!(%table, column = column.name, r#type = column.type_name, "columns of this type are left out");
        let plan =
            ColumnPlan { name: column.name.clone(), known: None, absent: Value::Null, change: None, in_value: false };
        return (plan, None);
    };
    let default = default_value(column, &known);
    let known = match config.converters.of(table, column) {
        Some(custom) => known.converted_by(custom, column),
        None => known,
    };
    let default = default.map(|value| known.customized(value));
    let absent = match (column.optional, &default) {
        (true, _) => Value::Null,
        (false, Some(default)) => default.clone(),
        (false, None) => known.fallback.clone(),
    };
    let length = column.length.unwrap_or(-1);
    let mut bare = known.schema.clone().optional_if(column.optional).default_or_none(default);
    if let Some(comment) = column.comment.as_deref().filter(|comment| !comment.is_empty()) {
        bare = bare.doc(comment);
    }
    let source = SourceType { column: &column.name, name: &column.type_name, length, scale: column.scale };
    let described = config.column_changes.describe(bare.clone(), table, source);
    let text = matches!(known.kind, Kind::Text(_) | Kind::Enum(_) | Kind::Set(_) | Kind::Native(_));
    let plan = ColumnPlan {
        name: column.name.clone(),
        known: Some(known),
        absent,
        change: config.column_changes.of(table, &column.name, text, length),
        in_value: config.columns.includes(table, &column.name),
    };
    (plan, Some(Fields { bare: bare.build(), described: described.build() }))
}

fn key_plan(table: &Table, topic: &str, fields: &[Option<Fields>], config: &MyConfig) -> Option<KeyPlan> {
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    let mut positions = config.keys.of(&table.id, &names);
    if positions.is_empty() {
        positions = table.primary_key.iter().filter_map(|key| table.index_of(key)).collect();
    }
    positions.retain(|position| fields[*position].is_some());
    let identifier = config.naming.table_identifier(&table.id);
    if positions.is_empty() && identifier.is_none() {
        return None;
    }
    let mut schema = SchemaBuilder::structure().name(config.schema_names.schema_name(&format!("{topic}.Key")));
    for position in &positions {
        if let Some(field) = &fields[*position] {
            schema = schema.field(config.field_names.field_name(names[*position]), field.bare.clone());
        }
    }
    if let Some((field, _)) = &identifier {
        schema = schema.field(*field, Schema::string());
    }
    let table = identifier.map(|(_, value)| Value::str(value));
    Some(KeyPlan { schema: schema.build(), columns: positions, table })
}
