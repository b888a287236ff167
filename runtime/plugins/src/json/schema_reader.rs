use bytes::Bytes;
use couplet_api::data::{SchemaBuilder, SchemaRef, Type};
use couplet_api::{Error, Result};
use serde_json::Value as Json;

use super::plan::JsonOptions;
use super::schema_text::TYPE_NAMES;
use super::syntax;
use crate::value_check::{add_field, with_default};

/// Reads a schema block. Done once per distinct block, so a tree of nodes is good enough here.
pub(super) fn read(bytes: &[u8], options: &JsonOptions) -> Result<Option<SchemaRef>> {
    let json: Json = serde_json::from_slice(bytes).map_err(|e| syntax(&e.to_string(), 0))?;
    if json.is_null() { Ok(None) } else { schema(&json, options).map(Some) }
}

fn schema(json: &Json, options: &JsonOptions) -> Result<SchemaRef> {
    let name = json["type"].as_str().ok_or_else(|| Error::data("Schema must contain 'type' field"))?;
    let kind = TYPE_NAMES.iter().find(|(n, _)| *n == name).map(|(_, kind)| *kind);
    let mut builder = builder(kind.ok_or_else(|| Error::data(format!("Unknown schema type: {name}")))?, json, options)?;
    builder = builder.optional_if(json["optional"].as_bool().unwrap_or(false)).name_or_none(json["name"].as_str());
    if let Json::Number(number) = &json["version"]
        && !number.to_string().contains(['.', 'e', 'E'])
    {
        builder = builder.version(super::number::Number::new(&number.to_string(), true).low_bits() as i32);
    }
    if let Some(doc) = json["doc"].as_str() {
        builder = builder.doc(doc);
    }
    for (key, value) in json["parameters"].as_object().into_iter().flatten() {
        let value = value.as_str().ok_or_else(|| Error::data("Schema parameters must have string values."))?;
        builder = builder.parameter(key.as_str(), value);
    }
    if let Some(default) = json.get("default") {
        let bare = builder.clone().build();
        let default = super::read_value_as(&Bytes::from(default.to_string()), &bare, options)?;
        builder = with_default(builder, default)?;
    }
    Ok(builder.build())
}

fn builder(kind: Type, json: &Json, options: &JsonOptions) -> Result<SchemaBuilder> {
    let part = |key: &str, missing: &str| match json.get(key) {
        None | Some(Json::Null) => Err(Error::data(missing)),
        Some(part) => schema(part, options),
    };
    let map_part = |key: &str, missing: &str| match json.get(key) {
        None => Err(Error::data(missing)),
        Some(Json::Null) => Ok(None),
        Some(part) => schema(part, options).map(Some),
    };
    Ok(match kind {
        Type::Array => SchemaBuilder::array(part("items", "Array schema did not specify the element type")?),
        Type::Map => {
            let key = map_part("keys", "Map schema did not specify the key type")?;
            let value = map_part("values", "Map schema did not specify the value type")?;
            let missing = |what: &str| {
                Error::data(format!("{what} cannot be null."))
                    .with_class("org.apache.kafka.connect.errors.SchemaBuilderException")
            };
            SchemaBuilder::map(key.ok_or_else(|| missing("keySchema"))?, value.ok_or_else(|| missing("valueSchema"))?)
        }
        Type::Struct => {
            let not_a_list = || Error::data("Struct schema's \"fields\" argument is not an array.");
            let mut builder = SchemaBuilder::structure();
            for field in json["fields"].as_array().ok_or_else(not_a_list)? {
                let name = field["field"].as_str();
                let name = name.ok_or_else(|| Error::data("Struct schema's field name not specified properly"))?;
                builder = add_field(builder, name, schema(field, options)?)?;
            }
            builder
        }
        kind => SchemaBuilder::new(kind),
    })
}
