use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_api::connector::SourcePlugin;
use couplet_api::data::{OffsetMap, SourceRecord};
use couplet_api::source::{Durable, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::testing::{MemoryMetrics, MemoryOffsets, MemoryTopics};

/// No batch of the suites is larger than this many bytes.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Between a poll that brought nothing and the next.
const PAUSE: Duration = Duration::from_millis(1);

/// What a test knows about a source and the data it prepared.
pub struct SourceExpectations {
    /// Records the source has ready before the suite starts; the suite reads exactly these, several times over.
    pub records: usize,
    /// What makes two records the same, for example topic and value without timestamps of reading.
    pub identity: fn(&SourceRecord) -> String,
    /// Whether a task started with stored offsets goes on behind them; else the suite does not resume.
    pub resumes: bool,
    /// Settings with which `start` fails, if there are such.
    pub broken: Option<Props>,
    /// How long the source may take to hand out all records.
    pub patience: Duration,
}

impl SourceExpectations {
    /// `records` records that are told apart by topic, key and value; the source resumes.
    pub fn new(records: usize) -> Self {
        let identity = |r: &SourceRecord| format!("{} {:?} {:?}", r.record.topic, r.record.key, r.record.value.value);
        SourceExpectations { records, identity, resumes: true, broken: None, patience: Duration::from_secs(60) }
    }
}

/// Checks a source task against the contract of [`SourceTask`]: `stop` can be called in any state and twice, batches keep
/// their limits, a dropped `poll` loses and repeats nothing, `commit` takes any durable prefix, and a task that starts
/// with the stored offsets of any record leaves out none of the records behind it.
///
/// # Panics
/// When a promise is broken.
pub async fn source_conformance(plugin: &dyn SourcePlugin, props: &Props, expect: &SourceExpectations) {
    assert!(expect.records > 2, "the suite needs at least three records");
    let mut connector_props = vec![props.clone()];
    connector_props.extend(task_props(plugin, props).await);
    let props = connector_props.last().unwrap_or(props);
    stops_in_any_state(plugin, props, expect).await;
    let reference = read(plugin, props, expect, Vec::new(), Reading::Whole).await;
    assert_eq!(reference.len(), expect.records, "records that the source hands out");
    let identities = |records: &[SourceRecord]| records.iter().map(expect.identity).collect::<Vec<_>>();
    let want = identities(&reference);
    let single = read(plugin, props, expect, Vec::new(), Reading::OneByOne).await;
    assert_eq!(identities(&single), want, "records read in batches of one");
    let dropped = read(plugin, props, expect, Vec::new(), Reading::Dropped).await;
    assert_eq!(identities(&dropped), want, "records read while polls are dropped half-way");
    if expect.resumes {
        for cut in [1, expect.records / 2, expect.records - 1] {
            resumes_behind(plugin, props, expect, &reference, cut).await;
        }
    }
}

/// The config of the connector's first task.
async fn task_props(plugin: &dyn SourcePlugin, props: &Props) -> Option<Props> {
    let mut connector = plugin.connector();
    let context = couplet_api::connector::ConnectorContext {
        name: "conformance".into(),
        reconfigure: Arc::default(),
        offsets: Some(Arc::new(MemoryOffsets::default())),
    };
    connector.start(props, context).await.expect("the connector starts");
    let configs = connector.task_configs(1).await.expect("the connector makes task configs");
    connector.stop().await.expect("the connector stops");
    assert!(configs.len() <= 1, "task_configs(1) made {} configs", configs.len());
    configs.into_iter().next()
}

fn context(stored: Vec<(OffsetMap, OffsetMap)>) -> SourceTaskContext {
    let offsets = MemoryOffsets::default();
    offsets.0.lock().expect("not poisoned").extend(stored);
    SourceTaskContext {
        connector: "conformance".into(),
        task: 0,
        offsets: Arc::new(offsets),
        topics: Arc::new(MemoryTopics::default()),
        metrics: Arc::new(MemoryMetrics::default()),
        clock: Arc::new(SystemClock),
        defines_transactions: false,
    }
}

async fn stops_in_any_state(plugin: &dyn SourcePlugin, props: &Props, expect: &SourceExpectations) {
    plugin.task().stop().await.expect("a task that never started stops");
    let mut task = plugin.task();
    task.start(props, context(Vec::new())).await.expect("the task starts");
    task.stop().await.expect("a started task stops");
    task.stop().await.expect("a stopped task stops again");
    if let Some(broken) = &expect.broken {
        let mut task = plugin.task();
        task.start(broken, context(Vec::new())).await.expect_err("broken settings fail the start");
        task.stop().await.expect("a task stops after a failed start");
    }
}

/// How a suite reads.
#[derive(Clone, Copy, PartialEq)]
enum Reading {
    /// Polls run to their end.
    Whole,
    /// Polls run to their end, batches hold one record.
    OneByOne,
    /// Polls are dropped after a few wake-ups.
    Dropped,
}

/// Reads until the expected number of records is there.
async fn read(
    plugin: &dyn SourcePlugin,
    props: &Props,
    expect: &SourceExpectations,
    stored: Vec<(OffsetMap, OffsetMap)>,
    reading: Reading,
) -> Vec<SourceRecord> {
    let mut task = plugin.task();
    task.start(props, context(stored)).await.expect("the task starts");
    let mut records = Vec::new();
    let reads = read_until(&mut *task, &mut records, reading, |records| records.len() >= expect.records);
    let in_time = tokio::time::timeout(expect.patience, reads).await;
    assert!(in_time.is_ok(), "only {} of {} records came in time", records.len(), expect.records);
    task.commit(&durable(&records)).await.expect("the task takes a commit");
    task.stop().await.expect("the task stops");
    records
}

async fn read_until(
    task: &mut dyn SourceTask,
    records: &mut Vec<SourceRecord>,
    reading: Reading,
    done: impl Fn(&[SourceRecord]) -> bool,
) {
    let size_max = if reading == Reading::OneByOne { 1 } else { 7 };
    let mut batch = SourceBatch::new(size_max, BATCH_BYTES_MAX);
    let mut patience = 1;
    while !done(records) {
        let polled = match reading {
            Reading::Dropped => for_a_while(task.poll(&mut batch), patience).await,
            _ => Some(task.poll(&mut batch).await),
        };
        if let Some(Err(error)) = polled {
            panic!("poll failed: {error}");
        }
        assert!(batch.len() <= size_max, "{} records in a batch of at most {size_max}", batch.len());
        // A poll that was dropped too early to bring anything gets longer next time.
        patience = if batch.is_empty() { (patience + 1) % 500 } else { 1 };
        if batch.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        records.extend(batch.drain());
    }
}

/// Runs `future` until it has been woken `wakeups` times, then drops it.
async fn for_a_while<F: Future>(future: F, wakeups: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = wakeups;
    std::future::poll_fn(move |cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// The last offset of each partition.
fn durable(records: &[SourceRecord]) -> Vec<Durable> {
    let mut durable: Vec<Durable> = Vec::new();
    for record in records {
        let newest = Durable { partition: record.source_partition.clone(), offset: record.source_offset.clone() };
        match durable.iter_mut().find(|d| d.partition == newest.partition) {
            Some(slot) => *slot = newest,
            None => durable.push(newest),
        }
    }
    durable
}

async fn resumes_behind(
    plugin: &dyn SourcePlugin,
    props: &Props,
    expect: &SourceExpectations,
    reference: &[SourceRecord],
    cut: usize,
) {
    let stored = durable(&reference[..cut]).into_iter().map(|d| (d.partition, d.offset.to_map())).collect();
    let mut task = plugin.task();
    task.start(props, context(stored)).await.expect("the task starts with stored offsets");
    let behind: Vec<String> = reference[cut..].iter().map(expect.identity).collect();
    let mut records = Vec::new();
    // Repeats are allowed, a gap is not: what is behind the cut comes in order, maybe with earlier records between.
    let complete = |records: &[SourceRecord]| {
        let mut wanted = behind.iter().peekable();
        for record in records {
            wanted.next_if(|want| **want == (expect.identity)(record));
        }
        wanted.peek().is_none()
    };
    let reads = read_until(&mut *task, &mut records, Reading::Whole, complete);
    let in_time = tokio::time::timeout(expect.patience, reads).await;
    assert!(in_time.is_ok(), "records are missing behind stored offset {cut}: {} came", records.len());
    task.stop().await.expect("the task stops");
}
