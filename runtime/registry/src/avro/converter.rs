use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use couplet_api::config::{ConfigDef, Props};
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Header, Schema, SchemaRef, Value};
use couplet_api::error::Lookup;
use couplet_api::plugin::{ConverterFactory, Factory};
use couplet_api::{Error, Kind, Result};
use couplet_plugins::json::Recent;

use super::dialect::Avro;
use super::from_connect::from_connect;
use super::options::{AvroKeys, Options};
use super::parse::parse;
use super::print::print;
use super::read_plan::{self, Read};
use super::reader::Input;
use super::schema::{AvroSchema, Shape};
use super::to_connect::to_connect;
use super::write_plan::{self, Form, Plan};
use super::writer::write;
use crate::client::{SchemaText, SchemaType};
use crate::failure::serialization;
use crate::{CONFLUENT_VERSION, Direction, Registry, wire, with_registry_keys};

/// The schema of data without one.
const ANYTHING_TEXT: &str = r#"{"type":"record","name":"Anything","namespace":"io.confluent.connect.avro","fields":[
    {"name":"boolean","type":["null","boolean"],"default":null},{"name":"bytes","type":["null","bytes"],"default":null},
    {"name":"double","type":["null","double"],"default":null},{"name":"float","type":["null","float"],"default":null},
    {"name":"int","type":["null","int"],"default":null},{"name":"long","type":["null","long"],"default":null},
    {"name":"string","type":["null","string"],"default":null},
    {"name":"array","type":["null",{"type":"array","items":"Anything"}],"default":null},
    {"name":"map","type":["null",{"type":"array","items":{"type":"record","name":"MapEntry","fields":[
        {"name":"key","type":"Anything"},{"name":"value","type":"Anything"}]}}],"default":null}]}"#;

/// The same, as it is registered.
static ANYTHING: LazyLock<String> = LazyLock::new(|| {
    let schema = parse(&SchemaText::new(SchemaType::Avro, ANYTHING_TEXT));
    schema.and_then(|schema| print(&schema)).unwrap_or_default()
});

/// The plugin.
pub(crate) fn factory() -> ConverterFactory {
    Factory { class: "io.confluent.connect.avro.AvroConverter", version: CONFLUENT_VERSION, config_def, create }
}

fn config_def() -> ConfigDef {
    with_registry_keys(&AvroKeys::config_def())
}

fn create(props: &Props, is_key: bool) -> Result<Arc<dyn Converter>> {
    let keys = AvroKeys::of(props)?;
    let remembered = usize::try_from(keys.schemas_cache_size).unwrap_or(1).max(1);
    Ok(Arc::new(AvroConverter {
        registry: Registry::open(props, is_key, Avro)?,
        options: keys.options(),
        fails_on_rest: keys.fail_on_trailing_data,
        writing: Mutex::new(Recent::new(remembered)),
        reading: Mutex::new(Recent::new(remembered)),
    }))
}

struct AvroConverter {
    registry: Registry,
    options: Options,
    fails_on_rest: bool,
    /// By topic and schema; keeping the schema alive makes its address its identity.
    writing: Mutex<Recent<Written, Arc<Writing>>>,
    /// By topic and id.
    reading: Mutex<Recent<(String, i32), Arc<Reading>>>,
}

/// Topic, and schema of the data.
type Written = (String, Option<SchemaRef>);

/// How data of one schema is written to one topic.
struct Writing {
    id: i32,
    plan: Plan,
    /// Avro bytes as the whole message, which have no length before them.
    bare_bytes: bool,
    until: Option<Instant>,
}

/// How messages with one id are read from one topic.
struct Reading {
    schema: Option<SchemaRef>,
    writer: AvroSchema,
    read: Read,
    bare_bytes: bool,
    until: Option<Instant>,
}

fn is_fresh(until: Option<Instant>) -> bool {
    until.is_none_or(|until| Instant::now() < until)
}

#[async_trait]
impl Converter for AvroConverter {
    fn from_connect(&self, topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        if data.is_null() {
            let required = data.schema.as_ref().is_some_and(|schema| !schema.is_optional());
            return if required { Err(Error::data("Found null value for non-optional schema")) } else { Ok(false) };
        }
        let writing = self.writing(topic, data.schema.as_ref())?;
        wire::put_prefix(writing.id, out);
        let begin = out.len();
        write(&writing.plan, &data.value, out)?;
        if writing.bare_bytes {
            // The length is a number of at most ten bytes before the rest.
            let length = out[begin..].iter().position(|byte| byte & 0x80 == 0).map_or(0, |at| at + 1);
            let payload = out.split_off(begin + length);
            out.truncate(begin);
            out.extend_from_slice(&payload);
        }
        Ok(true)
    }

    fn to_connect(&self, topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else { return Ok(Datum::NULL) };
        let failed = |error| Direction::Deserialize.failed(SchemaType::Avro, topic, error);
        let (id, payload) = wire::split(bytes).map_err(failed)?;
        let reading = self.reading(topic, id)?;
        let value = if reading.bare_bytes { bare(&reading.read, payload) } else { self.value(&reading, &payload) };
        let value = value.map_err(|error| {
            failed(serialization(format!("Error deserializing Avro message for id {id}")).caused_by(error))
        })?;
        let schema = reading.schema.clone().filter(|_| !value.is_null());
        Ok(Datum { schema, value })
    }

    async fn resolve(&self, lookup: &Lookup) -> Result<()> {
        self.registry.resolve(lookup).await
    }
}

impl AvroConverter {
    fn writing(&self, topic: &str, schema: Option<&SchemaRef>) -> Result<Arc<Writing>> {
        let lock = || self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(on, known): &Written| {
            let same = match (known, schema) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (None, None) => true,
                _ => false,
            };
            same && on == topic
        };
        let is_equal = |(on, known): &Written| on == topic && equal(known.as_ref(), schema);
        let mut known = lock();
        let found = known.get(is_it).or_else(|| known.get(is_equal));
        if let Some(found) = found.filter(|found| is_fresh(found.until)) {
            return Ok(found);
        }
        drop(known);
        let made = Arc::new(self.make_writing(topic, schema)?);
        lock().put((topic.to_owned(), schema.cloned()), made.clone());
        Ok(made)
    }

    fn make_writing(&self, topic: &str, schema: Option<&SchemaRef>) -> Result<Writing> {
        let failed = |error: Error| match error.kind() {
            Kind::Data => Direction::Serialize.failed(SchemaType::Avro, topic, error),
            _ => error,
        };
        let text = match schema {
            None => ANYTHING.clone(),
            Some(schema) => print(&from_connect(schema, self.options)?).map_err(failed)?,
        };
        let text = Arc::new(SchemaText::new(SchemaType::Avro, text));
        let registered = self.registry.writing(topic, &text).map_err(failed)?;
        let avro = parse(&registered.schema).map_err(failed)?;
        let plan = write_plan::compile(schema, &avro, self.options);
        let plan = plan.map_err(|error| failed(serialization("Error serializing Avro message").caused_by(error)))?;
        Ok(Writing {
            id: registered.id,
            bare_bytes: matches!(avro.shape(avro.root), Shape::Bytes) && !matches!(plan.form, Form::Anything),
            plan,
            until: self.registry.fresh_until(),
        })
    }

    fn reading(&self, topic: &str, id: i32) -> Result<Arc<Reading>> {
        let lock = || self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(on, known): &(String, i32)| *known == id && on == topic;
        if let Some(found) = lock().get(is_it).filter(|found| is_fresh(found.until)) {
            return Ok(found);
        }
        let made = Arc::new(self.make_reading(topic, id)?);
        lock().put((topic.to_owned(), id), made.clone());
        Ok(made)
    }

    fn make_reading(&self, topic: &str, id: i32) -> Result<Reading> {
        let failed = |error: Error| match error.kind() {
            Kind::Data => Direction::Deserialize.failed(SchemaType::Avro, topic, error),
            _ => error,
        };
        let known = self.registry.reading(topic, id)?;
        let writer = parse(&known.writer.schema).map_err(failed)?;
        let reader = known.reader.as_ref().map(|reader| parse(&reader.schema)).transpose().map_err(failed)?;
        let reader = reader.as_ref().unwrap_or(&writer);
        let (schema, read) = if is_anything(reader) && is_anything(&writer) {
            (None, Read::Anything)
        } else {
            let schema = to_connect(reader, known.version, self.options)?;
            let read = read_plan::compile(&writer, reader, &schema);
            let read = read.map_err(|error| {
                failed(serialization(format!("Error deserializing Avro message for id {id}")).caused_by(error))
            })?;
            (Some(schema), read)
        };
        let bare_bytes = matches!(writer.shape(writer.root), Shape::Bytes);
        let until = self.registry.fresh_until();
        Ok(Reading { schema, writer, read, bare_bytes, until })
    }

    fn value(&self, reading: &Reading, payload: &Bytes) -> Result<Value> {
        let mut input = Input::new(payload, &reading.writer);
        let value = input.value(&reading.read)?;
        match input.rest() {
            rest if rest > 0 && self.fails_on_rest => Err(Error::data(format!("{rest} bytes behind the value"))),
            _ => Ok(value),
        }
    }
}

/// Avro bytes that are the whole message.
fn bare(read: &Read, payload: Bytes) -> Result<Value> {
    match read {
        Read::Decimal(scale, _) => {
            Ok(Value::Decimal(Arc::new(couplet_api::data::Decimal::from_bytes(&payload, *scale))))
        }
        Read::Text => Ok(Value::Str(couplet_api::data::Utf8::new(payload)?)),
        _ => Ok(Value::Bytes(payload)),
    }
}

fn equal(a: Option<&SchemaRef>, b: Option<&SchemaRef>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Schema::same(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn is_anything(schema: &AvroSchema) -> bool {
    schema.name().as_deref() == Some(super::names::ANYTHING) && print(schema).is_ok_and(|text| text == *ANYTHING)
}
