//! Topics that a connector keeps for itself.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use couplet_api::data::TopicPartition;
use couplet_api::own_topic::{Follower, OnOwnRecord, OwnRecord, OwnTopic, OwnTopics, TopicClients, TopicState};
use couplet_api::{Error, Kind, Result};
use tokio::sync::{mpsc, watch};

use crate::clients::{
    ClientSettings, ConsumedRecord, Consumer, ConsumerEvent, End, NativeConfig, Positions, Producer, Role, TopicSpec,
};
use crate::log::{LogClients, STALL_TIMEOUT, write_all};

/// Records that wait between the reader's thread and who takes them.
const WAITING_MAX: usize = 256;
/// Records that a follower is handed at a time.
const FOLLOWED_MAX: usize = 64;

/// Opens topics with clients of their own, which live as long as the topic is held.
#[derive(Debug, Clone, Copy, Default)]
pub struct KafkaTopics;

#[async_trait]
impl OwnTopics for KafkaTopics {
    async fn open(&self, name: &str, clients: &TopicClients) -> Result<Arc<dyn OwnTopic>> {
        let producer = ClientSettings::new(clients.producer.clone()).native(Role::Producer)?;
        let settings = ClientSettings::new(clients.consumer.clone());
        let consumer = settings.native(Role::Consumer)?;
        let clients = LogClients::with(move || Producer::new(&producer), settings);
        Ok(Arc::new(KafkaTopic { name: name.to_owned(), clients, consumer }))
    }
}

struct KafkaTopic {
    name: String,
    clients: Arc<LogClients>,
    consumer: NativeConfig,
}

impl KafkaTopic {
    /// The next offset to come; `None` when there is no such topic.
    async fn end(&self) -> Result<Option<i64>> {
        let admin = self.clients.admin()?;
        if admin.partition_count(&self.name).await?.is_none() {
            return Ok(None);
        }
        Ok(admin.end_offsets(&self.name, 1, End::Written).await?.get(&0).copied())
    }

    /// Takes records until `end` is reached. The receiver goes before the reading ends, whose thread then waits for nobody.
    async fn take(
        &self,
        mut positions: watch::Receiver<Positions>,
        mut records: mpsc::Receiver<OwnRecord>,
        end: i64,
        on_record: OnOwnRecord<'_>,
    ) -> Result<()> {
        loop {
            let reached = positions.borrow_and_update().get(&0).is_some_and(|next| *next >= end);
            while let Ok(record) = records.try_recv() {
                if record.offset < end {
                    on_record(record)?;
                }
            }
            if reached {
                return Ok(());
            }
            let stalled = || Error::remote(format!("reading topic {} to its end stands still", self.name));
            tokio::select! {
                biased;
                Some(record) = records.recv() => if record.offset < end { on_record(record)? },
                changed = positions.changed() => if changed.is_err() {
                    return Err(Error::fatal(format!("the reader of topic {} has ended", self.name)));
                },
                () = tokio::time::sleep(STALL_TIMEOUT) => return Err(stalled()),
            }
        }
    }
}

#[async_trait]
impl OwnTopic for KafkaTopic {
    async fn state(&self) -> Result<TopicState> {
        Ok(match self.end().await? {
            None => TopicState::Missing,
            Some(0) => TopicState::Empty,
            Some(_) => TopicState::Written,
        })
    }

    async fn create(&self, configs: &[(&str, &str)]) -> Result<()> {
        let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let spec = TopicSpec { name: self.name.clone(), partitions: 1, replication_factor: -1, configs };
        self.clients.admin()?.create_topic(&spec).await?.map(|_| ()).map_err(|failure| {
            let kind = if failure.is_not_allowed() { Kind::Auth } else { failure.kind() };
            Error::new(kind, format!("cannot create topic {}: {failure}", self.name))
        })
    }

    async fn read(&self, on_record: OnOwnRecord<'_>) -> Result<()> {
        let Some(end) = self.end().await?.filter(|end| *end > 0) else { return Ok(()) };
        let (sender, records) = mpsc::channel(WAITING_MAX);
        let followed = self.clients.reader()?.follow(
            &self.name,
            1,
            Box::new(move |record| {
                // Nobody waits for it any more when this fails.
                let _ = sender.blocking_send(own_record(record));
            }),
        )?;
        let outcome = self.take(followed.positions(), records, end, on_record).await;
        // Stopping a partition waits for librdkafka.
        if tokio::task::spawn_blocking(move || drop(followed)).await.is_err() {
            tracing::error!(topic = self.name, "ending the reading of a topic panicked");
        }
        outcome
    }

    async fn append(&self, key: Option<Bytes>, value: Option<Bytes>) -> Result<()> {
        let producer = self.clients.producer()?;
        let topic = producer.topic(&self.name.as_str().into())?;
        write_all(&producer, &topic, Some(0), &[(key, value)]).await
    }

    async fn follow(self: Arc<Self>) -> Result<Box<dyn Follower>> {
        let partition = TopicPartition::new(self.name.as_str(), 0);
        let partitions = self.clients.admin()?.partition_count(&self.name).await?.unwrap_or(1);
        if partitions > 1 {
            tracing::warn!(topic = self.name, partitions, "only the first partition of this topic is read");
        }
        let consumer = Consumer::new(&self.consumer, FOLLOWED_MAX)?;
        consumer.assign(std::slice::from_ref(&partition))?;
        Ok(Box::new(KafkaFollower { partition, consumer, waiting: VecDeque::new() }))
    }
}

/// A consumer that was given the partition by us, not by the group's coordinator.
struct KafkaFollower {
    partition: TopicPartition,
    consumer: Consumer,
    waiting: VecDeque<OwnRecord>,
}

#[async_trait]
impl Follower for KafkaFollower {
    async fn next(&mut self) -> Result<OwnRecord> {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                return Ok(record);
            }
            match self.consumer.recv().await {
                Some(ConsumerEvent::Records(batch)) => self.waiting.extend(batch.records.into_iter().map(own_record)),
                Some(ConsumerEvent::Failed(error)) => return Err(error),
                // Of a group that it is no member of.
                Some(ConsumerEvent::Assigned(_) | ConsumerEvent::Revoked { .. } | ConsumerEvent::Sought(_)) => {}
                None => return Err(Error::fatal(format!("the reader of {} has ended", self.partition))),
            }
        }
    }

    async fn commit(&mut self, next: i64) -> Result<()> {
        self.consumer.commit([(self.partition.clone(), next)].into()).await
    }
}

fn own_record(record: ConsumedRecord) -> OwnRecord {
    OwnRecord { offset: record.offset, key: record.key, value: record.value }
}
