use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, one_of};
use couplet_api::data::{Datum, Header, Record, SchemaRef};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::row::{build, copy_basics, or_default, require_map, require_struct, values};
use super::schema_cache::SchemaCache;
use super::side::Side;
use super::validators::non_empty_list;
use crate::first_problem;
use crate::java::HashMapOrder;

config_def! {
    /// Settings of HeaderFrom.
    struct HeaderFromConfig {
        /// Fields whose values become headers.
        fields: List = "fields", High, required, non_empty_list();
        /// Names of the headers, one for each field in the same order.
        headers: List = "headers", High, required, non_empty_list();
        /// Whether the fields are taken out of the key or value (move) or stay there (copy).
        operation: Str = "operation", High, required, one_of(&["move", "copy"]);
        /// Whether a null is replaced by the default value of its field, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Medium, default "true";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    HeaderFromConfig::config_def()
}

/// Moves or copies fields into headers.
struct HeaderFrom {
    side: Side,
    config: HeaderFromConfig,
    moves: bool,
    purpose: String,
    schemas: SchemaCache,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(HeaderFromConfig::parse, HeaderFromConfig::config_def, props)?;
    if config.fields.len() != config.headers.len() {
        return Err(Error::config("'fields' config must have the same number of elements as 'headers' config."));
    }
    let moves = config.operation == "move";
    let purpose = format!("header {}", config.operation);
    Ok(Arc::new(HeaderFrom { side, config, moves, purpose, schemas: SchemaCache::new() }))
}

impl Transform for HeaderFrom {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record).clone();
        let (updated, headers) = match &datum.schema {
            Some(schema) => self.with_schema(schema, &datum)?,
            None => self.schemaless(&datum)?,
        };
        let names = self.config.headers.iter();
        record.headers.extend(names.zip(headers).map(|(name, value)| Header { key: name.as_str().into(), value }));
        Ok(Some(self.side.with(record, updated)))
    }
}

impl HeaderFrom {
    fn schemaless(&self, datum: &Datum) -> Result<(Datum, Vec<Datum>)> {
        let mut map = HashMapOrder::copy_of(require_map(&datum.value, &self.purpose)?);
        let mut headers = Vec::with_capacity(self.config.fields.len());
        for field in &self.config.fields {
            let value = datum.value.get(field).cloned().unwrap_or_default();
            // A struct brings its schema along.
            let schema = value.as_struct().map(|row| row.schema().clone());
            headers.push(Datum { schema, value });
            if self.moves {
                map.remove(field);
            }
        }
        Ok((Datum::schemaless(map.into_value()), headers))
    }

    fn with_schema(&self, schema: &SchemaRef, datum: &Datum) -> Result<(Datum, Vec<Datum>)> {
        let row = require_struct(&datum.value, &self.purpose)?;
        let replace = self.config.replace_null_with_default;
        let header = |field: &String| {
            let at = row.schema().field_index(field).ok_or_else(no_such_field)?;
            let schema = row.schema().fields()[at].schema();
            Ok(Datum::new(schema.clone(), or_default(&row.values()[at], schema, replace)))
        };
        let headers = self.config.fields.iter().map(header).collect::<Result<Vec<_>>>()?;
        if !self.moves {
            return Ok((datum.clone(), headers));
        }
        let is_moved = |name: &str| self.config.fields.iter().any(|field| field == name);
        let updated = self.schemas.get(schema, || {
            let kept = schema.fields().iter().filter(|f| !is_moved(f.name()));
            Ok(kept.fold(copy_basics(schema), |b, f| b.field(f.name(), f.schema().clone())).build())
        })?;
        let kept = values(row, replace).filter(|(field, _)| !is_moved(field.name())).map(|(_, value)| value);
        Ok((Datum::new(updated.clone(), build(&updated, kept)?), headers))
    }
}

/// The JVM runs into a null here.
fn no_such_field() -> Error {
    Error::data(
        "Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of \
         \"org.apache.kafka.connect.data.Schema.field(String)\" is null",
    )
    .with_class("java.lang.NullPointerException")
}
