//! A JVM worker and one of ours in one group: work moves between them, each leads in turn, requests to either are answered,
//! and a rolling replacement JVM, ours, JVM under load loses no line.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use couplet_harness::Deadline;
use couplet_harness::clients::{ConnectRest, Kafka};
use couplet_harness::shared::{self, unique};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use couplet_provision::{eventually, jars};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Longer than a JVM takes to start on a busy machine.
const PATIENCE_SECS: u64 = 60;

/// A file that grows until it is told to stop, and the lines it has by then.
struct Load {
    stop: Arc<AtomicBool>,
    writer: std::thread::JoinHandle<u64>,
}

impl Load {
    fn begin(file: PathBuf) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let writer = std::thread::spawn(move || {
            let mut out = std::fs::OpenOptions::new().create(true).append(true).open(file).expect("a file");
            let mut line = 0;
            while !told.load(Ordering::Relaxed) {
                writeln!(out, "line {line}").expect("written");
                line += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            line
        });
        Load { stop, writer }
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.writer.join().expect("the writer")
    }
}

fn source(name: &str, folder: &Path, topic: &str) -> Value {
    let file = folder.join(format!("{name}.txt"));
    json!({"name": name, "config": {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
        "file": file.display().to_string(), "topic": topic,
    }})
}

/// Who runs connector and tasks; `None` unless all of them run.
async fn owners(rest: &ConnectRest, name: &str) -> Option<(String, String)> {
    let (_, status) = rest.call(Method::GET, &format!("/connectors/{name}/status"), None).await.ok()?;
    let part =
        |part: &Value| (part["state"] == "RUNNING").then(|| part["worker_id"].as_str().unwrap_or_default().to_owned());
    Some((part(&status["connector"])?, part(&status["tasks"][0])?))
}

/// Waits until `holds` says so of the owners of all `names`, as `rest` tells them.
async fn await_owners(what: &str, rest: &ConnectRest, names: &[String], holds: impl Fn(&[(String, String)]) -> bool) {
    let settled = eventually(what, Deadline::after_secs(PATIENCE_SECS), || async {
        let mut all = Vec::new();
        for name in names {
            match owners(rest, name).await {
                Some(owners) => all.push(owners),
                None => return Ok(None),
            }
        }
        Ok(holds(&all).then_some(()))
    });
    settled.await.unwrap_or_else(|error| panic!("{error:#}"));
}

/// `host:port` of a worker.
fn id(rest: &ConnectRest) -> &str {
    rest.base.trim_start_matches("http://")
}

/// Sends a request until the group is not busy with a rebalance; it must be answered with `want` then.
async fn ask(rest: &ConnectRest, method: Method, path: &str, body: Option<&Value>, want: StatusCode) {
    let what = format!("{method} {path}");
    let asked = eventually(&what, Deadline::after_secs(PATIENCE_SECS), || async {
        let (status, answer) = rest.call(method.clone(), path, body).await?;
        let busy = status == StatusCode::CONFLICT || status == StatusCode::INTERNAL_SERVER_ERROR;
        assert!(busy || status == want, "{method} {path} answered {status}: {answer}");
        Ok((status == want).then_some(()))
    });
    asked.await.unwrap_or_else(|error| panic!("{error:#}"));
}

/// What users ask for, asked of `asked`, whoever leads: each request must reach the worker that can do it.
async fn requests_reach_their_worker(asked: &ConnectRest, names: &[String], folder: &Path, topic: &str) {
    let extra = unique("extra");
    std::fs::write(folder.join(format!("{extra}.txt")), "x\n").expect("written");
    let created = source(&extra, folder, topic);
    ask(asked, Method::POST, "/connectors", Some(&created), StatusCode::CREATED).await;
    await_owners("the new connector runs", asked, std::slice::from_ref(&extra), |_| true).await;
    let mut config = created["config"].clone();
    config["batch.size"] = json!("100");
    ask(asked, Method::PUT, &format!("/connectors/{extra}/config"), Some(&config), StatusCode::OK).await;
    // One of them runs here, another one there.
    for name in names {
        ask(asked, Method::POST, &format!("/connectors/{name}/restart"), None, StatusCode::NO_CONTENT).await;
        ask(asked, Method::POST, &format!("/connectors/{name}/tasks/0/restart"), None, StatusCode::NO_CONTENT).await;
    }
    ask(asked, Method::PUT, &format!("/connectors/{extra}/stop"), None, StatusCode::NO_CONTENT).await;
    ask(asked, Method::DELETE, &format!("/connectors/{extra}"), None, StatusCode::NO_CONTENT).await;
    await_owners("all run again", asked, names, |_| true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_of_both_kinds_replace_each_other() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let kafka = Kafka::new(&bootstrap).expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let group = unique("mixed");
    let settings = |engine: Engine| {
        WorkerSettings::distributed(engine, &bootstrap, &group)
            .with("plugin.path", &jars::plugin_path_file().expect("jars").display().to_string())
            .with("scheduled.rebalance.max.delay.ms", "1000")
            .with("heartbeat.interval.ms", "500")
            .with("session.timeout.ms", "6000")
            .with("offset.flush.interval.ms", "500")
    };
    let ours = settings(Engine::couplet().expect("the worker is built"));
    let mut jvm = Worker::start(&settings(Engine::Jvm)).await.expect("a JVM worker");
    let names: Vec<String> = (0..3).map(|n| format!("{group}-{n}")).collect();
    let loads: Vec<Load> = names.iter().map(|name| Load::begin(folder.path().join(format!("{name}.txt")))).collect();
    for name in &names {
        let request = source(name, folder.path(), name);
        ask(&jvm.rest, Method::POST, "/connectors", Some(&request), StatusCode::CREATED).await;
    }
    let extra = format!("{group}-extra");

    let mut couplet = Worker::start(&ours).await.expect("a worker of ours");
    let (jvm_id, our_id) = (id(&jvm.rest).to_owned(), id(&couplet.rest).to_owned());
    let shared_out = |all: &[(String, String)]| {
        let tasks: BTreeSet<&str> = all.iter().map(|(_, task)| task.as_str()).collect();
        tasks.len() == 2
    };
    await_owners("ours takes its share", &couplet.rest, &names, shared_out).await;
    for asked in [&couplet.rest, &jvm.rest] {
        requests_reach_their_worker(asked, &names, folder.path(), &extra).await;
    }

    jvm.stop().await.expect("the JVM stops");
    let all_ours = |all: &[(String, String)]| all.iter().all(|(c, t)| *c == our_id && *t == our_id);
    await_owners("ours takes over all", &couplet.rest, &names, all_ours).await;

    // Ours leads now, and the JVM follows.
    jvm.restart().await.expect("the JVM is back");
    await_owners("the JVM takes its share", &jvm.rest, &names, shared_out).await;
    for asked in [&jvm.rest, &couplet.rest] {
        requests_reach_their_worker(asked, &names, folder.path(), &extra).await;
    }

    couplet.stop().await.expect("ours stops");
    let all_theirs = |all: &[(String, String)]| all.iter().all(|(c, t)| *c == jvm_id && *t == jvm_id);
    await_owners("the JVM takes over all", &jvm.rest, &names, all_theirs).await;

    for (name, load) in names.iter().zip(loads) {
        let lines = load.end();
        let what = format!("all lines of {name}");
        let arrived = eventually(&what, Deadline::after_secs(PATIENCE_SECS), || async {
            let text = |value: &[u8]| serde_json::from_slice::<String>(value).ok();
            let messages = kafka.read_topic(name).await?;
            let seen: BTreeSet<String> = messages.iter().filter_map(|m| text(m.value.as_deref()?)).collect();
            Ok((0..lines).all(|line| seen.contains(&format!("line {line}"))).then_some(()))
        });
        arrived.await.unwrap_or_else(|error| panic!("{error:#}"));
    }
    jvm.stop().await.expect("the JVM stops");
    let topics: Vec<&str> = names.iter().map(String::as_str).chain([extra.as_str()]).collect();
    kafka.delete_topics(&topics).await.expect("tidy");
}
