use couplet_api::data::{Field, Schema, SchemaBuilder, SchemaRef, Struct, Type, Value};
use couplet_api::{Error, Result};

use crate::transforms::row::with_basics;

/// A field of a change event, under the name it gets elsewhere: `op`, `source.table`, `source.ts_ms:changed_at`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FieldReference {
    /// The struct that holds the field; `None`: the event itself.
    parent: Option<String>,
    field: String,
    /// Prefix included.
    new_name: String,
}

impl FieldReference {
    /// Reads `text`.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] when there is more than one colon.
    pub(super) fn new(prefix: &str, text: &str) -> Result<Self> {
        // As Java splits: an empty part at the end does not count.
        let (path, alias) = text
            .trim_end_matches(':')
            .split_once(':')
            .map_or((text.trim_end_matches(':'), None), |(path, alias)| (path, Some(alias)));
        if alias.is_some_and(|alias| alias.contains(':')) {
            return Err(Error::config(format!("Unexpected field name: {text}"))
                .with_class("java.lang.IllegalArgumentException"));
        }
        let (parent, field, plain_name) = match path.split_once('.') {
            Some((parent, field)) => (Some(parent), field, format!("{parent}_{field}")),
            None => (usual_parent(path), path, path.to_owned()),
        };
        let new_name = format!("{prefix}{}", alias.unwrap_or(&plain_name));
        Ok(FieldReference { parent: parent.map(str::to_owned), field: field.to_owned(), new_name })
    }

    /// The name the field gets.
    pub(super) fn new_name(&self) -> &str {
        &self.new_name
    }

    /// Whether it is the operation of the event.
    pub(super) fn is_operation(&self) -> bool {
        self.field == "op"
    }

    /// The schema that the field gets: optional, else as in `event`; `None` when `event` has no such field.
    pub(super) fn schema(&self, event: &Schema) -> Option<SchemaRef> {
        self.find(event).map(optional_copy)
    }

    /// Whether `event` has such a field.
    pub(super) fn is_in(&self, event: &Schema) -> bool {
        self.find(event).is_some()
    }

    fn find<'a>(&self, event: &'a Schema) -> Option<&'a Field> {
        let parent = match &self.parent {
            Some(parent) => event.field(parent).map(|f| &**f.schema()),
            None => Some(event),
        };
        parent.and_then(|parent| parent.field(&self.field)).or_else(|| event.field(&self.field))
    }

    /// The value of the field; null where the struct that holds it is absent.
    pub(super) fn value(&self, event: &Struct) -> Value {
        let parent = match &self.parent {
            Some(parent) => match event.get(parent).and_then(Value::as_struct) {
                Some(row) => &**row,
                None => return Value::Null,
            },
            None => event,
        };
        parent.get(&self.field).or_else(|| event.get(&self.field)).cloned().unwrap_or_default()
    }
}

/// The struct that holds a field named without one.
fn usual_parent(field: &str) -> Option<&'static str> {
    match field {
        "id" | "data_collection_order" | "total_order" => Some("transaction"),
        "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
        "updateDescription" => Some("updateDescription"),
        _ => Some("source"),
    }
}

fn optional_copy(field: &Field) -> SchemaRef {
    let schema = field.schema();
    let builder = match (schema.kind(), schema.key_schema(), schema.value_schema()) {
        (Type::Array, _, Some(items)) => SchemaBuilder::array(items.clone()),
        (Type::Map, Some(keys), Some(values)) => SchemaBuilder::map(keys.clone(), values.clone()),
        // A nested block keeps its fields, without which its values could not be written.
        (Type::Struct, ..) => schema.to_builder().default_or_none(None),
        (kind, ..) => SchemaBuilder::new(kind),
    };
    with_basics(schema, builder).optional().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_where_a_field_is() {
        let rows = [
            ("op", None, "op", "__op"),
            ("ts_ms", None, "ts_ms", "__ts_ms"),
            ("table", Some("source"), "table", "__table"),
            ("source.table", Some("source"), "table", "__source_table"),
            ("source.ts_ms:changed_at", Some("source"), "ts_ms", "__changed_at"),
            ("total_order", Some("transaction"), "total_order", "__total_order"),
            ("op:OP", None, "op", "__OP"),
            ("op:", None, "op", "__op"),
        ];
        for (text, parent, field, new_name) in rows {
            let want = FieldReference {
                parent: parent.map(str::to_owned),
                field: field.to_owned(),
                new_name: new_name.to_owned(),
            };
            assert_eq!(FieldReference::new("__", text).expect(text), want, "{text}");
        }
        assert!(FieldReference::new("", "a:b:c").is_err());
    }
}
