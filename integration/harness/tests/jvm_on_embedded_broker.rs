//! The embedded broker is broker enough for the original: a JVM worker, with exactly-once sources, moves lines from a file
//! to a topic and on to a file, forgets offsets when told, starts again, and shares its group with a worker of ours.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use couplet_devbroker::{Broker, BrokerConfig};
use couplet_harness::clients::ConnectRest;
use couplet_harness::shared::{self, unique};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use couplet_harness::{Deadline, eventually, lines};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Longer than a JVM takes to start on a busy machine.
const PATIENCE_SECS: u64 = 120;
/// Lines of the file at first.
const LINES: usize = 500;

fn connector(name: &str, class: &str, file: &Path, settings: &Value) -> Value {
    let mut config = json!({
        "connector.class": format!("org.apache.kafka.connect.file.{class}"), "tasks.max": "1",
        "file": file.display().to_string(),
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    for (key, value) in settings.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    json!({"name": name, "config": config})
}

/// Sends a request until it is answered with `want`: a group is busy at times, and a stop takes its time.
async fn ask(rest: &ConnectRest, method: Method, path: &str, want: StatusCode) {
    let what = format!("{method} {path}");
    let asked = eventually(&what, Deadline::after_secs(PATIENCE_SECS), || async {
        let (status, _) = rest.call(method.clone(), path, None).await?;
        Ok((status == want).then_some(()))
    });
    asked.await.unwrap_or_else(|error| panic!("{error:#}"));
}

/// Waits until the sink's file is `copies` times the lines, and nothing else.
async fn await_file(file: &Path, copies: usize, worker: &Worker) {
    let want: Vec<String> = (0..copies).flat_map(|_| (0..LINES).map(lines::line)).collect();
    let arrived = eventually("the lines in the sink's file", Deadline::after_secs(PATIENCE_SECS), || async {
        let text = fs::read_to_string(file).unwrap_or_default();
        let found: Vec<&str> = text.lines().collect();
        assert!(found.len() <= want.len(), "{} lines instead of {}", found.len(), want.len());
        Ok((found == want).then_some(()))
    });
    arrived.await.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log_tail()));
}

/// Whether the tasks of both connectors run on different workers.
async fn is_shared_out(rest: &ConnectRest, names: &[String]) -> bool {
    let mut owners = Vec::new();
    for name in names {
        let Ok(status) = rest.get(&format!("/connectors/{name}/status")).await else { return false };
        let task = &status["tasks"][0];
        if task["state"] != "RUNNING" {
            return false;
        }
        owners.push(task["worker_id"].clone());
    }
    owners.windows(2).all(|pair| pair[0] != pair[1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_the_original_feels_at_home() {
    if shared::service(shared::BOOTSTRAP).is_none() {
        return;
    }
    let broker = Broker::start(BrokerConfig::default()).await.expect("a broker");
    let bootstrap = broker.address().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    lines::write(&input, LINES).expect("written");
    let group = unique("at-home");
    let settings = |engine| {
        WorkerSettings::distributed(engine, &bootstrap, &group)
            .with("exactly.once.source.support", "enabled")
            .with("scheduled.rebalance.max.delay.ms", "0")
            .with("offset.flush.interval.ms", "500")
    };
    let mut jvm = Worker::start(&settings(Engine::Jvm)).await.expect("a JVM worker");
    let names = [format!("{group}-source"), format!("{group}-sink")];
    let source = json!({"topic": group, "exactly.once.support": "required"});
    // The topic is made by the sink's subscription or the source's admin client, whoever comes first.
    let sink = json!({"topics": group, "consumer.override.metadata.max.age.ms": "1000"});
    for request in [
        connector(&names[0], "FileStreamSourceConnector", &input, &source),
        connector(&names[1], "FileStreamSinkConnector", &output, &sink),
    ] {
        jvm.rest.create(&request).await.expect("created");
    }
    await_file(&output, 1, &jvm).await;

    // What a source and a consumer group remember is deleted by the original's admin client.
    for (name, copies) in names.iter().zip([2, 4]) {
        ask(&jvm.rest, Method::PUT, &format!("/connectors/{name}/stop"), StatusCode::NO_CONTENT).await;
        ask(&jvm.rest, Method::DELETE, &format!("/connectors/{name}/offsets"), StatusCode::OK).await;
        ask(&jvm.rest, Method::PUT, &format!("/connectors/{name}/resume"), StatusCode::ACCEPTED).await;
        await_file(&output, copies, &jvm).await;
    }

    jvm.stop().await.expect("stops");
    jvm.restart().await.expect("starts again");
    let mut couplet = Worker::start(&settings(Engine::couplet().expect("the worker is built"))).await.expect("ours");
    let shared_out = eventually("each worker has a task", Deadline::after_secs(PATIENCE_SECS), || async {
        Ok(is_shared_out(&couplet.rest, &names).await.then_some(()))
    });
    shared_out.await.unwrap_or_else(|error| panic!("{error:#}\n{}", couplet.log_tail()));
    let mut file = OpenOptions::new().append(true).open(&input).expect("the file");
    (0..LINES).try_for_each(|number| writeln!(file, "{}", lines::line(number))).expect("written");
    await_file(&output, 5, &couplet).await;
    couplet.stop().await.expect("ours stops");
    jvm.stop().await.expect("the JVM stops");
    broker.stop().await;
}
