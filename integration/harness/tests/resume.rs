//! Stop and start: the worker goes on exactly where it was.

use couplet_harness::clients::{Kafka, postgres};
use couplet_harness::services::{PostgresCluster, PostgresSettings};
use couplet_harness::shared::{self, unique};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use couplet_harness::{Deadline, eventually};
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
    let scanned = format!(
        "debezium_metrics_RowsScanned{{connector=\"{prefix}\",task=\"0\",plugin=\"postgres\",name=\"{prefix}\",\
         context=\"snapshot\",table=\"public.t\"}} 100\n"
    );
    let metrics = worker.rest.get("/metrics").await.expect("metrics");
    assert!(metrics.as_str().is_some_and(|text| text.contains(&scanned)), "{scanned} is not in {metrics}");

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

/// A signal that comes through Kafka, which is there before the connector, is done once although the worker is killed behind
/// it.
#[tokio::test]
async fn a_signal_is_not_done_again_after_a_crash() {
    const ROWS: i64 = 30;
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let kafka = Kafka::new(&bootstrap).expect("a client");
    let cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    let database = postgres(&cluster.url("postgres")).await.expect("a connection");
    let rows = format!("create table t(id bigint primary key); insert into t select generate_series(1, {ROWS})");
    database.batch_execute(&rows).await.expect("SQL");
    let prefix = unique("signalled");
    let (topic, signals) = (format!("{prefix}.public.t"), format!("{prefix}-signal"));
    kafka.create_topic(&signals, 1, &[]).await.expect("a topic of signals");
    let signal = br#"{"id": "s", "type": "execute-snapshot", "data": {"data-collections": ["public.t"]}}"#;
    let of_another = (Some(b"another".as_slice()), Some(signal.as_slice()));
    let of_this = (Some(prefix.as_bytes()), Some(signal.as_slice()));
    kafka.produce(&signals, &[of_another, of_this]).await.expect("signals");

    let engine = Engine::couplet().expect("the worker is built");
    let settings = WorkerSettings::distributed(engine, &bootstrap, &prefix)
        .with("offset.flush.interval.ms", "200")
        .with("session.timeout.ms", "6000");
    let mut worker = Worker::start(&settings).await.expect("a worker");
    let request = json!({"name": prefix, "config": {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": cluster.port.to_string(), "database.user": "dbz",
        "database.password": "dbz", "database.dbname": "postgres", "topic.prefix": prefix, "plugin.name": "pgoutput",
        "snapshot.mode": "no_data", "read.only": "true", "incremental.snapshot.chunk.size": "7",
        "signal.enabled.channels": "kafka", "signal.kafka.bootstrap.servers": bootstrap, "signal.kafka.groupId": signals,
    }});
    worker.rest.create(&request).await.expect("created");
    let deadline = || Deadline::after_secs(PATIENCE_SECS);
    kafka.await_count(&topic, ROWS, deadline()).await.expect("the rows that were asked for");
    let insert = |id: i64| format!("insert into t values ({id})");
    database.batch_execute(&insert(ROWS + 1)).await.expect("SQL");
    kafka.await_count(&topic, ROWS + 1, deadline()).await.expect("a streamed row");
    let behind_it = eventually("an offset behind the snapshot", deadline(), || async {
        let answer = worker.rest.get(&format!("/connectors/{prefix}/offsets")).await?;
        let offset = &answer["offsets"][0]["offset"];
        let behind = offset["messageType"] == "INSERT" && offset["incremental_snapshot_collections"].is_null();
        Ok(behind.then_some(()))
    });
    behind_it.await.expect("a stored offset");
    let done = eventually("a position behind the signal", deadline(), || async {
        Ok(kafka.committed(&signals, &signals).await?.filter(|next| *next == 2))
    });
    done.await.expect("a committed position");
    worker.kill();
    worker.restart().await.expect("a restart");
    worker.rest.await_running(&prefix, deadline()).await.expect("runs again");
    database.batch_execute(&insert(ROWS + 2)).await.expect("SQL");
    kafka.await_count(&topic, ROWS + 2, deadline()).await.expect("another streamed row");
    assert_eq!(ids(&kafka, &topic).await, (1..=ROWS + 2).collect::<Vec<_>>());
    worker.rest.delete(&prefix).await.expect("deleted");
    worker.stop().await.expect("stops");
    kafka.delete_topics(&[&topic, &signals]).await.expect("tidy");
}
