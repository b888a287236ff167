//! The Avro converter against a real registry, and through a proxy that injects faults. One test, because starting the
//! registry takes longer than everything else.

mod support;

use bytes::{Bytes, BytesMut};
use couplet_api::Kind;
use couplet_api::data::{Datum, Schema, SchemaBuilder, SchemaRef, Struct, Type, Value};
use support::{Door, Setup, call};

fn row(more: &[(&str, SchemaRef)]) -> SchemaRef {
    let base = SchemaBuilder::structure().name("shop.Order").field("id", Schema::int64());
    more.iter().fold(base, |builder, (name, schema)| builder.field(*name, schema.clone())).build()
}

fn order(schema: &SchemaRef, values: Vec<Value>) -> Datum {
    Datum::new(schema.clone(), Struct::new(schema.clone(), values))
}

#[tokio::test]
async fn avro_converter_with_a_real_registry() {
    let Some(setup) = Setup::start().await else { return };
    there_and_back(&setup).await;
    only_what_is_registered(&setup).await;
    the_latest_version(&setup).await;
    incompatible_schemas(&setup).await;
    credentials(&setup).await;
    a_registry_that_goes_and_comes_back(&setup).await;
    ids_that_nobody_knows(&setup).await;
}

async fn there_and_back(setup: &Setup) {
    let schema = row(&[("price", SchemaBuilder::decimal(2).optional().build())]);
    let data = order(&schema, vec![7i64.into(), Value::Null]);
    let writer = setup.converter(&[], false);
    let bytes = writer.write("there", &data).await.expect("registers and writes").expect("not null");
    assert_eq!(bytes[0], 0, "the magic byte");
    let read = setup.converter(&[], false).read("there", &bytes).await.expect("reads");
    assert_eq!(read.value.as_struct().expect("a struct").values(), [7i64.into(), Value::Null]);
    let registered = read.schema.expect("has a schema");
    assert_eq!((registered.name(), registered.version()), (Some("shop.Order"), Some(1)));
    assert!(Schema::same(registered.fields()[1].schema(), schema.fields()[1].schema()));
    // The id is remembered: no lookup for the second record, and the same bytes.
    let mut out = BytesMut::new();
    assert!(writer.plugin.from_connect("there", &[], &data, &mut out).expect("known"));
    assert_eq!(out, bytes);
    // Data without a schema, bytes without a length, nothing at all.
    let free = Datum::schemaless(Value::Map([("k".into(), Value::Array([1i32.into(), "x".into()].into()))].into()));
    for (topic, data) in [("free", free), ("bare", Datum::new(Schema::bytes(), Bytes::from_static(b"abc")))] {
        let bytes = writer.write(topic, &data).await.expect("writes").expect("not null");
        assert_eq!(writer.read(topic, &bytes).await.expect("reads").value, data.value, "{topic}");
        if topic == "bare" {
            assert_eq!(&bytes[5..], b"abc");
        }
    }
    assert_eq!(writer.write("none", &Datum::NULL).await.expect("null is null"), None);
    // Names of records as subjects.
    let by_record = [("key.subject.name.strategy", "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy")];
    let keys = setup.converter(&by_record, true);
    let bytes = keys.write("named", &data).await.expect("registers").expect("not null");
    assert!(keys.read("named", &bytes).await.is_ok());
    let subjects = setup.get("/subjects").await;
    for subject in ["there-value", "free-value", "bare-value", "named-shop.Order"] {
        assert!(subjects.contains(&format!("\"{subject}\"")), "{subject} in {subjects}");
    }
}

async fn only_what_is_registered(setup: &Setup) {
    let schema = row(&[]);
    let data = order(&schema, vec![1i64.into()]);
    let strict = setup.converter(&[("auto.register.schemas", "false")], false);
    let error = strict.write("strict", &data).await.expect_err("not registered");
    assert_eq!((error.kind(), error.message()), (Kind::Data, "Failed to serialize Avro data from topic strict :"));
    let cause = error.cause().expect("says why");
    assert!(cause.message().starts_with("Error retrieving Avro schema{\"type\":\"record\""), "{cause}");
    assert!(cause.cause().expect("the answer").message().contains("error code: 404"), "{cause}");
    setup.converter(&[], false).write("strict", &data).await.expect("registers");
    assert!(strict.write("strict", &data).await.is_ok(), "now it is");
}

async fn the_latest_version(setup: &Setup) {
    let (old, new) = (row(&[]), row(&[("note", SchemaBuilder::new(Type::String).default("-").build())]));
    let registering = setup.converter(&[], false);
    let of_old = registering.write("latest", &order(&old, vec![1i64.into()])).await.expect("registers").expect("bytes");
    let newest = order(&new, vec![1i64.into(), "-".into()]);
    let of_new = registering.write("latest", &newest).await.expect("registers").expect("bytes");
    let keys = [("auto.register.schemas", "false"), ("use.latest.version", "true")];
    let latest = setup.converter(&keys, false);
    let bytes = latest.write("latest", &order(&old, vec![1i64.into()])).await.expect("the latest reads it");
    assert_eq!(bytes.expect("bytes"), of_new, "id and default of the latest version");
    let read = latest.read("latest", &of_old).await.expect("reads");
    assert_eq!(read.value.as_struct().expect("a struct").values(), [1i64.into(), "-".into()]);
    // Data that the latest version cannot read is refused, unless that check is off.
    let text = SchemaBuilder::structure().name("shop.Order").field("id", Schema::string()).build();
    let error = latest.write("latest", &order(&text, vec!["x".into()])).await.expect_err("cannot be read");
    let trace = error.trace();
    assert!(
        trace.contains("Caused by: java.io.IOException: Incompatible schema of type 'AVRO'. Set latest.compat"),
        "{trace}"
    );
}

async fn incompatible_schemas(setup: &Setup) {
    let writer = setup.converter(&[], false);
    writer.write("compat", &order(&row(&[]), vec![1i64.into()])).await.expect("registers");
    setup.put("/config/compat-value", r#"{"compatibility":"BACKWARD"}"#).await;
    let wider = row(&[("must", Schema::int32())]);
    let error = writer.write("compat", &order(&wider, vec![1i64.into(), 2i32.into()])).await.expect_err("incompatible");
    assert_eq!((error.kind(), error.message()), (Kind::Data, "Failed to serialize Avro data from topic compat :"));
    let trace = error.trace();
    assert!(trace.contains("SerializationException: Error registering Avro schema{"), "{trace}");
    assert!(trace.contains("RestClientException: ") && trace.contains("; error code: 409"), "{trace}");
}

async fn credentials(setup: &Setup) {
    let door = Door::open(setup.address()).await;
    door.let_in_only("alice:canary-secret");
    let data = order(&row(&[]), vec![1i64.into()]);
    let wrong = setup.converter_at(
        &door.url(),
        &[("basic.auth.credentials.source", "USER_INFO"), ("basic.auth.user.info", "alice:canary-wrong")],
        false,
    );
    for error in [
        wrong.write("auth", &data).await.expect_err("turned away"),
        wrong.read("auth", &Bytes::from_static(&[0, 0, 0, 0, 1, 2])).await.expect_err("turned away"),
    ] {
        assert_eq!(
            (error.kind(), error.class()),
            (Kind::Auth, "org.apache.kafka.common.errors.AuthenticationException")
        );
        assert!(!error.trace().contains("canary"), "{}", error.trace());
    }
    let right = [
        ("basic.auth.credentials.source", "USER_INFO"),
        ("schema.registry.basic.auth.user.info", "alice:canary-secret"),
    ];
    assert!(setup.converter_at(&door.url(), &right, false).write("auth", &data).await.is_ok());
    let in_url = door.url().replace("http://", "http://alice:canary%2Dsecret@");
    assert!(setup.converter_at(&in_url, &[], false).write("auth", &data).await.is_ok());
}

async fn a_registry_that_goes_and_comes_back(setup: &Setup) {
    let door = Door::open(setup.address()).await;
    let data = order(&row(&[]), vec![1i64.into()]);
    let through = setup.converter_at(&door.url(), &[("max.retries", "1"), ("retries.wait.ms", "1")], false);
    let bytes = through.write("away", &data).await.expect("there").expect("bytes");
    door.shut(true);
    // What is known needs no registry.
    assert!(through.write("away", &data).await.is_ok());
    for error in
        [through.write("away2", &data).await.expect_err("away"), through.read("away", &bytes).await.expect_err("away")]
    {
        assert_eq!((error.kind(), error.class()), (Kind::Remote, "org.apache.kafka.common.errors.NetworkException"));
        assert!(error.message().starts_with("Network connection error while "), "{error}");
    }
    door.shut(false);
    assert!(through.write("away2", &data).await.is_ok());
    assert!(through.read("away", &bytes).await.is_ok());
    // With a second registry in the list, the first may be away.
    door.shut(true);
    let both = format!("{},{}", door.url(), setup.url());
    assert!(setup.converter_at(&both, &[], false).write("away3", &data).await.is_ok());
}

async fn ids_that_nobody_knows(setup: &Setup) {
    let reader = setup.converter(&[], false);
    let error = reader.read("unknown", &Bytes::from_static(&[0, 0x7f, 0, 0, 0, 2])).await.expect_err("no such id");
    assert_eq!(error.message(), "Failed to deserialize data for topic unknown to Avro: ");
    let cause = error.cause().expect("says why");
    assert_eq!(cause.message(), "Error retrieving Avro value schema for id 2130706432");
    let error = reader.read("unknown", &Bytes::from_static(b"{\"a\":1}")).await.expect_err("no frame");
    assert_eq!(
        error.trace(),
        "org.apache.kafka.connect.errors.DataException: Failed to deserialize data for topic unknown to Avro: \n\
         Caused by: org.apache.kafka.common.errors.SerializationException: Unknown magic byte!\n"
    );
    assert!(call(setup.address(), "GET", "/health/ready", "").await.contains("UP"));
}
