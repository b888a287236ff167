//! What a person gets who makes a mistake: one clear line with the key, the right exit code or status, and nothing left behind.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use couplet_harness::Deadline;
use couplet_harness::clients::{ConnectRest, Kafka, postgres};
use couplet_harness::services::{PostgresCluster, PostgresSettings, free_port};
use couplet_harness::shared::{self, unique};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn binary() -> std::path::PathBuf {
    match Engine::couplet().expect("the worker is built") {
        Engine::Couplet(path) => path,
        Engine::Jvm => unreachable!("asked for our own binary"),
    }
}

/// Runs the worker until it gives up; one that does not is a failure of the test.
fn run_to_its_end(arguments: &[&str]) -> Output {
    let mut child = Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let started = Instant::now();
    while child.try_wait().expect("a state").is_none() {
        if started.elapsed() > Duration::from_secs(100) {
            child.kill().expect("killed");
            panic!("{arguments:?} went on for too long");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().expect("output")
}

/// It ends with an error code, and one line of what it said has all of `words`.
fn check_refusal(claim: &str, arguments: &[&str], words: &[&str]) {
    let output = run_to_its_end(arguments);
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!output.status.success(), "{claim}: exit code {:?}", output.status.code());
    assert!(!said.contains("panicked"), "{claim}: {said}");
    let clear = said.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(clear, "{claim}: no line says {words:?} in:\n{said}");
}

fn properties(folder: &Path, lines: &[(&str, &str)]) -> String {
    let text: String = lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    let file = folder.join("worker.properties");
    std::fs::write(&file, text).expect("a file");
    file.display().to_string()
}

fn distributed<'a>(bootstrap: &'a str, group: &'a str, listeners: &'a str) -> Vec<(&'a str, &'a str)> {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    vec![
        ("bootstrap.servers", bootstrap),
        ("group.id", group),
        ("listeners", listeners),
        ("key.converter", json),
        ("value.converter", json),
        ("config.storage.topic", group),
        ("offset.storage.topic", "bad-input-offsets"),
        ("status.storage.topic", "bad-input-status"),
    ]
}

#[test]
fn command_line_mistakes_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    check_refusal("no such file", &["distributed", "/no/such/worker.properties"], &["/no/such/worker.properties"]);
    let without_group: Vec<_> = distributed("127.0.0.1:9", "g", "http://127.0.0.1:0")
        .into_iter()
        .filter(|(key, _)| *key != "group.id")
        .collect();
    let file = properties(folder.path(), &without_group);
    check_refusal("a required key is missing", &["distributed", &file], &["group.id"]);

    let mut unknown = distributed("127.0.0.1:9", "g", "http://127.0.0.1:0");
    unknown.retain(|(key, _)| *key != "key.converter");
    unknown.push(("key.converter", "com.example.NoConverter"));
    let file = properties(folder.path(), &unknown);
    check_refusal("an unknown converter", &["distributed", &file], &["key.converter", "com.example.NoConverter"]);

    let mut malformed = distributed("127.0.0.1:9", "g", "http://127.0.0.1:0");
    malformed.push(("offset.flush.interval.ms", "soon"));
    let file = properties(folder.path(), &malformed);
    check_refusal("not a number", &["distributed", &file], &["offset.flush.interval.ms", "soon"]);

    std::fs::write(folder.path().join("escape.properties"), "bootstrap.servers=\\u12\n").expect("a file");
    let file = folder.path().join("escape.properties").display().to_string();
    check_refusal("a broken escape", &["distributed", &file], &["escape.properties"]);
}

#[test]
fn an_unreachable_broker_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = format!("127.0.0.1:{}", free_port().expect("a port"));
    let file = properties(folder.path(), &distributed(&nobody, "g", "http://127.0.0.1:0"));
    check_refusal("nobody listens at bootstrap.servers", &["distributed", &file], &["bootstrap.servers", &nobody]);
}

#[tokio::test]
async fn a_taken_port_is_named_and_no_topic_is_made() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (folder, group) = (tempfile::tempdir().expect("a folder"), unique("taken"));
    let listeners = format!("http://127.0.0.1:{port}");
    let file = properties(folder.path(), &distributed(&bootstrap, &group, &listeners));
    check_refusal("the port is taken", &["distributed", &file], &["listeners", &port]);
    let topics = Kafka::new(&bootstrap).expect("a client").topics().await.expect("topics");
    assert!(!topics.iter().any(|(name, _)| *name == group), "a worker that never ran made its topics");
}

async fn worker(bootstrap: &str) -> Worker {
    let settings = WorkerSettings::distributed(Engine::couplet().expect("built"), bootstrap, &unique("bad-input"));
    Worker::start(&settings).await.expect("a worker")
}

fn postgres_source(port: u16, changes: Value) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "dbz",
        "database.password": "dbz", "database.dbname": "postgres", "topic.prefix": "bad", "plugin.name": "pgoutput",
        "slot.name": "bad_input",
    });
    for (key, value) in changes.as_object().expect("an object") {
        config[key] = value.clone();
    }
    config.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    json!({"name": "bad", "config": config})
}

/// The creation is refused with this status and words, and no connector is there afterwards.
async fn check_creation(rest: &ConnectRest, claim: &str, request: &Value, want: StatusCode, words: &[&str]) {
    let (status, body) = rest.call(Method::POST, "/connectors", Some(request)).await.expect("an answer");
    let message = body["message"].as_str().unwrap_or_default();
    assert_eq!(status, want, "{claim}: {body}");
    for word in words {
        assert!(message.contains(word), "{claim}: no {word} in: {message}");
    }
    assert!(!message.contains("hunter2"), "{claim}: the password is in the message");
    assert_eq!(rest.get("/connectors").await.expect("a list"), json!([]), "{claim}: a connector is left");
}

#[tokio::test]
async fn connector_mistakes_are_refused_and_leave_nothing() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let cluster =
        PostgresCluster::start(PostgresSettings { wal_level: "replica", ..PostgresSettings::default() }).await;
    let cluster = cluster.expect("PostgreSQL");
    let mut worker = worker(&bootstrap).await;
    let (rest, port) = (worker.rest.clone(), cluster.port);
    let nobody_text = free_port().expect("a port").to_string();

    let unknown = json!({"name": "bad", "config": {"connector.class": "com.example.Nothing"}});
    let bad_request = StatusCode::BAD_REQUEST;
    check_creation(&rest, "unknown class", &unknown, bad_request, &["com.example.Nothing"]).await;
    let rows = [
        ("a required key is missing", json!({"topic.prefix": null}), vec!["topic.prefix"]),
        ("wrong password", json!({"database.password": "hunter2"}), vec!["password authentication failed", "dbz"]),
        ("nobody listens", json!({"database.port": nobody_text}), vec![nobody_text.as_str()]),
        ("not a number", json!({"database.port": "many"}), vec!["database.port"]),
    ];
    for (claim, changes, words) in rows {
        check_creation(&rest, claim, &postgres_source(port, changes), bad_request, &words).await;
    }
    // As with the original, the server's settings are looked at by the task.
    rest.create(&postgres_source(port, json!({}))).await.expect("created");
    let trace = rest.await_failed("bad", Deadline::after_secs(60)).await.expect("the task fails");
    assert!(trace.contains("wal_level") && trace.contains("logical"), "{trace}");
    rest.delete("bad").await.expect("deleted");
    let admin = postgres(&cluster.url("postgres")).await.expect("a connection");
    let left = "select (select count(*) from pg_replication_slots) + (select count(*) from pg_publication)";
    let left: i64 = admin.query_one(left, &[]).await.expect("a count").get(0);
    assert_eq!(left, 0, "a refused connector left a slot or a publication");
    worker.stop().await.expect("stops");
}

#[tokio::test]
async fn a_missing_bucket_fails_the_task_with_its_name() {
    let (Some(bootstrap), Some(s3)) = (shared::service(shared::BOOTSTRAP), shared::service(shared::S3)) else { return };
    let mut worker = worker(&bootstrap).await;
    let (name, bucket) = (unique("no-bucket"), unique("nowhere"));
    let key = |variable| shared::service(variable).expect("set together with the endpoint");
    let request = json!({"name": name, "config": {
        "connector.class": "io.confluent.connect.s3.S3SinkConnector", "tasks.max": "1", "topics": name,
        "s3.bucket.name": bucket, "s3.region": "us-east-1", "store.url": s3,
        "aws.access.key.id": key(shared::S3_ACCESS_KEY), "aws.secret.access.key": key(shared::S3_SECRET_KEY),
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": "io.confluent.connect.s3.format.json.JsonFormat", "flush.size": "10",
    }});
    worker.rest.create(&request).await.expect("created");
    let trace = worker.rest.await_failed(&name, Deadline::after_secs(60)).await.expect("the task fails");
    assert!(trace.contains(&bucket), "{trace}");
    assert!(!trace.contains(&key(shared::S3_SECRET_KEY)), "the secret key is in the trace");
    worker.rest.delete(&name).await.expect("deleted");
    worker.stop().await.expect("stops");
}
