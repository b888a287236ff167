//! Administration through librdkafka.

mod support;

use rdkafka::admin::{AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::FutureRecord;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use support::*;

fn partition_count(bootstrap: &str, topic: &str) -> Option<usize> {
    let consumer: BaseConsumer = config(bootstrap, &[]).create().unwrap();
    let metadata = consumer.fetch_metadata(None, PATIENCE).unwrap();
    metadata.topics().iter().find(|found| found.name() == topic).map(|found| found.partitions().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_grown_and_deleted() {
    everywhere(async |bootstrap| {
        let (admin, options) = (admin(bootstrap), AdminOptions::new());
        let topic = unique("topic");
        create_topic(bootstrap, &topic, 2, &[]).await;
        until("the topic", async || partition_count(bootstrap, &topic).filter(|count| *count == 2)).await;
        let again = NewTopic::new(&topic, 2, TopicReplication::Fixed(1));
        let results = admin.create_topics([&again], &options).await.unwrap();
        assert_eq!(results, vec![Err((topic.clone(), RDKafkaErrorCode::TopicAlreadyExists))]);
        let invalid = NewTopic::new("no spaces", 1, TopicReplication::Fixed(1));
        let results = admin.create_topics([&invalid], &options).await.unwrap();
        assert_eq!(results, vec![Err(("no spaces".to_owned(), RDKafkaErrorCode::InvalidTopic))]);
        let name = unique("replicated");
        let replicated = NewTopic::new(&name, 1, TopicReplication::Fixed(3));
        let results = admin.create_topics([&replicated], &options).await.unwrap();
        assert_eq!(results, vec![Err((name, RDKafkaErrorCode::InvalidReplicationFactor))]);
        let results = admin.create_partitions([&NewPartitions::new(&topic, 5)], &options).await.unwrap();
        assert_eq!(results, vec![Ok(topic.clone())]);
        until("new partitions", async || partition_count(bootstrap, &topic).filter(|count| *count == 5)).await;
        let results = admin.delete_topics(&[&topic], &options).await.unwrap();
        assert_eq!(results, vec![Ok(topic.clone())]);
        until("no topic", async || partition_count(bootstrap, &topic).is_none().then_some(())).await;
        let results = admin.delete_topics(&[&topic], &options).await.unwrap();
        assert_eq!(results, vec![Err((topic.clone(), RDKafkaErrorCode::UnknownTopicOrPartition))]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_are_described_and_altered() {
    everywhere(async |bootstrap| {
        let (admin, options) = (admin(bootstrap), AdminOptions::new());
        let topic = unique("configured");
        create_topic(bootstrap, &topic, 1, &[("cleanup.policy", "compact")]).await;
        let describe = async || {
            let described = admin.describe_configs([&ResourceSpecifier::Topic(&topic)], &options).await.unwrap();
            described.into_iter().next().unwrap().unwrap()
        };
        let value = |resource: &rdkafka::admin::ConfigResource, name: &str| {
            resource.entry_map().get(name).and_then(|entry| entry.value.clone())
        };
        let before = describe().await;
        assert_eq!(value(&before, "cleanup.policy").as_deref(), Some("compact"));
        assert_eq!(value(&before, "retention.ms").as_deref(), Some("604800000"));
        assert!(before.entries.iter().any(|entry| entry.name == "retention.ms" && entry.is_default));
        let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("retention.ms", "1000");
        let results = admin.alter_configs([&change], &options).await.unwrap();
        assert!(results[0].is_ok(), "{results:?}");
        until("the change", async || {
            let after = describe().await;
            (value(&after, "retention.ms").as_deref() == Some("1000")).then_some(())
        })
        .await;
        let after = describe().await;
        assert_eq!(value(&after, "cleanup.policy").as_deref(), Some("delete"), "what is left out is the default again");
        // The Rust client does not hand on the refusal, but the value shows it.
        let wrong = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("retention.ms", "soon");
        admin.alter_configs([&wrong], &options).await.unwrap();
        assert_eq!(value(&describe().await, "retention.ms").as_deref(), Some("1000"));
        let broker = admin.describe_configs([&ResourceSpecifier::Broker(1)], &options).await.unwrap();
        assert!(value(broker[0].as_ref().unwrap(), "num.partitions").is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_and_groups_are_deleted() {
    everywhere(async |bootstrap| {
        let (admin, options) = (admin(bootstrap), AdminOptions::new());
        let (topic, group) = (unique("deleted"), unique("group"));
        create_topic(bootstrap, &topic, 1, &[]).await;
        let producer = producer(bootstrap, &[]);
        for n in 0..10 {
            let payload = n.to_string();
            producer.send(FutureRecord::to(&topic).key("k").payload(&payload), PATIENCE).await.unwrap();
        }
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&topic, 0, Offset::Offset(7)).unwrap();
        admin.delete_records(&offsets, &options).await.unwrap();
        assert_eq!(watermarks(bootstrap, &topic, 0), (7, 10));
        let first = read(bootstrap, &topic, 0, 7, 1).await;
        assert_eq!(text(first[0].payload()).as_deref(), Some("7"));

        let consumer = group_consumer(bootstrap, &group, &[]);
        consumer.subscribe(&[&topic]).unwrap();
        let last = receive(&consumer, 3).await.pop().unwrap();
        offsets.set_partition_offset(&topic, 0, Offset::Offset(last.offset() + 1)).unwrap();
        consumer.commit(&offsets, CommitMode::Sync).unwrap();
        let listed = consumer.fetch_group_list(Some(&group), PATIENCE).unwrap();
        let described = &listed.groups()[0];
        assert_eq!(
            (described.state(), described.protocol_type(), described.members().len()),
            ("Stable", "consumer", 1)
        );
        let results = admin.delete_groups(&[&group], &options).await.unwrap();
        assert_eq!(results, vec![Err((group.clone(), RDKafkaErrorCode::NonEmptyGroup))]);
        drop(consumer);
        until("the group's end", async || {
            let results = admin.delete_groups(&[&group], &options).await.unwrap();
            (results == vec![Ok(group.clone())]).then_some(())
        })
        .await;
        let consumer = group_consumer(bootstrap, &group, &[]);
        consumer.subscribe(&[&topic]).unwrap();
        assert_eq!(receive(&consumer, 1).await[0].offset(), 7, "nothing is committed any more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_on_demand() {
    everywhere(async |bootstrap| {
        let topic = unique("demanded");
        let producer = producer(bootstrap, &[]);
        producer.send(FutureRecord::to(&topic).key("k").payload("v"), PATIENCE).await.unwrap();
        assert_eq!(read(bootstrap, &topic, 0, 0, 1).await[0].payload(), Some(&b"v"[..]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compacted_topics_want_keys() {
    everywhere(async |bootstrap| {
        let topic = unique("keyed");
        create_topic(bootstrap, &topic, 1, &[("cleanup.policy", "compact")]).await;
        let producer = producer(bootstrap, &[]);
        let record: FutureRecord<'_, str, str> = FutureRecord::to(&topic).payload("v");
        let refused = producer.send(record, PATIENCE).await.unwrap_err().0;
        assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::InvalidRecord));
        producer.send(FutureRecord::to(&topic).key("k").payload("v"), PATIENCE).await.unwrap();
    })
    .await;
}
