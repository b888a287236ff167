//! Clients against a broker: the embedded one, and a real one where `COUPLET_TEST_BOOTSTRAP` names it.

mod broker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use couplet_api::Kind;
use couplet_api::config::Props;
use couplet_api::data::{TimestampType, TopicPartition};
use couplet_kafka::clients::{
    Admin, ClientSettings, Consumer, ConsumerEvent, Outgoing, Producer, Reports, Role, TopicCreation,
};
use couplet_kafka::{LogClients, TopicLog, TopicSpec};

use broker::{for_each_broker, unique};

fn settings(bootstrap: &str) -> ClientSettings {
    ClientSettings::of_worker(&Props::from_iter([("bootstrap.servers", bootstrap)]))
}

fn compacted(name: &str, partitions: i32) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions,
        replication_factor: 1,
        configs: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
    }
}

fn bytes(text: &str) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(text.as_bytes()))
}

type Seen = Arc<Mutex<Vec<(Option<Bytes>, Option<Bytes>)>>>;

async fn open(bootstrap: &str, spec: TopicSpec) -> (TopicLog, Seen) {
    let seen = Seen::default();
    let sink = seen.clone();
    let on_record = Box::new(move |r: couplet_kafka::LogRecord| sink.lock().unwrap().push((r.key, r.value)));
    (TopicLog::open(&LogClients::new(&settings(bootstrap)), spec, on_record).await.expect("log opens"), seen)
}

#[tokio::test]
async fn a_log_sees_what_was_there_and_what_it_writes_itself() {
    for_each_broker(async |bootstrap| {
        let topic = unique("log");
        let (log, seen) = open(&bootstrap, compacted(&topic, 5)).await;
        assert!(seen.lock().unwrap().is_empty());
        let records: Vec<_> = (0..50).map(|i| (bytes(&format!("k{i}")), bytes(&format!("v{i}")))).collect();
        log.append_all(records.clone()).await.expect("written");
        log.append(bytes("k1"), None).await.expect("written");
        log.read_to_end().await.expect("read");
        assert_eq!(seen.lock().unwrap().len(), 51);
        log.close().await;

        let (log, seen) = open(&bootstrap, compacted(&topic, 5)).await;
        let mut state = BTreeMap::new();
        for (key, value) in seen.lock().unwrap().iter() {
            state.insert(key.clone(), value.clone());
        }
        let mut want: BTreeMap<_, _> = records.into_iter().collect();
        want.insert(bytes("k1"), None);
        assert_eq!(state, want);
        log.close().await;
        Admin::new(&settings(&bootstrap)).unwrap().delete_topic(&topic).await.expect("deleted");
    })
    .await;
}

#[tokio::test]
async fn a_log_refuses_a_topic_that_forgets() {
    for_each_broker(async |bootstrap| {
        let topic = unique("forgets");
        let admin = Admin::new(&settings(&bootstrap)).unwrap();
        let spec = TopicSpec { configs: vec![], ..compacted(&topic, 1) };
        assert_eq!(admin.create_topic(&spec).await.unwrap().unwrap(), TopicCreation::Created);
        assert_eq!(admin.create_topic(&spec).await.unwrap().unwrap(), TopicCreation::Existed);
        let clients = LogClients::new(&settings(&bootstrap));
        let error = TopicLog::open(&clients, compacted(&topic, 1), Box::new(|_| {})).await.err().unwrap();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().contains("cleanup.policy=delete"), "{error}");
        admin.delete_topic(&topic).await.expect("deleted");
        // A real broker hears of it a moment later.
        let gone = async { while admin.partition_count(&topic).await.unwrap().is_some() {} };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the topic is gone");
    })
    .await;
}

#[tokio::test]
async fn an_unreachable_broker_is_named() {
    let admin = Admin::new(&settings("127.0.0.1:1")).unwrap().with_timeout(Duration::from_secs(2));
    let error = admin.cluster_id().await.expect_err("nothing listens there");
    assert_eq!(error.kind(), Kind::Remote);
    assert!(error.message().contains("bootstrap.servers=127.0.0.1:1"), "{error}");
}

/// Sends `count` records with key, header and timestamp, and waits for all reports.
async fn produce(bootstrap: &str, topic: &str, count: u64) {
    let none = Props::new();
    let worker = Props::from_iter([("bootstrap.servers", bootstrap)]);
    let config = ClientSettings::task_producer(&worker, &none).native(Role::Producer).unwrap();
    let producer = Producer::new(&config).unwrap();
    let reports = Arc::new(Reports::default());
    let sender = producer.register(reports.clone());
    let topic = producer.topic(&topic.into()).unwrap();
    let header = [("h".into(), bytes("x")), ("n".into(), None)];
    for token in 0..count {
        let key = format!("key-{token}");
        let record = Outgoing {
            topic: &topic,
            partition: None,
            key: Some(key.as_bytes()),
            value: (token % 2 == 0).then_some(b"value"),
            headers: &header,
            timestamp: Some(1_700_000_000_000),
            token,
        };
        sender.send(&record).expect("taken");
    }
    let (mut tokens, mut batch) = (BTreeSet::new(), Vec::new());
    while (tokens.len() as u64) < count {
        reports.take(&mut batch).await;
        for report in batch.drain(..) {
            assert!(report.failure.is_none(), "{report:?}");
            assert!(tokens.insert(report.token), "one report per record");
        }
    }
}

#[tokio::test]
async fn records_go_where_the_jvm_puts_them_and_come_back_whole() {
    for_each_broker(async |bootstrap| {
        let topic = unique("records");
        let admin = Admin::new(&settings(&bootstrap)).unwrap();
        let spec = TopicSpec { configs: vec![], ..compacted(&topic, 10) };
        admin.create_topic(&spec).await.unwrap().unwrap();
        produce(&bootstrap, &topic, 200).await;

        let group = unique("group");
        let worker = Props::from_iter([("bootstrap.servers", bootstrap.as_str())]);
        let overrides = Props::from_iter([("consumer.override.group.id", group.as_str())]);
        let consumer = ClientSettings::task_consumer(&worker, &overrides, "c", 0).native(Role::Consumer).unwrap();
        let mut consumer = Consumer::new(&consumer, 50).unwrap();
        consumer.subscribe(std::slice::from_ref(&topic)).unwrap();
        let (mut read, mut ends, mut owned) = (Vec::new(), BTreeMap::new(), Vec::new());
        while read.len() < 200 {
            match consumer.recv().await.expect("reading goes on") {
                ConsumerEvent::Assigned(partitions) => {
                    consumer.assign(&partitions).unwrap();
                    owned = partitions;
                }
                ConsumerEvent::Records(batch) => {
                    for record in batch.records {
                        ends.insert(record.topic_partition(), record.offset + 1);
                        read.push(record);
                    }
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
        assert_eq!(owned.len(), 10);
        // Java: toPositive(murmur2("key-0")) % 10, and so on.
        let places: BTreeMap<_, _> = read.iter().map(|r| (r.key.clone().unwrap(), r.partition)).collect();
        for key in ["key-0", "key-1", "key-199"] {
            assert_eq!(places[key.as_bytes()], java_partition(key.as_bytes(), 10), "{key}");
        }
        let first = &read[0];
        assert_eq!((first.timestamp, first.timestamp_type), (Some(1_700_000_000_000), TimestampType::CreateTime));
        assert_eq!(first.headers, [("h".into(), bytes("x")), ("n".into(), None)]);
        assert_eq!(read.iter().filter(|r| r.value.is_none()).count(), 100);

        consumer.commit(ends.clone()).await.expect("committed");
        assert_eq!(consumer.committed(owned.clone()).await.unwrap(), ends);
        check_seek(&mut consumer, &ends).await;
        consumer.close().await;
        check_group_offsets(&admin, &group, &ends).await;
        admin.delete_topic(&topic).await.expect("deleted");
    })
    .await;
}

/// Goes back to the beginning of one partition and reads it again.
async fn check_seek(consumer: &mut Consumer, ends: &BTreeMap<TopicPartition, i64>) {
    let (partition, end) = ends.iter().next().unwrap();
    consumer.seek(7, BTreeMap::from([(partition.clone(), 0)]));
    loop {
        match consumer.recv().await.expect("reading goes on") {
            ConsumerEvent::Sought(7) => break,
            ConsumerEvent::Records(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    let mut again = 0;
    while again < *end {
        let ConsumerEvent::Records(batch) = consumer.recv().await.expect("reading goes on") else { panic!("records") };
        for record in batch.records {
            assert_eq!((record.topic_partition(), record.offset), (partition.clone(), again));
            again += 1;
        }
    }
}

async fn check_group_offsets(admin: &Admin, group: &str, ends: &BTreeMap<TopicPartition, i64>) {
    let want: Vec<_> = ends.clone().into_iter().collect();
    assert_eq!(admin.list_group_offsets(group).await.unwrap(), want);
    let (first, rest) = want.split_first().unwrap();
    admin.alter_group_offsets(group, vec![(first.0.clone(), 1)]).await.unwrap().expect("the group is empty");
    assert_eq!(admin.list_group_offsets(group).await.unwrap()[0], (first.0.clone(), 1));
    admin.delete_group_offsets(group, vec![first.0.clone()]).await.unwrap().expect("nobody reads");
    assert_eq!(admin.list_group_offsets(group).await.unwrap(), rest);
    admin.delete_group(group).await.unwrap().expect("the group is empty");
    assert_eq!(admin.list_group_offsets(group).await.unwrap(), []);
    admin.delete_group(group).await.unwrap().expect("gone is fine");
}

/// `Utils.toPositive(Utils.murmur2(key)) % partitions` of the Java client.
fn java_partition(key: &[u8], partitions: u32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(key.len()).unwrap();
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes(chunk.try_into().unwrap()).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^= hash >> 15;
    i32::try_from((hash & 0x7fff_ffff) % partitions).unwrap()
}
