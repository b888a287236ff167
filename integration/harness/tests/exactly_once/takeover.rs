//! A JVM worker with Debezium's PostgreSQL source and one of ours take over from each other in the middle of the stream, from
//! the offsets that the other one stored.

use couplet_harness::clients::Kafka;
use couplet_harness::services::{PostgresCluster, PostgresSettings};
use couplet_harness::shared::unique;
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use couplet_harness::{Deadline, eventually};
use serde_json::{Value, json};

use crate::bank::{self, Bank, Habits, TABLES, topic};
use crate::scene::{self, PATIENCE_SECS, kafka_broker};

/// New records that each worker has to write.
const STEP: i64 = 400;
/// The records of a change with a new key, and of a delete with its tombstone, have one offset in Debezium: one that is killed
/// between them loses the rest.
const HABITS: Habits = Habits { new_keys: false, tombstones: false };

fn deadline() -> Deadline {
    Deadline::after_secs(PATIENCE_SECS)
}

/// A worker of a group whose members are never there together.
fn settings(engine: Engine, bootstrap: &str, group: &str) -> WorkerSettings {
    let mut settings = scene::worker(bootstrap, group).with("session.timeout.ms", "6000");
    settings.engine = engine;
    settings
}

/// The position that is stored for the source, as the REST API tells it: first keys that both know, then the LSN.
async fn stored(worker: &Worker, name: &str) -> i64 {
    let lsn = eventually("a stored offset", deadline(), || async {
        let Ok(answer) = worker.rest.get(&format!("/connectors/{name}/offsets")).await else { return Ok(None) };
        let offsets = answer["offsets"].as_array().cloned().unwrap_or_default();
        let Some(own) = offsets.iter().find(|entry| entry["partition"] == json!({"server": name})) else {
            return Ok(None);
        };
        let known = ["lsn", "lsn_proc", "lsn_commit", "ts_usec"];
        let streamed = known.iter().all(|key| own["offset"][*key].is_i64());
        Ok(own["offset"]["lsn"].as_i64().filter(|_| streamed))
    });
    lsn.await.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log_tail()))
}

/// Waits until the worker wrote its share of each table that changes, and returns where it stands.
async fn share(kafka: &Kafka, worker: &Worker, name: &str) -> i64 {
    let accounts = topic(name, "account");
    let seen = kafka.count(&accounts).await.expect("a count");
    if let Err(error) = kafka.await_count(&accounts, seen + STEP, deadline()).await {
        let status: anyhow::Result<Value> = worker.rest.get(&format!("/connectors/{name}/status")).await;
        panic!("{error}: {status:?}\n{}", worker.log_tail());
    }
    stored(worker, name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn debezium_and_couplet_take_over_from_each_other() {
    let Some(broker) = kafka_broker().await else { return };
    let kafka = Kafka::new(&broker.bootstrap).expect("a client");
    let cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    let url = cluster.url("postgres");
    Bank::found(&url).await;
    let name = unique("takeover");
    let ours = Engine::couplet().expect("the worker is built");
    let mut jvm = Worker::start(&settings(Engine::Jvm, &broker.bootstrap, &name)).await.expect("a JVM worker");
    let request = scene::postgres_source(&name, cluster.port, HABITS, &[]);
    bank::begin(&kafka, &jvm, &request, deadline()).await;
    let bank = Bank::open(&url, HABITS);

    // One that stops, one that is killed, and one that stops in the middle of a large transaction.
    let mut positions = vec![share(&kafka, &jvm, &name).await];
    jvm.stop().await.expect("the JVM stops");
    let mut couplet = Worker::start(&settings(ours, &broker.bootstrap, &name)).await.expect("a worker of ours");
    positions.push(share(&kafka, &couplet, &name).await);
    couplet.kill();
    jvm.restart().await.expect("the JVM is back");
    positions.push(share(&kafka, &jvm, &name).await);
    bank.do_something_large(20_000);
    kafka.await_count(&topic(&name, "ledger"), 2_000, deadline()).await.expect("a large transaction");
    jvm.kill();
    couplet.restart().await.expect("ours is back");
    positions.push(share(&kafka, &couplet, &name).await);
    assert!(positions.is_sorted(), "stored positions {positions:?}");

    let books = bank.close().await;
    for table in TABLES {
        let all = books.await_all(&kafka, &topic(&name, table), table, deadline()).await;
        all.unwrap_or_else(|error| panic!("{error:#}\n{}", couplet.log_tail()));
    }
    couplet.stop().await.expect("ours stops");
    for table in TABLES {
        books.check(&kafka, &topic(&name, table), table).await;
    }
}
