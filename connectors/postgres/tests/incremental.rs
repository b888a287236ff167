//! Incremental and blocking snapshots beside a stream of changes: no row is lost, none comes out older than the stream had
//! it, and what signals ask for is done.

mod bench;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bench::{Bench, context, plugin};
use couplet_api::config::Props;
use couplet_api::data::{OffsetMap, SourceRecord, Value};
use couplet_api::own_topic::OwnTopic;
use couplet_api::source::{Durable, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::testing::MemoryTopics;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a consumer of the table's topic knows: the last value of each key.
type Topic = BTreeMap<i64, String>;

fn field<'a>(record: &'a SourceRecord, block: &str, name: &str) -> Option<&'a Value> {
    record.record.value.value.as_struct()?.get(block)?.as_struct()?.get(name)
}

/// Takes in a record of `c.public.t`.
fn consume(topic: &mut Topic, record: &SourceRecord) {
    if &*record.record.topic != "c.public.t" {
        return;
    }
    let key = record.record.key.value.as_struct().and_then(|key| key.values()[0].as_i64()).expect("a key");
    match field(record, "after", "v").and_then(Value::as_str) {
        Some(value) => topic.insert(key, value.to_owned()),
        None => topic.remove(&key),
    };
}

/// The text of `notification` records' types, in order.
fn notice(record: &SourceRecord) -> Option<String> {
    let value = record.record.value.value.as_struct()?;
    (&*record.record.topic == "notices").then(|| value.get("type")?.as_str().map(str::to_owned))?
}

struct Running {
    task: Box<dyn SourceTask>,
    /// The offset of the last record, or of none: what would be stored.
    stored: Option<OffsetMap>,
}

impl Running {
    async fn start(props: &Props, stored: Option<OffsetMap>) -> Self {
        Self::start_with(props, stored, Arc::default()).await
    }

    async fn start_with(props: &Props, stored: Option<OffsetMap>, topics: Arc<MemoryTopics>) -> Self {
        let mut task = plugin().task();
        let context = SourceTaskContext { topics, ..context(stored.clone()) };
        task.start(props, context).await.expect("the task starts");
        Running { task, stored }
    }

    /// Polls once and returns the records, at most `most`; they count as durable.
    async fn poll(&mut self, most: usize) -> Vec<SourceRecord> {
        let mut batch = SourceBatch::new(most, 1 << 20);
        self.task.poll(&mut batch).await.expect("records");
        let records: Vec<SourceRecord> = batch.drain().collect();
        let last = records.last().map(|r| (r.source_partition.clone(), r.source_offset.clone()));
        let last = last.map(|(partition, offset)| Durable { partition, offset });
        if let Some(durable) = batch.take_offset().or(last) {
            self.stored = Some(durable.offset.to_map());
            self.task.commit(&[durable]).await.expect("the task takes a commit");
        }
        records
    }

    /// Polls until `done` says so of a record.
    async fn until(&mut self, mut done: impl FnMut(&SourceRecord) -> bool) -> Vec<SourceRecord> {
        let mut all = Vec::new();
        let polls = async {
            loop {
                let records = self.poll(100).await;
                let found = records.iter().any(&mut done);
                all.extend(records);
                if found {
                    break;
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, polls).await.is_ok();
        assert!(in_time, "never came; {} records", all.len());
        all
    }

    async fn stop(mut self) -> Option<OffsetMap> {
        self.task.stop().await.expect("the task stops");
        self.stored
    }
}

async fn bench(name: &str, rows: usize) -> Option<Bench> {
    let bench = Bench::new(name).await?;
    bench.run("CREATE TABLE signals(id text PRIMARY KEY, type text, data text)").await;
    bench.run(&format!("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, {rows}) i")).await;
    bench.run("CREATE PUBLICATION dbz_publication FOR ALL TABLES").await;
    bench.run(&format!("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", bench.database)).await;
    Some(bench)
}

fn props(bench: &Bench, more: &[(&str, &str)]) -> Props {
    let mut props = bench.props(&[
        ("snapshot.mode", "no_data"),
        ("signal.data.collection", "public.signals"),
        ("incremental.snapshot.chunk.size", "7"),
        ("notification.enabled.channels", "sink"),
        ("notification.sink.topic.name", "notices"),
    ]);
    for (key, value) in more {
        props.set(*key, *value);
    }
    props
}

const EXECUTE: &str = "INSERT INTO signals VALUES ('go', 'execute-snapshot', '{\"data-collections\": [\"public.t\"]}')";

/// Rows change while they are read, the task is started again behind arbitrary records, and in the end the topic has what
/// the table has.
async fn nothing_is_lost(name: &str, more: &[(&str, &str)]) {
    const ROWS: usize = 120;
    let Some(bench) = bench(name, ROWS).await else { return };
    let props = props(&bench, more);
    bench.run(EXECUTE).await;
    let (mut topic, mut stored, mut ended) = (Topic::new(), None, false);
    for round in 0..12_usize {
        let mut running = Running::start(&props, stored).await;
        // A few rows changed, removed and added, among those read and among those to be read.
        let (a, b) = (1 + round * 9, ROWS - round * 7);
        bench
            .run(&format!(
                "UPDATE t SET v = v || '!' WHERE id IN ({a}, {b}); DELETE FROM t WHERE id = {}; \
                 INSERT INTO t VALUES ({}, 'new'); UPDATE t SET id = id + 1000 WHERE id = {}",
                a + 1,
                ROWS + 1 + round,
                b - 1
            ))
            .await;
        // A poll of few records: what was not polled is lost with the task, as in a crash.
        let mut got = 0;
        while got < 9 + round {
            let records = tokio::time::timeout(PATIENCE, running.poll(3)).await.expect("records");
            got += records.len();
            ended |= records.iter().any(|r| notice(r).as_deref() == Some("COMPLETED"));
            records.iter().for_each(|record| consume(&mut topic, record));
        }
        stored = running.stop().await;
    }
    let mut running = Running::start(&props, stored).await;
    bench.run("INSERT INTO t VALUES (9999, 'last')").await;
    let mut last = false;
    let rest = running.until(|record| {
        ended |= notice(record).as_deref() == Some("COMPLETED");
        last |= field(record, "after", "v").and_then(Value::as_str) == Some("last");
        ended && last
    });
    for record in rest.await {
        consume(&mut topic, &record);
    }
    let rows = bench.sql.query("SELECT id::bigint, v FROM t", &[]).await.expect("rows");
    let table: Topic = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(topic, table);
    let stored = running.stop().await.expect("an offset");
    assert_eq!(stored.get("incremental_snapshot_collections"), None, "nothing is left of it");
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_in_the_signal_table_lose_nothing() {
    nothing_is_lost("marks", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_that_are_deleted_lose_nothing() {
    nothing_is_lost("deleted", &[("incremental.snapshot.watermarking.strategy", "insert_delete")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_in_the_log_lose_nothing() {
    nothing_is_lost("readonly", &[("read.only", "true")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_paused_resumed_and_stopped() {
    let Some(bench) = bench("pause", 20).await else { return };
    let mut running = Running::start(&props(&bench, &[]), None).await;
    // Signals of one transaction are seen before the marks that the first of them leads to.
    bench.run(&format!("BEGIN; {EXECUTE}; INSERT INTO signals VALUES ('p', 'pause-snapshot', NULL); COMMIT")).await;
    let is_row = |record: &SourceRecord, row: i64| {
        record.record.key.value.as_struct().is_some_and(|key| key.values()[0].as_i64() == Some(row))
    };
    let mut all = running.until(|record| is_row(record, 7)).await;
    bench
        .run(
            "BEGIN; INSERT INTO signals VALUES ('r', 'resume-snapshot', NULL); \
             INSERT INTO signals VALUES ('s', 'stop-snapshot', '{\"data-collections\": [\"public.t\"], \"type\": \"incremental\"}'); COMMIT",
        )
        .await;
    all.extend(running.until(|record| notice(record).as_deref() == Some("ABORTED")).await);
    let kinds: Vec<String> = all.iter().filter_map(notice).collect();
    let want = ["SKIPPED", "STARTED", "IN_PROGRESS", "PAUSED", "RESUMED", "IN_PROGRESS", "COMPLETED", "ABORTED"];
    assert_eq!(kinds, want);
    let rows = all.iter().filter(|record| &*record.record.topic == "c.public.t").count();
    assert_eq!(rows, 14, "two chunks");
    running.stop().await;
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_can_ask_for_a_blocking_snapshot() {
    let Some(bench) = bench("file", 20).await else { return };
    let path = std::env::temp_dir().join(format!("couplet-{}", bench.database));
    let file = path.to_str().expect("a path").to_owned();
    let more = [("signal.enabled.channels", "file"), ("signal.file", file.as_str()), ("signal.poll.interval.ms", "50")];
    let mut running = Running::start(&props(&bench, &more), None).await;
    let signal = r#"{"id": "b", "type": "execute-snapshot", "data": {"data-collections": ["public.t", "public.none"],
        "type": "BLOCKING", "additional-conditions": [
        {"data-collection": "public.t", "filter": "SELECT id, v FROM public.t WHERE id > 17"}]}}"#;
    std::fs::write(&path, signal.replace('\n', " ")).expect("a file of signals");
    let all = running.until(|record| notice(record).as_deref() == Some("COMPLETED")).await;
    let marks: Vec<&str> = all.iter().filter_map(|r| field(r, "source", "snapshot")?.as_str()).collect();
    assert_eq!(marks, ["first", "true", "last"]);
    // A stored offset of it leads back to the stream, not to another snapshot.
    let stored = running.stop().await.expect("an offset");
    assert_eq!(stored.get("snapshot").and_then(Value::as_str), Some("BLOCKING"));
    bench.run("INSERT INTO t VALUES (100, 'streamed')").await;
    let mut running = Running::start(&props(&bench, &more), Some(stored)).await;
    let next = running.until(|record| &*record.record.topic == "c.public.t").await;
    let last = next.last().expect("a record");
    assert_eq!(field(last, "after", "v").and_then(Value::as_str), Some("streamed"));
    running.stop().await;
    std::fs::remove_file(&path).expect("the file is removed");
    bench.drop().await;
}

async fn send(topic: &dyn OwnTopic, key: &str, value: &str) {
    topic.append(Some(key.to_owned().into()), Some(value.to_owned().into())).await.expect("a signal");
}

/// Debezium's examples: data is an object, and not needed by a pause.
#[tokio::test(flavor = "multi_thread")]
async fn signals_of_a_topic_are_done_once() {
    const ROWS: usize = 20_000;
    let Some(bench) = bench("topic", ROWS).await else { return };
    let topics = Arc::new(MemoryTopics::default());
    let topic = topics.topic("asked");
    topic.create(&[]).await.expect("a topic");
    let more = [
        ("signal.enabled.channels", "kafka"),
        ("signal.kafka.topic", "asked"),
        ("signal.kafka.bootstrap.servers", "none:9092"),
    ];
    let props = props(&bench, &more);
    let mut running = Running::start_with(&props, None, topics.clone()).await;
    let execute = r#"{"id": "go", "type": "execute-snapshot", "data": {"data-collections": ["public.t"]}}"#;
    send(&*topic, "another", execute).await;
    // A row of the table asks for nothing: only its marks count.
    bench.run(EXECUTE).await;
    bench.run("INSERT INTO t VALUES (-1, 'streamed')").await;
    let streamed = running.until(|record| field(record, "after", "v").is_some()).await;
    assert_eq!(field(streamed.last().expect("a record"), "after", "v").and_then(Value::as_str), Some("streamed"));
    send(&*topic, "c", execute).await;
    send(&*topic, "c", r#"{"id": "p", "type": "pause-snapshot"}"#).await;
    let is = |kind: &'static str| move |record: &SourceRecord| notice(record).as_deref() == Some(kind);
    let mut all = running.until(is("PAUSED")).await;
    send(&*topic, "c", r#"{"id": "r", "type": "resume-snapshot", "data": {}}"#).await;
    all.extend(running.until(is("RESUMED")).await);
    all.extend(running.until(|record| &*record.record.topic == "c.public.t").await);
    let stop = r#"{"id": "s", "type": "stop-snapshot", "data": {"type": "INCREMENTAL"}}"#;
    send(&*topic, "c", stop).await;
    all.extend(running.until(is("ABORTED")).await);
    let mut kinds: Vec<String> = all.iter().filter_map(notice).collect();
    kinds.retain(|kind| kind != "IN_PROGRESS");
    assert_eq!(kinds, ["STARTED", "PAUSED", "RESUMED", "COMPLETED", "ABORTED"]);
    let rows = all.iter().filter(|record| &*record.record.topic == "c.public.t").count();
    assert!(rows < ROWS, "it was stopped");
    let done = async {
        while topic.committed() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("the last signal is done");
    let stored = running.stop().await;
    let mut running = Running::start_with(&props, stored, topics).await;
    bench.run("INSERT INTO t VALUES (-2, 'again')").await;
    let again = |record: &SourceRecord| field(record, "after", "v").and_then(Value::as_str) == Some("again");
    let rest = running.until(again).await;
    assert!(rest.iter().all(|record| notice(record).is_none_or(|kind| kind == "SKIPPED")), "no signal comes twice");
    running.stop().await;
    bench.drop().await;
}
