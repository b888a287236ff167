use couplet_api::data::{DATE, DECIMAL, Decimal, Schema, SchemaBuilder, SchemaRef, TIME, TIMESTAMP, Type, Value};
use serde_json::{Map, Value as Json, json};

use super::payload::{decode_base64, encode_base64, read_payload};

const DAY_MS: i64 = 86_400_000;

/// The JSON converter's names of the types.
const NAMES: [(&str, Type); 12] = [
    ("int8", Type::Int8),
    ("int16", Type::Int16),
    ("int32", Type::Int32),
    ("int64", Type::Int64),
    ("float", Type::Float32),
    ("double", Type::Float64),
    ("boolean", Type::Boolean),
    ("string", Type::String),
    ("bytes", Type::Bytes),
    ("array", Type::Array),
    ("map", Type::Map),
    ("struct", Type::Struct),
];

/// A schema from the JSON converter's notation.
///
/// # Errors
/// What is wrong with the notation.
pub fn read_schema(json: &Json) -> Result<SchemaRef, String> {
    let text = |key: &str| json[key].as_str();
    let name = text("type").ok_or_else(|| format!("schema without type: {json}"))?;
    let (_, kind) = NAMES.iter().find(|(n, _)| *n == name).ok_or_else(|| format!("unknown type {name}"))?;
    let part = |key: &str| match &json[key] {
        Json::Null => Ok(None),
        schema => read_schema(schema).map(Some),
    };
    let mut builder = match kind {
        Type::Array => match part("items")? {
            Some(items) => SchemaBuilder::array(items),
            None => SchemaBuilder::mixed(Type::Array, None),
        },
        Type::Map => match (part("keys")?, part("values")?) {
            (Some(keys), Some(values)) => SchemaBuilder::map(keys, values),
            (keys, _) => SchemaBuilder::mixed(Type::Map, keys),
        },
        kind => SchemaBuilder::new(*kind),
    };
    for field in json["fields"].as_array().into_iter().flatten() {
        let name = field["field"].as_str().ok_or("field without a name")?;
        builder = builder.field(name, read_schema(field)?);
    }
    builder = builder.optional_if(json["optional"].as_bool().unwrap_or(false)).name_or_none(text("name"));
    if let Some(version) = json["version"].as_i64() {
        builder = builder.version(i32::try_from(version).map_err(|e| e.to_string())?);
    }
    if let Some(doc) = text("doc") {
        builder = builder.doc(doc);
    }
    for (key, value) in json["parameters"].as_object().into_iter().flatten() {
        builder = builder.parameter(key.as_str(), value.as_str().ok_or("parameter that is not text")?);
    }
    if !json["default"].is_null() {
        let bare = builder.clone().build();
        builder = builder.default(read_default(&bare, &json["default"])?);
    }
    Ok(builder.build())
}

/// `schema` in the JSON converter's notation.
pub fn write_schema(schema: &Schema) -> Json {
    let mut json = Map::new();
    let name = NAMES.iter().find(|(_, kind)| *kind == schema.kind()).map_or("", |(name, _)| name);
    json.insert("type".to_owned(), json!(name));
    let part = |schema: Option<&SchemaRef>| schema.map_or(Json::Null, |s| write_schema(s));
    match schema.kind() {
        Type::Array => drop(json.insert("items".to_owned(), part(schema.value_schema()))),
        Type::Map => {
            json.insert("keys".to_owned(), part(schema.key_schema()));
            json.insert("values".to_owned(), part(schema.value_schema()));
        }
        Type::Struct => drop(json.insert("fields".to_owned(), schema.fields().iter().map(write_field).collect())),
        _ => {}
    }
    json.insert("optional".to_owned(), json!(schema.is_optional()));
    let texts = [("name", schema.name()), ("doc", schema.doc())];
    json.extend(texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text?)))));
    if let Some(version) = schema.version() {
        json.insert("version".to_owned(), json!(version));
    }
    if !schema.parameters().is_empty() {
        let entries = schema.parameters().iter().map(|(k, v)| (k.to_string(), json!(&**v)));
        json.insert("parameters".to_owned(), Json::Object(entries.collect()));
    }
    if let Some(default) = schema.default() {
        json.insert("default".to_owned(), write_default(schema, default));
    }
    Json::Object(json)
}

fn write_field(field: &couplet_api::data::Field) -> Json {
    let mut json = write_schema(field.schema());
    json["field"] = json!(field.name());
    json
}

/// Defaults are written as the JSON converter writes values: logical types in their base type.
fn read_default(schema: &SchemaRef, json: &Json) -> Result<Value, String> {
    let number = || json.as_i64().ok_or_else(|| format!("default {json} is not a number"));
    match schema.name() {
        Some(DATE) => Ok(Value::Date(number()? * DAY_MS)),
        Some(TIME | TIMESTAMP) => Ok(Value::Date(number()?)),
        Some(DECIMAL) => {
            let scale = schema.parameter("scale").and_then(|s| s.parse().ok()).ok_or("decimal without scale")?;
            let bytes = decode_base64(json.as_str().ok_or("decimal default that is not text")?)?;
            Ok(Value::Decimal(Decimal::from_bytes(&bytes, scale).into()))
        }
        _ => read_payload(Some(schema), json),
    }
}

fn write_default(schema: &Schema, value: &Value) -> Json {
    match (schema.name(), value) {
        (Some(DATE), Value::Date(ms)) => json!(ms.div_euclid(DAY_MS)),
        (_, Value::Date(ms)) => json!(ms),
        (_, Value::Decimal(decimal)) => json!(encode_base64(&decimal.to_bytes())),
        (_, Value::Float32(f)) => json!(f),
        (_, Value::Float64(f)) => json!(f),
        (_, Value::Struct(row)) => Json::Object(
            row.schema()
                .fields()
                .iter()
                .zip(row.values())
                .map(|(f, v)| (f.name().to_owned(), write_default(f.schema(), v)))
                .collect(),
        ),
        (_, Value::Array(items)) => {
            let item_schema = schema.value_schema();
            items.iter().map(|v| item_schema.map_or(Json::Null, |s| write_default(s, v))).collect()
        }
        _ => super::payload::write_tagged_bare(value),
    }
}
