use std::sync::Arc;

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use couplet_api::config::{ConfigDef, Props};
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Header};
use couplet_api::error::Lookup;
use couplet_api::plugin::Factory;
use couplet_api::{Error, Plugin, Result};

use super::compatibility;
use super::options::ProtobufDataConfig;
use super::parse::ProtoSchema;
use super::read_plan::{self, ReadPlan};
use super::scalar::MALFORMED;
use super::write_plan::{self, WritePlan};
use super::{message_index, reader, writer};
use crate::client::{SchemaText, SchemaType};
use crate::plans::Plans;
use crate::{CONFLUENT_VERSION, Dialect, Direction, Registry, serialization, wire, with_registry_keys};

/// The converter's class.
pub(crate) fn plugin() -> Plugin {
    Plugin::Converter(Arc::new(Factory {
        class: "io.confluent.connect.protobuf.ProtobufConverter",
        version: CONFLUENT_VERSION,
        config_def,
        create: |props, is_key| Ok(Arc::new(ProtobufConverter::new(props, is_key)?)),
    }))
}

fn config_def() -> ConfigDef {
    with_registry_keys(&ProtobufDataConfig::config_def())
}

/// Reads and writes Protobuf messages whose files are registered.
struct ProtobufConverter {
    config: ProtobufDataConfig,
    registry: Registry,
    plans: Plans<Compiled, Bytes, (i32, Vec<i32>), ReadPlan>,
}

/// A plan and the schema to register for it.
struct Compiled {
    plan: WritePlan,
    schema: Arc<SchemaText>,
}

impl ProtobufConverter {
    fn new(props: &Props, is_key: bool) -> Result<Self> {
        let config = ProtobufDataConfig::parse(props)?;
        let plans = Plans::new(config.schemas_cache_size);
        Ok(ProtobufConverter { registry: Registry::open(props, is_key, Protobuf)?, config, plans })
    }

    /// What stands in front of messages: magic byte, id, message indexes.
    fn prefix(&self, topic: &str, compiled: &Compiled) -> Result<Bytes> {
        let registered = self.registry.writing(topic, &compiled.schema)?;
        let mut prefix = BytesMut::new();
        wire::put_prefix(registered.id, &mut prefix);
        if registered.schema.text == compiled.schema.text {
            prefix.put_slice(&compiled.plan.indexes);
        } else {
            let parsed = parse(&registered.schema).map_err(|cause| {
                let cause = serialization("Error serializing Protobuf message").caused_by(cause);
                Direction::Serialize.failed(SchemaType::Protobuf, topic, cause)
            })?;
            prefix.put_slice(&parsed.indexes_of(&compiled.plan.message));
        }
        Ok(prefix.freeze())
    }

    fn read_plan(&self, topic: &str, id: i32, indexes: &[i32]) -> Result<ReadPlan> {
        let reading = self.registry.reading(topic, id)?;
        let failed = |cause| deserializing(topic, id, cause);
        let mut message = parse(&reading.writer.schema).and_then(|s| s.message_at(indexes)).map_err(failed)?;
        if let Some(reader) = &reading.reader {
            let schema = parse(&reader.schema).map_err(failed)?;
            // A message that the reader's file lacks is read as that file's first.
            let named = schema.message(message.full_name());
            message = named.or_else(|_| schema.message_at(&[0])).map_err(failed)?;
        }
        read_plan::compile(&message, reading.version, &self.config)
    }
}

#[async_trait]
impl Converter for ProtobufConverter {
    fn from_connect(&self, topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        if data.is_null() {
            return Ok(false);
        }
        let schema = data.schema.as_ref().ok_or_else(|| {
            Error::data(format!("a value without a schema cannot be Protobuf: give the data of topic {topic} a schema"))
        })?;
        let compile = || {
            let plan = write_plan::compile(schema, &self.config)?;
            let schema = Arc::new(SchemaText::new(SchemaType::Protobuf, plan.text.clone()));
            Ok(Compiled { plan, schema })
        };
        let prefix = |compiled: &Compiled| self.prefix(topic, compiled);
        let (compiled, prefix) = self.plans.writing(schema, topic, compile, prefix, || self.registry.fresh_until())?;
        out.put_slice(&prefix);
        writer::write(&compiled.plan.root, &data.value, out)?;
        Ok(true)
    }

    fn to_connect(&self, topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else { return Ok(Datum::NULL) };
        let (id, mut payload) = wire::split(bytes).map_err(|cause| deserializing(topic, -1, cause))?;
        let indexes = message_index::decode(&mut payload).map_err(|cause| deserializing(topic, id, cause))?;
        let key = (id, indexes);
        let compile = || self.read_plan(topic, id, &key.1);
        let plan = self.plans.reading(&key, topic, compile, || self.registry.fresh_until())?;
        let value = reader::read(&plan, &payload)
            .map_err(|error| if error.class() == MALFORMED { deserializing(topic, id, error) } else { error })?;
        Ok(Datum { schema: Some(plan.schema.clone()), value })
    }

    async fn resolve(&self, lookup: &Lookup) -> Result<()> {
        self.registry.resolve(lookup).await
    }
}

fn deserializing(topic: &str, id: i32, cause: Error) -> Error {
    let cause = serialization(format!("Error deserializing Protobuf message for id {id}")).caused_by(cause);
    Direction::Deserialize.failed(SchemaType::Protobuf, topic, cause)
}

fn parse(schema: &SchemaText) -> Result<ProtoSchema> {
    let references: Vec<_> = schema.resolved.iter().map(|(name, text)| (name.clone(), text.to_string())).collect();
    ProtoSchema::new(&schema.text, &references)
}

/// Protobuf as the registry's client sees it.
struct Protobuf;

impl Dialect for Protobuf {
    fn kind(&self) -> SchemaType {
        SchemaType::Protobuf
    }

    fn name(&self, schema: &SchemaText) -> Result<Option<String>> {
        Ok(parse(schema)?.message_at(&[0]).ok().map(|message| message.full_name().to_owned()))
    }

    fn incompatibilities(&self, reader: &SchemaText, writer: &SchemaText) -> Result<Vec<String>> {
        Ok(compatibility::problems(&parse(reader)?, &parse(writer)?))
    }
}
