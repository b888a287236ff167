//! librdkafka's producers and consumers on the embedded broker, and on a real one where there is one.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{FutureRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use support::*;

async fn produce(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    numbers: std::ops::Range<usize>,
    settings: &[(&str, &str)],
) {
    let producer = producer(bootstrap, settings);
    let keys: Vec<(String, String)> = numbers.map(|n| (format!("key-{n}"), format!("value-{n}"))).collect();
    let sends = keys.iter().map(|(key, value)| {
        let headers = OwnedHeaders::new()
            .insert(Header { key: "of", value: Some(key) })
            .insert(Header { key: "empty", value: None::<&str> });
        let record = FutureRecord::to(topic).partition(partition).key(key).payload(value).headers(headers);
        producer.send(record, PATIENCE)
    });
    for sent in join_all(sends).await {
        sent.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_records_come_back_in_order() {
    everywhere(async |bootstrap| {
        for compression in ["none", "lz4", "zstd"] {
            let topic = unique(compression);
            create_topic(bootstrap, &topic, 1, &[]).await;
            produce(bootstrap, &topic, 0, 0..10_000, &[("compression.type", compression)]).await;
            let messages = read(bootstrap, &topic, 0, 0, 10_000).await;
            for (n, message) in messages.iter().enumerate() {
                assert_eq!(message.offset(), n as i64);
                assert_eq!(message.payload(), Some(format!("value-{n}").as_bytes()));
                let headers = message.headers().unwrap();
                assert_eq!(headers.get(0), Header { key: "of", value: Some(format!("key-{n}").as_bytes()) });
                assert_eq!(headers.get(1), Header { key: "empty", value: None });
            }
            let middle = read(bootstrap, &topic, 0, 4_321, 1).await;
            assert_eq!(text(middle[0].payload()).as_deref(), Some("value-4321"), "seeking into a batch");
            assert_eq!(watermarks(bootstrap, &topic, 0), (0, 10_000));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_consumer_is_woken_at_once() {
    everywhere(async |bootstrap| {
        let topic = unique("latency");
        create_topic(bootstrap, &topic, 1, &[]).await;
        let consumer = group_consumer(bootstrap, &unique("g"), &[("fetch.wait.max.ms", "20000")]);
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&assignment).unwrap();
        produce(bootstrap, &topic, 0, 0..1, &[]).await;
        receive(&consumer, 1).await;
        // From here on the consumer waits in a fetch of 20 seconds.
        let producer = producer(bootstrap, &[]);
        for _ in 0..5 {
            let start = Instant::now();
            let record = FutureRecord::to(&topic).payload("x").key("k");
            let (sent, received) = tokio::join!(producer.send(record, PATIENCE), receive(&consumer, 1));
            sent.unwrap();
            assert_eq!(received.len(), 1);
            assert!(start.elapsed() < Duration::from_secs(5), "woken by the append, not by the end of the wait");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_partitions_and_one_takes_over() {
    everywhere(async |bootstrap| {
        let (topic, group) = (unique("shared"), unique("group"));
        create_topic(bootstrap, &topic, 4, &[]).await;
        for strategy in ["range", "cooperative-sticky"] {
            let group = format!("{group}-{strategy}");
            let member = || {
                let settings = [("partition.assignment.strategy", strategy), ("session.timeout.ms", "6000")];
                let consumer = group_consumer(bootstrap, &group, &settings);
                consumer.subscribe(&[&topic]).unwrap();
                consumer
            };
            let owned = |consumer: &rdkafka::consumer::StreamConsumer| -> BTreeSet<i32> {
                consumer.assignment().unwrap().elements().iter().map(|element| element.partition()).collect()
            };
            let (first, second) = (member(), member());
            let drain = |consumer: &rdkafka::consumer::StreamConsumer| {
                // Consumers take part in rebalances only while they are polled.
                let _ = futures::FutureExt::now_or_never(consumer.recv());
            };
            until("sharing", async || {
                drain(&first);
                drain(&second);
                let (ours, theirs) = (owned(&first), owned(&second));
                (ours.len() == 2 && theirs.len() == 2 && ours.is_disjoint(&theirs)).then_some(())
            })
            .await;
            drop(second);
            until("taking over", async || {
                drain(&first);
                (owned(&first).len() == 4).then_some(())
            })
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_where_it_committed() {
    everywhere(async |bootstrap| {
        let (topic, group) = (unique("resume"), unique("group"));
        create_topic(bootstrap, &topic, 1, &[]).await;
        produce(bootstrap, &topic, 0, 0..100, &[]).await;
        let consumer = group_consumer(bootstrap, &group, &[]);
        consumer.subscribe(&[&topic]).unwrap();
        let messages = receive(&consumer, 40).await;
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&topic, 0, Offset::Offset(messages[39].offset() + 1)).unwrap();
        consumer.commit(&offsets, CommitMode::Sync).unwrap();
        drop(consumer);
        let consumer = group_consumer(bootstrap, &group, &[]);
        consumer.subscribe(&[&topic]).unwrap();
        let messages = receive(&consumer, 60).await;
        assert_eq!((messages[0].offset(), messages[59].offset()), (40, 99));
        let committed = consumer.committed(PATIENCE).unwrap();
        assert_eq!(committed.find_partition(&topic, 0).unwrap().offset(), Offset::Offset(40));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotent_producers_write_each_record_once() {
    everywhere(async |bootstrap| {
        let topic = unique("idempotent");
        create_topic(bootstrap, &topic, 2, &[]).await;
        let settings = [("enable.idempotence", "true"), ("batch.num.messages", "7")];
        for partition in 0..2 {
            produce(bootstrap, &topic, partition, 0..1_000, &settings).await;
            assert_eq!(watermarks(bootstrap, &topic, partition), (0, 1_000));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_by_time() {
    everywhere(async |bootstrap| {
        let topic = unique("times");
        create_topic(bootstrap, &topic, 1, &[]).await;
        let producer = producer(bootstrap, &[]);
        let base_ms = 1_700_000_000_000;
        for n in 0..10 {
            let record = FutureRecord::to(&topic).key("k").payload("v").timestamp(base_ms + n * 1_000);
            producer.send(record, PATIENCE).await.unwrap();
        }
        let consumer = group_consumer(bootstrap, &unique("g"), &[]);
        for (at_ms, want) in [
            (base_ms - 5, Offset::Offset(0)),
            (base_ms + 3_000, Offset::Offset(3)),
            (base_ms + 3_001, Offset::Offset(4)),
            (base_ms + 9_001, Offset::End),
        ] {
            let mut times = TopicPartitionList::new();
            times.add_partition_offset(&topic, 0, Offset::Offset(at_ms)).unwrap();
            let found = consumer.offsets_for_times(times, PATIENCE).unwrap();
            assert_eq!(found.find_partition(&topic, 0).unwrap().offset(), want, "{at_ms}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_seen_whole_or_not_at_all() {
    everywhere(async |bootstrap| {
        let (topic, id) = (unique("transactions"), unique("id"));
        create_topic(bootstrap, &topic, 1, &[]).await;
        let new_producer = || producer(bootstrap, &[("transactional.id", &id)]);
        let first = new_producer();
        first.init_transactions(PATIENCE).unwrap();
        let send = async |producer: &rdkafka::producer::FutureProducer, value: &str| {
            producer.send(FutureRecord::to(&topic).key("k").payload(value), PATIENCE).await
        };
        for (value, commit) in [("committed-1", true), ("aborted", false), ("committed-2", true)] {
            first.begin_transaction().unwrap();
            send(&first, value).await.unwrap();
            if commit {
                first.commit_transaction(PATIENCE).unwrap();
            } else {
                first.abort_transaction(PATIENCE).unwrap();
            }
        }
        first.begin_transaction().unwrap();
        send(&first, "left open").await.unwrap();
        let second = new_producer();
        second.init_transactions(PATIENCE).unwrap();
        let fenced = first.commit_transaction(PATIENCE);
        assert!(fenced.is_err(), "the first producer lost its id");
        second.begin_transaction().unwrap();
        send(&second, "committed-3").await.unwrap();
        second.commit_transaction(PATIENCE).unwrap();

        let values = |messages: &[rdkafka::message::OwnedMessage]| -> Vec<String> {
            messages.iter().map(|message| text(message.payload()).unwrap()).collect()
        };
        let consumer = group_consumer(bootstrap, &unique("g"), &[("isolation.level", "read_committed")]);
        consumer.subscribe(&[&topic]).unwrap();
        assert_eq!(values(&receive(&consumer, 3).await), ["committed-1", "committed-2", "committed-3"]);
        let all = group_consumer(bootstrap, &unique("g"), &[("isolation.level", "read_uncommitted")]);
        all.subscribe(&[&topic]).unwrap();
        let all = values(&receive(&all, 5).await);
        assert_eq!(all, ["committed-1", "aborted", "committed-2", "left open", "committed-3"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_committed_with_a_transaction() {
    everywhere(async |bootstrap| {
        let (topic, group) = (unique("input"), unique("group"));
        create_topic(bootstrap, &topic, 1, &[]).await;
        produce(bootstrap, &topic, 0, 0..10, &[]).await;
        let consumer = group_consumer(bootstrap, &group, &[]);
        consumer.subscribe(&[&topic]).unwrap();
        receive(&consumer, 10).await;
        let producer = producer(bootstrap, &[("transactional.id", &unique("id"))]);
        producer.init_transactions(PATIENCE).unwrap();
        for (offset, commit, want) in [(4, true, 4), (8, false, 4), (9, true, 9)] {
            producer.begin_transaction().unwrap();
            let mut offsets = TopicPartitionList::new();
            offsets.add_partition_offset(&topic, 0, Offset::Offset(offset)).unwrap();
            let metadata = consumer.group_metadata().unwrap();
            producer.send_offsets_to_transaction(&offsets, &metadata, PATIENCE).unwrap();
            if commit {
                producer.commit_transaction(PATIENCE).unwrap();
            } else {
                producer.abort_transaction(PATIENCE).unwrap();
            }
            let committed = consumer.committed(PATIENCE).unwrap();
            assert_eq!(committed.find_partition(&topic, 0).unwrap().offset(), Offset::Offset(want));
        }
    })
    .await;
}
