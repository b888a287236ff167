//! Brokers to run scenarios on, and clients made from an address alone, so that a real broker will do as well.
#![allow(dead_code)] // each test binary uses its own part of this

pub mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use couplet_devbroker::{Broker, BrokerConfig, Storage};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::message::OwnedMessage;
use rdkafka::producer::FutureProducer;
use rdkafka::{Message, Offset, TopicPartitionList};

/// Nothing here takes longer on a working broker, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a scenario on the embedded broker with both storages, and on the broker of `COUPLET_TEST_BOOTSTRAP` if it is set.
pub async fn everywhere(scenario: impl AsyncFn(&str)) {
    let folder = tempfile::tempdir().unwrap();
    for storage in [Storage::Memory, Storage::Folder(folder.path().to_owned())] {
        let broker = Broker::start(BrokerConfig { storage, ..BrokerConfig::default() }).await.unwrap();
        scenario(&broker.address().to_string()).await;
        broker.stop().await;
    }
    if let Ok(bootstrap) = std::env::var("COUPLET_TEST_BOOTSTRAP") {
        scenario(&bootstrap).await;
    }
}

/// Starts the embedded broker on a folder.
pub async fn on_folder(folder: &Path) -> Broker {
    let storage = Storage::Folder(folder.to_owned());
    Broker::start(BrokerConfig { storage, ..BrokerConfig::default() }).await.unwrap()
}

/// A name that no other test uses, on a shared broker either.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", uuid::Uuid::new_v4().simple())
}

pub fn config(bootstrap: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

pub fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    config(bootstrap, &[]).create().unwrap()
}

pub async fn create_topic(bootstrap: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let results = admin(bootstrap).create_topics([&topic], &AdminOptions::new()).await.unwrap();
    assert_eq!(results, vec![Ok(name.to_owned())]);
}

pub fn producer(bootstrap: &str, settings: &[(&str, &str)]) -> FutureProducer {
    config(bootstrap, settings).set("linger.ms", "5").create().unwrap()
}

/// Consumer of a group, from the start where nothing is committed.
pub fn group_consumer(bootstrap: &str, group: &str, settings: &[(&str, &str)]) -> StreamConsumer {
    let mut config = config(bootstrap, settings);
    config.set("group.id", group).set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    config.create().unwrap()
}

/// Reads a partition from `from` until `count` records have come.
pub async fn read(bootstrap: &str, topic: &str, partition: i32, from: i64, count: usize) -> Vec<OwnedMessage> {
    let consumer = group_consumer(bootstrap, &unique("reader"), &[]);
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Offset(from)).unwrap();
    consumer.assign(&assignment).unwrap();
    receive(&consumer, count).await
}

pub async fn receive(consumer: &StreamConsumer, count: usize) -> Vec<OwnedMessage> {
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        let next = tokio::time::timeout(PATIENCE, consumer.recv()).await;
        let have = messages.len();
        messages.push(next.unwrap_or_else(|_| panic!("only {have} of {count} records came")).unwrap().detach());
    }
    messages
}

/// First and next offset of a partition.
pub fn watermarks(bootstrap: &str, topic: &str, partition: i32) -> (i64, i64) {
    let consumer: BaseConsumer = config(bootstrap, &[]).create().unwrap();
    consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap()
}

pub fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

/// Offset, key and value of each record.
pub fn rows(messages: &[OwnedMessage]) -> Vec<(i64, Option<String>, Option<String>)> {
    messages.iter().map(|message| (message.offset(), text(message.key()), text(message.payload()))).collect()
}

/// Last value of each key.
pub fn table(messages: &[OwnedMessage]) -> BTreeMap<String, Option<String>> {
    messages.iter().map(|message| (text(message.key()).unwrap(), text(message.payload()))).collect()
}

/// Asks again until the answer is good.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
