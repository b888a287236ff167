//! The PostgreSQL source under kill -9: every change once, in the order of the commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use couplet_harness::chance::Chance;
use couplet_harness::clients::{Kafka, postgres};
use couplet_harness::services::{PostgresCluster, PostgresSettings};
use couplet_harness::shared::unique;
use couplet_harness::worker::Worker;
use couplet_harness::{Deadline, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::scene::{PATIENCE_SECS, by_time, embedded_broker, kafka_broker, worker};

const SEED: u64 = 1618;
const KILLS: usize = 4;
/// Rows that the snapshot finds.
const ROWS: u64 = 100;
/// Changes of a database transaction: several Kafka transactions of a source with small batches.
const CHANGES: usize = 30;
/// A worker is killed after this many new records.
const STEP: i64 = 600;

/// A change as events tell it: operation, id, value (none for a row that was deleted).
type Change = (String, i64, Option<i64>);

/// A bank clerk: multi-row transactions, one after another, and a memory of all changes in their order.
struct Clerk {
    stop: Arc<AtomicBool>,
    work: JoinSet<Vec<Change>>,
}

impl Clerk {
    fn begin(database: tokio_postgres::Client) -> Clerk {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let mut work = JoinSet::new();
        work.spawn(async move {
            let mut chance = Chance(SEED);
            let mut values = vec![Some(0_i64); usize::try_from(ROWS).expect("small")];
            let mut changes: Vec<Change> = (1..=ROWS).map(|id| ("r".to_owned(), id.cast_signed(), Some(0))).collect();
            while !told.load(Ordering::Relaxed) {
                let mut sql = "begin;".to_owned();
                for _ in 0..CHANGES {
                    let row = usize::try_from(chance.below(ROWS)).expect("small");
                    let (op, value) = match values[row] {
                        None => ("c", Some(0)),
                        Some(_) if chance.below(5) == 0 => ("d", None),
                        Some(value) => ("u", Some(value + 1)),
                    };
                    let id = i64::try_from(row).expect("small") + 1;
                    sql += &match op {
                        "c" => format!("insert into t values ({id}, 0);"),
                        "d" => format!("delete from t where id = {id};"),
                        _ => format!("update t set n = n + 1 where id = {id};"),
                    };
                    values[row] = value;
                    changes.push((op.to_owned(), id, value));
                }
                database.batch_execute(&(sql + "commit")).await.expect("SQL");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            changes
        });
        Clerk { stop, work }
    }

    async fn end(mut self) -> Vec<Change> {
        self.stop.store(true, Ordering::Relaxed);
        self.work.join_next().await.expect("one clerk").expect("the clerk")
    }
}

/// The changes that are committed in a topic, in its order.
async fn committed(kafka: &Kafka, topic: &str) -> anyhow::Result<Vec<Change>> {
    let change = |value: &[u8]| {
        let event: Value = serde_json::from_slice(value).expect("JSON");
        let op = event["op"].as_str().expect("an operation").to_owned();
        let row = if op == "d" { &event["before"] } else { &event["after"] };
        (op, row["id"].as_i64().expect("an id"), event["after"]["n"].as_i64())
    };
    let messages = kafka.read_topic(topic).await?;
    Ok(messages.iter().map(|message| change(message.value.as_deref().expect("no tombstones"))).collect())
}

fn source(name: &str, port: u16, settings: &[(&str, &str)]) -> Value {
    let slot = name.replace('-', "_");
    let mut config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "dbz",
        "database.password": "dbz", "database.dbname": "postgres", "topic.prefix": name, "plugin.name": "pgoutput",
        "slot.name": slot, "publication.name": slot, "tombstones.on.delete": "false", "exactly.once.support": "required",
    });
    for (key, value) in settings {
        config[*key] = json!(value);
    }
    json!({"name": name, "config": config})
}

/// One source whose Kafka transactions are parts of database transactions, and one whose transactions hold many.
async fn changes_survive_kills(bootstrap: &str) {
    let kafka = Kafka::new(bootstrap).expect("a client");
    let cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    let database = postgres(&cluster.url("postgres")).await.expect("a connection");
    let sql = format!(
        "create table t(id bigint primary key, n bigint); insert into t select i, 0 from generate_series(1, {ROWS}) i"
    );
    database.batch_execute(&sql).await.expect("SQL");
    let group = unique("bank");
    let names = [format!("{group}-poll"), format!("{group}-interval")];
    let topics = names.each_ref().map(|name| format!("{name}.public.t"));
    let own_topic = format!("{group}-own-offsets");
    let mut worker = Worker::start(&worker(bootstrap, &group)).await.expect("a worker");
    for (name, settings) in names.iter().zip([&[("max.batch.size", "7")][..], &by_time(&own_topic)]) {
        worker.rest.create(&source(name, cluster.port, settings)).await.expect("created");
    }
    let deadline = || Deadline::after_secs(PATIENCE_SECS);
    for topic in &topics {
        // A snapshot that is interrupted begins again, as Debezium's: what is exactly once is what comes behind it.
        let snapshot = eventually("the snapshot", deadline(), || async {
            let seen = committed(&kafka, topic).await.unwrap_or_default();
            Ok((seen.len() >= usize::try_from(ROWS)?).then_some(()))
        });
        snapshot.await.expect("the snapshot");
    }
    let clerk = Clerk::begin(database);
    let mut chance = Chance(SEED);
    for kill in 0..KILLS {
        let topic = &topics[kill % topics.len()];
        let seen = kafka.count(topic).await.expect("a count");
        kafka.await_count(topic, seen + STEP, deadline()).await.expect("progress");
        tokio::time::sleep(Duration::from_millis(chance.below(200))).await;
        worker.kill();
        worker.restart().await.expect("starts again");
    }
    let want = clerk.end().await;
    for topic in &topics {
        kafka.await_count(topic, i64::try_from(want.len()).expect("small"), deadline()).await.expect("all changes");
        let all = eventually("all changes", deadline(), || async {
            Ok(committed(&kafka, topic).await.ok().filter(|seen| seen.len() >= want.len()).map(drop))
        });
        all.await.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log_tail()));
    }
    worker.stop().await.expect("stops");
    for topic in &topics {
        let seen = committed(&kafka, topic).await.expect("readable");
        if let Some(place) = (0..seen.len().max(want.len())).find(|place| seen.get(*place) != want.get(*place)) {
            let near = place.saturating_sub(3)..;
            let around = |changes: &[Change]| changes[near.clone()].iter().take(8).cloned().collect::<Vec<_>>();
            panic!("{topic}, change {place}:\n{:?}\nbut in the database\n{:?}", around(&seen), around(&want));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_there_once_however_often_the_worker_is_killed() {
    let Some(broker) = kafka_broker().await else { return };
    changes_survive_kills(&broker.bootstrap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_there_once_on_the_embedded_broker() {
    let broker = embedded_broker().await;
    changes_survive_kills(&broker.address().to_string()).await;
    broker.stop().await;
}
