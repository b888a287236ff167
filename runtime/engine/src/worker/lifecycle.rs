//! What a herder and a worker say to each other about a task.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::Result;
use couplet_api::config::Props;

/// A task of a connector. `Display` is `connector-task`, as in the JVM's logs and status keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// Name of the connector.
    pub connector: Arc<str>,
    /// Number of the task, from 0.
    pub task: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

/// What a user wants a connector to be; survives restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetState {
    /// Running.
    #[default]
    Started,
    /// Tasks exist and rest.
    Paused,
    /// No tasks exist.
    Stopped,
}

impl TargetState {
    /// The name in the config topic and in REST answers.
    pub const fn name(self) -> &'static str {
        match self {
            TargetState::Started => "STARTED",
            TargetState::Paused => "PAUSED",
            TargetState::Stopped => "STOPPED",
        }
    }
}

/// Everything the worker needs to run one task. Props hold placeholders of config providers.
pub struct TaskStart {
    /// Which task.
    pub id: TaskId,
    /// The connector's own config (converters, transforms, error handling, topics, overrides).
    pub connector_props: Props,
    /// The task's config, as the connector made it.
    pub task_props: Props,
    /// Running or paused at first.
    pub target: TargetState,
    /// Told about the task's life. Called from the task's own future; must not block.
    pub listener: Arc<dyn TaskListener>,
    /// Asked before an exactly-once source task sends anything; nothing else asks.
    pub preflight: Option<Arc<dyn Preflight>>,
}

/// What an exactly-once source task waits for, so that no earlier generation of it is still at work (KIP-618).
#[async_trait]
pub trait Preflight: Send + Sync {
    /// Returns when the producers of earlier generations of the connector's tasks were fenced, and the number of tasks
    /// of this one is on record.
    ///
    /// # Errors
    /// When that fails; the task becomes FAILED.
    async fn fence(&self) -> Result<()>;

    /// Checks, once the task's own producer has fenced its predecessor, that no newer set of task configs is there.
    ///
    /// # Errors
    /// When there is; the task becomes FAILED.
    async fn verify(&self) -> Result<()>;
}

/// A change in a task's life, as it belongs into the status topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEvent {
    /// It runs.
    Running,
    /// It rests.
    Paused,
    /// It failed and will not run again unless restarted. The trace's first line is `class: message`.
    Failed {
        /// The trace.
        trace: String,
        /// Whether another try may help.
        retriable: bool,
    },
    /// It failed because a successor of it runs, or ran, elsewhere: its worker was taken for dead. When the group says that
    /// it belongs here after all, it may run again.
    Fenced {
        /// The trace.
        trace: String,
    },
    /// It ended because it was told to.
    Stopped,
}

/// Hears of a worker's tasks.
pub trait TaskListener: Send + Sync {
    /// `id` is now in the state of `event`.
    fn on_event(&self, id: &TaskId, event: TaskEvent);

    /// `id` wrote to or read from `topic` (KIP-558); called once per topic and task.
    fn on_active_topic(&self, id: &TaskId, topic: &str);
}
