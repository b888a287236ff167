//! Admin requests that the runtime needs: topics, their settings, offsets of consumer groups, the cluster's id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use couplet_api::data::TopicPartition;
use couplet_api::{Error, Kind, Result};

use super::Failure;
use super::admin_request;
use super::client_config::{ClientSettings, Role};
use super::native::{Client, ClientKind, LastError};

/// How long a request may take unless the caller says otherwise.
const TIMEOUT_MS: i32 = 30_000;

/// How long members of a group may take to leave it, and how often that is looked at.
const LEAVING_MAX: Duration = Duration::from_secs(3);
const LEAVING_PAUSE: Duration = Duration::from_millis(50);

/// How long a new topic may take to become known, and how often that is looked at.
const VISIBLE_MAX: Duration = Duration::from_secs(30);
const VISIBLE_PAUSE: Duration = Duration::from_millis(50);

/// A topic as it is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Name.
    pub name: String,
    /// Partitions; -1: the broker's default.
    pub partitions: i32,
    /// Replicas of each; -1: the broker's default.
    pub replication_factor: i16,
    /// Topic settings, such as `cleanup.policy`.
    pub configs: Vec<(String, String)>,
}

/// A partition and the committed offset of a group in it.
pub type GroupOffset = (TopicPartition, i64);

/// What creating a topic led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicCreation {
    /// It is new.
    Created,
    /// It was there.
    Existed,
}

/// Which end of a partition is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Behind everything that was written, records of open transactions among it.
    Written,
    /// Before the first transaction that is still open: what `read_committed` shows.
    Committed,
}

/// Sends admin requests; cheap to clone.
#[derive(Clone)]
pub struct Admin {
    client: Arc<Client>,
    last_error: Arc<LastError>,
    bootstrap_servers: Arc<str>,
    timeout_ms: i32,
}

impl Admin {
    /// An admin client of its own.
    ///
    /// # Errors
    /// `Kind::Config` that names the key whose value was refused.
    pub fn new(settings: &ClientSettings) -> Result<Admin> {
        let config = settings.native(Role::Admin)?;
        let last_error = Arc::new(LastError::default());
        let client = Client::new(ClientKind::Producer, &config, last_error.clone())?;
        Ok(Admin { client, last_error, bootstrap_servers: config.bootstrap_servers().into(), timeout_ms: TIMEOUT_MS })
    }

    /// Requests over the connections of another client.
    pub(super) fn sharing(client: Arc<Client>, last_error: Arc<LastError>, bootstrap_servers: &str) -> Admin {
        Admin { client, last_error, bootstrap_servers: bootstrap_servers.into(), timeout_ms: TIMEOUT_MS }
    }

    /// The same client with another limit for each request.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        self
    }

    /// Runs a blocking request on a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        what: String,
        request: impl FnOnce(&Client, i32) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let (client, timeout_ms) = (self.client.clone(), self.timeout_ms);
        let outcome = tokio::task::spawn_blocking(move || request(&client, timeout_ms)).await;
        let failure = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            Err(_) => return Err(Error::bug(format!("{what}: the request panicked"))),
        };
        Err(self.explain(failure, &what))
    }

    fn explain(&self, failure: Failure, what: &str) -> Error {
        let error = failure.into_error(what);
        match (error.kind(), self.last_error.get()) {
            (Kind::Remote, Some(last)) => {
                error.context(format!("no answer from Kafka at bootstrap.servers={}: {last}", self.bootstrap_servers))
            }
            _ => error,
        }
    }

    /// The cluster's id.
    ///
    /// # Errors
    /// `Kind::Remote` that names `bootstrap.servers` when no broker answers within the time limit.
    pub async fn cluster_id(&self) -> Result<String> {
        let (client, timeout_ms) = (self.client.clone(), self.timeout_ms);
        let id = tokio::task::spawn_blocking(move || admin_request::cluster_id(&client, timeout_ms));
        match id.await.map_err(|_| Error::bug("asking for the cluster id panicked"))? {
            Some(id) => Ok(id),
            None => {
                let last = self.last_error.get().unwrap_or_else(|| "no broker answered".to_owned());
                Err(Error::remote(format!(
                    "cannot reach Kafka at bootstrap.servers={}: {last}; check the address, the broker, and the \
                     worker's security settings",
                    self.bootstrap_servers
                )))
            }
        }
    }

    /// Creates `spec` unless a topic of its name is there.
    ///
    /// # Errors
    /// When the broker refuses; the failure inside says whether it was for want of rights.
    pub async fn create_topic(&self, spec: &TopicSpec) -> Result<Result<TopicCreation, Failure>> {
        let request = spec.clone();
        self.run(format!("cannot create topic {}", spec.name), move |client, timeout_ms| {
            Ok(match admin_request::create_topic(client, &request, timeout_ms)? {
                Ok(()) => Ok(TopicCreation::Created),
                Err(failure) if failure.is_topic_exists() => Ok(TopicCreation::Existed),
                Err(failure) => Err(failure),
            })
        })
        .await
    }

    /// Number of partitions of `topic`; `None` when there is no such topic.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    pub async fn partition_count(&self, topic: &str) -> Result<Option<i32>> {
        let name = topic.to_owned();
        self.run(format!("cannot describe topic {topic}"), move |client, timeout_ms| {
            match admin_request::partition_count(client, &name, timeout_ms) {
                Ok(count) => Ok(Some(count)),
                Err(failure) if failure.is_unknown_topic() => Ok(None),
                Err(failure) => Err(failure),
            }
        })
        .await
    }

    /// Names of all topics that may be seen, in no order.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn topics(&self) -> Result<Vec<String>> {
        self.run("cannot list topics".to_owned(), admin_request::topics).await
    }

    /// The end of each partition of `topic`.
    ///
    /// # Errors
    /// When the brokers refuse or do not answer.
    pub async fn end_offsets(&self, topic: &str, partitions: i32, end: End) -> Result<BTreeMap<i32, i64>> {
        let asked: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
        self.run(format!("cannot ask for the end of topic {topic}"), move |client, timeout_ms| {
            // A new topic's partitions get their leaders a moment after the topic is there.
            let is_early = |failure: &Failure| failure.kind() == Kind::Remote || failure.is_unknown_topic();
            let ends = once_visible(is_early, || admin_request::end_offsets(client, &asked, end, timeout_ms))?;
            Ok(ends.into_iter().map(|(place, end)| (place.partition, end)).collect())
        })
        .await
    }

    /// Settings of `topic`, which was seen or created, as they are in force.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    pub async fn topic_configs(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let name = topic.to_owned();
        self.run(format!("cannot describe the settings of topic {topic}"), move |client, timeout_ms| {
            // The broker that is asked may be the last one to hear of a new topic.
            once_visible(Failure::is_unknown_topic, || admin_request::topic_configs(client, &name, timeout_ms))
        })
        .await
    }

    /// Makes sure that the compacted topic `spec` is there, and returns its number of partitions.
    ///
    /// # Errors
    /// `Kind::Config` when it cannot be created as asked, or is there with another cleanup policy.
    pub async fn ensure_compacted_topic(&self, spec: &TopicSpec) -> Result<i32> {
        if let Some(count) = self.partition_count(&spec.name).await? {
            self.check_compacted(&spec.name).await?;
            return Ok(count);
        }
        match self.create_topic(spec).await? {
            Ok(TopicCreation::Created) => {}
            Ok(TopicCreation::Existed) => self.check_compacted(&spec.name).await?,
            Err(failure) => {
                let kind = if failure.is_not_allowed() { Kind::Auth } else { Kind::Config };
                return Err(Error::new(kind, format!("Unable to create topic {}: {failure}", spec.name)));
            }
        }
        self.new_partition_count(&spec.name).await
    }

    /// A new topic is known to all brokers a moment after it was created.
    async fn new_partition_count(&self, topic: &str) -> Result<i32> {
        let begun = Instant::now();
        loop {
            match self.partition_count(topic).await? {
                Some(count) => return Ok(count),
                None if begun.elapsed() < VISIBLE_MAX => tokio::time::sleep(VISIBLE_PAUSE).await,
                None => return Err(Error::remote(format!("topic {topic} was created and is not there yet"))),
            }
        }
    }

    async fn check_compacted(&self, topic: &str) -> Result<()> {
        let configs = match self.topic_configs(topic).await {
            Ok(configs) => configs,
            Err(error) => {
                // The JVM goes on likewise when it may not look.
                tracing::warn!(topic, %error, "cannot check that the topic is compacted");
                return Ok(());
            }
        };
        match configs.get("cleanup.policy").map(String::as_str) {
            None | Some("compact") => Ok(()),
            Some(policy) => Err(Error::config(format!(
                "Topic '{topic}' is required to have 'cleanup.policy=compact' to guarantee consistency and durability \
                 of the worker's state, but found the topic currently has 'cleanup.policy={policy}'. Continuing would \
                 likely result in eventually losing it and problems restarting this Connect cluster in the future. \
                 Change the worker's configuration to use a topic with 'cleanup.policy=compact'."
            ))),
        }
    }

    /// Committed offsets of the consumer group `group`, in the order of topics and partitions.
    ///
    /// # Errors
    /// When the broker refuses or does not answer; an unknown group has no offsets.
    pub async fn list_group_offsets(&self, group: &str) -> Result<Vec<GroupOffset>> {
        let name = group.to_owned();
        self.run(format!("cannot list offsets of consumer group {group}"), move |client, timeout_ms| {
            let mut offsets = admin_request::list_group_offsets(client, &name, timeout_ms)?;
            offsets.sort();
            Ok(offsets)
        })
        .await
    }

    /// Sets committed offsets of a group without members.
    ///
    /// # Errors
    /// When the broker refuses, as it does while the group has members.
    pub async fn alter_group_offsets(&self, group: &str, offsets: Vec<GroupOffset>) -> Result<Result<(), Failure>> {
        let name = group.to_owned();
        self.run(format!("cannot alter offsets of consumer group {group}"), move |client, timeout_ms| {
            once_members_left(|| admin_request::alter_group_offsets(client, &name, &offsets, timeout_ms))
        })
        .await
    }

    /// Forgets committed offsets of some partitions.
    ///
    /// # Errors
    /// When the broker refuses, as it does while the group reads one of the topics.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: Vec<TopicPartition>,
    ) -> Result<Result<(), Failure>> {
        let name = group.to_owned();
        self.run(format!("cannot delete offsets of consumer group {group}"), move |client, timeout_ms| {
            once_members_left(|| admin_request::delete_group_offsets(client, &name, &partitions, timeout_ms))
        })
        .await
    }

    /// Deletes a group without members, and all its offsets. A group that is not there is fine.
    ///
    /// # Errors
    /// When the broker refuses, as it does while the group has members.
    pub async fn delete_group(&self, group: &str) -> Result<Result<(), Failure>> {
        let name = group.to_owned();
        self.run(format!("cannot delete consumer group {group}"), move |client, timeout_ms| {
            once_members_left(|| admin_request::delete_group(client, &name, timeout_ms))
        })
        .await
    }

    /// Deletes `topic`; for tests and tools.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    pub async fn delete_topic(&self, topic: &str) -> Result<()> {
        let name = topic.to_owned();
        self.run(format!("cannot delete topic {topic}"), move |client, timeout_ms| {
            admin_request::delete_topic(client, &name, timeout_ms)
        })
        .await
    }
}

/// Asks about a topic that may be new, and waits a little where the failure says that the broker has not heard of it yet.
fn once_visible<T>(
    is_early: impl Fn(&Failure) -> bool,
    mut ask: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    loop {
        match ask() {
            Err(failure) if is_early(&failure) && begun.elapsed() < VISIBLE_MAX => std::thread::sleep(VISIBLE_PAUSE),
            outcome => return outcome,
        }
    }
}

/// Changes a group, and waits a little for members that are leaving just now: the coordinator hears of it late.
fn once_members_left<T>(
    mut change: impl FnMut() -> Result<Result<T, Failure>, Failure>,
) -> Result<Result<T, Failure>, Failure> {
    let begun = Instant::now();
    loop {
        let outcome = change()?;
        let busy = matches!(&outcome, Err(failure) if failure.is_group_busy());
        if !busy || begun.elapsed() >= LEAVING_MAX {
            return Ok(outcome);
        }
        std::thread::sleep(LEAVING_PAUSE);
    }
}
