use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::data::{Datum, Header, Record, Schema, SchemaRef, Struct, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::checks::{no_empty_items, no_spaces, refused, required, required_list};
use crate::first_problem;
use crate::transforms::Class;
use crate::transforms::row::{checked, copy_basics, require_struct, values};
use crate::transforms::schema_cache::SchemaCache;
use crate::value_check::add_field;

pub(super) const HEADER_TO_VALUE: Class =
    Class { name: "io.debezium.transforms.HeaderToValue", config_def: HeaderToValueConfig::config_def, create };

config_def! {
    /// Settings of HeaderToValue.
    struct HeaderToValueConfig {
        /// Headers whose values become fields. Required.
        headers: List = "headers", High, optional => { order: 1, display: "Header names list" };
        /// Names of the fields, one for each header in the same order; dots lead into nested structs. Required.
        fields: List = "fields", High, optional => { order: 1, display: "Field names list" };
        /// Whether the headers are removed (move) or stay (copy). Required.
        operation: Str = "operation", High, optional
            => { order: 1, display: "Operation: mover or copy" };
    }
}

/// The name of the outermost struct when fields are looked up by the struct they belong in.
const ROOT: &str = "payload";

/// Makes headers fields of the value.
struct HeaderToValue {
    headers: Vec<String>,
    fields: Vec<String>,
    moves: bool,
    /// As in the original, the first record of a schema decides which fields records of it get.
    schemas: SchemaCache,
}

/// A field to add.
struct Entry<'a> {
    /// Its path: names separated by dots.
    path: &'a str,
    datum: &'a Datum,
}

fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(HeaderToValueConfig::parse, HeaderToValueConfig::config_def, props)?;
    for (key, items) in [("fields", &config.fields), ("headers", &config.headers)] {
        let items = items.as_deref().unwrap_or_default();
        no_spaces(key, items)?;
        no_empty_items(key, items)?;
    }
    let fields = required_list("fields", config.fields)?;
    let headers = required_list("headers", config.headers)?;
    let operation = required("operation", config.operation.as_ref())?;
    if !["move", "copy"].contains(&operation.to_lowercase().as_str()) {
        return Err(refused("operation", Some(operation), "Value must be one of move, copy"));
    }
    if headers.len() != fields.len() {
        return Err(Error::config("'fields' config must have the same number of elements as 'headers' config."));
    }
    let moves = match operation {
        "move" => true,
        "copy" => false,
        // The check does not care about case, but what follows it does.
        _ => return Err(Error::config("null").with_class("java.lang.IllegalArgumentException")),
    };
    Ok(Arc::new(HeaderToValue { headers, fields, moves, schemas: SchemaCache::new() }))
}

impl Transform for HeaderToValue {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() {
            return Ok(Some(record));
        }
        let value = require_struct(&record.value.value, "Header field insertion")?.clone();
        let entries: Vec<Entry<'_>> = record.headers.iter().filter_map(|header| self.entry(header)).collect();
        if entries.is_empty() {
            return Ok(Some(record));
        }
        let schema = self.schemas.get(value.schema(), || with_fields(ROOT, value.schema(), &entries, 0))?;
        let updated = with_values(ROOT, &value, &entries, &schema, 0)?;
        record.value = Datum::new(schema, updated);
        if self.moves {
            record.headers.retain(|header| !self.headers.iter().any(|name| **name == *header.key));
        }
        Ok(Some(record))
    }
}

impl HeaderToValue {
    fn entry<'a>(&'a self, header: &'a Header) -> Option<Entry<'a>> {
        let at = self.headers.iter().position(|name| **name == *header.key)?;
        Some(Entry { path: &self.fields[at], datum: &header.value })
    }
}

/// Whether the path of an entry leads through a field called `field`. As in the original, any part of a path that ends
/// in the name counts.
fn leads_through(entries: &[Entry<'_>], field: &str) -> bool {
    let part = format!("{field}.");
    entries.iter().any(|entry| entry.path.contains(&part))
}

/// The name under which an entry is a field of the struct `parent` at depth `level`, if it belongs there.
fn name_in<'a>(path: &'a str, parent: &str, level: usize) -> Option<&'a str> {
    let names: Vec<&str> = path.trim_end_matches('.').split('.').collect();
    if names.len() == 1 && parent == ROOT {
        return Some(names[0]);
    }
    let belongs = names.len() == level + 1 && names[level.saturating_sub(1)] == parent;
    belongs.then(|| names[level])
}

fn with_fields(name: &str, schema: &SchemaRef, entries: &[Entry<'_>], level: usize) -> Result<SchemaRef> {
    if schema.kind().is_primitive() {
        return Ok(schema.clone());
    }
    let mut builder = copy_basics(schema);
    for field in schema.fields() {
        let changed = match leads_through(entries, field.name()) {
            true => with_fields(field.name(), field.schema(), entries, level + 1)?,
            false => field.schema().clone(),
        };
        builder = builder.field(field.name(), changed);
    }
    for entry in entries {
        if let Some(field) = name_in(entry.path, name, level) {
            let schema = entry.datum.schema.clone().unwrap_or_else(Schema::optional_string);
            builder = add_field(builder, field, schema)?;
        }
    }
    Ok(builder.build())
}

fn with_values(name: &str, row: &Struct, entries: &[Entry<'_>], schema: &SchemaRef, level: usize) -> Result<Value> {
    let mut updated = vec![Value::Null; schema.fields().len()];
    let mut put = |field: &str, value: Value| {
        let at = schema.field_index(field);
        let at = at.ok_or_else(|| Error::data(format!("{field} is not a valid field name")))?;
        updated[at] = checked(&schema.fields()[at], value)?;
        Ok::<(), Error>(())
    };
    for (field, value) in values(row, true).filter(|(_, value)| !value.is_null()) {
        let value = match (leads_through(entries, field.name()), schema.field(field.name())) {
            (true, Some(updated)) => {
                let nested = require_struct(&value, "Nested field")?;
                with_values(field.name(), nested, entries, updated.schema(), level + 1)?
            }
            _ => value,
        };
        put(field.name(), value)?;
    }
    for entry in entries {
        if let Some(field) = name_in(entry.path, name, level) {
            put(field, entry.datum.value.clone())?;
        }
    }
    Ok(Value::Struct(Arc::new(Struct::new(schema.clone(), updated))))
}

#[cfg(test)]
mod tests {
    use couplet_api::data::SchemaBuilder;

    use super::*;

    fn record() -> Record {
        let inner = SchemaBuilder::structure().field("a", Schema::int32()).optional().build();
        let schema = SchemaBuilder::structure().field("id", Schema::int32()).field("inner", inner.clone()).build();
        let inner = Struct::new(inner, vec![Value::Int32(2)]);
        let value = Struct::new(schema.clone(), vec![Value::Int32(1), inner.into()]);
        let mut record = Record::new("t", Datum::NULL, Datum::new(schema, value));
        for name in ["h1", "h2"] {
            record.headers.push(Header { key: name.into(), value: Datum::new(Schema::string(), name) });
        }
        record
    }

    fn apply(settings: [(&str, &str); 3]) -> Record {
        let transform = create(&settings.into_iter().collect()).expect("settings");
        transform.apply(record()).expect("applied").expect("kept")
    }

    #[test]
    fn headers_become_fields() {
        let rows = [
            ("f1,f2", "move", "Struct{id=1,inner=Struct{a=2},f1=h1,f2=h2}", 0),
            ("f1,inner.f2", "copy", "Struct{id=1,inner=Struct{a=2,f2=h2},f1=h1}", 2),
        ];
        for (fields, operation, want, headers) in rows {
            let got = apply([("headers", "h1,h2"), ("fields", fields), ("operation", operation)]);
            assert_eq!(crate::java::to_string(&got.value.value), want);
            assert_eq!(got.headers.len(), headers);
        }
        let untouched = apply([("headers", "x"), ("fields", "y"), ("operation", "move")]);
        assert_eq!(untouched, record());
    }

    #[test]
    fn settings_are_checked() {
        let rows: [(&[(&str, &str)], &str); 5] = [
            (
                &[("headers", "a")],
                "Invalid value null for configuration fields: The 'fields' value is invalid: A value is required",
            ),
            (
                &[("headers", "a b"), ("fields", "c")],
                "Invalid value a b for configuration headers: The 'headers' value is invalid: Element(s) containing \
                 space not permitted",
            ),
            (
                &[("headers", "a,,b"), ("fields", "c")],
                "Invalid value a,,b for configuration headers: The 'headers' value is invalid: Empty string \
                 element(s) not permitted",
            ),
            (
                &[("headers", "a"), ("fields", "c"), ("operation", "swap")],
                "Invalid value swap for configuration operation: The 'operation' value is invalid: Value must be one \
                 of move, copy",
            ),
            (
                &[("headers", "a,b"), ("fields", "c"), ("operation", "move")],
                "'fields' config must have the same number of elements as 'headers' config.",
            ),
        ];
        for (settings, want) in rows {
            let problem = create(&settings.iter().copied().collect()).err().expect("refused");
            assert_eq!(problem.message(), want);
        }
    }
}
