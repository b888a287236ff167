//! A suite for incremental and blocking snapshots beside a stream of changes: no row is lost, none comes out older than the
//! stream had it, and what signals ask for is done.
//!
//! The database has a table `t` with the columns `id` (whole number, primary key) and `v` (text), and a table of signals with
//! `id`, `type`, `data`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::connector::SourcePlugin;
use couplet_api::data::{OffsetMap, SourceRecord, Value};
use couplet_api::own_topic::OwnTopic;
use couplet_api::source::{Durable, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::testing::MemoryTopics;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rows in the table at first.
const ROWS: usize = 120;

/// A database with a connector on it.
#[async_trait]
pub trait Source {
    /// Runs statements, in one transaction.
    async fn run(&self, statements: &[&str]);
    /// The table's rows.
    async fn rows(&self) -> BTreeMap<i64, String>;
    /// The connector.
    fn plugin(&self) -> Arc<dyn SourcePlugin>;
    /// Its settings: changes of `t` go to a topic that ends in `.t`, chunks of 7 rows, notifications to `notices`. Nothing is
    /// read before streaming.
    fn props(&self) -> Props;
    /// What a task is given that takes up at `stored`.
    fn context(&self, stored: Option<OffsetMap>) -> SourceTaskContext;
    /// Name of the table `t` in signals.
    fn table(&self) -> String;
}

/// What a consumer of the table's topic knows: the last value of each key.
type Topic = BTreeMap<i64, String>;

fn field<'a>(record: &'a SourceRecord, block: &str, name: &str) -> Option<&'a Value> {
    record.record.value.value.as_struct()?.get(block)?.as_struct()?.get(name)
}

fn is_of_table(record: &SourceRecord) -> bool {
    record.record.topic.ends_with(".t")
}

/// Whether a record's row has this text behind its change.
fn is_value(text: &'static str) -> impl Fn(&SourceRecord) -> bool {
    move |record| field(record, "after", "v").and_then(Value::as_str) == Some(text)
}

/// Takes in a record of the table.
fn consume(topic: &mut Topic, record: &SourceRecord) {
    if !is_of_table(record) {
        return;
    }
    let key = record.record.key.value.as_struct().and_then(|key| key.values()[0].as_i64()).expect("a key");
    match field(record, "after", "v").and_then(Value::as_str) {
        Some(value) => topic.insert(key, value.to_owned()),
        None => topic.remove(&key),
    };
}

/// The type of a notification.
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
    async fn start(source: &impl Source, props: &Props, stored: Option<OffsetMap>) -> Self {
        Self::start_with(source, props, stored, Arc::default()).await
    }

    async fn start_with(
        source: &impl Source,
        props: &Props,
        stored: Option<OffsetMap>,
        topics: Arc<MemoryTopics>,
    ) -> Self {
        let mut task = source.plugin().task();
        let context = SourceTaskContext { topics, ..source.context(stored.clone()) };
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
        let seen: Vec<String> = all.iter().filter_map(notice).collect();
        assert!(in_time, "never came; {} records, notifications {seen:?}", all.len());
        all
    }

    async fn stop(mut self) -> Option<OffsetMap> {
        self.task.stop().await.expect("the task stops");
        self.stored
    }
}

/// Settings of `source` with `more`.
fn settings(source: &impl Source, more: &[(&str, &str)]) -> Props {
    let mut props = source.props();
    for (key, value) in more {
        props.set(*key, *value);
    }
    props
}

/// The table with `rows` rows, and the offset behind its making.
async fn filled(source: &impl Source, props: &Props, rows: usize) -> Option<OffsetMap> {
    let values: Vec<String> = (1..=rows).map(|id| format!("({id}, 'v{id}')")).collect();
    source.run(&[&format!("INSERT INTO t VALUES {}", values.join(", "))]).await;
    let mut running = Running::start(source, props, None).await;
    source.run(&["INSERT INTO t VALUES (0, 'begin')"]).await;
    let told = |r: &SourceRecord| matches!(notice(r).as_deref(), Some("COMPLETED" | "SKIPPED"));
    // The row is streamed, or was there before the stream began.
    let first = running.until(|r| is_value("begin")(r) || told(r)).await;
    if !first.iter().any(is_value("begin")) {
        source.run(&["UPDATE t SET v = 'begun' WHERE id = 0"]).await;
        running.until(is_value("begun")).await;
    }
    running.stop().await
}

fn execute(source: &impl Source) -> String {
    let table = source.table();
    format!("INSERT INTO signals VALUES ('go', 'execute-snapshot', '{{\"data-collections\": [\"{table}\"]}}')")
}

/// Rows change while they are read, the task is started again behind arbitrary records, and in the end the topic has what
/// the table has. With settings `more`.
///
/// # Panics
/// When it has not.
pub async fn nothing_is_lost(source: &impl Source, more: &[(&str, &str)]) {
    let props = settings(source, more);
    let mut stored = filled(source, &props, ROWS).await;
    let (mut topic, mut ended) = (Topic::new(), false);
    source.run(&[&execute(source)]).await;
    for round in 0..12_usize {
        let mut running = Running::start(source, &props, stored).await;
        // A few rows changed, removed and added, among those read and among those to be read.
        let (a, b) = (1 + round * 9, ROWS - round * 7);
        let changes = [
            format!("UPDATE t SET v = CONCAT(v, '!') WHERE id IN ({a}, {b})"),
            format!("DELETE FROM t WHERE id = {}", a + 1),
            format!("INSERT INTO t VALUES ({}, 'new')", ROWS + 1 + round),
            format!("UPDATE t SET id = id + 1000 WHERE id = {}", b - 1),
        ];
        source.run(&changes.each_ref().map(String::as_str)).await;
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
    let mut running = Running::start(source, &props, stored).await;
    source.run(&["INSERT INTO t VALUES (9999, 'last')"]).await;
    let mut last = false;
    let rest = running.until(|record| {
        ended |= notice(record).as_deref() == Some("COMPLETED");
        last |= is_value("last")(record);
        ended && last
    });
    for record in rest.await {
        consume(&mut topic, &record);
    }
    assert_eq!(topic, source.rows().await);
    // What is stored behind the end has nothing left of it.
    source.run(&["DELETE FROM t WHERE id = 9999"]).await;
    running.until(|r| field(r, "before", "id").and_then(Value::as_i64) == Some(9999)).await;
    let stored = running.stop().await.expect("an offset");
    assert_eq!(stored.get("incremental_snapshot_collections"), None);
}

/// Most rows are changed again and again while they are read, with settings `more`: no record of a row is older than the
/// one before. Rows that nobody changes come once with every snapshot.
///
/// # Panics
/// When one is.
pub async fn rows_never_go_back(source: &impl Source, more: &[(&str, &str)]) {
    const SNAPSHOTS: usize = 12;
    /// Changes that may be on their way.
    const AHEAD: u64 = 8;
    const STILL: usize = 9;
    let props = settings(source, more);
    let stored = filled(source, &props, 28).await;
    let still: Vec<String> = (1..=STILL).map(|id| format!("({}, 'still')", 1000 + id)).collect();
    source.run(&["UPDATE t SET v = '0'", &format!("INSERT INTO t VALUES {}", still.join(", "))]).await;
    let mut running = Running::start(source, &props, stored).await;
    let (enough, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    let writer = async {
        let mut change = 0_u64;
        while !enough.load(Ordering::Relaxed) {
            change += 1;
            source.run(&[&format!("UPDATE t SET v = '{change}' WHERE id < 1000")]).await;
            // Not faster than the stream: what is to be seen are changes between chunks, not a backlog.
            while seen.load(Ordering::Relaxed) + AHEAD < change && !enough.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
        }
    };
    let mut newest: BTreeMap<i64, u64> = BTreeMap::new();
    let mut read = 0;
    let reader = async {
        for number in 0..SNAPSHOTS {
            source.run(&[&execute(source).replace("'go'", &format!("'go{number}'"))]).await;
            let records = running.until(|record| {
                let value = field(record, "after", "v").and_then(Value::as_str).and_then(|text| text.parse().ok());
                seen.fetch_max(value.unwrap_or(0), Ordering::Relaxed);
                notice(record).as_deref() == Some("COMPLETED")
            });
            for record in records.await {
                let is_read = field(&record, "source", "snapshot").and_then(Value::as_str) == Some("incremental");
                read += usize::from(is_read && is_value("still")(&record));
                let text = field(&record, "after", "v").and_then(Value::as_str).filter(|_| is_of_table(&record));
                let Some(value) = text.and_then(|text| text.parse::<u64>().ok()) else { continue };
                let key = record.record.key.value.as_struct().and_then(|key| key.values()[0].as_i64()).expect("a key");
                let before = newest.insert(key, value).unwrap_or_default();
                assert!(before <= value, "{more:?}: row {key} went from {before} back to {value}");
            }
        }
        enough.store(true, Ordering::Relaxed);
    };
    tokio::join!(writer, reader);
    assert_eq!(read, SNAPSHOTS * STILL, "rows that nobody changed");
    running.stop().await;
}

/// Signals of one transaction are seen before the marks that the first of them leads to.
///
/// # Panics
/// When they are not done as they were asked for.
pub async fn paused_resumed_and_stopped(source: &impl Source) {
    let props = settings(source, &[]);
    let stored = filled(source, &props, 20).await;
    let mut running = Running::start(source, &props, stored).await;
    source.run(&[&execute(source), "INSERT INTO signals VALUES ('p', 'pause-snapshot', NULL)"]).await;
    let is_row = |record: &SourceRecord, row: i64| {
        record.record.key.value.as_struct().is_some_and(|key| key.values()[0].as_i64() == Some(row))
    };
    let mut all = running.until(|record| is_row(record, 6)).await;
    let data = format!("{{\"data-collections\": [\"{}\"], \"type\": \"incremental\"}}", source.table());
    source
        .run(&[
            "INSERT INTO signals VALUES ('r', 'resume-snapshot', NULL)",
            &format!("INSERT INTO signals VALUES ('s', 'stop-snapshot', '{data}')"),
        ])
        .await;
    all.extend(running.until(|record| notice(record).as_deref() == Some("ABORTED")).await);
    let kinds: Vec<String> = all.iter().filter_map(notice).collect();
    let want = ["SKIPPED", "STARTED", "IN_PROGRESS", "PAUSED", "RESUMED", "IN_PROGRESS", "COMPLETED", "ABORTED"];
    assert_eq!(kinds, want);
    let rows = all.iter().filter(|record| is_of_table(record)).count();
    assert_eq!(rows, 14, "two chunks");
    running.stop().await;
}

/// A line of the file `path` asks for a blocking snapshot of the rows that `select` finds: three.
///
/// # Panics
/// When that is not what comes.
pub async fn a_file_can_ask_for_a_blocking_snapshot(source: &impl Source, path: &Path, select: &str) {
    let file = path.to_str().expect("a path");
    let more = [("signal.enabled.channels", "file"), ("signal.file", file), ("signal.poll.interval.ms", "50")];
    let props = settings(source, &more);
    let stored = filled(source, &props, 20).await;
    let mut running = Running::start(source, &props, stored).await;
    let table = source.table();
    let signal = format!(
        r#"{{"id": "b", "type": "execute-snapshot", "data": {{"data-collections": ["{table}", "x.none"], "type": "BLOCKING",
        "additional-conditions": [{{"data-collection": "{table}", "filter": "{select}"}}]}}}}"#
    );
    std::fs::write(path, signal.replace('\n', " ")).expect("a file of signals");
    let all = running.until(|record| notice(record).as_deref() == Some("COMPLETED")).await;
    let marks: Vec<&str> = all
        .iter()
        .filter(|record| is_of_table(record))
        .filter_map(|record| field(record, "source", "snapshot")?.as_str())
        .collect();
    assert_eq!(marks, ["first", "true", "last"]);
    // A stored offset of it leads back to the stream, not to another snapshot.
    let stored = running.stop().await.expect("an offset");
    source.run(&["INSERT INTO t VALUES (100, 'streamed')"]).await;
    let mut running = Running::start(source, &props, Some(stored)).await;
    let next = running.until(is_of_table).await;
    let last = next.iter().rfind(|record| is_of_table(record)).expect("a record");
    assert_eq!(field(last, "after", "v").and_then(Value::as_str), Some("streamed"));
    running.stop().await;
    std::fs::remove_file(path).expect("the file is removed");
}

async fn send(topic: &dyn OwnTopic, key: &str, value: &str) {
    topic.append(Some(key.to_owned().into()), Some(value.to_owned().into())).await.expect("a signal");
}

/// Signals of a topic, as in Debezium's examples: data is an object, and not needed by a pause. Those of other connectors, and
/// of the signal table, are left alone, and none is done twice. The connector's prefix is `c`.
///
/// # Panics
/// When it is not so.
pub async fn signals_of_a_topic_are_done_once(source: &impl Source) {
    const MANY: usize = 20_000;
    let topics = Arc::new(MemoryTopics::default());
    let topic = topics.topic("asked");
    topic.create(&[]).await.expect("a topic");
    let more = [
        ("signal.enabled.channels", "kafka"),
        ("signal.kafka.topic", "asked"),
        ("signal.kafka.bootstrap.servers", "none:9092"),
    ];
    let props = settings(source, &more);
    let stored = filled(source, &settings(source, &[]), MANY).await;
    let mut running = Running::start_with(source, &props, stored, topics.clone()).await;
    let asked = format!(
        r#"{{"id": "go", "type": "execute-snapshot", "data": {{"data-collections": ["{}"]}}}}"#,
        source.table()
    );
    send(&*topic, "another", &asked).await;
    // A row of the table asks for nothing: only its marks count.
    source.run(&[&execute(source)]).await;
    source.run(&["INSERT INTO t VALUES (-1, 'streamed')"]).await;
    let streamed = running.until(is_value("streamed")).await;
    assert!(streamed.iter().all(|record| notice(record).is_none_or(|kind| kind == "SKIPPED")), "nobody asked");
    send(&*topic, "c", &asked).await;
    send(&*topic, "c", r#"{"id": "p", "type": "pause-snapshot"}"#).await;
    let is = |kind: &'static str| move |record: &SourceRecord| notice(record).as_deref() == Some(kind);
    let mut all = running.until(is("PAUSED")).await;
    send(&*topic, "c", r#"{"id": "r", "type": "resume-snapshot", "data": {}}"#).await;
    all.extend(running.until(is("RESUMED")).await);
    all.extend(running.until(is_of_table).await);
    send(&*topic, "c", r#"{"id": "s", "type": "stop-snapshot", "data": {"type": "INCREMENTAL"}}"#).await;
    all.extend(running.until(is("ABORTED")).await);
    let mut kinds: Vec<String> = all.iter().filter_map(notice).collect();
    kinds.retain(|kind| kind != "IN_PROGRESS");
    assert_eq!(kinds, ["STARTED", "PAUSED", "RESUMED", "COMPLETED", "ABORTED"]);
    assert!(all.iter().filter(|record| is_of_table(record)).count() < MANY, "it was stopped");
    let done = async {
        while topic.committed() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("the last signal is done");
    let stored = running.stop().await;
    let mut running = Running::start_with(source, &props, stored, topics).await;
    source.run(&["INSERT INTO t VALUES (-2, 'again')"]).await;
    let rest = running.until(is_value("again")).await;
    assert!(rest.iter().all(|record| notice(record).is_none_or(|kind| kind == "SKIPPED")), "no signal comes twice");
    running.stop().await;
}
