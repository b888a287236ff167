//! Tasks are killed in the middle of their work and S3 fails under them; every record must be in the bucket once.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use couplet_api::config::Props;
use couplet_api::data::{SinkRecord, TopicPartition};
use couplet_api::sink::{Offsets, SinkTask, SinkTaskContext};
use couplet_api::testing::ManualClock;
use support::{Mode, Proxy, Server};

const PARTITIONS: i32 = 2;
/// A multiple of every `flush.size` used here, so that all files close.
const RECORDS: i64 = 420;

/// Seeded, so that a failing run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A worker in small: reads from positions, commits what is offered, forgets everything but that when killed.
struct Worker {
    props: Props,
    clock: Arc<ManualClock>,
    context: SinkTaskContext,
    task: Box<dyn SinkTask>,
    positions: BTreeMap<TopicPartition, i64>,
    committed: Offsets,
}

impl Worker {
    fn new(props: Props) -> Self {
        let clock = Arc::new(ManualClock::at(1_767_268_800_000));
        let context = SinkTaskContext::new("s3", 0, clock.clone(), None);
        let task = support::plugin().task();
        Worker { props, clock, context, task, positions: BTreeMap::new(), committed: Offsets::new() }
    }

    /// A new task that starts behind what was committed. The old one is dropped as it is.
    async fn start(&mut self) {
        self.context = SinkTaskContext::new("s3", 0, self.clock.clone(), None);
        self.task = support::plugin().task();
        self.task.start(&self.props, self.context.clone()).await.expect("the task starts");
        let partitions: Vec<TopicPartition> = (0..PARTITIONS).map(|p| TopicPartition::new("t", p)).collect();
        self.task.open(&partitions).await.expect("partitions open");
        let position = |p: &TopicPartition| (p.clone(), self.committed.get(p).copied().unwrap_or(0));
        self.positions = partitions.iter().map(position).collect();
    }

    /// Up to `count` records of each partition from its position on.
    fn poll(&mut self, count: i64) -> Vec<SinkRecord> {
        let mut batch = Vec::new();
        for (partition, position) in &mut self.positions {
            let end = (*position + count).min(RECORDS);
            batch.extend((*position..end).map(|at| support::record(partition.partition, at, at * 1_000)));
            *position = end;
        }
        batch
    }

    /// `false`: the task was killed meanwhile.
    async fn put(&mut self, batch: &[SinkRecord], limit: Duration) -> bool {
        let Ok(put) = tokio::time::timeout(limit, self.task.put(batch)).await else { return false };
        put.expect("nothing that fails a task");
        self.clock.advance(if batch.len().is_multiple_of(2) { 10 } else { 2 });
        true
    }

    /// Goes back to where the task asked to. A worker may do so only after some more batches.
    fn rewind(&mut self) {
        self.positions.extend(self.context.take_requests().rewind);
    }

    async fn commit(&mut self) {
        let offered = self.task.pre_commit(&self.positions).await.expect("a commit");
        for (partition, offset) in offered {
            assert!(offset <= self.positions[&partition], "{partition}: {offset} was not put yet");
            let before = self.committed.insert(partition, offset);
            assert!(before.is_none_or(|before| before <= offset), "commits go forward");
        }
    }

    fn is_done(&self) -> bool {
        self.committed.len() == self.positions.len() && self.committed.values().all(|offset| *offset == RECORDS)
    }
}

async fn survives(name: &str, seed: u64, more: &[(&str, &str)]) {
    let Some(server) = Server::with_bucket(name).await else { return };
    let proxy = Proxy::before(&server.endpoint).await;
    let mut props = server.props(&[
        ("store.url", &proxy.endpoint),
        ("s3.part.retries", "1"),
        ("s3.retry.backoff.ms", "1"),
        ("retry.backoff.ms", "5"),
    ]);
    more.iter().for_each(|(key, value)| props.set(*key, *value));
    let mut random = Random(seed);
    let mut worker = Worker::new(props);
    worker.start().await;
    let (mut kills, mut rounds) = (0, 0);
    while !worker.is_done() {
        rounds += 1;
        assert!(rounds < 5_000, "no progress: {:?}", worker.committed);
        proxy.set(match random.below(12) {
            0 => Mode::Busy,
            1 => Mode::LoseAnswers,
            2 => Mode::Refuse,
            _ => Mode::Pass,
        });
        let batch = worker.poll(i64::try_from(random.below(30)).expect("small"));
        // Some tasks die in the middle of a put, wherever that is by then.
        let limit =
            if random.below(8) == 0 { Duration::from_millis(random.below(15)) } else { Duration::from_secs(60) };
        let mut alive = worker.put(&batch, limit).await;
        if alive && random.below(3) == 0 {
            let on_its_way = worker.poll(5);
            alive = worker.put(&on_its_way, limit).await;
        }
        worker.rewind();
        if alive && random.below(3) > 0 {
            worker.commit().await;
        }
        alive &= random.below(15) > 0;
        if !alive {
            kills += 1;
            proxy.set(Mode::Pass);
            worker.start().await;
        }
    }
    assert!(kills > 0, "the seed {seed} kills nothing");
    let mut want: Vec<String> =
        (0..PARTITIONS).flat_map(|p| (0..RECORDS).map(move |offset| support::name(p, offset))).collect();
    want.sort();
    let got = support::names_in(&server.objects().await);
    assert_eq!(got.len(), want.len(), "{name}, seed {seed}: records missing or doubled");
    assert!(got == want, "{name}, seed {seed}: other records than those put");
    server.remove().await;
}

#[tokio::test]
async fn each_record_once_by_partition() {
    for seed in [1, 2] {
        survives("once-default", seed, &[("flush.size", "7")]).await;
    }
}

#[tokio::test]
async fn each_record_once_by_field_with_gzip() {
    let more = [
        ("flush.size", "10"),
        ("partitioner.class", "io.confluent.connect.storage.partitioner.FieldPartitioner"),
        ("partition.field.name", "color"),
        ("s3.compression.type", "gzip"),
    ];
    for seed in [3, 4] {
        survives("once-field", seed, &more).await;
    }
}

#[tokio::test]
async fn each_record_once_by_time() {
    let more = [
        ("flush.size", "21"),
        ("partitioner.class", "io.confluent.connect.storage.partitioner.TimeBasedPartitioner"),
        ("path.format", "'at'=HH-mm-ss"),
        ("partition.duration.ms", "10000"),
        ("locale", "en"),
        ("timezone", "Europe/Paris"),
        ("timestamp.extractor", "Record"),
    ];
    survives("once-time", 5, &more).await;
}
