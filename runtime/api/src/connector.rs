//! What a connector plugin is: its class, its settings, its connector and its tasks.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::config::{ConfigDef, ConfigValue, Props};
use crate::data::OffsetMap;
use crate::sink::SinkTask;
use crate::source::SourceTask;

/// What a running connector may ask of the worker. Cheap to clone.
#[derive(Clone)]
pub struct ConnectorContext {
    /// Name of the connector.
    pub name: Arc<str>,
    /// Notified by [`ConnectorContext::request_task_reconfiguration`].
    pub reconfigure: Arc<tokio::sync::Notify>,
    /// Stored offsets of this connector; sources only.
    pub offsets: Option<Arc<dyn crate::source::OffsetReader>>,
}

impl ConnectorContext {
    /// Asks for `task_configs` to be called again because the work changed.
    pub fn request_task_reconfiguration(&self) {
        self.reconfigure.notify_one();
    }
}

/// A connector: decides how work is cut into tasks. Both kinds share this trait; the factory says which it is.
#[async_trait]
pub trait Connector: Send {
    /// Checks the configuration against the world and starts any monitoring.
    ///
    /// # Errors
    /// Any: the connector becomes FAILED.
    async fn start(&mut self, props: &Props, context: ConnectorContext) -> Result<()>;

    /// The configs of at most `max_tasks` tasks.
    ///
    /// # Errors
    /// [`crate::Kind::Remote`] is retried with back-off; any other kind fails the connector.
    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>>;

    /// Stops monitoring.
    ///
    /// # Errors
    /// Logged only.
    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A connector without monitoring whose every task gets the connector's own config: at most `tasks` of them.
pub struct StaticConnector {
    tasks: usize,
    props: Props,
}

impl StaticConnector {
    /// One task whatever `tasks.max` says.
    pub fn single() -> Self {
        StaticConnector { tasks: 1, props: Props::new() }
    }

    /// As many tasks as `tasks.max` allows.
    pub fn per_task_max() -> Self {
        StaticConnector { tasks: usize::MAX, props: Props::new() }
    }
}

#[async_trait]
impl Connector for StaticConnector {
    async fn start(&mut self, props: &Props, _context: ConnectorContext) -> Result<()> {
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone(); max_tasks.min(self.tasks)])
    }
}

/// Answer of a source plugin to "can you be exactly-once with this config?" (KIP-618).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// Yes.
    Supported,
    /// No.
    Unsupported,
}

/// Offsets that a user wants to alter: partition and new offset, or `None` to forget the partition.
pub type OffsetChanges = [(OffsetMap, Option<OffsetMap>)];

/// What both kinds of connector plugin say about themselves.
#[async_trait]
pub trait ConnectorPlugin: Send + Sync {
    /// Full Java class name: what users write as `connector.class`.
    fn class(&self) -> &'static str;

    /// Version of the original whose contract this follows.
    fn version(&self) -> &'static str;

    /// Full Java class name of its tasks: what task configs carry under `task.class`.
    fn task_class(&self) -> String {
        format!("{}Task", self.class().strip_suffix("Connector").unwrap_or(self.class()))
    }

    /// All settings of the connector itself.
    fn config_def(&self) -> ConfigDef;

    /// Checks `props`; may talk to the external system. One [`ConfigValue`] per key of `config_def`, in its order.
    async fn validate(&self, props: &Props) -> Vec<ConfigValue> {
        self.config_def().validate(props)
    }

    /// A new connector instance.
    fn connector(&self) -> Box<dyn Connector>;
}

/// Makes source connectors and tasks.
#[async_trait]
pub trait SourcePlugin: ConnectorPlugin {
    /// A new task, not started.
    fn task(&self) -> Box<dyn SourceTask>;

    /// Whether delivery can be exactly-once; `None` when the connector does not say.
    fn exactly_once_support(&self, props: &Props) -> Option<ExactlyOnceSupport> {
        let _ = props;
        None
    }

    /// Whether tasks can define their own transaction boundaries.
    fn can_define_transaction_boundaries(&self, props: &Props) -> bool {
        let _ = props;
        false
    }

    /// Checks offsets a user wants to store (KIP-875). `Ok(true)`: checked; `Ok(false)`: the connector has no opinion.
    ///
    /// # Errors
    /// When the offsets are refused.
    async fn alter_offsets(&self, props: &Props, changes: &OffsetChanges) -> Result<bool> {
        let _ = (props, changes);
        Ok(false)
    }
}

/// Makes sink connectors and tasks.
#[async_trait]
pub trait SinkPlugin: ConnectorPlugin {
    /// A new task, not started.
    fn task(&self) -> Box<dyn SinkTask>;
}
