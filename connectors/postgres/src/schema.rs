//! A table's schemas and its decoding plan: made once per relation, shared by all its records.

use std::sync::Arc;

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::data::{Datum, Schema, SchemaBuilder, SchemaRef, Struct, Value};
use couplet_api::error::{Error, ResultExt};
use couplet_cdc::{ColumnChange, Envelope, SourceType, TableId, source_schema, transaction_block_schema};

use crate::catalog::{Column, Table};
use crate::config::PgConfig;
use crate::decode::{Cell, Tuple};
use crate::types::{ColumnType, Decoder, Phase, TypeRegistry, default_value};

/// The schema of `source`.
pub(crate) fn source_block_schema() -> SchemaRef {
    source_schema("io.debezium.connector.postgresql.Source")
        .field("schema", Schema::string())
        .field("table", Schema::string())
        .field("txId", Schema::optional_int64())
        .field("lsn", Schema::optional_int64())
        .field("xmin", Schema::optional_int64())
        .build()
}

/// How one column of a tuple is read.
#[derive(Debug)]
struct ColumnPlan {
    name: Arc<str>,
    /// `None`: the column is in no record.
    decoder: Option<Decoder>,
    /// For null: null, or what stands for it in a required column.
    absent: Value,
    /// For a large value that was not sent.
    unchanged: Value,
    change: Option<ColumnChange>,
    in_value: bool,
}

/// The key of a table's records.
#[derive(Debug)]
struct KeyPlan {
    schema: SchemaRef,
    /// Positions in the tuple.
    columns: Vec<usize>,
    /// Tells the tables of a shared topic apart.
    table: Option<Value>,
}

/// Everything needed to make records of one table.
#[derive(Debug)]
pub(crate) struct TableSchema {
    /// The table.
    pub(crate) id: TableId,
    /// `schema.table`.
    pub(crate) name: String,
    /// Topic of its records.
    pub(crate) topic: Arc<str>,
    /// Envelope of its records.
    pub(crate) envelope: Envelope,
    /// Schema name for the source block.
    pub(crate) schema_value: Value,
    /// Table name for the source block.
    pub(crate) table_value: Value,
    /// Names of the key columns, as the catalogue had them.
    pub(crate) key_names: Vec<String>,
    value_schema: SchemaRef,
    columns: Vec<ColumnPlan>,
    key: Option<KeyPlan>,
    whole: bool,
}

/// The values of a row, one per column of the tuple.
pub(crate) type Row = Vec<Value>;

impl TableSchema {
    /// The plan for `table`.
    pub(crate) fn new(table: &Table, types: &TypeRegistry, source: &SchemaRef, config: &PgConfig) -> Self {
        let topic = config.naming.data_topic(&table.id);
        let mut value = SchemaBuilder::structure().name(config.schema_names.schema_name(&format!("{topic}.Value")));
        let mut columns = Vec::with_capacity(table.columns.len());
        let mut fields = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let (plan, field) = column_plan(&table.id, column, types, config);
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
                plan.decoder = None;
            }
        }
        let value_schema = value.optional().build();
        let envelope_name = config.schema_names.schema_name(&format!("{topic}.Envelope"));
        TableSchema {
            name: table.id.to_string(),
            envelope: Envelope::new(&envelope_name, &value_schema, source, &transaction_block_schema()),
            schema_value: Value::str(&*table.id.schema),
            table_value: Value::str(&*table.id.table),
            key_names: table.key.clone(),
            whole: columns.iter().all(|c| c.in_value && c.change.is_none()),
            id: table.id.clone(),
            topic: topic.into(),
            value_schema,
            columns,
            key,
        }
    }

    /// Names of the columns that a snapshot must read.
    pub(crate) fn read_columns(&self) -> impl Iterator<Item = (usize, &str)> {
        self.columns.iter().enumerate().filter(|(_, plan)| plan.decoder.is_some()).map(|(i, plan)| (i, &*plan.name))
    }

    /// Number of columns.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Reads a tuple of the stream. `old`: the row before, whose values stand for those that were not sent.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] naming the column whose value cannot be read.
    pub(crate) fn row(&self, tuple: &Tuple, old: Option<&Row>) -> Result<Row> {
        let mut row = Vec::with_capacity(self.columns.len());
        for (position, (cell, plan)) in tuple.cells().zip(&self.columns).enumerate() {
            row.push(match (&plan.decoder, cell) {
                (None, _) => Value::Null,
                (Some(_), Cell::Null) => plan.absent.clone(),
                (Some(_), Cell::Unchanged) => match old.and_then(|old| old.get(position)) {
                    Some(value) if !value.is_null() => value.clone(),
                    _ => plan.unchanged.clone(),
                },
                (Some(decoder), Cell::Text(text)) => {
                    self.decoded(plan, decoder, (text, tuple.bytes()), Phase::Stream)?
                }
            });
        }
        // A tuple is never shorter than its relation; a row must have a value per column all the same.
        row.extend(self.columns[row.len()..].iter().map(|plan| plan.absent.clone()));
        Ok(row)
    }

    /// Reads one value of a snapshot: its text and what that is a part of; `None`: null.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] naming the column.
    pub(crate) fn snapshot_value(&self, position: usize, text: Option<(&[u8], &Bytes)>) -> Result<Value> {
        let plan = &self.columns[position];
        match (&plan.decoder, text) {
            (None, _) => Ok(Value::Null),
            (Some(_), None) => Ok(plan.absent.clone()),
            (Some(decoder), Some(text)) => self.decoded(plan, decoder, text, Phase::Snapshot),
        }
    }

    fn decoded(
        &self,
        plan: &ColumnPlan,
        decoder: &Decoder,
        (text, source): (&[u8], &Bytes),
        phase: Phase,
    ) -> Result<Value> {
        let value =
            decoder.decode(text, source, phase).context(|| format!("column {} of table {}", plan.name, self.name))?;
        if !value.is_null() {
            return Ok(value);
        }
        if matches!(decoder, Decoder::Array { nulls: false, .. }) && !plan.absent.is_null() {
            return Err(Error::data(format!(
                "Invalid value: null used for required field: \"{}\", schema type: ARRAY",
                plan.name
            )));
        }
        Ok(plan.absent.clone())
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

fn column_plan(
    table: &TableId,
    column: &Column,
    types: &TypeRegistry,
    config: &PgConfig,
) -> (ColumnPlan, Option<Fields>) {
    let declared = types.get(column.type_oid);
    let root = types.root(column.type_oid);
    let known = ColumnType::new(types, &root, column.length, column.scale, &config.values);
    let Some(known) = known else {
        tracing::warn!(%table, column = %column.name, r#type = %declared.name, "columns of this type are left out");
        let plan = ColumnPlan {
            name: column.name.clone(),
            decoder: None,
            absent: Value::Null,
            unchanged: Value::Null,
            change: None,
            in_value: false,
        };
        return (plan, None);
    };
    let default = column.default.as_deref().and_then(|expression| default_value(&declared, &known, expression));
    let absent = match (column.optional, &default) {
        (true, _) => Value::Null,
        (false, Some(default)) => default.clone(),
        (false, None) => known.fallback.clone(),
    };
    let unchanged = known.placeholder(&declared.name, &config.values);
    let unchanged = if column.optional && unchanged == known.fallback { Value::Null } else { unchanged };
    let bare = known.schema.optional_if(column.optional).default_or_none(default);
    let source =
        SourceType { column: &column.name, name: &declared.name, length: column.length, scale: Some(column.scale) };
    let described = config.column_changes.describe(bare.clone(), table, source);
    let text = matches!(known.decoder, Decoder::Text);
    let plan = ColumnPlan {
        name: column.name.clone(),
        decoder: Some(known.decoder),
        absent,
        unchanged,
        change: config.column_changes.of(table, &column.name, text, column.length),
        in_value: config.columns.includes(table, &column.name),
    };
    (plan, Some(Fields { bare: bare.build(), described: described.build() }))
}

fn key_plan(table: &Table, topic: &str, fields: &[Option<Fields>], config: &PgConfig) -> Option<KeyPlan> {
    let names: Vec<&str> = table.columns.iter().map(|c| &*c.name).collect();
    let mut positions = config.keys.of(&table.id, &names);
    if positions.is_empty() {
        let position = |key: &String| names.iter().position(|name| name == key);
        positions = table.key.iter().filter_map(position).collect();
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
