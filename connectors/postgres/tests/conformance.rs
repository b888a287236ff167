//! The promises of the source task trait, kept by snapshot and stream; and no schedule of restarts leaves a gap.

#[path = "player/database.rs"]
mod database;

use std::sync::Arc;
use std::time::Duration;

use couplet_api::Plugin;
use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_api::connector::SourcePlugin;
use couplet_api::data::{OffsetMap, SourceRecord, Value};
use couplet_api::source::{Durable, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::testing::MemoryOffsets;
use couplet_testkit::conformance::{SourceExpectations, source_conformance};
use database::{Server, execute};
use tokio_postgres::Client;

/// A database of its own with one captured table, dropped at the end.
struct Bench {
    server: Server,
    database: String,
    sql: Client,
}

impl Bench {
    async fn new(name: &str) -> Option<Self> {
        let server = Server::from_env()?;
        let database = format!("couplet_conformance_{name}");
        server.create(&database).await.expect("a database");
        let sql = server.connect(&database).await.expect("a connection");
        let bench = Bench { server, database, sql };
        bench.run("CREATE TABLE t(id int PRIMARY KEY, v text); ALTER TABLE t REPLICA IDENTITY FULL").await;
        Some(bench)
    }

    async fn run(&self, statements: &str) {
        execute(&self.sql, statements).await.expect("valid statements");
    }

    fn props(&self, more: &[(&str, &str)]) -> Props {
        let access = |key: &str| {
            let found = self.server.access.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let mut props = Props::from_iter([
            ("topic.prefix", "c".to_owned()),
            ("database.hostname", access("HOST")),
            ("database.port", access("PORT")),
            ("database.user", access("USER")),
            ("database.password", access("PASSWORD")),
            ("database.dbname", self.database.clone()),
            ("slot.name", self.database.clone()),
            ("plugin.name", "pgoutput".to_owned()),
        ]);
        for (key, value) in more {
            props.set(*key, *value);
        }
        props
    }

    /// Makes publication and slot, and then changes that only the slot knows: single rows, rows that share an LSN,
    /// key changes, deletes, truncation, an unrelated transaction.
    async fn change_rows(&self) {
        self.run("CREATE PUBLICATION dbz_publication FOR ALL TABLES").await;
        self.run(&format!("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", self.database)).await;
        self.run("INSERT INTO t VALUES (1, 'a')").await;
        // COPY writes rows of one page as one log record.
        self.run("CREATE TABLE source AS SELECT i AS id, 'copied' || i AS v FROM generate_series(100, 106) i").await;
        self.copy().await;
        self.run("BEGIN; INSERT INTO t VALUES (2, 'b'); UPDATE t SET id = 3 WHERE id = 2; DELETE FROM t WHERE id = 1; COMMIT")
            .await;
        self.run("UPDATE t SET v = v || '!'").await;
        self.run("TRUNCATE t").await;
        self.run("INSERT INTO t VALUES (4, 'd')").await;
    }

    async fn copy(&self) {
        use futures::SinkExt;
        let sink = self.sql.copy_in::<_, bytes::Bytes>("COPY t FROM STDIN").await.expect("COPY");
        let mut sink = Box::pin(sink);
        for id in 200..206 {
            sink.send(format!("{id}\tcopied{id}\n").into()).await.expect("a row");
        }
        sink.close().await.expect("the end of COPY");
    }

    async fn drop(self) {
        let Bench { server, database, sql } = self;
        drop(sql);
        server.drop(&database).await.expect("the database is dropped");
    }
}

fn plugin() -> Arc<dyn SourcePlugin> {
    match couplet_postgres::plugins().into_iter().next() {
        Some(Plugin::Source(plugin)) => plugin,
        _ => panic!("the crate has a source plugin"),
    }
}

/// What a record says, without clock readings.
fn identity(record: &SourceRecord) -> String {
    let value = record.record.value.value.as_struct().map(|envelope| {
        let field = |name: &str| envelope.get(name).cloned().unwrap_or_default();
        let lsn = field("source").as_struct().and_then(|source| source.get("lsn").cloned());
        format!("{:?} {:?} {:?} {lsn:?}", field("op"), field("before"), field("after"))
    });
    format!("{} {:?} {value:?}", record.record.topic, record.record.key.value)
}

/// The same for snapshots, whose position is another in each.
fn row_identity(record: &SourceRecord) -> String {
    let value = record.record.value.value.as_struct().and_then(|envelope| envelope.get("after").cloned());
    format!("{} {value:?}", record.record.topic)
}

fn context(stored: Option<OffsetMap>) -> SourceTaskContext {
    let offsets = MemoryOffsets::default();
    let partition = OffsetMap::new([("server", Value::str("c"))]);
    offsets.0.lock().expect("not poisoned").extend(stored.map(|offset| (partition, offset)));
    SourceTaskContext {
        connector: "c".into(),
        task: 0,
        offsets: Arc::new(offsets),
        clock: Arc::new(SystemClock),
        defines_transactions: false,
    }
}

/// Polls until `count` records came.
async fn read(task: &mut dyn SourceTask, count: usize) -> Vec<SourceRecord> {
    // No batch holds more than is asked for.
    let mut batch = SourceBatch::new(count.min(5), 1 << 20);
    let mut records = Vec::new();
    let polls = async {
        while records.len() < count {
            task.poll(&mut batch).await.expect("records");
            records.extend(batch.drain());
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), polls).await;
    assert!(in_time.is_ok(), "only {} of {count} records came", records.len());
    records
}

/// Number of records `change_rows` makes, the unrelated table's included.
const CHANGES: usize = 1 + 7 + 6 + (1 + 3 + 2) + 7 + 1 + 1;

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_keep_the_contract() {
    let Some(bench) = Bench::new("snapshot").await else { return };
    bench.run("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 40) i").await;
    let mut expect = SourceExpectations::new(40);
    expect.identity = row_identity;
    expect.broken = Some(bench.props(&[("snapshot.mode", "never")]));
    source_conformance(&*plugin(), &bench.props(&[]), &expect).await;
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_keep_the_contract() {
    let Some(bench) = Bench::new("stream").await else { return };
    bench.change_rows().await;
    let mut expect = SourceExpectations::new(CHANGES);
    expect.identity = identity;
    // The slot must stay where it is, since the suite reads the same changes again and again.
    let props =
        bench.props(&[("snapshot.mode", "no_data"), ("flush.lsn.source", "false"), ("skipped.operations", "none")]);
    source_conformance(&*plugin(), &props, &expect).await;
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_behind_any_record_leaves_out_none() {
    let Some(bench) = Bench::new("restart").await else { return };
    bench.change_rows().await;
    let props =
        bench.props(&[("snapshot.mode", "no_data"), ("flush.lsn.source", "false"), ("skipped.operations", "none")]);
    let mut task = plugin().task();
    task.start(&props, context(None)).await.expect("the task starts");
    let reference = read(&mut *task, CHANGES).await;
    task.stop().await.expect("the task stops");
    for (cut, last) in reference.iter().enumerate().take(CHANGES - 1) {
        let mut task = plugin().task();
        task.start(&props, context(Some(last.source_offset.to_map()))).await.expect("the task starts");
        // Repeats are allowed, where one change makes several records; a gap is not.
        let mut wanted = reference[cut + 1..].iter().map(identity).peekable();
        while let Some(next) = wanted.peek().cloned() {
            let record = read(&mut *task, 1).await.remove(0);
            let repeated = reference[..=cut].iter().any(|earlier| identity(earlier) == identity(&record));
            assert!(identity(&record) == next || repeated, "behind record {cut}: {next} is missing");
            wanted.next_if(|want| *want == identity(&record));
        }
        task.stop().await.expect("the task stops");
    }
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slot_follows_what_is_durable_and_moves_when_idle() {
    let Some(bench) = Bench::new("slot").await else { return };
    let props = bench.props(&[
        ("snapshot.mode", "no_data"),
        ("table.include.list", "public.t"),
        ("status.update.interval.ms", "100"),
    ]);
    let mut task = plugin().task();
    task.start(&props, context(None)).await.expect("the task starts");
    bench
        .wait_for(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND pid IN \
         (SELECT active_pid FROM pg_replication_slots WHERE database = current_database())",
        )
        .await;
    bench.run("INSERT INTO t VALUES (1, 'a')").await;
    let record = read(&mut *task, 1).await.remove(0);
    let position = record.source_offset.to_map().get("lsn").and_then(Value::as_i64).expect("a position");
    let confirmed =
        "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE database = current_database()";
    assert!(bench.number(confirmed).await <= position, "nothing is confirmed before it is durable");
    let durable = Durable { partition: record.source_partition, offset: record.source_offset };
    task.commit(&[durable]).await.expect("the task takes a commit");
    bench.wait_for(&format!("SELECT count(*) FROM ({confirmed}) s(lsn) WHERE lsn >= {position}")).await;

    // Log of no interest: an offset without a record, and the slot behind it once that is stored.
    bench.run("CREATE TABLE other(id int); INSERT INTO other SELECT generate_series(1, 10000)").await;
    // The last few bytes of a log are not worth an offset of their own.
    let end = bench.number("SELECT (pg_current_wal_lsn() - '0/0')::bigint - 4096").await;
    let mut batch = SourceBatch::new(5, 1 << 20);
    let idle = async {
        loop {
            task.poll(&mut batch).await.expect("a poll");
            assert!(batch.is_empty(), "no record is of interest");
            let Some(durable) = batch.take_offset() else { continue };
            let at = durable.offset.to_map().get("lsn_commit").and_then(Value::as_i64).expect("a position");
            task.commit(std::slice::from_ref(&durable)).await.expect("the task takes a commit");
            if at >= end {
                return durable.offset.to_map();
            }
        }
    };
    let stored = tokio::time::timeout(Duration::from_secs(20), idle).await.expect("the slot moves when idle");
    bench.wait_for(&format!("SELECT count(*) FROM ({confirmed}) s(lsn) WHERE lsn >= {end}")).await;
    task.stop().await.expect("the task stops");

    // Taking up from there finds the next change and no gap.
    bench.run("INSERT INTO t VALUES (2, 'b')").await;
    let mut task = plugin().task();
    task.start(&props, context(Some(stored))).await.expect("the task starts");
    let next = read(&mut *task, 1).await.remove(0);
    assert!(format!("{:?}", next.record.key.value).contains('2'), "{:?}", next.record.key);
    task.stop().await.expect("the task stops");
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_between_slot_and_offset_is_refused() {
    let Some(bench) = Bench::new("gap").await else { return };
    bench.change_rows().await;
    let props = bench.props(&[("snapshot.mode", "no_data"), ("skipped.operations", "none")]);
    let mut task = plugin().task();
    task.start(&props, context(None)).await.expect("the task starts");
    let stored = read(&mut *task, CHANGES).await.pop().expect("records").source_offset.to_map();
    task.stop().await.expect("the task stops");
    let slot = &bench.database;
    bench
        .wait_for(&format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active"))
        .await;
    bench.run(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
    for remade in [false, true] {
        if remade {
            bench.run("INSERT INTO t VALUES (77, 'lost')").await;
            bench.run(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await;
        }
        let mut task = plugin().task();
        task.start(&props, context(Some(stored.clone()))).await.expect("the task starts");
        let mut batch = SourceBatch::new(5, 1 << 20);
        let error = task.poll(&mut batch).await.expect_err("a gap");
        assert!(error.message().contains("no longer available on the server"), "slot remade {remade}: {error}");
        task.stop().await.expect("the task stops");
    }
    bench.drop().await;
}

impl Bench {
    async fn number(&self, query: &str) -> i64 {
        self.sql.query_one(query, &[]).await.expect("a number").get(0)
    }

    /// Waits until the number `query` returns is above 0.
    async fn wait_for(&self, query: &str) {
        for _ in 0..500 {
            if self.number(query).await > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never true: {query}");
    }
}
