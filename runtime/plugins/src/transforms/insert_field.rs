use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::{Datum, Record, Schema, SchemaBuilder, SchemaRef, Struct, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::row::{checked, copy_basics, require_map, require_struct, values};
use super::schema_cache::SchemaCache;
use super::side::Side;
use crate::first_problem;
use crate::java::HashMapOrder;
use crate::value_check::add_field;

config_def! {
    /// Settings of InsertField.
    struct InsertFieldConfig {
        /// Field for the topic. A ! behind the name makes the field required, a ? (and nothing) optional.
        topic_field: Str = "topic.field", Medium, optional;
        /// Field for the Kafka partition. A ! behind the name makes the field required, a ? (and nothing) optional.
        partition_field: Str = "partition.field", Medium, optional;
        /// Field for the Kafka offset, for sinks only. A ! behind the name makes the field required, a ? optional.
        offset_field: Str = "offset.field", Medium, optional;
        /// Field for the record's timestamp. A ! behind the name makes the field required, a ? (and nothing) optional.
        timestamp_field: Str = "timestamp.field", Medium, optional;
        /// Field for a fixed text. A ! behind the name makes the field required, a ? (and nothing) optional.
        static_field: Str = "static.field", Medium, optional;
        /// The fixed text.
        static_value: Str = "static.value", Medium, optional;
        /// Whether a null is replaced by the default value of its field, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Medium, default "true";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    InsertFieldConfig::config_def()
}

const PURPOSE: &str = "field insertion";

/// What a field is filled with.
#[derive(Debug, Clone)]
enum Source {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Text(Value),
}

/// A field to insert.
#[derive(Debug)]
struct Insertion {
    name: String,
    optional: bool,
    source: Source,
}

impl Insertion {
    fn new(spec: String, source: Source) -> Self {
        let optional = !spec.ends_with('!');
        let name = spec.strip_suffix(['?', '!']).unwrap_or(&spec).to_owned();
        Insertion { name, optional, source }
    }

    fn schema(&self) -> SchemaRef {
        match (&self.source, self.optional) {
            (Source::Topic | Source::Text(_), true) => Schema::optional_string(),
            (Source::Topic | Source::Text(_), false) => Schema::string(),
            (Source::Partition, true) => Schema::optional_int32(),
            (Source::Partition, false) => Schema::int32(),
            (Source::Offset, true) => Schema::optional_int64(),
            (Source::Offset, false) => Schema::int64(),
            (Source::Timestamp, optional) => SchemaBuilder::timestamp().optional_if(optional).build(),
        }
    }

    /// The value for `record`; `None` leaves the field alone. `typed`: under a schema.
    fn value(&self, record: &Record, typed: bool) -> Result<Option<Value>> {
        Ok(match &self.source {
            Source::Topic => Some(Value::str(&*record.topic)),
            Source::Partition => record.partition.map(Value::Int32),
            Source::Offset => {
                let not_a_sink = || {
                    Error::data(format!(
                        "Only SinkRecord supported for [{PURPOSE}], found: \
                         org.apache.kafka.connect.source.SourceRecord"
                    ))
                };
                Some(Value::Int64(record.offset.ok_or_else(not_a_sink)?))
            }
            Source::Timestamp if typed => record.timestamp.map(Value::Date),
            Source::Timestamp => record.timestamp.map(Value::Int64),
            Source::Text(text) => Some(text.clone()),
        })
    }
}

/// Adds fields from the record's own attributes.
struct InsertField {
    side: Side,
    insertions: Vec<Insertion>,
    replace_null_with_default: bool,
    schemas: SchemaCache,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(InsertFieldConfig::parse, InsertFieldConfig::config_def, props)?;
    let text = config.static_value.map(|text| Source::Text(Value::from(text)));
    if config.static_field.is_some() && text.is_none() {
        return Err(Error::config(format!(
            "Invalid value null for configuration static.value: No value specified for static field: {}",
            config.static_field.unwrap_or_default()
        )));
    }
    let specs = [
        (config.topic_field, Some(Source::Topic)),
        (config.partition_field, Some(Source::Partition)),
        (config.offset_field, Some(Source::Offset)),
        (config.timestamp_field, Some(Source::Timestamp)),
        (config.static_field, text),
    ];
    let insertions: Vec<Insertion> =
        specs.into_iter().filter_map(|(spec, source)| Some(Insertion::new(spec?, source?))).collect();
    if insertions.is_empty() {
        return Err(Error::config("No field insertion configured"));
    }
    let replace_null_with_default = config.replace_null_with_default;
    Ok(Arc::new(InsertField { side, insertions, replace_null_with_default, schemas: SchemaCache::new() }))
}

impl Transform for InsertField {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record);
        if datum.is_null() {
            return Ok(Some(record));
        }
        let updated = match datum.schema {
            Some(_) => self.with_schema(&record, &datum.value)?,
            None => self.schemaless(&record, &datum.value)?,
        };
        Ok(Some(self.side.with(record, updated)))
    }
}

impl InsertField {
    fn schemaless(&self, record: &Record, value: &Value) -> Result<Datum> {
        let mut map = HashMapOrder::copy_of(require_map(value, PURPOSE)?);
        for insertion in &self.insertions {
            if let Some(value) = insertion.value(record, false)? {
                map.put(insertion.name.as_str(), value);
            }
        }
        Ok(Datum::schemaless(map.into_value()))
    }

    fn with_schema(&self, record: &Record, value: &Value) -> Result<Datum> {
        let row = require_struct(value, PURPOSE)?;
        let schema = self.schemas.get(row.schema(), || self.schema(row.schema()))?;
        let mut updated: Vec<Value> = Vec::with_capacity(schema.fields().len());
        for (field, value) in values(row, self.replace_null_with_default) {
            updated.push(checked(field, value)?);
        }
        for insertion in &self.insertions {
            updated.push(insertion.value(record, true)?.unwrap_or_default());
        }
        Ok(Datum::new(schema.clone(), Struct::new(schema, updated)))
    }

    fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let fields = schema.fields().iter();
        let mut builder = fields.fold(copy_basics(schema), |b, f| b.field(f.name(), f.schema().clone()));
        for insertion in &self.insertions {
            builder = add_field(builder, &insertion.name, insertion.schema())?;
        }
        Ok(builder.build())
    }
}
