//! Topics of a connector's own against a broker: the embedded one, and a real one where `COUPLET_TEST_BOOTSTRAP` names it.

mod broker;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couplet_api::config::Props;
use couplet_api::own_topic::{Follower, OwnTopic, OwnTopics, TopicClients, TopicState};
use couplet_api::{Error, Kind};
use couplet_kafka::KafkaTopics;
use couplet_kafka::clients::{Admin, ClientSettings};

use broker::{for_each_broker, unique};

/// More records than wait between the client's thread and the reader.
const RECORDS: i64 = 300;
/// Longest wait for a record.
const PATIENCE: Duration = Duration::from_secs(60);

fn clients(bootstrap: &str) -> TopicClients {
    let props = Props::from_iter([("bootstrap.servers", bootstrap)]);
    TopicClients { producer: props.clone(), consumer: props }
}

async fn open(bootstrap: &str, name: &str) -> Arc<dyn OwnTopic> {
    KafkaTopics.open(name, &clients(bootstrap)).await.expect("opens")
}

async fn values(topic: &dyn OwnTopic) -> Vec<String> {
    let mut values = Vec::new();
    let mut on_record = |record: couplet_api::own_topic::OwnRecord| {
        assert_eq!(record.offset, i64::try_from(values.len()).expect("few"));
        let value = record.value.expect("a value");
        values.push(String::from_utf8(value.to_vec()).expect("text"));
        Ok(())
    };
    topic.read(&mut on_record).await.expect("reads");
    values
}

#[tokio::test]
async fn what_is_appended_is_read_in_order_as_often_as_asked() {
    for_each_broker(async |bootstrap| {
        let name = unique("own-topic");
        let topic = open(&bootstrap, &name).await;
        assert_eq!(topic.state().await.expect("asked"), TopicState::Missing);
        assert!(values(&*topic).await.is_empty(), "a missing topic has no records");
        topic.create(&[("cleanup.policy", "delete"), ("retention.ms", "9223372036854775807")]).await.expect("created");
        topic.create(&[]).await.expect("created twice");
        assert_eq!(topic.state().await.expect("asked"), TopicState::Empty);
        assert!(values(&*topic).await.is_empty(), "an empty topic has no records");
        let want: Vec<_> = (0..RECORDS).map(|n| format!("record {n}")).collect();
        for text in &want {
            topic.append(None, Some(Bytes::from(text.clone()))).await.expect("appended");
        }
        assert_eq!(topic.state().await.expect("asked"), TopicState::Written);
        assert_eq!(values(&*topic).await, want);
        assert_eq!(values(&*topic).await, want, "read again");
        assert_eq!(values(&*open(&bootstrap, &name).await).await, want, "read by another");
        let mut seen = 0;
        let refused = topic
            .read(&mut |record| {
                seen += 1;
                if record.offset < 2 { Ok(()) } else { Err(Error::fatal("enough")) }
            })
            .await;
        assert_eq!((seen, refused.expect_err("refused").message()), (3, "enough"));
        assert_eq!(values(&*topic).await, want, "read after a reader gave up");
        let settings = ClientSettings::new(Props::from_iter([("bootstrap.servers", bootstrap.as_str())]));
        let admin = Admin::new(&settings).expect("an admin");
        assert_eq!(admin.partition_count(&name).await.expect("described"), Some(1));
        admin.delete_topic(&name).await.expect("deleted");
    })
    .await;
}

/// A topic whose readers belong to `group`.
async fn open_for(bootstrap: &str, name: &str, group: &str) -> Arc<dyn OwnTopic> {
    let mut clients = clients(bootstrap);
    clients.consumer.set("group.id", group);
    clients.consumer.set("auto.offset.reset", "earliest");
    KafkaTopics.open(name, &clients).await.expect("opens")
}

async fn next_value(follower: &mut dyn Follower) -> String {
    let record = tokio::time::timeout(PATIENCE, follower.next()).await.expect("a record in time").expect("a record");
    String::from_utf8(record.value.expect("a value").to_vec()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_goes_on_where_its_group_stands() {
    for_each_broker(async |bootstrap| {
        let (name, group) = (unique("followed"), unique("group"));
        let topic = open_for(&bootstrap, &name, &group).await;
        topic.create(&[]).await.expect("created");
        for text in ["a", "b", "c"] {
            topic.append(None, Some(Bytes::from(text))).await.expect("appended");
        }
        let mut first = topic.clone().follow().await.expect("a follower");
        assert_eq!(next_value(&mut *first).await, "a", "a group that committed nothing begins at the beginning");
        assert_eq!(next_value(&mut *first).await, "b");
        first.commit(1).await.expect("committed");
        drop(first);
        let mut second = topic.clone().follow().await.expect("a follower");
        assert_eq!(next_value(&mut *second).await, "b", "what was read and not committed comes again");
        assert_eq!(next_value(&mut *second).await, "c");
        second.commit(3).await.expect("committed");
        topic.append(None, Some(Bytes::from("d"))).await.expect("appended");
        assert_eq!(next_value(&mut *second).await, "d", "what is appended meanwhile comes");
        let other = open_for(&bootstrap, &name, &unique("group")).await;
        let mut other = other.follow().await.expect("a follower");
        assert_eq!(next_value(&mut *other).await, "a", "another group has a position of its own");
        let mut third = topic.clone().follow().await.expect("a follower");
        assert_eq!(next_value(&mut *third).await, "d");
        let settings = ClientSettings::new(Props::from_iter([("bootstrap.servers", bootstrap.as_str())]));
        Admin::new(&settings).expect("an admin").delete_topic(&name).await.expect("deleted");
    })
    .await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_at_once() {
    let mut clients = clients("localhost:1");
    clients.consumer.set("auto.offset.reset", "sometimes");
    let error = KafkaTopics.open("t", &clients).await.err().expect("refused");
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().contains("auto.offset.reset"), "{error}");
}
