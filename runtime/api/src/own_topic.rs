//! Topics that a connector keeps for itself, beside those its records go to: Debezium's schema history is one. The engine
//! brings the clients; a connector only names the topic and their settings.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;
use crate::config::Props;

/// Settings of the clients for a topic of a connector's own, under their Java names.
#[derive(Debug, Clone, Default)]
pub struct TopicClients {
    /// Of what writes and asks; `bootstrap.servers` among them.
    pub producer: Props,
    /// Of what reads.
    pub consumer: Props,
}

/// What is known of a topic before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicState {
    /// There is no such topic.
    Missing,
    /// Nothing was ever written to it.
    Empty,
    /// Something was written to it.
    Written,
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRecord {
    /// Offset in the partition.
    pub offset: i64,
    /// Key.
    pub key: Option<Bytes>,
    /// Value.
    pub value: Option<Bytes>,
}

/// Takes the records of a topic.
pub type OnOwnRecord<'a> = &'a mut (dyn FnMut(OwnRecord) -> Result<()> + Send);

/// The only partition, number 0, of a topic.
#[async_trait]
pub trait OwnTopic: Send + Sync {
    /// Whether the topic is there, and whether it was ever written to.
    ///
    /// # Errors
    /// `Kind::Remote` and `Kind::Auth` when the brokers cannot be asked.
    async fn state(&self) -> Result<TopicState>;

    /// Creates the topic with one partition, the broker's number of replicas and the settings `configs`, unless it is
    /// there.
    ///
    /// # Errors
    /// When the brokers refuse.
    async fn create(&self, configs: &[(&str, &str)]) -> Result<()>;

    /// Gives all records that are there when it is called to `on_record`, oldest first, until that fails. A missing topic
    /// has none.
    ///
    /// # Errors
    /// What `on_record` returned, or that reading failed.
    async fn read(&self, on_record: OnOwnRecord<'_>) -> Result<()>;

    /// Writes a record and returns when all in-sync replicas have it.
    ///
    /// # Errors
    /// When it may not be there.
    async fn append(&self, key: Option<Bytes>, value: Option<Bytes>) -> Result<()>;

    /// Follows the topic from where the group `group.id` of what reads stands, or from where `auto.offset.reset` says. The
    /// follower is no member of the group: nobody takes the partition from it.
    ///
    /// # Errors
    /// When no follower can be made.
    async fn follow(self: Arc<Self>) -> Result<Box<dyn Follower>>;
}

/// Reads a topic as it grows, and remembers for a group how far it is done with.
#[async_trait]
pub trait Follower: Send {
    /// Waits for the next record. Cancel-safe.
    ///
    /// # Errors
    /// When reading cannot go on; another follower may be tried.
    async fn next(&mut self) -> Result<OwnRecord>;

    /// Commits that followers of the group begin at offset `next`.
    ///
    /// # Errors
    /// When it may not be stored.
    async fn commit(&mut self, next: i64) -> Result<()>;
}

/// Opens topics of a connector's own.
#[async_trait]
pub trait OwnTopics: Send + Sync {
    /// The topic `name` of the cluster that `clients` name; nothing is asked of it yet.
    ///
    /// # Errors
    /// `Kind::Config` for settings that cannot be used.
    async fn open(&self, name: &str, clients: &TopicClients) -> Result<Arc<dyn OwnTopic>>;
}
