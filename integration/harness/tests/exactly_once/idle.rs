//! A captured database that is idle, beside one that is busy in the same server: the slot follows the log.

use std::time::{Duration, Instant};

use couplet_harness::clients::{Kafka, postgres};
use couplet_harness::services::{PostgresCluster, PostgresSettings};
use couplet_harness::shared::unique;
use couplet_harness::worker::Worker;
use couplet_harness::{Deadline, eventually};
use tokio_postgres::Client;

use crate::bank::{self, Bank, Habits};
use crate::scene::{PATIENCE_SECS, embedded_broker, postgres_source, worker};

const SEGMENT: i64 = 16 << 20;
/// Half a megabyte.
const WRITE: &str = "insert into t select repeat('x', 1000) from generate_series(1, 500)";
/// What the busy database writes at least, in segments.
const SEGMENTS: i64 = 5;

/// How long it is busy at least: `COUPLET_TEST_IDLE_SECS`, with half a megabyte or so a second, or as short as it can.
fn busy_for() -> Option<Duration> {
    let secs = std::env::var("COUPLET_TEST_IDLE_SECS").ok()?;
    Some(Duration::from_secs(secs.parse().expect("COUPLET_TEST_IDLE_SECS is a number")))
}

/// End of the log, and what the slot keeps of it: unconfirmed, and in all.
async fn look(database: &Client) -> (i64, i64, i64) {
    let sql = "select (pg_current_wal_lsn() - '0/0')::bigint, (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint, \
               (pg_current_wal_lsn() - restart_lsn)::bigint from pg_replication_slots";
    let row = database.query_one(sql, &[]).await.expect("a slot");
    (row.get(0), row.get(1), row.get(2))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_database_beside_a_busy_one_keeps_little_log() {
    let broker = embedded_broker().await;
    let bootstrap = broker.address().to_string();
    let kafka = Kafka::new(&bootstrap).expect("a client");
    let cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    Bank::found(&cluster.url("postgres")).await;
    let idle = postgres(&cluster.url("postgres")).await.expect("a connection");
    idle.batch_execute("create database busy").await.expect("SQL");
    let busy = postgres(&cluster.url("busy")).await.expect("a connection");
    busy.batch_execute("create table t(text text)").await.expect("SQL");
    let name = unique("idle");
    let mut worker = Worker::start(&worker(&bootstrap, &name)).await.expect("a worker");
    let habits = Habits { new_keys: true, tombstones: true };
    let deadline = || Deadline::after_secs(PATIENCE_SECS);
    // A stream without changes is idle after six times this, which with its steps is longer than anybody waits below.
    let settings = [("status.update.interval.ms", "5000")];
    bank::begin(&kafka, &worker, &postgres_source(&name, cluster.port, habits, &settings), deadline()).await;

    let (begun, time) = (look(&idle).await.0, busy_for());
    let (since, mut unconfirmed_max, mut kept_max) = (Instant::now(), 0, 0);
    loop {
        busy.batch_execute(WRITE).await.expect("SQL");
        let (end, unconfirmed, kept) = look(&idle).await;
        (unconfirmed_max, kept_max) = (unconfirmed.max(unconfirmed_max), kept.max(kept_max));
        if end - begun >= SEGMENTS * SEGMENT && time.is_none_or(|time| since.elapsed() >= time) {
            break;
        }
        if time.is_some() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    if time.is_some() {
        let written = look(&idle).await.0 - begun;
        tracing::info!(written, unconfirmed_max, kept_max, "what the slot kept");
        assert!(
            unconfirmed_max.max(kept_max) < 2 * SEGMENT,
            "{written} bytes of log were written, up to {unconfirmed_max} unconfirmed, up to {kept_max} kept"
        );
    }
    let small = eventually("a slot that follows the log", Deadline::after_secs(50), || async {
        // What a slot needs moves with the server's own notes of running transactions, and with checkpoints.
        busy.batch_execute("checkpoint").await?;
        let (_, unconfirmed, kept) = look(&idle).await;
        Ok((unconfirmed.max(kept) < 2 * SEGMENT).then_some(()))
    });
    small.await.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log_tail()));
    worker.stop().await.expect("stops");
    broker.stop().await;
}
