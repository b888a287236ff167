//! Stop and start: the worker goes on exactly where it was.

use couplet_harness::Deadline;
use couplet_harness::clients::{Kafka, postgres};
use couplet_harness::services::{PostgresCluster, PostgresSettings};
use couplet_harness::shared::{self, unique};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use serde_json::json;

const PATIENCE_SECS: u64 = 90;

/// Ids in the topic, in its order.
async fn ids(kafka: &Kafka, topic: &str) -> Vec<i64> {
    let messages = kafka.read_topic(topic).await.expect("the topic");
    let id = |value: &[u8]| serde_json::from_slice::<serde_json::Value>(value).expect("JSON")["after"]["id"].as_i64();
    messages.iter().map(|m| m.value.as_deref().and_then(id).expect("an id")).collect()
}

#[tokio::test]
async fn a_graceful_restart_loses_and_repeats_nothing() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let kafka = Kafka::new(&bootstrap).expect("a client");
    let cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    let database = postgres(&cluster.url("postgres")).await.expect("a connection");
    database
        .batch_execute("create table t(id bigint primary key); insert into t select generate_series(1, 100)")
        .await
        .expect("SQL");
    let prefix = unique("resume");
    let engine = Engine::couplet().expect("the worker is built");
    let mut worker = Worker::start(&WorkerSettings::distributed(engine, &bootstrap, &prefix)).await.expect("a worker");
    let request = json!({"name": prefix, "config": {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": cluster.port.to_string(), "database.user": "dbz",
        "database.password": "dbz", "database.dbname": "postgres", "topic.prefix": prefix, "plugin.name": "pgoutput",
    }});
    worker.rest.create(&request).await.expect("created");
    let topic = format!("{prefix}.public.t");
    kafka.await_count(&topic, 100, Deadline::after_secs(PATIENCE_SECS)).await.expect("the snapshot");

    for (round, first) in [(1, 101), (2, 201)] {
        database
            .batch_execute(&format!("insert into t select generate_series({first}, {})", first + 49))
            .await
            .expect("SQL");
        kafka
            .await_count(&topic, i64::from(first) + 49, Deadline::after_secs(PATIENCE_SECS))
            .await
            .expect("streamed rows");
        worker.stop().await.expect("a graceful stop");
        let away = format!("insert into t select generate_series({}, {})", first + 50, first + 99);
        database.batch_execute(&away).await.expect("SQL");
        worker.restart().await.expect("a restart");
        worker.rest.await_running(&prefix, Deadline::after_secs(PATIENCE_SECS)).await.expect("runs again");
        let want = i64::from(first) + 99;
        kafka.await_count(&topic, want, Deadline::after_secs(PATIENCE_SECS)).await.expect("rows of its absence");
        assert_eq!(ids(&kafka, &topic).await, (1..=want).collect::<Vec<_>>(), "round {round}");
    }
    worker.rest.delete(&prefix).await.expect("deleted");
    worker.stop().await.expect("stops");
    kafka.delete_topics(&[&topic]).await.expect("tidy");
}
