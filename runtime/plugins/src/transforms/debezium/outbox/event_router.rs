use std::sync::{Arc, Mutex, PoisonError};

use couplet_api::config::Props;
use couplet_api::data::{Datum, Header, Record, SchemaBuilder, SchemaRef, Struct, Type, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result};

use super::config::{AdditionalField, EventRouterConfig, InvalidOperation, Placement, additional_fields, keeps_nulls};
use super::json_payload::{JsonSchemas, parse, struct_value};
use crate::first_problem;
use crate::java::{JavaRegex, to_string};
use crate::json::Recent;
use crate::transforms::Class;
use crate::transforms::debezium::event::{AFTER, OPERATION, change_event, get, get_string, wrong_type};
use crate::transforms::debezium::name_adjuster::NameAdjuster;
use crate::transforms::row::{checked, require_struct};
use crate::transforms::schema_cache::SchemaCache;
use crate::value_check::add_field;

pub(in crate::transforms::debezium) const EVENT_ROUTER: Class =
    Class { name: "io.debezium.transforms.outbox.EventRouter", config_def: EventRouterConfig::config_def, create };

/// Field of the value that holds the payload when columns stand beside it.
const PAYLOAD: &str = "payload";
/// How many versions of a schema are remembered.
const VERSIONS_MAX: usize = 64;

/// Makes messages of the rows of an outbox table.
struct EventRouter {
    config: EventRouterConfig,
    invalid_operation: InvalidOperation,
    additional: Vec<AdditionalField>,
    /// Whether columns stand beside the payload, so that the value is a struct of both.
    wraps: bool,
    topic: JavaRegex,
    json: Option<JsonSchemas>,
    /// Schemas of such structs, by schema of the payload: as in the original, the first topic gives the name.
    schemas: SchemaCache,
    /// The same by version, where a column tells it.
    versions: Mutex<Recent<Option<i32>, SchemaRef>>,
}

fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(EventRouterConfig::parse, EventRouterConfig::config_def, props)?;
    let additional = config.additional.as_deref().map_or(Ok(Vec::new()), additional_fields)?;
    let keeps_nulls = keeps_nulls(&config.json_nulls)?;
    let names = NameAdjuster::named(&config.field_names).unwrap_or(NameAdjuster::None);
    Ok(Arc::new(EventRouter {
        invalid_operation: InvalidOperation::new(&config.invalid_operation)?,
        wraps: additional.iter().any(|field| field.placement == Placement::Envelope),
        additional,
        topic: JavaRegex::new(&config.topic_regex).map_err(Error::config)?,
        json: config.expand_json.then_some(JsonSchemas { keeps_nulls, names }),
        schemas: SchemaCache::new(),
        versions: Mutex::new(Recent::new(VERSIONS_MAX)),
        config,
    }))
}

impl Transform for EventRouter {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        if record.value.is_null() {
            return Ok(None);
        }
        let Some(event) = change_event(&record, "Detect Debezium Operation")?.cloned() else {
            return Ok(Some(record));
        };
        match get_string(&event, OPERATION)?.as_deref() {
            Some("d") => Ok(None),
            Some("u") => self.unexpected(&record).map(|()| None),
            _ => self.message(record, &event).map(Some),
        }
    }
}

/// What the value of a message is made of.
struct Payload {
    /// None where no schema can be told from expanded JSON.
    schema: Option<SchemaRef>,
    value: Value,
}

impl EventRouter {
    /// An update, which an outbox table should not see.
    fn unexpected(&self, record: &Record) -> Result<()> {
        match self.invalid_operation {
            InvalidOperation::Warn => {
                tracing::warn!(topic = &*record.topic, "Unexpected update message received and ignored");
            }
            InvalidOperation::Error => {
                tracing::error!(topic = &*record.topic, "Unexpected update message received and ignored");
            }
            InvalidOperation::Fatal => {
                let key = to_string(&record.key.value);
                return Err(Error::data(format!("Unexpected update message received {key}, fail."))
                    .with_class("java.lang.IllegalStateException"));
            }
        }
        Ok(())
    }

    fn message(&self, mut record: Record, event: &Struct) -> Result<Record> {
        let after = event.get(AFTER).ok_or_else(|| {
            Error::data(format!("Unknown field: {AFTER}")).with_class("java.lang.IllegalArgumentException")
        })?;
        let row = require_struct(after, "Read Outbox Event")?;
        if row.schema().field(&self.config.payload).is_none() {
            return Err(missing("payload", &self.config.payload));
        }
        let timestamp = self.timestamp(event, row)?;
        record.headers.push(self.column_header(row, &self.config.id, "id")?);
        let payload = self.payload(&record, row)?;
        let empty = payload.value.is_null() || to_string(&payload.value).trim().is_empty();
        let routed_by = get_string(row, &self.config.route_by)?;
        let value = if self.wraps {
            self.wrapped(payload, row, routed_by.as_deref())?
        } else {
            Datum { schema: payload.schema, value: payload.value }
        };
        record.partition = None;
        for field in self.additional.iter().filter(|field| !self.skips(field, row)) {
            match field.placement {
                Placement::Header => record.headers.push(self.column_header(row, &field.column, &field.name)?),
                Placement::Partition => record.partition = get_int32(row, &field.column)?,
                Placement::Envelope => {}
            }
        }
        record.value = if empty && self.config.tombstone_on_empty { Datum::NULL } else { value };
        let key = get(row, &self.config.key)?;
        record.key = Datum { schema: row.schema().field(&self.config.key).map(|f| f.schema().clone()), value: key };
        record.timestamp = timestamp;
        record.topic = self.routed(routed_by)?.into();
        Ok(record)
    }

    fn routed(&self, routed_by: Option<String>) -> Result<String> {
        let routed_by = routed_by.ok_or_else(|| {
            Error::data(format!("The field {} to route by is null", self.config.route_by))
                .with_class("java.lang.NullPointerException")
        })?;
        match self.topic.matches(&routed_by)? {
            true => self.topic.replace_first(&routed_by, &self.config.topic_replacement),
            false => Ok(routed_by),
        }
    }

    /// Milliseconds since the epoch: of the column if one is set, else when the change was processed.
    fn timestamp(&self, event: &Struct, row: &Struct) -> Result<Option<i64>> {
        let Some(column) = &self.config.timestamp else { return get_int64(event, "ts_ms") };
        let field = row.schema().field(column).ok_or_else(|| missing("timestamp", column))?;
        let Some(timestamp) = get_int64(row, column)? else { return get_int64(event, "ts_ms") };
        match field.schema().name() {
            Some("io.debezium.time.Timestamp") => Ok(Some(timestamp)),
            Some("io.debezium.time.MicroTimestamp") => Ok(Some(timestamp / 1_000)),
            Some("io.debezium.time.NanoTimestamp") => Ok(Some(timestamp / 1_000_000)),
            Some(name) => Err(connect_error(format!("Unsupported field type {name} for event timestamp"))),
            None => {
                let kind = field.schema().kind().name();
                let message =
                    format!("Unsupported field type {kind} (without logical schema name) for event timestamp");
                Err(connect_error(message))
            }
        }
    }

    fn column_header(&self, row: &Struct, column: &str, name: &str) -> Result<Header> {
        let value = get(row, column)?;
        let schema = row.schema().field(column).map(|field| field.schema().clone());
        Ok(Header { key: name.into(), value: Datum { schema, value } })
    }

    /// The payload, expanded if that is asked for and possible.
    fn payload(&self, record: &Record, row: &Struct) -> Result<Payload> {
        let value = get(row, &self.config.payload)?;
        let schema = row.schema().field(&self.config.payload).map(|field| field.schema().clone());
        let mut payload = Payload { schema, value };
        let (Some(schemas), Some(text)) = (&self.json, payload.value.as_str()) else {
            if self.json.is_some() {
                tracing::warn!(topic = &*record.topic, "Expand JSON payload is turned on but payload is not a string");
            }
            return Ok(payload);
        };
        let expanded = parse(text).and_then(|json| Ok((schemas.schema(Some(&self.config.payload), &json)?, json)));
        let outcome = expanded.and_then(|(schema, json)| {
            // As in the original the schema stays, even if the payload turns out not to be a value of it.
            payload.schema = schema;
            let schema = payload.schema.as_ref().ok_or_else(|| Error::data("The payload tells no schema"))?;
            struct_value(&json, schema)
        });
        match outcome {
            Ok(value) => payload.value = value,
            Err(problem) => tracing::warn!(topic = &*record.topic, %problem, "JSON expansion failed"),
        }
        Ok(payload)
    }

    /// Whether a column that the table does not have is left out.
    fn skips(&self, field: &AdditionalField, row: &Struct) -> bool {
        !self.config.additional_error_on_missing && row.schema().field(&field.column).is_none()
    }

    /// Payload and columns in one struct.
    fn wrapped(&self, payload: Payload, row: &Struct, routed_by: Option<&str>) -> Result<Datum> {
        let payload_schema = payload.schema.ok_or_else(|| Error::data("The payload has no schema"))?;
        let make = || self.wrapper_schema(&payload_schema, row, routed_by);
        let schema = match &self.config.schema_version {
            None => self.schemas.get(&payload_schema, || Ok(make()?.build()))?,
            Some(column) => {
                let version = get_int32(row, column)?;
                let lock = || self.versions.lock().unwrap_or_else(PoisonError::into_inner);
                let known = lock().get(|known| *known == version);
                match known {
                    Some(schema) => schema,
                    None => {
                        let schema = make()?.version(version).build();
                        lock().put(version, schema.clone());
                        schema
                    }
                }
            }
        };
        let mut values = vec![Value::Null; schema.fields().len()];
        let mut put = |name: &str, value: Value| {
            let at = schema.field_index(name);
            let at = at.ok_or_else(|| Error::data(format!("{name} is not a valid field name")))?;
            values[at] = checked(&schema.fields()[at], value)?;
            Ok::<(), Error>(())
        };
        put(PAYLOAD, payload.value)?;
        for field in self.enveloped(row) {
            put(&field.name, get(row, &field.column)?)?;
        }
        Ok(Datum::new(schema.clone(), Struct::new(schema, values)))
    }

    fn wrapper_schema(&self, payload: &SchemaRef, row: &Struct, routed_by: Option<&str>) -> Result<SchemaBuilder> {
        let routed_by = routed_by.unwrap_or("null");
        let name = match row.schema().name().map(|name| name.rsplit_once('.').ok_or(name)) {
            Some(Ok((namespace, name))) => format!("{namespace}.{routed_by}.{name}"),
            Some(Err(name)) => format!("{routed_by}.{name}"),
            None => routed_by.to_owned(),
        };
        let mut builder = SchemaBuilder::structure().name(name).field(PAYLOAD, payload.clone());
        for field in self.enveloped(row) {
            let column = row.schema().field(&field.column);
            let column = column.ok_or_else(|| Error::data(format!("{} is not a valid field name", field.column)))?;
            builder = add_field(builder, &field.name, column.schema().clone())?;
        }
        Ok(builder)
    }

    fn enveloped<'a>(&'a self, row: &'a Struct) -> impl Iterator<Item = &'a AdditionalField> {
        self.additional.iter().filter(|f| f.placement == Placement::Envelope && !self.skips(f, row))
    }
}

fn connect_error(message: String) -> Error {
    Error::data(message).with_class("org.apache.kafka.connect.errors.ConnectException")
}

fn missing(what: &str, column: &str) -> Error {
    connect_error(format!("Unable to find {what} field {column} in event"))
}

/// `Struct.getInt32`.
fn get_int32(row: &Struct, name: &str) -> Result<Option<i32>> {
    match get(row, name)? {
        Value::Int32(n) => Ok(Some(n)),
        Value::Null if kind_of(row, name) == Some(Type::Int32) => Ok(None),
        _ => Err(wrong_type(name, "INT32")),
    }
}

/// `Struct.getInt64`.
fn get_int64(row: &Struct, name: &str) -> Result<Option<i64>> {
    match get(row, name)? {
        Value::Int64(n) => Ok(Some(n)),
        Value::Null if kind_of(row, name) == Some(Type::Int64) => Ok(None),
        _ => Err(wrong_type(name, "INT64")),
    }
}

fn kind_of(row: &Struct, name: &str) -> Option<Type> {
    row.schema().field(name).map(|field| field.schema().kind())
}
