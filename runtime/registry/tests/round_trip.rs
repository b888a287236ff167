//! Protobuf and JSON Schema converters against a real registry: what is registered is accepted, and what was written is read
//! back by another converter that knows nothing but the registry. `COUPLET_TEST_REGISTRY` is the registry's base URL.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Schema, SchemaBuilder, SchemaRef, Struct, Type, Value};
use couplet_api::{Kind, Plugin, Result};

const PROTOBUF: &str = "io.confluent.connect.protobuf.ProtobufConverter";
const JSON: &str = "io.confluent.connect.json.JsonSchemaConverter";

/// The registry's URL, or `None` to skip the test.
fn registry() -> Option<String> {
    let url = std::env::var("COUPLET_TEST_REGISTRY").ok();
    let required = std::env::var("COUPLET_REQUIRE_SERVICES").is_ok_and(|v| v == "1");
    assert!(
        url.is_some() || !required,
        "COUPLET_TEST_REGISTRY is not set, and COUPLET_REQUIRE_SERVICES=1 forbids skipping"
    );
    url
}

fn converter(class: &str, url: &str, settings: &[(&str, &str)]) -> Arc<dyn Converter> {
    let mut props = Props::from_iter(settings.iter().copied());
    props.set("schema.registry.url", url);
    let plugins = couplet_registry::plugins();
    let found = plugins.iter().find_map(|plugin| match plugin {
        Plugin::Converter(factory) if factory.class == class => Some((factory.create)(&props, false)),
        _ => None,
    });
    found.expect("the class is there").expect("the settings are right")
}

async fn write(converter: &dyn Converter, topic: &str, data: &Datum) -> Result<Option<Bytes>> {
    loop {
        let mut out = BytesMut::new();
        match converter.from_connect(topic, &[], data, &mut out) {
            Ok(written) => return Ok(written.then(|| out.freeze())),
            Err(error) => match error.wanted() {
                Some(lookup) => converter.resolve(lookup).await?,
                None => return Err(error),
            },
        }
    }
}

async fn read(converter: &dyn Converter, topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
    loop {
        match converter.to_connect(topic, bytes) {
            Err(error) => match error.wanted() {
                Some(lookup) => converter.resolve(lookup).await?,
                None => return Err(error),
            },
            found => return found,
        }
    }
}

fn topic(name: &str) -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    format!("couplet-{name}-{nanos}")
}

fn struct_of(schema: &SchemaRef, values: Vec<Value>) -> Value {
    Value::from(Struct::new(schema.clone(), values))
}

/// A change event as Debezium's Postgres connector makes it.
fn change_event() -> (SchemaRef, Value) {
    let row = SchemaBuilder::structure()
        .name("server1.public.pets.Value")
        .field("id", Schema::int32())
        .field("name", Schema::optional_string())
        .field("price", SchemaBuilder::decimal(2).optional().build())
        .field("born", SchemaBuilder::new(Type::Int32).name("io.debezium.time.Date").version(1).optional().build())
        .optional()
        .build();
    let source = SchemaBuilder::structure()
        .name("io.debezium.connector.postgresql.Source")
        .version(1)
        .field("version", Schema::string())
        .field("ts_ms", Schema::int64())
        .field("snapshot", SchemaBuilder::new(Type::String).optional().default("false").build())
        .build();
    let block = SchemaBuilder::structure().name("event.block").field("id", Schema::string()).optional().build();
    let envelope = SchemaBuilder::structure()
        .name("server1.public.pets.Envelope")
        .version(2)
        .field("before", row.clone())
        .field("after", row.clone())
        .field("source", source.clone())
        .field("transaction", block)
        .field("op", Schema::string())
        .field("ts_ms", Schema::optional_int64())
        .build();
    let price = Value::Decimal(Arc::new("19.90".parse().expect("decimal")));
    let after = struct_of(&row, vec![Value::Int32(7), Value::str("Rex"), price, Value::Int32(19_000)]);
    let source = struct_of(&source, vec![Value::str("3.3.1"), Value::Int64(1), Value::Null]);
    let value = struct_of(
        &envelope,
        vec![Value::Null, after, source, Value::Null, Value::str("c"), Value::Int64(1_700_000_000_000)],
    );
    (envelope, value)
}

#[tokio::test]
async fn change_events_pass_through_the_registry() {
    let Some(url) = registry() else { return };
    let (schema, value) = change_event();
    for class in [PROTOBUF, JSON] {
        let topic = topic("events");
        let writer = converter(class, &url, &[]);
        let bytes = write(&*writer, &topic, &Datum::new(schema.clone(), value.clone())).await.expect("written");
        let bytes = bytes.expect("no tombstone");
        assert_eq!(bytes[0], 0, "magic byte");
        let again = write(&*writer, &topic, &Datum::new(schema.clone(), value.clone())).await.expect("written");
        assert_eq!(again.as_ref(), Some(&bytes));
        let reader = converter(class, &url, &[]);
        let back = read(&*reader, &topic, Some(&bytes)).await.expect("read");
        let row = back.value.as_struct().expect("struct");
        let after = row.get("after").and_then(Value::as_struct).expect("after");
        assert_eq!(after.values(), value.as_struct().expect("struct").values()[1].as_struct().expect("row").values());
        assert_eq!(row.get("before"), Some(&Value::Null));
        assert_eq!(row.get("op"), Some(&Value::str("c")));
        let version = back.schema.as_ref().and_then(|schema| schema.version());
        // JSON Schema keeps the data's own version, Protobuf gets the registry's.
        assert_eq!(version, Some(if class == JSON { 2 } else { 1 }), "{class}");
        if class == JSON {
            assert_eq!(back.schema.as_ref(), Some(&schema));
        }
    }
}

#[tokio::test]
async fn scalars_and_nulls_pass_through_the_registry() {
    let Some(url) = registry() else { return };
    let rows = [
        (Schema::int32(), Value::Int32(-5)),
        (Schema::int64(), Value::Int64(i64::MAX)),
        (Schema::string(), Value::str("key")),
        (Schema::boolean(), Value::Bool(true)),
        (Schema::float64(), Value::Float64(0.5)),
        (Schema::bytes(), Value::Bytes(Bytes::from_static(&[1, 2]))),
    ];
    // Apicurio takes a JSON Schema of a scalar for no schema at all.
    let topic = topic("scalars");
    for (at, (schema, value)) in rows.iter().enumerate() {
        let topic = format!("{topic}-{at}");
        let both = converter(PROTOBUF, &url, &[]);
        let bytes = write(&*both, &topic, &Datum::new(schema.clone(), value.clone())).await.expect("written");
        let back = read(&*both, &topic, bytes.as_ref()).await.expect("read");
        assert_eq!(back.value, *value);
    }
    for class in [PROTOBUF, JSON] {
        let both = converter(class, &url, &[]);
        assert_eq!(write(&*both, &topic, &Datum::NULL).await.expect("written"), None);
        assert_eq!(read(&*both, &topic, None).await.expect("read"), Datum::NULL);
    }
}

#[tokio::test]
async fn unregistered_schemas_and_foreign_bytes_are_errors_of_the_record() {
    let Some(url) = registry() else { return };
    let (schema, value) = change_event();
    for (class, serialize, deserialize) in [
        (PROTOBUF, "Failed to serialize Protobuf data", "Failed to deserialize data for topic"),
        (JSON, "Converting Kafka Connect data to byte[] failed", "Converting byte[] to Kafka Connect data failed"),
    ] {
        let topic = topic("errors");
        let find = converter(class, &url, &[("auto.register.schemas", "false")]);
        let error = write(&*find, &topic, &Datum::new(schema.clone(), value.clone())).await.expect_err("unknown");
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.message().starts_with(serialize), "{error}");
        let error = read(&*find, &topic, Some(&Bytes::from_static(b"{\"a\":1}"))).await.expect_err("no magic byte");
        assert!(error.message().starts_with(deserialize), "{error}");
        assert!(error.trace().contains("Unknown magic byte!"), "{}", error.trace());
        let missing = Bytes::from_static(&[0, 0x7f, 0xff, 0xff, 0xff, 0, 1]);
        let error = read(&*find, &topic, Some(&missing)).await.expect_err("no such id");
        assert_eq!(error.kind(), Kind::Data, "{error}");
    }
}

#[tokio::test]
async fn the_latest_version_is_written_with() {
    let Some(url) = registry() else { return };
    let schema = SchemaBuilder::structure().name("pets.Pet").field("id", Schema::int32()).build();
    let wider = SchemaBuilder::structure()
        .name("pets.Pet")
        .field("id", Schema::int32())
        .field("name", Schema::optional_string())
        .build();
    for class in [PROTOBUF, JSON] {
        let topic = topic("latest");
        let registering = converter(class, &url, &[]);
        let row = struct_of(&wider, vec![Value::Int32(1), Value::str("Rex")]);
        let first =
            write(&*registering, &topic, &Datum::new(wider.clone(), row)).await.expect("written").expect("bytes");
        let latest = converter(class, &url, &[("auto.register.schemas", "false"), ("use.latest.version", "true")]);
        let row = struct_of(&schema, vec![Value::Int32(2)]);
        let second = write(&*latest, &topic, &Datum::new(schema.clone(), row)).await.expect("written").expect("bytes");
        assert_eq!(first[..5], second[..5], "the id is that of the latest version");
        let back = read(&*latest, &topic, Some(&second)).await.expect("read");
        assert_eq!(back.value.as_struct().expect("struct").get("id"), Some(&Value::Int32(2)), "{class}");
    }
}
