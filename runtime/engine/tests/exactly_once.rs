//! Exactly-once source tasks on a worker, against the embedded broker and a real one.

mod support;

use couplet_api::config::Props;
use couplet_api::data::{OffsetMap, Value};
use couplet_engine::worker::{TargetState, TaskEvent};
use couplet_kafka::clients::{ClientSettings, Consumer, ConsumerEvent, Role};
use support::Bench;
use support::broker::{for_each_broker, unique};
use support::plugins::traces;

const SOURCE: (&str, &str) = ("connector.class", "test.CountingSourceConnector");
const ENABLED: (&str, &str) = ("exactly.once.source.support", "enabled");

/// What a consumer of committed records sees, until `enough` says so.
async fn committed(bootstrap: &str, topic: &str, enough: impl Fn(&[i64]) -> bool) -> Vec<i64> {
    let worker = Props::from_iter([("bootstrap.servers", bootstrap)]);
    let settings = ClientSettings::task_consumer(&worker, &Props::new(), &unique("reader"), 0)
        .with("isolation.level", "read_committed");
    let mut consumer = Consumer::new(&settings.native(Role::Consumer).unwrap(), 500).unwrap();
    consumer.subscribe(&[topic.to_owned()]).unwrap();
    let mut numbers = Vec::new();
    while !enough(&numbers) {
        match consumer.recv().await.expect("reading goes on") {
            ConsumerEvent::Assigned(partitions) => consumer.assign(&partitions).unwrap(),
            ConsumerEvent::Records(batch) => numbers.extend(batch.records.iter().map(|record| {
                let text = record.value.clone().unwrap_or_default();
                String::from_utf8_lossy(&text).parse::<i64>().expect("a number")
            })),
            other => panic!("unexpected: {other:?}"),
        }
    }
    consumer.close().await;
    numbers
}

fn ends_with(last: i64) -> impl Fn(&[i64]) -> bool {
    move |numbers| numbers.last() == Some(&last)
}

async fn stored_offset(bench: &Bench, connector: &str, props: &[(&str, &str)]) -> Option<i64> {
    let partition = OffsetMap::new([("source", Value::str("numbers"))]);
    let store = bench.worker.source_offsets(connector, &Props::from_iter(props.iter().copied())).await.expect("opens");
    let stored = store.get(connector, &[partition]).await.expect("readable");
    stored[0].as_ref().and_then(|offset| offset.get("next")).and_then(Value::as_i64)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_cut_off_again_and_again_repeats_nothing() {
    for_each_broker(async |bootstrap| {
        let (name, topic, offsets) = (unique("eos"), unique("topic"), unique("offsets"));
        let settings = [SOURCE, ("topic", topic.as_str()), ("count", "40000")];
        let grace = [ENABLED, ("task.shutdown.graceful.timeout.ms", "0")];
        for round in 1..=3 {
            let bench = Bench::distributed(&bootstrap, &offsets, &grace).await;
            bench.start(&name, &settings, TargetState::Started);
            let commits = |t: &support::plugins::Traces| t.committed.lock().unwrap().len();
            traces(&name).wait("a commit", |t| commits(t) >= round * 2).await;
            bench.stop(&name).await;
        }
        let bench = Bench::distributed(&bootstrap, &offsets, &[ENABLED]).await;
        bench.start(&name, &settings, TargetState::Started);
        let numbers = committed(&bootstrap, &topic, ends_with(39_999)).await;
        assert!(numbers.iter().copied().eq(0..40_000), "each once, in order");
        traces(&name).wait("the last commit", |t| t.committed.lock().unwrap().last() == Some(&40_000)).await;
        assert_eq!(stored_offset(&bench, &name, &settings).await, Some(40_000));
        bench.worker.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_was_fenced_fails_and_leaves_nothing() {
    for_each_broker(async |bootstrap| {
        let (name, topic, offsets) = (unique("zombie"), unique("topic"), unique("offsets"));
        let zombie = Bench::distributed(&bootstrap, &offsets, &[ENABLED]).await;
        zombie.start(&name, &[SOURCE, ("topic", &topic)], TargetState::Started);
        traces(&name).wait("a commit", |t| !t.committed.lock().unwrap().is_empty()).await;
        let successor = Bench::distributed(&bootstrap, &offsets, &[ENABLED]).await;
        successor.worker.fence_source_tasks(&name, &Props::new(), 1).await.expect("fenced");
        let trace = zombie.events.wait_for_failure().await;
        let class = "org.apache.kafka.connect.errors.ConnectException";
        // It is told when it commits, or when it sends the next record.
        let flushing = format!("{class}: Failed to flush offsets and/or records for task {name}-0");
        let sending = format!("{class}: Unrecoverable exception trying to send");
        assert!(trace.starts_with(&flushing) || trace.starts_with(&sending), "{trace}");
        let fenced = "Caused by: org.apache.kafka.common.errors.ProducerFencedException: ";
        // Kafka's own answer, for an IllegalStateException of its coordinator, when a commit meets the fencing under way.
        let met = "Caused by: org.apache.kafka.common.KafkaException: EndTxn commit failed: Unknown broker error";
        assert!(trace.contains(fenced) || trace.contains(met), "{trace}");
        let next = stored_offset(&successor, &name, &[]).await.expect("stored");
        let count = (next + 1).to_string();
        successor.start(&name, &[SOURCE, ("topic", &topic), ("count", &count)], TargetState::Started);
        let numbers = committed(&bootstrap, &topic, ends_with(next)).await;
        assert!(numbers.iter().copied().eq(0..=next), "each once, in order");
        zombie.worker.shutdown().await;
        successor.worker.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_may_say_where_transactions_end() {
    for_each_broker(async |bootstrap| {
        let (name, topic) = (unique("own"), unique("topic"));
        let bench = Bench::distributed(&bootstrap, &unique("offsets"), &[ENABLED]).await;
        let settings = [
            SOURCE,
            ("topic", topic.as_str()),
            ("count", "97"),
            ("transaction.boundary", "connector"),
            ("commit.every", "10"),
            ("abort.every", "30"),
        ];
        bench.start(&name, &settings, TargetState::Started);
        // 0 to 9, 10 to 19 are committed; 20 to 29 are given up, and so on. What lies behind 90 never ends.
        let kept = |n: &i64| n % 30 < 20;
        let numbers = committed(&bootstrap, &topic, ends_with(79)).await;
        assert_eq!(numbers, (0..90).filter(kept).collect::<Vec<_>>());
        traces(&name).wait("the last commit", |t| t.committed.lock().unwrap().last() == Some(&90)).await;
        bench.stop(&name).await;
        assert_eq!(stored_offset(&bench, &name, &settings).await, Some(90), "the last transaction is given up");
        let settings = [SOURCE, ("topic", topic.as_str()), ("count", "97")];
        bench.start(&name, &settings, TargetState::Started);
        assert_eq!(committed(&bootstrap, &topic, ends_with(96)).await.len(), 60 + 7);
        bench.worker.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_an_interval_ends_with_its_time_a_pause_or_the_task() {
    for_each_broker(async |bootstrap| {
        let boundary = ("transaction.boundary", "interval");
        let rows = [("time", "50"), ("pause", "600000"), ("stop", "600000")];
        for (end, interval) in rows {
            let (name, topic) = (unique(end), unique("topic"));
            let bench = Bench::distributed(&bootstrap, &unique("offsets"), &[ENABLED]).await;
            let interval = ("transaction.boundary.interval.ms", interval);
            let settings = [SOURCE, ("topic", topic.as_str()), ("count", "5000"), boundary, interval];
            bench.start(&name, &settings, TargetState::Started);
            bench.events.wait("the first record", |events| !events.topics().is_empty()).await;
            match end {
                "pause" => bench.worker.set_target(&name, TargetState::Paused),
                "stop" => bench.stop(&name).await,
                _ => {}
            }
            if end == "stop" {
                let next = stored_offset(&bench, &name, &settings).await.expect("committed at the end");
                assert!(committed(&bootstrap, &topic, ends_with(next - 1)).await.into_iter().eq(0..next));
            } else {
                traces(&name).wait("a commit", |t| !t.committed.lock().unwrap().is_empty()).await;
            }
            bench.worker.shutdown().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_may_have_an_offsets_topic_of_its_own() {
    for_each_broker(async |bootstrap| {
        for support in ["enabled", "disabled"] {
            let (name, topic, offsets, own) =
                (unique("own"), unique("topic"), unique("offsets"), unique("own-offsets"));
            let worker = [("exactly.once.source.support", support)];
            let bench = Bench::distributed(&bootstrap, &offsets, &worker).await;
            let plain = [SOURCE, ("topic", topic.as_str()), ("count", "100")];
            bench.start(&name, &plain, TargetState::Started);
            traces(&name).wait("a commit", |t| t.committed.lock().unwrap().last() == Some(&100)).await;
            bench.stop(&name).await;
            // It finds what the worker's topic says, and goes on in its own.
            let settings = [SOURCE, ("topic", topic.as_str()), ("count", "200"), ("offsets.storage.topic", &own)];
            bench.start(&name, &settings, TargetState::Started);
            traces(&name).wait("a commit", |t| t.committed.lock().unwrap().last() == Some(&200)).await;
            bench.stop(&name).await;
            assert!(committed(&bootstrap, &topic, ends_with(199)).await.into_iter().eq(0..200), "{support}");
            let settings = Props::from_iter(settings);
            let partition = OffsetMap::new([("source", Value::str("numbers"))]);
            let offset = |n| Some(OffsetMap::new([("next", Value::Int64(n))]));
            let changes = vec![(partition.clone(), offset(150))];
            bench.worker.alter_source_offsets(&name, &settings, changes).await.expect("altered");
            assert_eq!(stored_offset(&bench, &name, &[("offsets.storage.topic", &own)]).await, Some(150));
            bench.worker.alter_source_offsets(&name, &settings, vec![(partition, None)]).await.expect("reset");
            assert_eq!(stored_offset(&bench, &name, &[("offsets.storage.topic", &own)]).await, None, "in both topics");
            assert!(bench.events.all().iter().all(|event| !matches!(event, TaskEvent::Failed { .. })));
            bench.worker.shutdown().await;
        }
    })
    .await;
}
