//! Planted secrets: whatever fails and wherever it is told, no value of a config provider and no password is seen.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use couplet_devbroker::{Broker, BrokerConfig};

const PATIENCE: Duration = Duration::from_secs(40);
/// What must never be seen, one per way into a config.
const CANARIES: [&str; 5] =
    ["canary-of-file-1", "canary-of-directory-2", "canary-of-environment-3", "canary-of-worker-4", "canary-literal-5"];

struct Worker {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
    /// Every answer so far.
    answers: Mutex<String>,
}

impl Worker {
    fn start(folder: &Path, bootstrap: &str) -> Worker {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let provider = "org.apache.kafka.common.config.provider";
        let shown = folder.display();
        let settings = format!(
            "bootstrap.servers={bootstrap}\nlisteners=http://127.0.0.1:{port}\ngroup.id=g\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.json.JsonConverter\n\
             config.storage.topic=c\noffset.storage.topic=o\nstatus.storage.topic=s\n\
             config.storage.replication.factor=1\noffset.storage.replication.factor=1\n\
             status.storage.replication.factor=1\nssl.key.password=${{file:{shown}/s.properties:worker}}\n\
             config.providers=file,dir,env\nconfig.providers.file.class={provider}.FileConfigProvider\n\
             config.providers.file.param.allowed.paths={shown}\n\
             config.providers.dir.class={provider}.DirectoryConfigProvider\n\
             config.providers.env.class={provider}.EnvVarConfigProvider\n"
        );
        std::fs::write(folder.join("worker.properties"), settings).expect("a file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_couplet"))
            .args(["distributed", &folder.join("worker.properties").display().to_string()])
            .env("RUST_LOG", "debug,librdkafka=warn,rdkafka=warn,couplet_kafka=info")
            .env("COUPLET_CANARY", CANARIES[2])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let (mut stderr, log) = (child.stderr.take().expect("piped"), Arc::<Mutex<String>>::default());
        let sink = log.clone();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut part) {
                sink.lock().expect("not poisoned").push_str(&String::from_utf8_lossy(&part[..length]));
            }
        });
        Worker { child, port, log, answers: Mutex::default() }
    }

    fn ask(&self, method: &str, path: &str, body: &serde_json::Value) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => break stream,
                Err(_) => assert!(Instant::now() < deadline, "nobody listens: {}", self.log.lock().expect("log")),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        write!(stream, "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        self.answers.lock().expect("not poisoned").push_str(&answer);
        answer
    }

    fn get_until(&self, path: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask("GET", path, &serde_json::Value::Null);
            if holds(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path}: {answer}\n{}", self.log.lock().expect("log"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for_text(file: &Path, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(file).unwrap_or_default().contains(text) {
        assert!(Instant::now() < deadline, "{} never holds {text}", file.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_secret_is_ever_seen() {
    let broker = Broker::start(BrokerConfig::default()).await.expect("the embedded broker starts");
    let bootstrap = broker.address().to_string();
    tokio::task::spawn_blocking(move || plant_and_look(&bootstrap)).await.expect("no canary");
    broker.stop().await;
}

fn plant_and_look(bootstrap: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let secrets = |input: &str| {
        let lines = format!("field={}\nworker={}\ninput={input}\n", CANARIES[0], CANARIES[3]);
        std::fs::write(folder.path().join("s.properties"), lines).expect("a file");
    };
    let (first, second) = (path("first-input.txt"), path("second-input.txt"));
    secrets(&first);
    std::fs::write(folder.path().join("token"), CANARIES[1]).expect("a file");
    std::fs::write(&first, "{\"schema\":{\"type\":\"struct\",\"fields\":[]},\"payload\":{}}\n").expect("a file");
    std::fs::write(&second, "\"from the second file\"\n").expect("a file");
    let from_file = format!("${{file:{}:field}}", path("s.properties"));
    let (from_dir, from_env) = (format!("${{dir:{}:token}}", path("").trim_end_matches('/')), "${env:COUPLET_CANARY}");
    let worker = Worker::start(folder.path(), bootstrap);
    worker.get_until("/connectors", |answer| answer.starts_with("HTTP/1.1 200"));

    // Refused by validation, with the value in the text.
    let source = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    let refused = serde_json::json!({"name": "refused", "connector.class": source, "topic": "in",
        "errors.tolerance": from_file, "tasks.max": from_dir, "transforms": "x", "transforms.x.type": from_env,
        "producer.override.sasl.jaas.config": CANARIES[4]});
    let answer = worker.ask("PUT", "/connector-plugins/FileStreamSource/config/validate", &refused);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("[hidden]"), "{answer}");
    let answer = worker.ask("PUT", "/connectors/refused/config", &refused);
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("[hidden]"), "{answer}");
    let answer = worker.ask("PUT", "/connectors/unknown/config", &serde_json::json!({"connector.class": from_env}));
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("[hidden]"), "{answer}");

    // Reads the file that a placeholder names.
    let input = format!("${{file:{}:input}}", path("s.properties"));
    let reading = serde_json::json!({"connector.class": source, "topic": "in", "file": input,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter"});
    let answer = worker.ask("PUT", "/connectors/reading/config", &reading);
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains(&input), "the placeholder is shown: {answer}");
    let sink = "org.apache.kafka.connect.file.FileStreamSinkConnector";
    let extract = "org.apache.kafka.connect.transforms.ExtractField$Value";
    for (name, field, tolerance) in [
        ("failing", &*from_file, "none"),
        ("failing-dir", &*from_dir, "none"),
        ("failing-env", from_env, "none"),
        ("skipping", from_env, "all"),
    ] {
        let failing = serde_json::json!({"connector.class": sink, "topics": "in", "file": path("out.txt"),
            "transforms": "x", "transforms.x.type": extract, "transforms.x.field": field, "errors.tolerance": tolerance,
            "errors.log.enable": "true", "errors.log.include.messages": "true"});
        worker.ask("PUT", &format!("/connectors/{name}/config"), &failing);
        if tolerance == "none" {
            let status =
                worker.get_until(&format!("/connectors/{name}/status"), |answer| answer.contains("Unknown field"));
            assert!(status.contains("Unknown field: [hidden]"), "{status}");
        }
        let tasks = worker.get_until(&format!("/connectors/{name}/tasks"), |answer| answer.contains(field));
        assert!(tasks.starts_with("HTTP/1.1 200"), "{tasks}");
    }
    let failing =
        serde_json::json!({"connector.class": sink, "topics": "in", "file": format!("/{from_file}/{from_dir}/x")});
    worker.ask("PUT", "/connectors/nofile/config", &failing);
    worker.get_until("/connectors/nofile/status", |answer| answer.contains("FAILED"));
    worker.get_until("/metrics", |answer| answer.starts_with("HTTP/1.1"));

    // A changed file counts from the connector's next restart, although its config looks the same.
    let plain = serde_json::json!({"connector.class": sink, "topics": "in", "file": path("plain.txt"),
        "value.converter": "org.apache.kafka.connect.storage.StringConverter"});
    worker.ask("PUT", "/connectors/plain/config", &plain);
    wait_for_text(&folder.path().join("plain.txt"), "payload");
    secrets(&second);
    worker.ask("POST", "/connectors/reading/restart", &serde_json::Value::Null);
    wait_for_text(&folder.path().join("plain.txt"), "from the second file");

    let (log, answers) = (worker.log.lock().expect("log").clone(), worker.answers.lock().expect("answers").clone());
    assert!(log.contains("Unknown field: [hidden]") && log.contains("Error encountered in task skipping-0"), "{log}");
    // The config as a user wrote it is shown as it is, as by the JVM; the refused one was never stored.
    for canary in CANARIES.iter().chain([&first.as_str()]) {
        for (what, text) in [("a log line", &log), ("an answer", &answers)] {
            let seen = text.lines().find(|line| line.contains(canary));
            assert_eq!(seen, None, "{canary} is seen in {what}");
        }
    }
}
