//! What outlives a restart of a broker on a folder, an orderly one and others.

mod support;

use std::fs;
use std::io::Write;
use std::net::SocketAddr;

use couplet_devbroker::{Broker, BrokerConfig, Storage};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::producer::FutureRecord;
use rdkafka::{Offset, TopicPartitionList};
use support::*;

async fn send(bootstrap: &str, topic: &str, records: &[(&str, Option<&str>)]) {
    let producer = producer(bootstrap, &[("enable.idempotence", "true")]);
    for (key, value) in records {
        let mut record = FutureRecord::to(topic).key(*key);
        record.payload = *value;
        producer.send(record, PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let broker = on_folder(folder.path()).await;
    let bootstrap = broker.address().to_string();
    create_topic(&bootstrap, "kept", 2, &[("retention.ms", "123456789")]).await;
    send(&bootstrap, "kept", &[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))]).await;
    let consumer = group_consumer(&bootstrap, "group", &[]);
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("kept", 0, Offset::Offset(1)).unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    drop(consumer);
    let cluster_id = broker.cluster_id().to_owned();
    let marks = [watermarks(&bootstrap, "kept", 0), watermarks(&bootstrap, "kept", 1)];
    broker.stop().await;

    let broker = on_folder(folder.path()).await;
    let bootstrap = broker.address().to_string();
    assert_eq!(broker.cluster_id(), cluster_id);
    assert_eq!([watermarks(&bootstrap, "kept", 0), watermarks(&bootstrap, "kept", 1)], marks);
    assert_eq!(marks[0].1 + marks[1].1, 3);
    let consumer = group_consumer(&bootstrap, "group", &[]);
    let mut asked = TopicPartitionList::new();
    asked.add_partition("kept", 0);
    let committed = consumer.committed_offsets(asked, PATIENCE).unwrap();
    assert_eq!(committed.find_partition("kept", 0).unwrap().offset(), Offset::Offset(1));
    let options = rdkafka::admin::AdminOptions::new();
    let resource = rdkafka::admin::ResourceSpecifier::Topic("kept");
    let described = admin(&bootstrap).describe_configs([&resource], &options).await.unwrap();
    let entry = described[0].as_ref().unwrap().get("retention.ms").unwrap();
    assert_eq!(entry.value.as_deref(), Some("123456789"));
    send(&bootstrap, "kept", &[("d", Some("4"))]).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_is_cut_and_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let broker = on_folder(folder.path()).await;
    let bootstrap = broker.address().to_string();
    create_topic(&bootstrap, "torn", 1, &[]).await;
    send(&bootstrap, "torn", &[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))]).await;
    broker.stop().await;
    let path = folder.path().join("topics/torn/0/00000000000000000000.log");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();

    let broker = on_folder(folder.path()).await;
    let bootstrap = broker.address().to_string();
    assert_eq!(watermarks(&bootstrap, "torn", 0), (0, 2), "the record that was cut into is gone");
    send(&bootstrap, "torn", &[("d", Some("4"))]).await;
    broker.stop().await;
    fs::File::options().append(true).open(&path).unwrap().write_all(&[0; 100]).unwrap();

    let broker = on_folder(folder.path()).await;
    let bootstrap = broker.address().to_string();
    let row = |offset, key: &str, value: &str| (offset, Some(key.to_owned()), Some(value.to_owned()));
    let got = rows(&read(&bootstrap, "torn", 0, 0, 3).await);
    assert_eq!(got, [row(0, "a", "1"), row(1, "b", "2"), row(2, "d", "4")]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_keeps_the_last_value_of_each_key_at_its_offset() {
    let folder = tempfile::tempdir().unwrap();
    let broker = on_folder(folder.path()).await;
    let bootstrap = broker.address().to_string();
    create_topic(&bootstrap, "table", 1, &[("cleanup.policy", "compact")]).await;
    let values: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let updates: Vec<_> = values.iter().map(|value| ("counter", Some(value.as_str()))).collect();
    send(&bootstrap, "table", &[("first", Some("kept"))]).await;
    send(&bootstrap, "table", &updates).await;
    send(&bootstrap, "table", &[("last", Some("kept")), ("gone", Some("x")), ("gone", None)]).await;
    let log = folder.path().join("topics/table/0/00000000000000000000.log");
    let bytes_before = fs::metadata(&log).unwrap().len();
    broker.stop().await;

    let broker = on_folder(folder.path()).await;
    let bootstrap = broker.address().to_string();
    until("compaction", async || (fs::metadata(&log).unwrap().len() < bytes_before / 2).then_some(())).await;
    assert_eq!(watermarks(&bootstrap, "table", 0), (0, 54));
    let row = |offset, key: &str, value: Option<&str>| (offset, Some(key.to_owned()), value.map(str::to_owned));
    let want = [
        row(0, "first", Some("kept")),
        row(50, "counter", Some("49")),
        row(51, "last", Some("kept")),
        row(53, "gone", None),
    ];
    assert_eq!(rows(&read(&bootstrap, "table", 0, 0, 4).await), want);
    send(&bootstrap, "table", &[("counter", Some("50"))]).await;
    assert_eq!(rows(&read(&bootstrap, "table", 0, 54, 1).await), [row(54, "counter", Some("50"))]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_configurations_are_refused_clearly() {
    let start = async |listen: &str, storage: Storage| {
        let listen: SocketAddr = listen.parse().unwrap();
        Broker::start(BrokerConfig { listen, storage, ..BrokerConfig::default() }).await
    };
    let public = start("0.0.0.0:0", Storage::Memory).await.unwrap_err().to_string();
    assert!(public.contains("loopback addresses only, not on 0.0.0.0"), "{public}");
    let folder = tempfile::tempdir().unwrap();
    let broker = on_folder(folder.path()).await;
    let taken = start(&broker.address().to_string(), Storage::Memory).await.unwrap_err().to_string();
    assert!(taken.contains(&format!("cannot listen on {}", broker.address())), "{taken}");
    let locked = start("127.0.0.1:0", Storage::Folder(folder.path().to_owned())).await.unwrap_err().to_string();
    assert!(locked.contains("another broker uses it"), "{locked}");
    broker.stop().await;
    start("127.0.0.1:0", Storage::Folder(folder.path().to_owned())).await.unwrap().stop().await;
}
