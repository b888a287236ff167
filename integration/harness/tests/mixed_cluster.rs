//! A JVM worker and one of ours in one group: work moves between them, each leads in turn, requests to either are answered,
//! and a rolling replacement JVM, ours, JVM under load loses no line, and repeats none with exactly-once sources.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use couplet_harness::Deadline;
use couplet_harness::clients::{ConnectRest, Kafka};
use couplet_harness::lines::{self, GrowingFile};
use couplet_harness::shared::{self, unique};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use couplet_provision::{eventually, jars};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Longer than a JVM takes to start on a busy machine.
const PATIENCE_SECS: u64 = 120;

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

/// A file for each of `names` that grows.
fn loads(folder: &Path, names: &[String]) -> Vec<GrowingFile> {
    let begin = |name: &String| GrowingFile::begin(folder.join(format!("{name}.txt")), Duration::from_millis(20));
    names.iter().map(begin).collect()
}

/// A worker whose work goes on soon when it is gone, of either kind.
fn settings(engine: Engine, bootstrap: &str, group: &str) -> WorkerSettings {
    WorkerSettings::distributed(engine, bootstrap, group)
        .with("plugin.path", &jars::plugin_path_file().expect("jars").display().to_string())
        .with("scheduled.rebalance.max.delay.ms", "1000")
        .with("heartbeat.interval.ms", "500")
        .with("session.timeout.ms", "6000")
        .with("offset.flush.interval.ms", "500")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_of_both_kinds_replace_each_other() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let kafka = Kafka::new(&bootstrap).expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let group = unique("mixed");
    let ours = settings(Engine::couplet().expect("the worker is built"), &bootstrap, &group);
    let mut jvm = Worker::start(&settings(Engine::Jvm, &bootstrap, &group)).await.expect("a JVM worker");
    let names: Vec<String> = (0..3).map(|n| format!("{group}-{n}")).collect();
    let loads = loads(folder.path(), &names);
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
        let count = load.end().expect("written");
        lines::await_last(&kafka, name, count, Deadline::after_secs(PATIENCE_SECS)).await.expect("all lines");
        let seen = lines::committed(&kafka, name).await.expect("readable");
        lines::check_none_lost(&seen, count).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
    jvm.stop().await.expect("the JVM stops");
    let topics: Vec<&str> = names.iter().map(String::as_str).chain([extra.as_str()]).collect();
    kafka.delete_topics(&topics).await.expect("tidy");
}

/// New configs for all tasks, asked of `asked`: each waits until the leader has fenced, then goes on with its file.
async fn new_generations(asked: &ConnectRest, kafka: &Kafka, names: &[String], folder: &Path, batch: usize) {
    for name in names {
        let mut config = exactly_once(name, folder)["config"].clone();
        config["batch.size"] = json!(batch.to_string());
        ask(asked, Method::PUT, &format!("/connectors/{name}/config"), Some(&config), StatusCode::OK).await;
    }
    for name in names {
        let seen = kafka.count(name).await.expect("a count");
        let deadline = Deadline::after_secs(PATIENCE_SECS);
        if let Err(error) = kafka.await_count(name, seen + 100, deadline).await {
            panic!("{error}: {:?}", asked.get(&format!("/connectors/{name}/status")).await);
        }
    }
}

/// A source that must be exactly once.
fn exactly_once(name: &str, folder: &Path) -> Value {
    let mut request = source(name, folder, name);
    request["config"]["exactly.once.support"] = json!("required");
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_is_repeated_when_workers_of_both_kinds_replace_each_other() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let kafka = Kafka::new(&bootstrap).expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let group = unique("mixed-once");
    let settings = |engine| settings(engine, &bootstrap, &group).with("exactly.once.source.support", "enabled");
    let mut jvm = Worker::start(&settings(Engine::Jvm)).await.expect("a JVM worker");
    let names: Vec<String> = (0..3).map(|n| format!("{group}-{n}")).collect();
    let loads = loads(folder.path(), &names);
    for name in &names {
        kafka.create_topic(name, 1, &[]).await.expect("a topic");
        ask(&jvm.rest, Method::POST, "/connectors", Some(&exactly_once(name, folder.path())), StatusCode::CREATED)
            .await;
    }
    let ours = Engine::couplet().expect("the worker is built");
    let mut couplet = Worker::start(&settings(ours)).await.expect("a worker of ours");
    let (jvm_id, our_id) = (id(&jvm.rest).to_owned(), id(&couplet.rest).to_owned());
    let shared_out = |all: &[(String, String)]| {
        let tasks: BTreeSet<&str> = all.iter().map(|(_, task)| task.as_str()).collect();
        tasks.len() == 2
    };
    // The JVM leads: our tasks ask it to fence.
    await_owners("ours takes its share", &couplet.rest, &names, shared_out).await;
    new_generations(&couplet.rest, &kafka, &names, folder.path(), 101).await;
    jvm.stop().await.expect("the JVM stops");
    let all_ours = |all: &[(String, String)]| all.iter().all(|(c, t)| *c == our_id && *t == our_id);
    await_owners("ours takes over all", &couplet.rest, &names, all_ours).await;

    // Ours leads: the JVM's tasks ask it.
    jvm.restart().await.expect("the JVM is back");
    await_owners("the JVM takes its share", &jvm.rest, &names, shared_out).await;
    new_generations(&jvm.rest, &kafka, &names, folder.path(), 102).await;
    couplet.kill();
    let all_theirs = |all: &[(String, String)]| all.iter().all(|(c, t)| *c == jvm_id && *t == jvm_id);
    await_owners("the JVM takes over all", &jvm.rest, &names, all_theirs).await;

    let counts: Vec<usize> = loads.into_iter().map(|load| load.end().expect("written")).collect();
    for (name, count) in names.iter().zip(&counts) {
        lines::await_last(&kafka, name, *count, Deadline::after_secs(PATIENCE_SECS)).await.expect("all lines");
    }
    jvm.stop().await.expect("the JVM stops");
    for (name, count) in names.iter().zip(&counts) {
        lines::check_each_once(&kafka, name, *count).await.unwrap_or_else(|error| panic!("{error:#}"));
    }
    kafka.delete_topics(&names.iter().map(String::as_str).collect::<Vec<_>>()).await.expect("tidy");
}
