//! Topics as a scenario sees them.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use couplet_provision::Deadline;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Headers, Message as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const CALL: Duration = Duration::from_secs(10);

/// One record of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Key and value of a record to write.
pub type KeyValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// A client of one cluster.
#[derive(Clone)]
pub struct Kafka {
    /// `host:port`.
    pub bootstrap: String,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kafka({})", self.bootstrap)
    }
}

impl Kafka {
    /// Connects lazily.
    pub fn new(bootstrap: &str) -> Result<Self> {
        anyhow::ensure!(bootstrap.contains(':'), "a broker's address is HOST:PORT, not {bootstrap}");
        Ok(Self { bootstrap: bootstrap.to_owned() })
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("log_level", "0").set_log_level(RDKafkaLogLevel::Emerg);
        config
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(self.config().create()?)
    }

    /// Names of all topics and their partition counts.
    pub async fn topics(&self) -> Result<Vec<(String, usize)>> {
        let consumer: BaseConsumer = self.config().create()?;
        blocking(move || {
            let metadata = consumer.fetch_metadata(None, Duration::from_secs(3))?;
            Ok(metadata.topics().iter().map(|t| (t.name().to_owned(), t.partitions().len())).collect())
        })
        .await
    }

    /// Makes a topic with one replica; one that is there already is fine.
    pub async fn create_topic(&self, name: &str, partitions: i32, config: &[(&str, &str)]) -> Result<()> {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in config {
            topic = topic.set(key, value);
        }
        for made in self.admin()?.create_topics([&topic], &AdminOptions::new().operation_timeout(Some(CALL))).await? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => bail!("cannot make topic {name}: {code}"),
            }
        }
        Ok(())
    }

    /// Deletes topics; unknown ones are fine.
    pub async fn delete_topics(&self, names: &[&str]) -> Result<()> {
        for gone in self.admin()?.delete_topics(names, &AdminOptions::new().operation_timeout(Some(CALL))).await? {
            match gone {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => bail!("cannot delete topic {name}: {code}"),
            }
        }
        Ok(())
    }

    /// Writes records in order and waits for all of them.
    pub async fn produce(&self, topic: &str, records: &[KeyValue<'_>]) -> Result<()> {
        let producer: FutureProducer =
            self.config().set("linger.ms", "5").set("enable.idempotence", "true").create()?;
        let mut sent = Vec::with_capacity(records.len());
        for (key, value) in records {
            let record =
                FutureRecord { topic, partition: None, payload: *value, key: *key, timestamp: None, headers: None };
            sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
        }
        for delivery in sent {
            delivery.await?.map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    /// Offsets behind the last record, partition by partition. 0 for a topic that is not there.
    pub async fn end_offsets(&self, topic: &str) -> Result<Vec<i64>> {
        let (consumer, topic): (BaseConsumer, String) = (self.config().create()?, topic.to_owned());
        blocking(move || Ok(watermarks(&consumer, &topic)?.into_iter().map(|(_, end)| end).collect())).await
    }

    /// How many records lie between the first and the last of all partitions.
    pub async fn count(&self, topic: &str) -> Result<i64> {
        let (consumer, topic): (BaseConsumer, String) = (self.config().create()?, topic.to_owned());
        blocking(move || Ok(watermarks(&consumer, &topic)?.into_iter().map(|(start, end)| end - start).sum())).await
    }

    /// Waits until a topic has `count` records, looking every 20 ms, and consumes nothing.
    pub async fn await_count(&self, topic: &str, count: i64, deadline: Deadline) -> Result<()> {
        let (consumer, topic): (BaseConsumer, String) = (self.config().create()?, topic.to_owned());
        blocking(move || {
            loop {
                // The topic may not be there yet.
                let marks = watermarks(&consumer, &topic).unwrap_or_default();
                let seen: i64 = marks.into_iter().map(|(start, end)| end - start).sum();
                if seen >= count {
                    return Ok(());
                }
                if deadline.is_over() {
                    bail!("timed out waiting for {count} records in {topic}: {seen} are there");
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        })
        .await
    }

    /// Every record from the beginning to where the topic ends now; order within a partition is log order.
    pub async fn read_topic(&self, topic: &str) -> Result<Vec<Message>> {
        self.fold_topic(topic, Vec::new(), |messages, message| {
            messages.push(message);
            Ok(())
        })
        .await
    }

    /// What `work` makes of every record from the beginning to where the topic ends now, without keeping them.
    pub async fn fold_topic<T: Send + 'static>(
        &self,
        topic: &str,
        mut result: T,
        mut work: impl FnMut(&mut T, Message) -> Result<()> + Send + 'static,
    ) -> Result<T> {
        let consumer = self.reader()?;
        let topic = topic.to_owned();
        blocking(move || {
            read_to_end(&consumer, &topic, |message| work(&mut result, message))?;
            Ok(result)
        })
        .await
    }

    /// Where `group` goes on in the first partition of a topic; `None` when it committed nothing.
    pub async fn committed(&self, group: &str, topic: &str) -> Result<Option<i64>> {
        let consumer: BaseConsumer = self.config().set("group.id", group).create()?;
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition(topic, 0);
        blocking(move || {
            let committed = consumer.committed_offsets(partitions, Duration::from_secs(30))?;
            Ok(committed.elements().first().and_then(|element| element.offset().to_raw()).filter(|offset| *offset >= 0))
        })
        .await
    }

    /// A consumer without a group, for following topics by hand.
    pub fn reader(&self) -> Result<BaseConsumer> {
        let mut config = self.config();
        config
            .set("group.id", "couplet-harness")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest");
        config
            .set("enable.partition.eof", "false")
            .set("fetch.wait.max.ms", "20")
            .set("isolation.level", "read_committed");
        Ok(config.create()?)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("a Kafka call panicked")?
}

fn watermarks(consumer: &BaseConsumer, topic: &str) -> Result<Vec<(i64, i64)>> {
    let metadata = consumer.fetch_metadata(Some(topic), CALL)?;
    let partitions = metadata.topics().first().map_or(0, |t| t.partitions().len());
    (0..partitions).map(|p| Ok(consumer.fetch_watermarks(topic, i32::try_from(p)?, CALL)?)).collect()
}

fn read_to_end(consumer: &BaseConsumer, topic: &str, mut work: impl FnMut(Message) -> Result<()>) -> Result<()> {
    let marks = watermarks(consumer, topic)?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..marks.len() {
        assignment.add_partition_offset(topic, i32::try_from(partition)?, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut count = 0;
    let mut last_progress = std::time::Instant::now();
    while !at_end(consumer, &marks)? {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                last_progress = std::time::Instant::now();
                let end = usize::try_from(message.partition()).ok().and_then(|p| marks.get(p)).map(|mark| mark.1);
                if end.is_some_and(|end| message.offset() < end) {
                    work(owned(&message))?;
                    count += 1;
                }
            }
            Some(Err(error)) => return Err(error).with_context(|| format!("reading {topic}")),
            None if last_progress.elapsed() > CALL * 3 => {
                bail!("reading {topic} got stuck after {count} records")
            }
            None => {}
        }
    }
    Ok(())
}

/// Positions, not records, decide: the last offsets of a partition may be transaction markers.
fn at_end(consumer: &BaseConsumer, marks: &[(i64, i64)]) -> Result<bool> {
    let positions = consumer.position()?;
    let reached = |partition: usize, (start, end): (i64, i64)| {
        let elements = positions.elements();
        let position = elements.iter().find(|e| usize::try_from(e.partition()) == Ok(partition)).map(|e| e.offset());
        start == end || matches!(position, Some(Offset::Offset(at)) if at >= end)
    };
    Ok(marks.iter().enumerate().all(|(partition, mark)| reached(partition, *mark)))
}

/// A copy of a received record.
fn owned(message: &rdkafka::message::BorrowedMessage<'_>) -> Message {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect()
    });
    Message {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}
