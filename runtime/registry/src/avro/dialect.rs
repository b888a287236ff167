use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use couplet_api::{Error, Result};

use super::parse::parse;
use crate::Dialect;
use crate::client::{SchemaText, SchemaType};

/// Avro, as the registry's client has to know it.
pub(super) struct Avro;

impl Dialect for Avro {
    fn kind(&self) -> SchemaType {
        SchemaType::Avro
    }

    fn name(&self, schema: &SchemaText) -> Result<Option<String>> {
        Ok(parse(schema)?.name())
    }

    fn incompatibilities(&self, reader: &SchemaText, writer: &SchemaText) -> Result<Vec<String>> {
        match SchemaCompatibility::can_read(&library_schema(writer)?, &library_schema(reader)?) {
            Ok(_) => Ok(Vec::new()),
            Err(error) => Ok(vec![error.to_string()]),
        }
    }
}

fn library_schema(schema: &SchemaText) -> Result<Schema> {
    let bad = |error: apache_avro::Error| {
        Error::data(format!("not an Avro schema: {error}")).with_class("org.apache.avro.SchemaParseException")
    };
    if schema.resolved.is_empty() {
        return Schema::parse_str(&schema.text).map_err(bad);
    }
    let others: Vec<&str> = schema.resolved.iter().map(|(_, text)| &**text).collect();
    Schema::parse_str_with_list(&schema.text, others).map(|(schema, _)| schema).map_err(bad)
}
