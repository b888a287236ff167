//! One worker, killed again and again under load.

use std::time::Duration;

use couplet_harness::Deadline;
use couplet_harness::chance::Chance;
use couplet_harness::clients::Kafka;
use couplet_harness::lines;
use couplet_harness::shared::unique;
use couplet_harness::worker::Worker;

use crate::scene::{PATIENCE_SECS, SESSION, by_time, embedded_broker, file_source, kafka_broker, worker};

/// Moments of kills follow from it, but for what the machine adds.
const SEED: u64 = 618;
/// Lines of each file: more than a worker sends between all kills.
const LINES: usize = 60_000;
/// A worker is killed after this many new records, or it would never come to where most of its time is spent.
const STEP: usize = 1_500;

/// How often a worker is killed: `COUPLET_TEST_KILLS`, or 20 times.
fn kills() -> usize {
    std::env::var("COUPLET_TEST_KILLS").map_or(20, |kills| kills.parse().expect("COUPLET_TEST_KILLS is a number"))
}

/// Lets a worker work until it is to be killed: on every fourth occasion it is at its start, while it joins its group,
/// fences, looks for its offsets, begins; else somewhere in its transactions.
async fn await_moment(kafka: &Kafka, topic: &str, kill: usize, chance: &mut Chance) {
    let millis = if kill % 4 == 3 {
        chance.below(500 + u64::try_from(SESSION.as_millis()).expect("small"))
    } else {
        let seen = kafka.count(topic).await.expect("a count");
        let target = (seen + STEP as i64).min(LINES as i64);
        kafka.await_count(topic, target, Deadline::after_secs(PATIENCE_SECS)).await.expect("progress");
        chance.below(200)
    };
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// One source whose transactions end with each batch, and one whose transactions end by the clock.
async fn lines_survive_kills(bootstrap: &str) {
    let kafka = Kafka::new(bootstrap).expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let group = unique("once");
    let names = [format!("{group}-poll"), format!("{group}-interval")];
    let own_topic = format!("{group}-own-offsets");
    let mut worker = Worker::start(&worker(bootstrap, &group)).await.expect("a worker");
    for (name, settings) in names.iter().zip([&[][..], &by_time(&own_topic)]) {
        lines::write(&folder.path().join(name), LINES).expect("written");
        kafka.create_topic(name, 1, &[]).await.expect("a topic");
        worker.rest.create(&file_source(name, folder.path(), settings)).await.expect("created");
    }
    let mut chance = Chance(SEED);
    for kill in 0..kills() {
        await_moment(&kafka, &names[kill % names.len()], kill, &mut chance).await;
        worker.kill();
        worker.restart().await.expect("starts again");
    }
    for name in &names {
        let last = lines::await_last(&kafka, name, LINES, Deadline::after_secs(PATIENCE_SECS)).await;
        last.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log_tail()));
    }
    worker.stop().await.expect("stops");
    for name in &names {
        lines::check_each_once(&kafka, name, LINES).await.unwrap_or_else(|error| panic!("{error:#}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_there_once_however_often_the_worker_is_killed() {
    let Some(broker) = kafka_broker().await else { return };
    lines_survive_kills(&broker.bootstrap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_there_once_on_the_embedded_broker() {
    let broker = embedded_broker().await;
    lines_survive_kills(&broker.address().to_string()).await;
    broker.stop().await;
}
