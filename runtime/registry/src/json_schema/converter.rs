use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use couplet_api::config::{ConfigDef, Props};
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Header, SchemaRef};
use couplet_api::error::Lookup;
use couplet_api::plugin::Factory;
use couplet_api::{Error, Plugin, Result};
use serde_json::Value as Json;

use super::options::{JsonSchemaDataConfig, SerializerConfig};
use super::refs::Documents;
use super::validation::{self, Validation};
use super::write_plan::{self, Plan};
use super::{compatibility, from_connect, pretty, reader, to_connect, writer};
use crate::client::{SchemaText, SchemaType};
use crate::plans::Plans;
use crate::{CONFLUENT_VERSION, Dialect, Direction, Registry, serialization, wire, with_registry_keys};

/// The converter's class.
pub(crate) fn plugin() -> Plugin {
    Plugin::Converter(Arc::new(Factory {
        class: "io.confluent.connect.json.JsonSchemaConverter",
        version: CONFLUENT_VERSION,
        config_def,
        create: |props, is_key| Ok(Arc::new(JsonSchemaConverter::new(props, is_key)?)),
    }))
}

fn config_def() -> ConfigDef {
    let own = SerializerConfig::config_def();
    with_registry_keys(&own.keys().iter().fold(JsonSchemaDataConfig::config_def(), |def, key| def.define(key.clone())))
}

/// Reads and writes JSON whose schemas are registered.
struct JsonSchemaConverter {
    config: JsonSchemaDataConfig,
    serializer: SerializerConfig,
    registry: Registry,
    plans: Plans<Writing, (i32, Option<Arc<Validation>>), i32, ReadingPlan>,
}

/// How values of a schema are written.
struct Writing {
    plan: Plan,
    schema: Arc<SchemaText>,
}

/// How messages with an id are read.
struct ReadingPlan {
    schema: SchemaRef,
    validation: Option<Validation>,
}

impl JsonSchemaConverter {
    fn new(props: &Props, is_key: bool) -> Result<Self> {
        let config = JsonSchemaDataConfig::parse(props)?;
        let serializer = SerializerConfig::parse(props)?;
        if serializer.fail_invalid_schema && !validation::AVAILABLE {
            return Err(Error::config(
                "Invalid value true for configuration json.fail.invalid.schema: this build has no JSON Schema validation; \
                 set it to false or build with the feature json-validation",
            ));
        }
        let plans = Plans::new(config.schemas_cache_size);
        Ok(JsonSchemaConverter { registry: Registry::open(props, is_key, JsonSchema)?, config, serializer, plans })
    }

    fn validation(&self, schema: &SchemaText) -> Result<Option<Validation>> {
        if self.serializer.fail_invalid_schema { Validation::new(&documents(schema)?).map(Some) } else { Ok(None) }
    }

    fn read_plan(&self, topic: &str, id: i32) -> Result<ReadingPlan> {
        let reading = self.registry.reading(topic, id)?;
        let schema = &reading.reader.as_ref().unwrap_or(&reading.writer).schema;
        let failed = |cause| deserializing(topic, id, cause);
        let documents = documents(schema).map_err(failed)?;
        let validation = self.validation(schema).map_err(failed)?;
        let draft = documents.root().get("$schema").and_then(Json::as_str).unwrap_or_default();
        if self.config.ignore_modern_dialects && draft.contains("/draft/20") {
            tracing::debug!(draft, "schema is read as draft 7");
        }
        Ok(ReadingPlan { schema: to_connect::derive(&documents, reading.version, &self.config)?, validation })
    }
}

#[async_trait]
impl Converter for JsonSchemaConverter {
    fn from_connect(&self, topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        let Some(schema) = &data.schema else {
            return if data.is_null() { Ok(false) } else { Err(schemaless(topic)) };
        };
        let compile = || {
            let text = from_connect::derive(schema, &self.config)?.to_string();
            let schema_text = Arc::new(SchemaText::new(SchemaType::Json, text));
            Ok(Writing { plan: write_plan::compile(schema, &self.config)?, schema: schema_text })
        };
        let register = |writing: &Writing| {
            let registered = self.registry.writing(topic, &writing.schema)?;
            let validation = self.validation(&registered.schema).map_err(|cause| serializing(topic, cause))?;
            Ok((registered.id, validation.map(Arc::new)))
        };
        let found = self.plans.writing(schema, topic, compile, register, || self.registry.fresh_until())?;
        let (writing, (id, validation)) = found;
        let start = out.len();
        wire::put_prefix(id, out);
        let value = out.len();
        if !writer::write(&writing.plan, &data.value, out)? {
            out.truncate(start);
            return Ok(false);
        }
        if let Some(validation) = validation {
            validation.check(&out[value..]).map_err(|cause| serializing(topic, cause))?;
        }
        if self.serializer.indent_output {
            let compact = out.split_off(value);
            pretty::indent(&compact, out);
        }
        Ok(true)
    }

    fn to_connect(&self, topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else { return Ok(Datum::NULL) };
        let (id, payload) = wire::split(bytes).map_err(|cause| deserializing(topic, -1, cause))?;
        let compile = || self.read_plan(topic, id);
        let plan = self.plans.reading(&id, topic, compile, || self.registry.fresh_until())?;
        if let Some(validation) = &plan.validation {
            validation.check(&payload).map_err(|cause| deserializing(topic, id, cause))?;
        }
        let value = reader::read(&payload, &plan.schema).map_err(|error| {
            // Only what is no JSON fails before the mapping.
            if error.class().ends_with("SerializationException") { deserializing(topic, id, error) } else { error }
        })?;
        Ok(Datum { schema: Some(plan.schema.clone()), value })
    }

    async fn resolve(&self, lookup: &Lookup) -> Result<()> {
        self.registry.resolve(lookup).await
    }
}

fn schemaless(topic: &str) -> Error {
    let cause = Error::data("the value has no schema: give the data a schema, or use JsonConverter");
    serializing(topic, cause)
}

fn serializing(topic: &str, cause: Error) -> Error {
    let cause = serialization("Error serializing JSON message").caused_by(cause);
    Direction::Serialize.failed(SchemaType::Json, topic, cause)
}

fn deserializing(topic: &str, id: i32, cause: Error) -> Error {
    let cause = serialization(format!("Error deserializing JSON message for id {id}")).caused_by(cause);
    Direction::Deserialize.failed(SchemaType::Json, topic, cause)
}

fn documents(schema: &SchemaText) -> Result<Documents> {
    Documents::new(&schema.text, schema.resolved.iter().map(|(name, text)| (name.as_str(), &**text)))
}

/// JSON Schema as the registry's client sees it.
struct JsonSchema;

impl Dialect for JsonSchema {
    fn kind(&self) -> SchemaType {
        SchemaType::Json
    }

    fn name(&self, schema: &SchemaText) -> Result<Option<String>> {
        Ok(documents(schema)?.root().get("title").and_then(Json::as_str).map(str::to_owned))
    }

    fn incompatibilities(&self, reader: &SchemaText, writer: &SchemaText) -> Result<Vec<String>> {
        Ok(compatibility::problems(&documents(reader)?, &documents(writer)?))
    }
}
