//! Keys and values of the schema change topic, which is named like `topic.prefix`.

use couplet_api::data::{Datum, Schema, SchemaBuilder, SchemaRef, Struct, Value};

use crate::change::{SchemaChange, TableChange};
use crate::table::{Column, Table, quoted};

/// Makes the records of the schema change topic.
#[derive(Debug, Clone)]
pub struct SchemaChangeTopic {
    key: SchemaRef,
    value: SchemaRef,
    change: SchemaRef,
    table: SchemaRef,
    column: SchemaRef,
}

impl SchemaChangeTopic {
    /// For the connector `mysql` or `mariadb`, whose source blocks have the schema `source`.
    pub fn new(connector: &str, source: SchemaRef) -> Self {
        let column = column_schema();
        let table = table_schema(column.clone());
        let change = SchemaBuilder::structure()
            .name("io.debezium.connector.schema.Change")
            .version(1)
            .field("type", Schema::string())
            .field("id", Schema::string())
            .field("table", table.clone())
            .build();
        let key = SchemaBuilder::structure()
            .name(format!("io.debezium.connector.{connector}.SchemaChangeKey"))
            .version(1)
            .field("databaseName", Schema::string())
            .build();
        let value = SchemaBuilder::structure()
            .name(format!("io.debezium.connector.{connector}.SchemaChangeValue"))
            .version(1)
            .field("source", source)
            .field("ts_ms", Schema::int64())
            .field("databaseName", Schema::optional_string())
            .field("schemaName", Schema::optional_string())
            .field("ddl", Schema::optional_string())
            .field("tableChanges", SchemaBuilder::array(change.clone()).build())
            .build();
        SchemaChangeTopic { key, value, change, table, column }
    }

    /// Key and value for `change`, with the source block `source` and the time `ts_ms` at which it was handled. The
    /// record goes to partition 0.
    pub fn record(&self, change: &SchemaChange, source: Value, ts_ms: i64) -> (Datum, Datum) {
        let database = Value::str(change.database.as_str());
        let key = Struct::new(self.key.clone(), [database.clone()]);
        let changes: Vec<Value> = change.changes.iter().map(|change| self.change(change)).collect();
        let value = Struct::new(
            self.value.clone(),
            [
                source,
                Value::Int64(ts_ms),
                database,
                Value::Null,
                Value::str(change.ddl.as_str()),
                Value::Array(changes.into()),
            ],
        );
        (Datum::new(self.key.clone(), key), Datum::new(self.value.clone(), value))
    }

    fn change(&self, change: &TableChange) -> Value {
        let table = change.table.as_deref().map_or(Value::Null, |table| self.table(table));
        let id = quoted(&change.id, '"');
        Struct::new(self.change.clone(), [Value::str(change.kind.name()), Value::str(id), table]).into()
    }

    fn table(&self, table: &Table) -> Value {
        let columns: Vec<Value> = table.columns.iter().map(|column| self.column(column)).collect();
        Struct::new(
            self.table.clone(),
            [
                optional(table.default_charset.as_deref()),
                texts(&table.primary_key),
                Value::Array(columns.into()),
                optional(table.comment.as_deref()),
            ],
        )
        .into()
    }

    fn column(&self, column: &Column) -> Value {
        let int = |value: Option<i32>| value.map_or(Value::Null, Value::Int32);
        Struct::new(
            self.column.clone(),
            [
                Value::str(column.name.as_str()),
                Value::Int32(column.jdbc_type),
                int(column.native_type),
                Value::str(column.type_name.as_str()),
                Value::str(column.type_expression.as_str()),
                optional(column.charset.as_deref()),
                int(column.length),
                int(column.scale),
                Value::Int32(column.position),
                Value::Bool(column.optional),
                Value::Bool(column.auto_incremented),
                Value::Bool(column.generated),
                optional(column.comment.as_deref()),
                optional(column.default.text()),
                if column.enum_values.is_empty() { Value::Null } else { texts(&column.enum_values) },
            ],
        )
        .into()
    }
}

fn column_schema() -> SchemaRef {
    SchemaBuilder::structure()
        .name("io.debezium.connector.schema.Column")
        .version(1)
        .field("name", Schema::string())
        .field("jdbcType", Schema::int32())
        .field("nativeType", Schema::optional_int32())
        .field("typeName", Schema::string())
        .field("typeExpression", Schema::optional_string())
        .field("charsetName", Schema::optional_string())
        .field("length", Schema::optional_int32())
        .field("scale", Schema::optional_int32())
        .field("position", Schema::int32())
        .field("optional", Schema::optional_boolean())
        .field("autoIncremented", Schema::optional_boolean())
        .field("generated", Schema::optional_boolean())
        .field("comment", Schema::optional_string())
        .field("defaultValueExpression", Schema::optional_string())
        .field("enumValues", SchemaBuilder::array(Schema::string()).optional().build())
        .build()
}

fn table_schema(column: SchemaRef) -> SchemaRef {
    SchemaBuilder::structure()
        .name("io.debezium.connector.schema.Table")
        .version(1)
        .field("defaultCharsetName", Schema::optional_string())
        .field("primaryKeyColumnNames", SchemaBuilder::array(Schema::string()).optional().build())
        .field("columns", SchemaBuilder::array(column).build())
        .field("comment", Schema::optional_string())
        .optional()
        .build()
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::str)
}

fn texts(items: &[String]) -> Value {
    Value::Array(items.iter().map(|item| Value::str(item.as_str())).collect())
}
