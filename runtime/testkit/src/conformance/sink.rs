use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::Kind;
use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_api::connector::SinkPlugin;
use couplet_api::data::{SinkRecord, TopicPartition};
use couplet_api::sink::{Offsets, SinkTask, SinkTaskContext};
use couplet_api::testing::MemoryReporter;

/// The external system of a sink, as its test controls it.
#[async_trait]
pub trait Target: Send + Sync {
    /// Makes writes fail as an unreachable system does; `false`: this target cannot.
    async fn interrupt(&self) -> bool {
        false
    }

    /// Undoes [`Target::interrupt`].
    async fn mend(&self) {}

    /// Names of the records that are visible in the target now, each as often as it is there; `None`: unknown.
    async fn delivered(&self) -> Option<Vec<String>> {
        None
    }
}

/// What a test knows about a sink.
pub struct SinkExpectations<'a> {
    /// Records to write, at least three, offsets rising per partition.
    pub records: Vec<SinkRecord>,
    /// The name [`Target::delivered`] uses for a record.
    pub identity: fn(&SinkRecord) -> String,
    /// Settings with which `start` fails, if there are such.
    pub broken: Option<Props>,
    /// The external system.
    pub target: &'a dyn Target,
}

/// Checks a sink task against the contract of [`SinkTask`]: `stop` in any state and twice, empty batches, `pre_commit`
/// never beyond what was put nor for other partitions, the same batch again after an interruption with nothing lost or
/// doubled, and partitions that leave and come back.
///
/// # Panics
/// When a promise is broken.
pub async fn sink_conformance(plugin: &dyn SinkPlugin, props: &Props, expect: &SinkExpectations<'_>) {
    assert!(expect.records.len() > 2, "the suite needs at least three records");
    stops_in_any_state(plugin, props, expect).await;
    commits_what_was_put(plugin, props, expect).await;
    takes_a_batch_again(plugin, props, expect).await;
}

fn context() -> SinkTaskContext {
    SinkTaskContext::new("conformance", 0, Arc::new(SystemClock), Some(Arc::new(MemoryReporter::default())))
}

async fn stops_in_any_state(plugin: &dyn SinkPlugin, props: &Props, expect: &SinkExpectations<'_>) {
    plugin.task().stop().await.expect("a task that never started stops");
    let mut task = started(plugin, props).await;
    task.stop().await.expect("a started task stops");
    task.stop().await.expect("a stopped task stops again");
    if let Some(broken) = &expect.broken {
        let mut task = plugin.task();
        task.start(broken, context()).await.expect_err("broken settings fail the start");
        task.stop().await.expect("a task stops after a failed start");
    }
}

async fn started(plugin: &dyn SinkPlugin, props: &Props) -> Box<dyn SinkTask> {
    let mut task = plugin.task();
    task.start(props, context()).await.expect("the task starts");
    task
}

fn partitions(records: &[SinkRecord]) -> Vec<TopicPartition> {
    let mut partitions: Vec<TopicPartition> = records.iter().map(|r| r.original.clone()).collect();
    partitions.sort();
    partitions.dedup();
    partitions
}

fn seen(records: &[SinkRecord]) -> Offsets {
    records.iter().map(|r| (r.original.clone(), r.original_offset + 1)).collect()
}

fn check_commit(committed: &Offsets, seen: &Offsets) {
    for (partition, offset) in committed {
        match seen.get(partition) {
            Some(limit) => assert!(offset <= limit, "{partition}: commits {offset}, only {limit} was put"),
            None => panic!("{partition}: commits {offset}, nothing was put"),
        }
    }
}

async fn commits_what_was_put(plugin: &dyn SinkPlugin, props: &Props, expect: &SinkExpectations<'_>) {
    let mut task = started(plugin, props).await;
    let partitions = partitions(&expect.records);
    task.open(&partitions).await.expect("partitions open");
    task.put(&[]).await.expect("an empty batch before any record");
    check_commit(&task.pre_commit(&Offsets::new()).await.expect("a commit of nothing"), &Offsets::new());
    let half = expect.records.len() / 2;
    let mut committed = Offsets::new();
    for end in [half, expect.records.len()] {
        let start = if end == half { 0 } else { half };
        task.put(&expect.records[start..end]).await.expect("records are taken");
        task.put(&[]).await.expect("an empty batch between records");
        let seen = seen(&expect.records[..end]);
        let now = task.pre_commit(&seen).await.expect("a commit");
        check_commit(&now, &seen);
        for (partition, offset) in &committed {
            let later = now.get(partition).unwrap_or(offset);
            assert!(later >= offset, "{partition}: commits went back from {offset} to {later}");
        }
        committed.extend(now);
    }
    task.close(&partitions).await.expect("partitions close");
    task.open(&partitions).await.expect("partitions come back");
    // Behind a rebalance the consumer goes back to what was committed.
    let again: Vec<SinkRecord> = expect
        .records
        .iter()
        .filter(|r| committed.get(&r.original).is_none_or(|offset| r.original_offset >= *offset))
        .cloned()
        .collect();
    task.put(&again).await.expect("records that were not committed are taken again");
    check_commit(&task.pre_commit(&seen(&expect.records)).await.expect("a commit"), &seen(&expect.records));
    task.close(&partitions).await.expect("partitions close");
    task.stop().await.expect("the task stops");
}

/// All or none: a batch that failed with `Kind::Remote` is given again and ends up in the target once.
async fn takes_a_batch_again(plugin: &dyn SinkPlugin, props: &Props, expect: &SinkExpectations<'_>) {
    let target = expect.target;
    let before = target.delivered().await;
    let mut task = started(plugin, props).await;
    let partitions = partitions(&expect.records);
    task.open(&partitions).await.expect("partitions open");
    if !target.interrupt().await {
        task.stop().await.expect("the task stops");
        return;
    }
    let put = task.put(&expect.records).await;
    let committed = match &put {
        Ok(()) => task.pre_commit(&seen(&expect.records)).await.unwrap_or_default(),
        Err(error) => {
            assert_eq!(error.kind(), Kind::Remote, "an unreachable target is worth a retry: {error}");
            Offsets::new()
        }
    };
    check_commit(&committed, &seen(&expect.records));
    target.mend().await;
    if put.is_err() {
        task.put(&expect.records).await.expect("the batch is taken when the target is back");
    }
    let committed = task.pre_commit(&seen(&expect.records)).await.expect("a commit");
    let after = target.delivered().await;
    if let (Some(before), Some(after)) = (before, after) {
        for record in &expect.records {
            let durable = committed.get(&record.original).is_some_and(|o| *o > record.original_offset);
            let name = (expect.identity)(record);
            let count = |names: &[String]| names.iter().filter(|n| **n == name).count();
            let added = count(&after).saturating_sub(count(&before));
            assert!(!durable || added > 0 || count(&before) > 0, "{name} is committed but not in the target");
            assert!(added <= 1, "{name} was written {added} times");
        }
    }
    task.close(&partitions).await.expect("partitions close");
    task.stop().await.expect("the task stops");
}
