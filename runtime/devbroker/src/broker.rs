//! Starting and stopping a broker.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_protocol::protocol::StrBytes;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::coordinator::{self, Coordinator, ProducerIds};
use crate::shared::Shared;
use crate::topics::Topics;
use crate::{maintenance, server};

/// Connections that do not end by themselves when the broker stops are cut after this.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory, bounded by retention; gone with the broker.
    Memory,
    /// In a folder, which is made when missing. One broker at a time may use it.
    Folder(PathBuf),
}

/// How to run a broker.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// A loopback address; with port 0 the system chooses one, see [`Broker::address`].
    pub listen: SocketAddr,
    pub storage: Storage,
    /// Partitions of topics whose creator does not say how many.
    pub partitions_default: i32,
    /// Whether asking for the metadata of a topic creates it.
    pub auto_create_topics: bool,
    /// Shortest session of a group's member (`group.min.session.timeout.ms`). Tests that kill members shorten it.
    pub session_timeout_min: Duration,
}

impl Default for BrokerConfig {
    /// In memory, on a free port of 127.0.0.1, one partition, topics created on demand.
    fn default() -> BrokerConfig {
        BrokerConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            storage: Storage::Memory,
            partitions_default: 1,
            auto_create_topics: true,
            session_timeout_min: Duration::from_secs(6),
        }
    }
}

/// A running broker. Dropping it cuts all connections; [`Broker::stop`] is the orderly way.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    /// Held as long as the broker lives, against a second one on the same folder.
    lock: Option<File>,
}

impl Broker {
    /// Opens the storage, binds the address and serves. Says once in the log that it is not for production.
    ///
    /// # Errors
    /// `InvalidInput` for an address that is not loopback; when the folder is in use or cannot be read; when the address
    /// cannot be bound.
    pub async fn start(config: BrokerConfig) -> io::Result<Broker> {
        check(&config)?;
        let listener = TcpListener::bind(config.listen).await.map_err(|error| {
            let message = format!("the embedded broker cannot listen on {}: {error}", config.listen);
            io::Error::new(error.kind(), message)
        })?;
        let address = listener.local_addr()?;
        let opening = tokio::task::spawn_blocking(move || Opened::open(&config, address));
        let Opened { shared, lock } = opening.await.map_err(io::Error::other)??;
        tracing::warn!(
            %address, storage = &*shared.log_dir,
            "the embedded broker is for development only, not for production: one node, no replication, no security"
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(server::accept(listener, shared.clone()));
        tasks.spawn(coordinator::keep_time(shared.coordinator.clone(), shared.stop.clone()));
        tasks.spawn(maintenance::run(shared.topics.clone(), shared.stop.clone()));
        Ok(Broker { address, shared, tasks, lock })
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Id of this broker's storage: of the folder for good, in memory a new one each time.
    pub fn cluster_id(&self) -> &str {
        &self.shared.cluster_id
    }

    /// Stops serving, ends waiting requests, and writes everything down to the disk.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_GRACE, ended).await.is_err() {
            tracing::warn!("the embedded broker cuts connections that did not end");
            self.tasks.shutdown().await;
        }
        let topics = self.shared.topics.clone();
        let synced = tokio::task::spawn_blocking(move || topics.sync()).await;
        if let Err(error) = synced.map_err(io::Error::other).flatten() {
            tracing::error!(%error, "the embedded broker cannot flush its folder");
        }
        drop(self.lock.take());
    }
}

fn check(config: &BrokerConfig) -> io::Result<()> {
    if !config.listen.ip().is_loopback() {
        let message = format!(
            "the embedded broker listens on loopback addresses only, not on {}: it has no security. \
             Use 127.0.0.1, or a real broker",
            config.listen.ip()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    if config.partitions_default < 1 {
        let message = format!("partitions_default must be at least 1, not {}", config.partitions_default);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}

/// The storage, opened.
struct Opened {
    shared: Arc<Shared>,
    lock: Option<File>,
}

impl Opened {
    fn open(config: &BrokerConfig, address: SocketAddr) -> io::Result<Opened> {
        let mut lock = None;
        let mut cluster_id = new_cluster_id();
        let (mut topics_folder, mut producer_ids_file) = (None, None);
        let mut log_dir = "memory".to_owned();
        if let Storage::Folder(folder) = &config.storage {
            fs::create_dir_all(folder.join("topics")).map_err(|error| in_folder(folder, &error))?;
            lock = Some(lock_folder(folder)?);
            cluster_id = stored_cluster_id(folder)?;
            topics_folder = Some(folder.join("topics"));
            producer_ids_file = Some(folder.join("producer-ids"));
            log_dir = folder.display().to_string();
        }
        let topics = Arc::new(Topics::open(topics_folder)?);
        let coordinator = Arc::new(Coordinator::open(&topics, ProducerIds::open(producer_ids_file)?)?);
        let shared = Arc::new(Shared {
            cluster_id,
            host: StrBytes::from_string(address.ip().to_string()),
            port: i32::from(address.port()),
            log_dir: StrBytes::from_string(log_dir),
            partitions_default: config.partitions_default,
            auto_create_topics: config.auto_create_topics,
            session_timeout_min: config.session_timeout_min,
            topics,
            coordinator,
            stop: CancellationToken::new(),
        });
        Ok(Opened { shared, lock })
    }
}

fn in_folder(folder: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the embedded broker cannot use the folder {}: {error}", folder.display()))
}

fn lock_folder(folder: &Path) -> io::Result<File> {
    let file = File::create(folder.join("lock")).map_err(|error| in_folder(folder, &error))?;
    file.try_lock()
        .map_err(|error| in_folder(folder, &io::Error::other(format!("another broker uses it ({error})"))))?;
    Ok(file)
}

fn stored_cluster_id(folder: &Path) -> io::Result<StrBytes> {
    let path = folder.join("cluster-id");
    match fs::read_to_string(&path) {
        Ok(id) => Ok(StrBytes::from_string(id.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = new_cluster_id();
            crate::files::write_atomically(&path, id.as_bytes())?;
            Ok(id)
        }
        Err(error) => Err(in_folder(folder, &error)),
    }
}

/// 22 characters, as Kafka's `kafka-storage random-uuid` makes them.
fn new_cluster_id() -> StrBytes {
    StrBytes::from_string(URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4()))
}
