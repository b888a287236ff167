//! Two workers: tasks move between them, whichever dies, and the cluster comes to exactly-once by a rolling restart.

use std::path::Path;
use std::time::Duration;

use couplet_harness::chance::Chance;
use couplet_harness::clients::Kafka;
use couplet_harness::lines::{self, GrowingFile};
use couplet_harness::shared::unique;
use couplet_harness::worker::{Worker, WorkerSettings};
use couplet_harness::{Deadline, eventually};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::scene::{PATIENCE_SECS, by_time, embedded_broker, file_source, kafka_broker, worker};

const SEED: u64 = 2025;
/// Deaths and departures of workers.
const ROUNDS: usize = 4;
/// A topic gets this many new lines between them.
const STEP: i64 = 300;

/// A worker of a group of two. On a busy machine it must not be taken for dead all the time while it is not.
fn member(bootstrap: &str, group: &str) -> WorkerSettings {
    worker(bootstrap, group).with("session.timeout.ms", "6000")
}

fn deadline() -> Deadline {
    Deadline::after_secs(PATIENCE_SECS)
}

/// Three files that grow, and sources for them.
struct Sources {
    names: Vec<String>,
    files: Vec<GrowingFile>,
}

impl Sources {
    async fn begin(kafka: &Kafka, asked: &Worker, folder: &Path, group: &str) -> Sources {
        let (names, own_topic): (Vec<String>, _) =
            ((0..3).map(|number| format!("{group}-{number}")).collect(), format!("{group}-own-offsets"));
        let mut files = Vec::new();
        for (number, name) in names.iter().enumerate() {
            kafka.create_topic(name, 1, &[]).await.expect("a topic");
            files.push(GrowingFile::begin(folder.join(name), Duration::from_millis(2)));
            let own = by_time(&own_topic);
            let settings = if number == 0 { &own[..] } else { &[] };
            asked.rest.create(&file_source(name, folder, settings)).await.expect("created");
        }
        Sources { names, files }
    }

    /// Waits until each topic got more lines than it has now.
    async fn progress(&self, kafka: &Kafka, asked: &Worker) {
        for name in &self.names {
            let seen = kafka.count(name).await.expect("a count");
            if let Err(error) = kafka.await_count(name, seen + STEP, deadline()).await {
                let status = asked.rest.call(Method::GET, &format!("/connectors/{name}/status"), None).await;
                panic!("{error}; its status is {status:?}\n{}", asked.log_tail());
            }
        }
    }

    /// No more lines; all that were written are there once when all workers have stopped.
    async fn end(self, kafka: &Kafka, workers: &mut [Worker]) {
        let counts: Vec<usize> = self.files.into_iter().map(|file| file.end().expect("written")).collect();
        for (name, count) in self.names.iter().zip(&counts) {
            let last = lines::await_last(kafka, name, *count, deadline()).await;
            last.unwrap_or_else(|error| panic!("{error:#}\n{}\n{}", workers[0].log_tail(), workers[1].log_tail()));
        }
        for worker in workers {
            worker.stop().await.expect("stops");
        }
        for (name, count) in self.names.iter().zip(&counts) {
            lines::check_each_once(kafka, name, *count).await.unwrap_or_else(|error| panic!("{error:#}"));
        }
    }
}

/// Workers leave, die, freeze and come back, in turns; configs change meanwhile, so that generations of tasks are fenced, by
/// whoever leads.
async fn work_moves(bootstrap: &str) {
    let kafka = Kafka::new(bootstrap).expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let group = unique("moved");
    let settings = member(bootstrap, &group);
    let mut workers = [Worker::start(&settings).await.expect("one"), Worker::start(&settings).await.expect("another")];
    let sources = Sources::begin(&kafka, &workers[0], folder.path(), &group).await;
    let mut chance = Chance(SEED);
    for round in 0..ROUNDS {
        let gone = usize::try_from(chance.below(2)).expect("small");
        sources.progress(&kafka, &workers[gone]).await;
        match round % 4 {
            // It leaves in good order.
            0 => {
                workers[gone].stop().await.expect("stops");
                workers[gone].restart().await.expect("starts again");
            }
            // It dies, and others do its work for a while.
            1 => {
                workers[gone].kill();
                sources.progress(&kafka, &workers[1 - gone]).await;
                workers[gone].restart().await.expect("starts again");
            }
            // It is taken for dead, and wakes up behind others that do its work now.
            2 => {
                workers[gone].freeze().expect("stops");
                sources.progress(&kafka, &workers[1 - gone]).await;
                workers[gone].thaw().expect("goes on");
            }
            // It dies and is back before it is missed.
            _ => {
                workers[gone].kill();
                workers[gone].restart().await.expect("starts again");
            }
        }
        // New configs of a task: a new generation.
        let name = &sources.names[1 + round % 2];
        let mut config = file_source(name, folder.path(), &[])["config"].clone();
        config["batch.size"] = json!((100 + round).to_string());
        put(&workers[1 - gone], &format!("/connectors/{name}/config"), Some(&config), StatusCode::OK).await;
    }
    sources.end(&kafka, &mut workers).await;
}

/// Sends a PUT until the group is not busy with a rebalance; it must be answered with `want` then.
async fn put(asked: &Worker, path: &str, body: Option<&serde_json::Value>, want: StatusCode) {
    let what = format!("PUT {path}");
    let answered = eventually(&what, deadline(), || async {
        let (status, answer) = asked.rest.call(Method::PUT, path, body).await?;
        let busy = [StatusCode::CONFLICT, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE];
        assert!(status == want || busy.contains(&status), "PUT {path} answered {status}: {answer}");
        Ok((status == want).then_some(()))
    });
    answered.await.unwrap_or_else(|error| panic!("{error:#}\n{}", asked.log_tail()));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_there_once_wherever_tasks_move() {
    let Some(broker) = kafka_broker().await else { return };
    work_moves(&broker.bootstrap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_there_once_wherever_tasks_move_on_the_embedded_broker() {
    let broker = embedded_broker().await;
    work_moves(&broker.address().to_string()).await;
    broker.stop().await;
}

/// `disabled`, `preparing`, `enabled`: one worker after the other, while work goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_comes_to_exactly_once_by_rolling_restarts() {
    let broker = embedded_broker().await;
    let bootstrap = broker.address().to_string();
    let kafka = Kafka::new(&bootstrap).expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let group = unique("rolling");
    let settings = |support: &str| member(&bootstrap, &group).with("exactly.once.source.support", support);
    let first = settings("disabled");
    let mut workers = [Worker::start(&first).await.expect("one"), Worker::start(&first).await.expect("another")];
    let sources = Sources::begin(&kafka, &workers[0], folder.path(), &group).await;
    for support in ["preparing", "enabled"] {
        for worker in &mut workers {
            sources.progress(&kafka, worker).await;
            worker.stop().await.expect("stops");
            *worker = Worker::start(&settings(support)).await.expect("starts again");
        }
    }
    // Now that all of them are there, nothing is repeated either when one dies.
    for number in [0, 1] {
        sources.progress(&kafka, &workers[number]).await;
        workers[number].kill();
        workers[number].restart().await.expect("starts again");
    }
    sources.end(&kafka, &mut workers).await;
    broker.stop().await;
}

/// Who is asked to fence, and does not lead, asks the leader.
#[tokio::test(flavor = "multi_thread")]
async fn any_worker_passes_a_round_of_fencing_on_to_the_leader() {
    let broker = embedded_broker().await;
    let bootstrap = broker.address().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let group = unique("fence");
    // Without signatures, so that this test may ask.
    let settings = member(&bootstrap, &group).with("connect.protocol", "compatible");
    let mut workers = [Worker::start(&settings).await.expect("one"), Worker::start(&settings).await.expect("another")];
    lines::write(&folder.path().join(&group), 1).expect("written");
    workers[0].rest.create(&file_source(&group, folder.path(), &[])).await.expect("created");
    let sink = json!({"name": format!("{group}-sink"), "config": {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "topics": group,
        "file": folder.path().join("sink").display().to_string(),
    }});
    workers[0].rest.create(&sink).await.expect("created");
    for worker in &workers {
        for (name, want) in [
            (group.clone(), StatusCode::NO_CONTENT),
            (format!("{group}-sink"), StatusCode::BAD_REQUEST),
            (format!("{group}-none"), StatusCode::NOT_FOUND),
        ] {
            put(worker, &format!("/connectors/{name}/fence"), None, want).await;
        }
    }
    for worker in &mut workers {
        worker.stop().await.expect("stops");
    }
    broker.stop().await;
}
