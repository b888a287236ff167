//! A JVM worker with Debezium and one of ours take over from each other in the middle of the stream, from the offsets, and
//! for MySQL and MariaDB the schema history, that the other one stored.

use couplet_harness::clients::Kafka;
use couplet_harness::provision::jars;
use couplet_harness::services::{BinlogServer, PostgresCluster, PostgresSettings};
use couplet_harness::shared::unique;
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use couplet_harness::{Deadline, eventually};
use serde_json::{Value, json};

use crate::bank::{self, Bank, Habits, TABLES, topic};
use crate::database::Database;
use crate::scene::{self, PATIENCE_SECS, binlog_source, kafka_broker, postgres_source};

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

/// Where a stored offset stands, in numbers that grow; `None`: within a snapshot.
type Place = fn(&Value) -> Option<Vec<i64>>;

/// First keys that both workers know, then the LSN.
fn place_of_postgres(offset: &Value) -> Option<Vec<i64>> {
    let streamed = ["lsn_proc", "lsn_commit", "ts_usec"].iter().all(|key| offset[*key].is_i64());
    Some(vec![offset["lsn"].as_i64().filter(|_| streamed)?])
}

/// The log's file, where the transaction begins in it, and how far it is done.
fn place_in_log(offset: &Value) -> Option<Vec<i64>> {
    let file = offset["file"].as_str()?.rsplit_once('.')?.1.parse().ok()?;
    let streamed = offset["ts_sec"].is_i64() && offset["server_id"].is_i64() && offset["snapshot"].is_null();
    let done = |key: &str| offset[key].as_i64().unwrap_or(0);
    streamed.then(|| vec![file, done("pos"), done("event"), done("row")])
}

/// The position that is stored for the source, as the REST API tells it.
async fn stored(worker: &Worker, name: &str, place: Place) -> Vec<i64> {
    let stored = eventually("a stored offset", deadline(), || async {
        let Ok(answer) = worker.rest.get(&format!("/connectors/{name}/offsets")).await else { return Ok(None) };
        let offsets = answer["offsets"].as_array().cloned().unwrap_or_default();
        let own = offsets.iter().find(|entry| entry["partition"] == json!({"server": name}));
        Ok(own.and_then(|own| place(&own["offset"])))
    });
    stored.await.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log_tail()))
}

/// A bank whose source moves from worker to worker.
struct Story {
    kafka: Kafka,
    name: String,
    owner: Database,
    place: Place,
    /// Where the source stood each time.
    places: Vec<Vec<i64>>,
}

impl Story {
    /// Waits until the worker wrote its share, before and after the table got another column, and notes where it stands.
    async fn share(&mut self, worker: &Worker) {
        let accounts = topic(&self.name, "account");
        for half in 0..2 {
            if half == 1 {
                assert!(self.owner.add_column("account", self.places.len()).await, "the server went away");
            }
            let seen = self.kafka.count(&accounts).await.expect("a count");
            if let Err(error) = self.kafka.await_count(&accounts, seen + STEP, deadline()).await {
                let status: anyhow::Result<Value> = worker.rest.get(&format!("/connectors/{}/status", self.name)).await;
                panic!("{error}: {status:?}\n{}", worker.log_tail());
            }
        }
        self.places.push(stored(worker, &self.name, self.place).await);
    }

    /// One worker stops, one is killed, and one is killed in the middle of a large transaction.
    async fn play(mut self, bootstrap: &str, plugins: Option<String>, url: &str, request: &Value) {
        let ours = Engine::couplet().expect("the worker is built");
        let mut jvm = settings(Engine::Jvm, bootstrap, &self.name);
        if let Some(plugins) = plugins {
            jvm = jvm.with("plugin.path", &plugins);
        }
        let mut jvm = Worker::start(&jvm).await.expect("a JVM worker");
        bank::begin(&self.kafka, &jvm, request, deadline()).await;
        let bank = Bank::open(url, HABITS);
        self.share(&jvm).await;
        jvm.stop().await.expect("the JVM stops");
        let mut couplet = Worker::start(&settings(ours, bootstrap, &self.name)).await.expect("a worker of ours");
        self.share(&couplet).await;
        couplet.kill();
        jvm.restart().await.expect("the JVM is back");
        self.share(&jvm).await;
        bank.do_something_large(20_000);
        let ledger = topic(&self.name, "ledger");
        self.kafka.await_count(&ledger, 2_000, deadline()).await.expect("a large transaction");
        jvm.kill();
        couplet.restart().await.expect("ours is back");
        self.share(&couplet).await;
        assert!(self.places.is_sorted(), "stored positions {:?}", self.places);

        let books = bank.close().await;
        for table in TABLES {
            let all = books.await_all(&self.kafka, &topic(&self.name, table), table, deadline()).await;
            all.unwrap_or_else(|error| panic!("{error:#}\n{}", couplet.log_tail()));
        }
        couplet.stop().await.expect("ours stops");
        for table in TABLES {
            books.check(&self.kafka, &topic(&self.name, table), table).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn debezium_and_couplet_take_over_from_each_other() {
    let Some(broker) = kafka_broker().await else { return };
    let kafka = Kafka::new(&broker.bootstrap).expect("a client");
    let cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    let url = cluster.url("postgres");
    let (owner, name) = (Bank::found(&url).await, unique("takeover"));
    let request = postgres_source(&name, cluster.port, HABITS, &[]);
    let story = Story { kafka, name, owner, place: place_of_postgres, places: Vec::new() };
    story.play(&broker.bootstrap, None, &url, &request).await;
}

/// By hand: `COUPLET_TEST_TAKEOVER=mysql` or `mariadb`. It is too long for every run.
#[tokio::test(flavor = "multi_thread")]
async fn debezium_and_couplet_take_over_a_binlog_from_each_other() {
    let Ok(which) = std::env::var("COUPLET_TEST_TAKEOVER") else { return };
    let Some(broker) = kafka_broker().await else { return };
    let kafka = Kafka::new(&broker.bootstrap).expect("a client");
    let (server, plugins) = match which.as_str() {
        "mysql" => (BinlogServer::mysql().await, jars::plugin_path_mysql()),
        "mariadb" => (BinlogServer::mariadb().await, jars::plugin_path_mariadb()),
        other => panic!("COUPLET_TEST_TAKEOVER is mysql or mariadb, not {other}"),
    };
    let (server, plugins) = (server.expect("a server"), plugins.expect("the jars").display().to_string());
    let url = server.database_url(scene::DATABASE);
    let (owner, name) = (Bank::found(&url).await, unique("takeover"));
    let id = ("database.server.id", "7003");
    let request = binlog_source(&name, &server, &broker.bootstrap, HABITS, &[id]);
    let story = Story { kafka, name, owner, place: place_in_log, places: Vec::new() };
    story.play(&broker.bootstrap, Some(plugins), &url, &request).await;
}
