//! The seam between REST and the herders.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::data::OffsetMap;

use crate::storage::config_store::SessionKey;
use crate::worker::{TargetState, TaskId};

/// Kind of a connector, as answers print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorType {
    /// `source`
    Source,
    /// `sink`
    Sink,
    /// `unknown`: its class is not there
    Unknown,
}

/// State of a connector or task, as answers and the status topic print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorState {
    /// Not yet started, or its owner is gone.
    Unassigned,
    /// Running.
    Running,
    /// Resting.
    Paused,
    /// Stopped; connectors only.
    Stopped,
    /// Failed.
    Failed,
    /// On its way through a restart.
    Restarting,
}

impl ConnectorState {
    /// The name in answers and in the status topic.
    pub const fn name(self) -> &'static str {
        match self {
            ConnectorState::Unassigned => "UNASSIGNED",
            ConnectorState::Running => "RUNNING",
            ConnectorState::Paused => "PAUSED",
            ConnectorState::Stopped => "STOPPED",
            ConnectorState::Failed => "FAILED",
            ConnectorState::Restarting => "RESTARTING",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<ConnectorState> {
        use ConnectorState::{Failed, Paused, Restarting, Running, Stopped, Unassigned};
        [Unassigned, Running, Paused, Stopped, Failed, Restarting].into_iter().find(|state| state.name() == name)
    }
}

/// Status of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorStatus {
    /// State.
    pub state: ConnectorState,
    /// `host:port` of the worker that said so.
    pub worker_id: String,
    /// Why it failed.
    pub trace: Option<String>,
    /// Version of the plugin (KIP-891).
    pub version: Option<String>,
}

/// Status of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    /// Number.
    pub id: u32,
    /// The rest.
    pub status: ConnectorStatus,
}

/// What `GET /connectors/{c}` shows.
#[derive(Debug, Clone)]
pub struct ConnectorInfo {
    /// Name.
    pub name: String,
    /// Config as written, placeholders unresolved.
    pub config: Props,
    /// Its tasks.
    pub tasks: Vec<TaskId>,
    /// Kind.
    pub kind: ConnectorType,
}

/// A task and its config, as `GET /connectors/{c}/tasks` shows it.
#[derive(Debug, Clone)]
pub struct TaskInfo {
    /// Which.
    pub id: TaskId,
    /// Its config.
    pub config: Props,
}

/// Everything known about one connector at one moment.
#[derive(Debug, Clone)]
pub struct ConnectorSnapshot {
    /// Config, in the order it was written.
    pub config: Props,
    /// Kind.
    pub kind: ConnectorType,
    /// Task configs, complete sets only.
    pub tasks: Vec<Props>,
    /// What the user wants.
    pub target: TargetState,
    /// Status of the connector, once there is one.
    pub status: Option<ConnectorStatus>,
    /// Status of the tasks that have one, by number.
    pub task_status: BTreeMap<u32, ConnectorStatus>,
    /// Topics it used since the last reset (KIP-558).
    pub active_topics: std::collections::BTreeSet<String>,
    /// Automatic restarts of its parts on this worker, for those that had any.
    pub restarts: Vec<RestartCount>,
}

/// Automatic restarts of a connector or of one of its tasks on this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartCount {
    /// The task; `None`: the connector itself.
    pub task: Option<u32>,
    /// Attempts since it last ran well for a while.
    pub attempts: u32,
    /// All since this worker began.
    pub total: u64,
}

/// What reads are answered from; published by the herder after each change and never locked.
#[derive(Debug, Clone, Default)]
pub struct ClusterSnapshot {
    /// By name.
    pub connectors: BTreeMap<String, Arc<ConnectorSnapshot>>,
    /// Whether the herder has read its topics and takes requests.
    pub ready: bool,
    /// The worker's place in its group; `None` for a worker alone, and before there is one.
    pub group: Option<GroupView>,
    /// What the herder is doing, in the words of "The worker is currently …"; empty when nothing is to say.
    pub stage: String,
    /// When it began that, in milliseconds since the epoch.
    pub stage_began_ms: i64,
}

/// A worker's place in its group, as far as requests depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// Whether this worker leads.
    pub is_leader: bool,
    /// URL of the leader's REST server, if one is known.
    pub leader_url: Option<String>,
    /// Whether requests between workers are signed (KIP-507).
    pub signs_requests: bool,
    /// The key they are signed with, if one is known.
    pub session_key: Option<SessionKey>,
}

/// A request to create or replace a connector.
#[derive(Debug, Clone)]
pub struct NewConnector {
    /// Name.
    pub name: String,
    /// Config, with its name.
    pub config: Props,
    /// State to begin in (KIP-980).
    pub initial_state: Option<TargetState>,
    /// Whether an existing connector is replaced (PUT) or a conflict (POST).
    pub replace: bool,
}

/// What to restart (KIP-745).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestartRequest {
    /// Tasks too.
    pub include_tasks: bool,
    /// Only what is FAILED.
    pub only_failed: bool,
}

/// One partition and its offset; `None` while nothing is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetEntry {
    /// Partition.
    pub partition: OffsetMap,
    /// Offset.
    pub offset: Option<OffsetMap>,
}

/// Why a herder refused; REST maps each to a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HerderError {
    /// 404.
    NotFound(String),
    /// 409.
    Conflict(String),
    /// 400.
    BadRequest(String),
    /// 500.
    Failed(String),
    /// The worker with this URL must be asked; `None`: it is not known at the moment.
    Elsewhere(Option<String>),
}

impl HerderError {
    /// The message.
    pub fn message(&self) -> &str {
        match self {
            HerderError::NotFound(m)
            | HerderError::Conflict(m)
            | HerderError::BadRequest(m)
            | HerderError::Failed(m) => m,
            HerderError::Elsewhere(_) => {
                "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
            }
        }
    }
}

/// What REST asks of a herder. Reads use [`Herder::snapshot`]; everything else goes through the herder's actor and
/// answers when the change is durable.
#[async_trait]
pub trait Herder: Send + Sync {
    /// The state of the cluster, without waiting.
    fn snapshot(&self) -> Arc<ClusterSnapshot>;

    /// Id of the Kafka cluster; `None` until known.
    fn kafka_cluster_id(&self) -> Option<String>;

    /// Returns when the herder's loop has answered; `/health` bounds the wait.
    async fn ping(&self) -> Result<(), HerderError>;

    /// Validates the config, then creates or replaces the connector. `true`: it was created.
    async fn put_connector(&self, new: NewConnector) -> Result<(bool, ConnectorInfo), HerderError>;

    /// Merges `patch` into the config: null removes a key (KIP-477). The merged config is validated.
    async fn patch_connector(&self, name: &str, patch: Props) -> Result<ConnectorInfo, HerderError>;

    /// Deletes a connector.
    async fn delete_connector(&self, name: &str) -> Result<(), HerderError>;

    /// Pauses, resumes or stops.
    async fn set_target_state(&self, name: &str, target: TargetState) -> Result<(), HerderError>;

    /// Restarts the connector and, if asked, its tasks. The answer is the status with the restarted parts RESTARTING.
    async fn restart_connector(&self, name: &str, request: RestartRequest) -> Result<ConnectorSnapshot, HerderError>;

    /// Restarts one task.
    async fn restart_task(&self, id: &TaskId) -> Result<(), HerderError>;

    /// Takes the task configs that another worker made for its connector; only the leader writes them.
    async fn put_task_configs(&self, name: &str, configs: Vec<Props>) -> Result<(), HerderError>;

    /// Fences the tasks that may be left over from earlier generations of a source; only the leader does.
    async fn fence_source_tasks(&self, name: &str) -> Result<(), HerderError>;

    /// Forgets the active topics.
    async fn reset_active_topics(&self, name: &str) -> Result<(), HerderError>;

    /// Sets the level of a logger on all workers (KIP-976), this one among them.
    async fn set_logger_level(&self, logger: &str, level: &str) -> Result<(), HerderError>;

    /// Stored offsets: the source's own, or a sink's consumer group offsets (`kafka_topic`, `kafka_partition`).
    async fn offsets(&self, name: &str) -> Result<Vec<OffsetEntry>, HerderError>;

    /// Stores the offsets that a connector is to begin with, in place of any that are left of one of that name (KIP-995).
    /// The config is validated first; a connector that exists is a conflict. The answer is the message for the user.
    async fn set_initial_offsets(
        &self,
        name: &str,
        config: &Props,
        offsets: Vec<OffsetEntry>,
    ) -> Result<String, HerderError>;

    /// Stores offsets of a stopped connector; `None` forgets all of them. The answer is the message for the user.
    async fn alter_offsets(&self, name: &str, changes: Option<Vec<OffsetEntry>>) -> Result<String, HerderError>;
}
