//! What a herder needs of a worker. Tests of the herder bring their own.

use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::Result;
use couplet_api::config::Props;

use super::{HerderError, OffsetEntry};
use crate::worker::{ConnectorListener, TargetState, TaskId, TaskStart};

/// Runs connectors and tasks. Calls for one connector follow one another, calls for several overlap.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Brings the connector, which may not be there yet, into `target`: only a STARTED one runs. Its tasks follow.
    /// `listener` hears when it wants other tasks.
    ///
    /// # Errors
    /// Any: the connector is FAILED.
    async fn set_target(
        &self,
        name: &str,
        props: &Props,
        target: TargetState,
        listener: Arc<dyn ConnectorListener>,
    ) -> Result<()>;

    /// Brings the tasks of a connector that another worker runs into `target`.
    fn set_task_target(&self, name: &str, target: TargetState);

    /// Stops the connector, within the worker's time limit; nothing is left of it.
    async fn stop_connector(&self, name: &str);

    /// Task configs as the connector makes them, with what the runtime adds to each.
    ///
    /// # Errors
    /// `Kind::Remote` is tried again; any other kind fails the connector.
    async fn task_configs(&self, name: &str) -> Result<Vec<Props>>;

    /// Starts a task; its listener hears of its life.
    ///
    /// # Errors
    /// When it cannot even be made: it is FAILED.
    async fn start_task(&self, start: TaskStart) -> Result<()>;

    /// Stops tasks, within the worker's time limit for all of them together. Their listeners have heard of the end when
    /// this returns. Unknown tasks are left out.
    async fn stop_tasks(&self, ids: &[TaskId]);

    /// Fences the producers of the first `tasks` tasks of a source.
    ///
    /// # Errors
    /// When one cannot be fenced.
    async fn fence_tasks(&self, name: &str, props: &Props, tasks: u32) -> Result<()>;

    /// Stored offsets of a connector.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn offsets(&self, name: &str, props: &Props) -> Result<Vec<OffsetEntry>, HerderError>;

    /// Stores offsets of a connector that does not run; `None` forgets all. Returns the message for the user.
    ///
    /// # Errors
    /// When the connector refuses them, or they cannot be stored.
    async fn alter_offsets(
        &self,
        name: &str,
        props: &Props,
        changes: Option<Vec<OffsetEntry>>,
    ) -> Result<String, HerderError>;
}
