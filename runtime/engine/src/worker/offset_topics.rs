//! Where the offsets of a source connector are: in the worker's store, or in a topic of the connector's own over it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::error::ResultExt;
use couplet_kafka::LogClients;
use couplet_kafka::clients::{ClientSettings, Failure, Producer, Role};
use tokio::sync::Mutex;

use super::task_run::Shared;
use crate::connector_config::SourceConfig;
use crate::storage::{KafkaOffsetStore, LayeredOffsetStore, OffsetChange, OffsetStore, internal_topics};
use crate::worker_config::{DistributedConfig, ExactlyOnce, ModeConfig};

/// Why a setting of a client cannot be what a connector says.
const EXACTLY_ONCE: &str = "for source connectors' offset consumers when exactly-once source support is enabled";

/// The offsets of one source connector.
#[derive(Clone)]
pub struct ConnectorStore {
    /// Reads, and writes outside of transactions.
    pub(super) store: Arc<dyn OffsetStore>,
    /// The topic that counts; `None` in standalone mode.
    pub(super) topic: Option<Arc<KafkaOffsetStore>>,
    /// When `topic` is the connector's own.
    pub(super) layered: Option<Arc<LayeredOffsetStore>>,
}

/// Topics of connectors that somebody uses. Its lock is held while one is opened, so that it is opened once.
#[derive(Default)]
pub(super) struct OffsetTopics(Mutex<HashMap<String, Weak<KafkaOffsetStore>>>);

impl Shared {
    /// The offsets of the source `name`.
    ///
    /// # Errors
    /// When its own topic cannot be used.
    pub(super) async fn offsets_of(&self, name: &str, connector: &Props) -> Result<ConnectorStore> {
        let worker = &self.config.props;
        let worker_store =
            || ConnectorStore { store: self.offsets.clone(), topic: self.offsets.clone().as_topic(), layered: None };
        let ModeConfig::Distributed(own) = &self.config.mode else { return Ok(worker_store()) };
        let exactly_once = self.config.exactly_once() == ExactlyOnce::Enabled;
        let topic = SourceConfig::parse(connector)?.offsets_storage_topic;
        let topic = topic.or_else(|| exactly_once.then(|| own.offset_storage_topic.clone()));
        let Some(topic) = topic else { return Ok(worker_store()) };
        let producer = ClientSettings::task_producer(worker, connector);
        let servers = producer.get("bootstrap.servers").unwrap_or_default();
        if topic == own.offset_storage_topic && same_servers(servers, &self.config.common.bootstrap_servers) {
            return Ok(worker_store());
        }
        let key = format!("{name}\n{servers}\n{topic}");
        let mut topics = self.offset_topics.0.lock().await;
        let known = topics.get(&key).and_then(Weak::upgrade);
        let own_store = match known {
            Some(open) => open,
            None => {
                topics.retain(|_, store| store.strong_count() > 0);
                let opened = Arc::new(self.open_topic(own, name, connector, &producer, &topic, exactly_once).await?);
                topics.insert(key, Arc::downgrade(&opened));
                opened
            }
        };
        let layered = Arc::new(LayeredOffsetStore::new(own_store.clone(), self.offsets.clone()));
        Ok(ConnectorStore { store: layered.clone(), topic: Some(own_store), layered: Some(layered) })
    }

    async fn open_topic(
        &self,
        own: &DistributedConfig,
        name: &str,
        connector: &Props,
        producer: &ClientSettings,
        topic: &str,
        exactly_once: bool,
    ) -> Result<KafkaOffsetStore> {
        let worker = &self.config.props;
        let consumer = ClientSettings::offsets_consumer(worker, connector, &format!("connector-consumer-{name}"));
        let consumer = match exactly_once {
            true => consumer.ensure("isolation.level", "read_committed", EXACTLY_ONCE),
            false => consumer,
        };
        let (producers, settings) = (self.producers.clone(), producer.native(Role::Producer)?);
        let clients = LogClients::with(move || producers.get(&settings), consumer);
        let spec = internal_topics::offsets(own, worker, topic);
        KafkaOffsetStore::open(&clients, spec).await.context(|| format!("cannot use offsets.storage.topic={topic}"))
    }

    /// The transactional id of a source task's producer, as the JVM makes it.
    pub(super) fn transactional_id(&self, connector: &str, task: u32) -> String {
        format!("{}-{connector}-{task}", self.config.props.get("group.id").unwrap_or_default())
    }

    /// The settings of an exactly-once source task's producer.
    pub(super) fn transactional_producer(&self, name: &str, connector: &Props, task: u32) -> ClientSettings {
        let id = self.transactional_id(name, task);
        ClientSettings::transactional_task_producer(&self.config.props, connector, name, task, &id)
    }
}

/// Whether both lists name the same brokers; the same cluster may of course hide behind other names.
fn same_servers(a: &str, b: &[String]) -> bool {
    let mut a: Vec<&str> = a.split(',').map(str::trim).collect();
    let mut b: Vec<&str> = b.iter().map(String::as_str).collect();
    a.sort_unstable();
    b.sort_unstable();
    a == b
}

impl ConnectorStore {
    /// Stores `changes` of a connector whose tasks do not run, with a transactional producer if there is `producer` for it.
    ///
    /// # Errors
    /// When they may not be durable.
    pub(super) async fn alter(
        &self,
        connector: &str,
        changes: Vec<OffsetChange>,
        producer: Option<ClientSettings>,
    ) -> Result<()> {
        let (Some(settings), Some(topic)) = (producer, &self.topic) else {
            return self.store.put(connector, changes).await;
        };
        if let Some(layered) = &self.layered {
            layered.forget_below(connector, &changes).await?;
        }
        let records = topic.records(connector, &changes)?;
        let producer = Producer::new(&settings.native(Role::Producer)?)?;
        let failed = |failure: Failure| failure.into_error("cannot store offsets");
        producer.init_transactions().await.map_err(failed)?;
        producer.write_transaction(topic.topic(), &records).await?;
        if let Some(layered) = &self.layered {
            layered.copy_below(connector, changes);
        }
        Ok(())
    }
}
