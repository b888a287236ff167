//! The whole way of a record: file, five transforms one of which has a predicate, converter, topic, converter, filter, objects
//! in S3; and a record that cannot be read leaves by the dead letter queue. On Kafka and on the embedded broker.

use std::io::Write;
use std::path::Path;

use couplet_devbroker::{Broker, BrokerConfig, Storage};
use couplet_harness::clients::{Kafka, ObjectStore};
use couplet_harness::shared::{self, unique};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use couplet_harness::{Deadline, eventually};
use serde_json::{Value, json};

const PATIENCE_SECS: u64 = 60;
const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
const POISON: &[u8] = b"\x02poison";

fn append(file: &Path, text: &str) {
    let mut open = std::fs::OpenOptions::new().create(true).append(true).open(file).expect("a file");
    open.write_all(text.as_bytes()).expect("written");
}

/// Avro for keys and values, with schemas in the shared registry.
fn with_converters(mut config: Value) -> Value {
    for role in ["key", "value"] {
        config[format!("{role}.converter")] = AVRO.into();
        config[format!("{role}.converter.schema.registry.url")] = shared::service(shared::REGISTRY).into();
    }
    config
}

fn source(name: &str, file: &Path) -> Value {
    let kafka = |class: &str| format!("org.apache.kafka.connect.transforms.{class}");
    let config = with_converters(json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
        "file": file.display().to_string(), "topic": format!("{name}-raw"),
        "transforms": "hoist,stamp,rename,key,route",
        "transforms.hoist.type": kafka("HoistField$Value"), "transforms.hoist.field": "line",
        "transforms.stamp.type": kafka("InsertField$Value"),
        "transforms.stamp.static.field": "origin", "transforms.stamp.static.value": "pipeline",
        "transforms.rename.type": kafka("ReplaceField$Value"), "transforms.rename.renames": "line:text",
        "transforms.key.type": kafka("ValueToKey"), "transforms.key.fields": "text",
        "transforms.route.type": kafka("RegexRouter"),
        "transforms.route.regex": "(.*)-raw", "transforms.route.replacement": "$1-records",
        "transforms.route.predicate": "routed", "transforms.route.negate": "true",
        "predicates": "routed",
        "predicates.routed.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.routed.pattern": ".*-records",
    }));
    json!({"name": format!("{name}-source"), "config": config})
}

fn sink(name: &str, store_url: &str) -> Value {
    let config = with_converters(json!({
        "connector.class": "io.confluent.connect.s3.S3SinkConnector", "tasks.max": "1", "topics": format!("{name}-records"),
        "store.url": store_url, "s3.region": "us-east-1", "s3.bucket.name": name, "flush.size": "2",
        "aws.access.key.id": shared::service(shared::S3_ACCESS_KEY), "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "aws.secret.access.key": shared::service(shared::S3_SECRET_KEY),
        "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
        "transforms": "tombstones", "transforms.tombstones.type": "org.apache.kafka.connect.transforms.Filter",
        "transforms.tombstones.predicate": "tombstone", "predicates": "tombstone",
        "predicates.tombstone.type": "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": format!("{name}-dead"),
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    }));
    json!({"name": format!("{name}-sink"), "config": config})
}

/// The one letter: the record as it was, and Kafka Connect's ten headers in their order.
async fn check_letter(kafka: &Kafka, name: &str) {
    let letters = kafka.read_topic(&format!("{name}-dead")).await.expect("the dead letter queue");
    let [letter] = &letters[..] else { panic!("one letter, not {}", letters.len()) };
    assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (None, Some(POISON)));
    let text = |value: &Option<Vec<u8>>| String::from_utf8(value.clone().expect("a value")).expect("text");
    let headers: Vec<(String, String)> = letter.headers.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    let exception = "org.apache.kafka.connect.errors.DataException";
    let (topic, connector) = (format!("{name}-records"), format!("{name}-sink"));
    let problem = format!("Failed to deserialize data for topic {topic} to Avro: ");
    let want = [
        ("topic", topic.as_str()),
        ("partition", "0"),
        ("offset", "3"),
        ("connector.name", connector.as_str()),
        ("task.id", "0"),
        ("stage", "VALUE_CONVERTER"),
        ("class.name", AVRO),
        ("exception.class.name", exception),
        ("exception.message", &problem),
    ];
    let want: Vec<(String, String)> =
        want.iter().map(|(key, value)| (format!("__connect.errors.{key}"), (*value).to_owned())).collect();
    assert_eq!(headers[..headers.len() - 1], want);
    let (key, trace) = &headers[headers.len() - 1];
    assert_eq!(key, "__connect.errors.exception.stacktrace");
    assert!(trace.starts_with(&format!("{exception}: {problem}\n")), "{trace}");
    assert!(trace.contains("\nCaused by: org.apache.kafka.common.errors.SerializationException: "), "{trace}");
}

async fn check_objects(objects: &ObjectStore, name: &str) {
    let folder = format!("topics/{name}-records/partition=0/{name}-records+0+000000000");
    let row = |text: &str| format!("{{\"text\":\"{text}\",\"origin\":\"pipeline\"}}\n");
    for (first, rows) in [(0, ["alpha", "beta"]), (2, ["gamma \"γ\"", "delta"])] {
        let bytes = objects.get(name, &format!("{folder}{first}.json")).await.expect("an object");
        let want = rows.map(|text| row(&text.replace('"', "\\\""))).concat();
        assert_eq!(String::from_utf8_lossy(&bytes), want, "the object of offset {first}");
    }
}

async fn run(bootstrap: &str, objects: &ObjectStore, store_url: &str) {
    let kafka = Kafka::new(bootstrap).expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let (name, file) = (unique("pipeline"), folder.path().join("lines.txt"));
    let topic = format!("{name}-records");
    kafka.create_topic(&topic, 1, &[]).await.expect("a topic");
    objects.create_bucket(&name).await.expect("a bucket");
    let engine = Engine::couplet().expect("the worker is built");
    let mut worker = Worker::start(&WorkerSettings::distributed(engine, bootstrap, &name)).await.expect("a worker");

    append(&file, "alpha\nbeta\ngamma \"γ\"\n");
    worker.rest.create(&source(&name, &file)).await.expect("a source");
    let deadline = || Deadline::after_secs(PATIENCE_SECS);
    kafka.await_count(&topic, 3, deadline()).await.expect("three lines");
    kafka.produce(&topic, &[(None, Some(POISON))]).await.expect("a poison record");
    append(&file, "delta\n");
    kafka.await_count(&topic, 5, deadline()).await.expect("the last line");
    let records = kafka.read_topic(&topic).await.expect("records");
    let key = records[0].key.as_deref().expect("a key");
    assert_eq!((key[0], &key[5..]), (0, &b"\x0aalpha"[..]), "magic byte, id, and a key that is made of the value");

    worker.rest.create(&sink(&name, store_url)).await.expect("a sink");
    let all = eventually("two objects", deadline(), || async {
        Ok(Some(objects.keys(&name, "topics/").await?).filter(|keys| keys.len() >= 2))
    });
    assert_eq!(all.await.expect("objects").len(), 2);
    check_objects(objects, &name).await;
    kafka.await_count(&format!("{name}-dead"), 1, deadline()).await.expect("a letter");
    check_letter(&kafka, &name).await;
    for connector in ["source", "sink"] {
        worker.rest.delete(&format!("{name}-{connector}")).await.expect("deleted");
    }
    worker.stop().await.expect("stops");
}

#[tokio::test]
async fn on_kafka() {
    let (Some(bootstrap), Some(objects)) = (shared::service(shared::BOOTSTRAP), shared::object_store()) else { return };
    let Some(_) = shared::service(shared::REGISTRY) else { return };
    run(&bootstrap, &objects, &shared::service(shared::S3).unwrap_or_default()).await;
}

#[tokio::test]
async fn on_the_embedded_broker() {
    let (Some(objects), Some(_)) = (shared::object_store(), shared::service(shared::REGISTRY)) else { return };
    let config = BrokerConfig { storage: Storage::Memory, ..BrokerConfig::default() };
    let broker = Broker::start(config).await.expect("a broker");
    run(&broker.address().to_string(), &objects, &shared::service(shared::S3).unwrap_or_default()).await;
    broker.stop().await;
}
