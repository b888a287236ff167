//! JSON text as structs and arrays, with a schema made of what is in it (Debezium's `JsonSchemaData`).

use couplet_api::data::{Schema, SchemaBuilder, SchemaRef, Type, Value};
use couplet_api::{Error, Result};
use serde_json::{Map, Number, Value as Json};

use crate::transforms::debezium::name_adjuster::NameAdjuster;
use crate::transforms::row::{build, copy_basics};

/// Parses text that must begin as an object or array; like the original, it does not look behind its end.
///
/// # Errors
/// When the text is no such JSON.
pub(super) fn parse(text: &str) -> Result<Json> {
    if !text.starts_with(['{', '[']) {
        return Err(Error::data("Unable to parse a payload that starts neither with { nor with ["));
    }
    let mut documents = serde_json::Deserializer::from_str(text).into_iter();
    match documents.next() {
        Some(Ok(document)) => Ok(document),
        _ => Err(Error::data("The payload is not JSON")),
    }
}

/// How a schema is made of JSON.
#[derive(Debug)]
pub(super) struct JsonSchemas {
    /// Whether a null is a field of optional bytes.
    pub keeps_nulls: bool,
    pub names: NameAdjuster,
}

impl JsonSchemas {
    /// The schema of `json`, which is called `key`; `None` where nothing can be told from it.
    ///
    /// # Errors
    /// When the items of an array differ in type, or tell none.
    pub(super) fn schema(&self, key: Option<&str>, json: &Json) -> Result<Option<SchemaRef>> {
        Ok(match json {
            Json::String(_) => Some(Schema::optional_string()),
            Json::Bool(_) => Some(Schema::optional_boolean()),
            Json::Number(number) => Some(number_schema(number)),
            Json::Array(items) if items.is_empty() => None,
            Json::Array(items) => Some(SchemaBuilder::array(self.item_schema(key, items)?).optional().build()),
            Json::Object(members) => Some(self.object_schema(key, members)?),
            Json::Null => self.keeps_nulls.then(Schema::optional_bytes),
        })
    }

    fn object_schema(&self, key: Option<&str>, members: &Map<String, Json>) -> Result<SchemaRef> {
        let mut builder = SchemaBuilder::structure().name_or_none(key).optional();
        let mut names: Vec<String> = Vec::with_capacity(members.len());
        for (name, member) in members {
            let name = self.names.field_name(name);
            let path = match key.filter(|key| !key.trim().is_empty()) {
                Some(key) => format!("{key}.{name}"),
                None => name.clone(),
            };
            let Some(schema) = self.schema(Some(&path), member)? else { continue };
            if !names.contains(&name) {
                builder = builder.field(name.as_str(), schema);
                names.push(name);
            }
        }
        Ok(builder.build())
    }

    /// The schema of an array's items, which must be of one type; those of objects are merged.
    fn item_schema(&self, key: Option<&str>, items: &[Json]) -> Result<SchemaRef> {
        let known: Vec<&Json> = items.iter().filter(|item| !item.is_null()).collect();
        let first = known.first().copied().unwrap_or(&Json::Null);
        for item in &known {
            let same = std::mem::discriminant(*item) == std::mem::discriminant(first);
            let same_number = match (item, first) {
                (Json::Number(a), Json::Number(b)) => number_schema(a) == number_schema(b),
                _ => true,
            };
            if !same || !same_number {
                return Err(Error::data("Field is not a homogenous array"));
            }
        }
        if !first.is_object() {
            let schema = self.schema(None, first)?;
            return schema.ok_or_else(|| Error::data("An array has unrecognized member schema."));
        }
        let mut merged: Option<SchemaRef> = None;
        let mut seen: Vec<SchemaRef> = Vec::new();
        for item in known {
            let Some(schema) = self.schema(key, item)? else { continue };
            if !seen.contains(&schema) {
                merged = Some(merged.map_or_else(|| schema.clone(), |merged| merge(&merged, &schema)));
                seen.push(schema);
            }
        }
        merged.ok_or_else(|| Error::data("An array has unrecognized member schema."))
    }
}

fn number_schema(number: &Number) -> SchemaRef {
    match number.as_i64() {
        Some(n) if i32::try_from(n).is_ok() => Schema::optional_int32(),
        Some(_) => Schema::optional_int64(),
        None => Schema::optional_float64(),
    }
}

/// The fields of both; bytes, which stand for null, give way to anything else.
fn merge(left: &SchemaRef, right: &SchemaRef) -> SchemaRef {
    let mut builder = copy_basics(left);
    for field in left.fields() {
        let other = right.field(field.name()).map(|field| field.schema());
        let better = other.filter(|s| field.schema().kind() == Type::Bytes && s.kind() != Type::Bytes);
        builder = builder.field(field.name(), better.unwrap_or(field.schema()).clone());
    }
    let new = right.fields().iter().filter(|field| left.field(field.name()).is_none());
    new.fold(builder, |builder, field| builder.field(field.name(), field.schema().clone())).build()
}

/// `json` as a value of `schema`, which must be that of a struct.
///
/// # Errors
/// When something in it does not fit.
pub(super) fn struct_value(json: &Json, schema: &SchemaRef) -> Result<Value> {
    let (Json::Object(members), Type::Struct) = (json, schema.kind()) else {
        return Err(Error::data(format!("Not a struct schema: {schema}")));
    };
    let fields = schema.fields().iter().map(|field| match members.get(field.name()) {
        Some(member) => value(member, field.schema()),
        None => Ok(Value::Null),
    });
    let values = fields.collect::<Result<Vec<_>>>()?;
    build(schema, values)
}

fn value(json: &Json, schema: &SchemaRef) -> Result<Value> {
    let misfit = || Error::data(format!("JSON of another type than {}", schema.kind().name()));
    Ok(match (json, schema.kind()) {
        (Json::Null, _) => Value::Null,
        (Json::String(text), Type::String) => Value::str(text.as_str()),
        (Json::Bool(b), Type::Boolean) => Value::Bool(*b),
        (Json::Number(number), Type::Int32) => {
            Value::Int32(number.as_i64().and_then(|n| i32::try_from(n).ok()).ok_or_else(misfit)?)
        }
        (Json::Number(number), Type::Int64) if number_schema(number).kind() == Type::Int64 => {
            Value::Int64(number.as_i64().ok_or_else(misfit)?)
        }
        // An integer beyond 64 bits is told a double, though its value is none.
        (Json::Number(number), Type::Float64) if number.to_string().contains(['.', 'e', 'E']) => {
            Value::Float64(number.as_f64().ok_or_else(misfit)?)
        }
        (Json::Array(items), Type::Array) => {
            let item_schema = schema.value_schema().ok_or_else(misfit)?;
            let values = items.iter().map(|item| match item {
                Json::Null if !item_schema.is_optional() => Err(misfit()),
                item => value(item, item_schema),
            });
            Value::Array(values.collect::<Result<_>>()?)
        }
        (Json::Object(_), Type::Struct) => struct_value(json, schema)?,
        _ => return Err(misfit()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: JsonSchemas = JsonSchemas { keeps_nulls: false, names: NameAdjuster::None };

    fn expand(schemas: &JsonSchemas, text: &str) -> Result<(SchemaRef, Value)> {
        let json = parse(text)?;
        let schema = schemas.schema(Some("payload"), &json)?.ok_or_else(|| Error::data("no schema"))?;
        let value = struct_value(&json, &schema)?;
        Ok((schema, value))
    }

    #[test]
    fn json_becomes_structs() {
        let rows = [
            (r#"{"b":1,"a":"x"} rest"#, "Struct{b=1,a=x}", "b INT32 a STRING"),
            (
                r#"{"n":5000000000,"f":1.0,"t":true}"#,
                "Struct{n=5000000000,f=1.0,t=true}",
                "n INT64 f FLOAT64 t BOOLEAN",
            ),
            (r#"{"none":null,"empty":[],"l":[1,null]}"#, "Struct{l=[1, null]}", "l ARRAY"),
            (r#"{"l":[{"a":1},{"b":2}]}"#, "Struct{l=[Struct{a=1}, Struct{b=2}]}", "l ARRAY"),
            (r#"{"o":{"p":{"q":2}}}"#, "Struct{o=Struct{p=Struct{q=2}}}", "o STRUCT"),
        ];
        for (text, want, fields) in rows {
            let (schema, value) = expand(&PLAIN, text).expect(text);
            assert_eq!(crate::java::to_string(&value), want);
            let kinds: Vec<String> =
                schema.fields().iter().map(|f| format!("{} {}", f.name(), f.schema().kind().name())).collect();
            assert_eq!(kinds.join(" "), fields);
            assert_eq!((schema.name(), schema.is_optional()), (Some("payload"), true));
        }
        let (schema, _) = expand(&PLAIN, r#"{"l":[{"a":1}]}"#).expect("expanded");
        let items = schema.field("l").and_then(|f| f.schema().value_schema().cloned()).expect("items");
        assert_eq!(items.name(), Some("payload.l"));
    }

    #[test]
    fn nulls_can_be_kept() {
        let schemas = JsonSchemas { keeps_nulls: true, names: NameAdjuster::None };
        let (schema, _) = expand(&schemas, r#"{"x":null,"l":[{"a":null},{"a":"s"}]}"#).expect("expanded");
        assert_eq!(schema.field("x").map(|f| f.schema().kind()), Some(Type::Bytes));
        let items = schema.field("l").and_then(|f| f.schema().value_schema().cloned()).expect("items");
        assert_eq!(items.field("a").map(|f| f.schema().kind()), Some(Type::String));
    }

    #[test]
    fn what_is_no_struct_is_refused() {
        for text in [
            "",
            "plain",
            "{",
            r#"{"l":[1,"a"]}"#,
            r#"{"l":[1,2.5]}"#,
            r#"{"l":[null]}"#,
            "[1]",
            r#"{"n":99999999999999999999}"#,
        ] {
            assert!(expand(&PLAIN, text).is_err(), "{text}");
        }
    }
}
