//! What a herder needs of a worker. The worker implements it; tests of the herder bring their own.

use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::Result;
use couplet_api::config::Props;

use super::{HerderError, OffsetEntry};
use crate::worker::{TargetState, TaskId, TaskStart};

/// Called with the name of a connector that wants other tasks; must not block.
pub type Reconfigure = dyn Fn(&str) + Send + Sync;

/// Runs connectors and tasks. Calls for one connector follow one another, calls for several overlap.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Makes the connector and, when `target` is STARTED, starts it. `reconfigure` is called with the name whenever the
    /// connector asks for new tasks.
    ///
    /// # Errors
    /// Any: the connector is FAILED.
    async fn start_connector(
        &self,
        name: &str,
        props: &Props,
        target: TargetState,
        reconfigure: Arc<Reconfigure>,
    ) -> Result<()>;

    /// Stops the connector, within the worker's time limit; nothing is left of it.
    async fn stop_connector(&self, name: &str);

    /// Pauses, resumes or stops the connector and its tasks.
    ///
    /// # Errors
    /// When the connector cannot be started again: it is FAILED.
    async fn set_target(&self, name: &str, target: TargetState) -> Result<()>;

    /// Task configs as the connector makes them, with what the runtime adds to each.
    ///
    /// # Errors
    /// `Kind::Remote` is tried again; any other kind fails the connector.
    async fn task_configs(&self, name: &str, props: &Props) -> Result<Vec<Props>>;

    /// Starts a task; its listener hears of its life.
    ///
    /// # Errors
    /// When it cannot even be made: it is FAILED.
    async fn start_task(&self, start: TaskStart) -> Result<()>;

    /// Stops tasks, within the worker's time limit for all of them together. Their listeners have heard of the end when
    /// this returns. Unknown tasks are left out.
    async fn stop_tasks(&self, ids: &[TaskId]);

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
