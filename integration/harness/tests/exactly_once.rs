//! Exactly-once sources under kill -9: who reads committed records sees each line once, in order.

use std::fmt::Write;

use couplet_harness::clients::Kafka;
use couplet_harness::shared::{self, unique};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use couplet_harness::{Deadline, eventually};
use serde_json::json;

const LINES: usize = 60_000;
const KILLS: usize = 2;
const PATIENCE_SECS: u64 = 120;

/// The lines that are committed; `None` while a transaction is open at the end of the topic.
async fn committed(kafka: &Kafka, topic: &str) -> Option<Vec<String>> {
    let messages = kafka.read_topic(topic).await.ok()?;
    Some(messages.iter().map(|m| String::from_utf8(m.value.clone().unwrap_or_default()).expect("text")).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_there_once_however_often_the_worker_is_killed() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let kafka = Kafka::new(&bootstrap).expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let (name, file) = (unique("once"), folder.path().join("lines.txt"));
    let lines: Vec<String> = (0..LINES).map(|number| format!("line {number}")).collect();
    let text = lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").expect("memory");
        text
    });
    std::fs::write(&file, text).expect("written");
    let topic = format!("{name}-lines");
    kafka.create_topic(&topic, 1, &[]).await.expect("a topic");
    let settings = WorkerSettings::distributed(Engine::couplet().expect("the worker is built"), &bootstrap, &name)
        .with("exactly.once.source.support", "enabled")
        // A dead member is missed soon, and its work goes on at once.
        .with("session.timeout.ms", "6000")
        .with("heartbeat.interval.ms", "1000")
        .with("scheduled.rebalance.max.delay.ms", "0");
    let mut worker = Worker::start(&settings).await.expect("a worker");
    let string = "org.apache.kafka.connect.storage.StringConverter";
    let request = json!({"name": name, "config": {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
        "file": file.display().to_string(), "topic": topic, "batch.size": "100", "value.converter": string,
        "exactly.once.support": "required",
    }});
    worker.rest.create(&request).await.expect("created");
    for kill in 1..=KILLS {
        // Records of transactions that were given up count too: the share only has to differ from kill to kill.
        let share = i64::try_from(LINES * kill / (KILLS + 2)).expect("a number");
        kafka.await_count(&topic, share, Deadline::after_secs(PATIENCE_SECS)).await.expect("progress");
        worker.kill();
        worker.restart().await.expect("starts again");
    }
    let all = eventually("all lines, committed", Deadline::after_secs(PATIENCE_SECS), || async {
        Ok(committed(&kafka, &topic).await.filter(|lines| lines.len() >= LINES))
    });
    let all = all.await.expect("all lines");
    assert_eq!(all.len(), LINES, "repeated lines");
    assert!(all == lines, "lines are in the order of the file");
    worker.rest.delete(&name).await.expect("deleted");
    worker.stop().await.expect("stops");
    kafka.delete_topics(&[&topic]).await.expect("tidy");
}
