//! Transactions against a broker: the embedded one, and a real one where `COUPLET_TEST_BOOTSTRAP` names it.

mod broker;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use couplet_api::config::Props;
use couplet_kafka::clients::{
    Admin, ClientSettings, NativeConfig, Outgoing, Producer, Report, Reports, Role, Sender, Topic, fence_producer,
};
use couplet_kafka::{LogClients, LogRecord, TopicLog, TopicSpec};

use broker::{for_each_broker, unique};

fn settings(bootstrap: &str) -> ClientSettings {
    ClientSettings::of_worker(&Props::from_iter([("bootstrap.servers", bootstrap)]))
}

fn spec(name: &str) -> TopicSpec {
    let configs = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    TopicSpec { name: name.to_owned(), partitions: 1, replication_factor: 1, configs }
}

/// A transactional producer of one topic.
struct Writer {
    producer: Arc<Producer>,
    sender: Sender,
    reports: Arc<Reports>,
    topic: Arc<Topic>,
}

impl Writer {
    async fn new(bootstrap: &str, id: &str, topic: &str) -> Writer {
        let worker = Props::from_iter([("bootstrap.servers", bootstrap)]);
        let config = ClientSettings::transactional_task_producer(&worker, &Props::new(), "c", 0, id);
        let producer = Producer::new(&config.native(Role::Producer).expect("valid")).expect("made");
        producer.init_transactions().await.expect("initialised");
        let reports = Arc::new(Reports::default());
        let sender = producer.register(reports.clone());
        let topic = producer.topic(&topic.into()).expect("a name");
        Writer { producer, sender, reports, topic }
    }

    /// Sends one record and waits for its report.
    async fn send(&self, value: &str) -> Report {
        let record = Outgoing {
            topic: &self.topic,
            partition: None,
            key: Some(b"k"),
            value: Some(value.as_bytes()),
            headers: &[],
            timestamp: None,
            token: 1,
        };
        self.sender.send_when_room(&record).await.expect("taken");
        let mut reports = Vec::new();
        self.reports.take(&mut reports).await;
        reports.pop().expect("one report")
    }

    async fn transaction(&self, value: &str) {
        self.producer.begin_transaction().expect("begun");
        assert!(self.send(value).await.failure.is_none());
    }
}

type Seen = Arc<Mutex<Vec<Bytes>>>;

/// Follows `topic` as a consumer that sees committed records only.
async fn committed(bootstrap: &str, topic: &str) -> (TopicLog, Seen) {
    let seen = Seen::default();
    let sink = seen.clone();
    let clients = LogClients::new(&settings(bootstrap).with("isolation.level", "read_committed"));
    let on_record = move |record: LogRecord| sink.lock().unwrap().extend(record.value);
    (TopicLog::open(&clients, spec(topic), Box::new(on_record)).await.expect("opens"), seen)
}

fn admin_config(bootstrap: &str) -> NativeConfig {
    settings(bootstrap).native(Role::Admin).expect("valid")
}

#[tokio::test]
async fn only_committed_records_are_seen() {
    for_each_broker(async |bootstrap| {
        let (topic, id) = (unique("txn"), unique("id"));
        let (log, seen) = committed(&bootstrap, &topic).await;
        let writer = Writer::new(&bootstrap, &id, &topic).await;
        writer.transaction("committed").await;
        writer.producer.commit_transaction().await.expect("committed");
        writer.transaction("given up").await;
        writer.producer.abort_transaction(Duration::from_secs(10)).await.expect("aborted");
        writer.transaction("left open").await;
        // Who opens the topic now sees what is committed: a worker must start although one that was killed left this behind.
        let (newcomer, seen_at_once) = committed(&bootstrap, &topic).await;
        assert_eq!(*seen_at_once.lock().unwrap(), ["committed"]);
        // Reading to the end waits for whoever has a transaction open: its outcome decides what the end is.
        let mut reading = Box::pin(log.read_to_end());
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut reading).await.is_err(), "it waits");
        let successor = Writer::new(&bootstrap, &id, &topic).await;
        reading.await.expect("the successor has aborted the transaction");
        successor.transaction("the successor's").await;
        successor.producer.commit_transaction().await.expect("committed");
        log.read_to_end().await.expect("read");
        newcomer.read_to_end().await.expect("read");
        for seen in [seen, seen_at_once] {
            assert_eq!(*seen.lock().unwrap(), ["committed", "the successor's"]);
        }
        log.close().await;
        newcomer.close().await;
        Admin::new(&settings(&bootstrap)).unwrap().delete_topic(&topic).await.expect("deleted");
    })
    .await;
}

#[tokio::test]
async fn a_fenced_producer_cannot_commit() {
    for_each_broker(async |bootstrap| {
        let (topic, id) = (unique("fenced"), unique("id"));
        let (log, seen) = committed(&bootstrap, &topic).await;
        let zombie = Writer::new(&bootstrap, &id, &topic).await;
        zombie.transaction("a zombie's").await;
        fence_producer(&admin_config(&bootstrap), &id).await.expect("fenced");
        let failure = zombie.producer.commit_transaction().await.expect_err("it was fenced");
        assert!(failure.is_fenced(), "{failure:?}");
        assert!(zombie.producer.fatal_failure().is_some_and(|failure| failure.is_fenced()));
        assert!(zombie.producer.begin_transaction().is_err(), "there is no way back");
        // Twice is fine, and so are ids that nobody ever used.
        fence_producer(&admin_config(&bootstrap), &id).await.expect("fenced");
        log.read_to_end().await.expect("read");
        assert!(seen.lock().unwrap().is_empty());
        log.close().await;
        Admin::new(&settings(&bootstrap)).unwrap().delete_topic(&topic).await.expect("deleted");
    })
    .await;
}
