//! Table changes and offsets as JSON: Debezium's `JsonTableChangeSerializer`, in its order of members.

use std::sync::Arc;

use couplet_api::data::{OffsetMap, Value};
use couplet_cdc::TableId;
use serde_json::{Map, Value as Json};

use crate::change::{ChangeKind, TableChange};
use crate::table::{Column, ColumnDefault, Table, parse_quoted, quoted};

type Object = Map<String, Json>;

pub(super) fn offset_to_json(offset: &OffsetMap) -> Json {
    let member = |(key, value): &(Value, Value)| Some((key.as_str()?.to_owned(), plain_to_json(value)));
    Json::Object(offset.entries().iter().filter_map(member).collect())
}

pub(super) fn offset_from_json(json: &Object) -> OffsetMap {
    OffsetMap::new(json.iter().map(|(key, value)| (Value::str(key.as_str()), plain_from_json(value))))
}

fn plain_to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::from(*value),
        Value::Int8(value) => Json::from(*value),
        Value::Int16(value) => Json::from(*value),
        Value::Int32(value) => Json::from(*value),
        Value::Int64(value) => Json::from(*value),
        Value::Float32(value) => Json::from(*value),
        Value::Float64(value) => Json::from(*value),
        other => other.as_str().map_or(Json::Null, Json::from),
    }
}

fn plain_from_json(json: &Json) -> Value {
    match json {
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Int64(value),
            None => number.as_f64().map_or(Value::Null, Value::Float64),
        },
        Json::String(text) => Value::str(text.as_str()),
        Json::Null | Json::Array(_) | Json::Object(_) => Value::Null,
    }
}

pub(super) fn change_to_json(change: &TableChange) -> Json {
    let mut object = Object::new();
    object.insert("type".into(), change.kind.name().into());
    object.insert("id".into(), quoted(&change.id, '"').into());
    if let Some(previous) = &change.previous_id {
        object.insert("previousId".into(), quoted(previous, '"').into());
    }
    if let Some(table) = &change.table {
        object.insert("table".into(), table_to_json(table));
        object.insert("comment".into(), table.comment.clone().into());
    }
    Json::Object(object)
}

fn table_to_json(table: &Table) -> Json {
    let attribute = |(name, value): &(String, String)| serde_json::json!({ "name": name, "value": value });
    serde_json::json!({
        "defaultCharsetName": table.default_charset,
        "primaryKeyColumnNames": table.primary_key,
        "columns": table.columns.iter().map(column_to_json).collect::<Vec<_>>(),
        "attributes": table.attributes.iter().map(attribute).collect::<Vec<_>>(),
    })
}

fn column_to_json(column: &Column) -> Json {
    let mut object = Object::new();
    let mut put = |name: &str, value: Json| object.insert(name.to_owned(), value);
    put("name", column.name.clone().into());
    put("jdbcType", column.jdbc_type.into());
    if let Some(code) = column.native_type {
        put("nativeType", code.into());
    }
    put("typeName", column.type_name.clone().into());
    put("typeExpression", column.type_expression.clone().into());
    put("charsetName", column.charset.clone().into());
    if let Some(length) = column.length {
        put("length", length.into());
    }
    if let Some(scale) = column.scale {
        put("scale", scale.into());
    }
    put("position", column.position.into());
    put("optional", column.optional.into());
    put("autoIncremented", column.auto_incremented.into());
    put("generated", column.generated.into());
    put("comment", column.comment.clone().into());
    put("hasDefaultValue", column.default.is_present().into());
    if let Some(text) = column.default.text() {
        put("defaultValueExpression", text.into());
    }
    put("enumValues", column.enum_values.clone().into());
    Json::Object(object)
}

/// Reads a change. `None` when a member that has to be there is missing or of another type.
pub(super) fn change_from_json(json: &Json) -> Option<TableChange> {
    let kind = ChangeKind::from_name(json.get("type")?.as_str()?)?;
    let id = parse_quoted(json.get("id")?.as_str()?);
    let previous_id = json.get("previousId").and_then(Json::as_str).map(parse_quoted);
    let table = match kind {
        ChangeKind::Create | ChangeKind::Alter => Some(Arc::new(table_from_json(&id, json.get("table")?, json)?)),
        ChangeKind::Drop => None,
    };
    Some(TableChange { kind, id, previous_id, table })
}

fn table_from_json(id: &TableId, json: &Json, change: &Json) -> Option<Table> {
    let mut table = Table::new(id.clone());
    table.default_charset = text(json, "defaultCharsetName");
    table.primary_key = texts(json, "primaryKeyColumnNames");
    table.columns = json.get("columns")?.as_array()?.iter().map(column_from_json).collect::<Option<_>>()?;
    // Debezium writes the comment beside the table and looks for it inside.
    table.comment = text(json, "comment").or_else(|| text(change, "comment"));
    let attributes = json.get("attributes").and_then(Json::as_array);
    let attribute = |json: &Json| Some((text(json, "name")?, text(json, "value")?));
    table.attributes = attributes.into_iter().flatten().filter_map(attribute).collect();
    table.settle();
    Some(table)
}

fn column_from_json(json: &Json) -> Option<Column> {
    let mut column = Column::new(json.get("name")?.as_str()?);
    column.jdbc_type = int(json, "jdbcType")?;
    column.native_type = int(json, "nativeType");
    column.type_name = text(json, "typeName")?;
    column.type_expression = text(json, "typeExpression").unwrap_or_else(|| column.type_name.clone());
    column.charset = text(json, "charsetName");
    column.length = int(json, "length");
    column.scale = int(json, "scale");
    column.position = int(json, "position").unwrap_or(1);
    column.optional = flag(json, "optional");
    column.auto_incremented = flag(json, "autoIncremented");
    column.generated = flag(json, "generated");
    column.comment = text(json, "comment");
    column.default = match text(json, "defaultValueExpression") {
        Some(text) => ColumnDefault::Text(text),
        // Debezium's editor gives every nullable column without a default the default NULL.
        None if flag(json, "hasDefaultValue") || column.optional => ColumnDefault::Null,
        None => ColumnDefault::Absent,
    };
    column.enum_values = texts(json, "enumValues");
    Some(column)
}

fn text(json: &Json, name: &str) -> Option<String> {
    json.get(name)?.as_str().map(ToOwned::to_owned)
}

fn texts(json: &Json, name: &str) -> Vec<String> {
    let items = json.get(name).and_then(Json::as_array).into_iter().flatten();
    items.filter_map(Json::as_str).map(ToOwned::to_owned).collect()
}

fn int(json: &Json, name: &str) -> Option<i32> {
    json.get(name)?.as_i64()?.try_into().ok()
}

fn flag(json: &Json, name: &str) -> bool {
    json.get(name).and_then(Json::as_bool).unwrap_or(false)
}
