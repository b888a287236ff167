//! The worker as a herder's [`Runner`].

use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::{Error, Result};

use super::offsets::{SinkOffsets, SourceOffsets};
use super::runner::Runner;
use super::{HerderError, OffsetEntry};
use crate::hash_map_order;
use crate::plugins::{ConnectorKind, Plugins};
use crate::worker::{ConnectorListener, TargetState, TaskId, TaskStart, Worker};
use crate::worker_config::WorkerConfig;

/// A worker and what its connectors' offsets are found with.
pub struct WorkerRunner {
    /// Runs connectors and tasks.
    pub worker: Worker,
    /// The worker's settings.
    pub config: Arc<WorkerConfig>,
    /// What there is to run.
    pub plugins: Plugins,
}

impl WorkerRunner {
    fn kind(&self, props: &Props) -> Result<ConnectorKind> {
        let class = props.get("connector.class").unwrap_or_default();
        self.plugins.connector(class).ok_or_else(|| {
            Error::config(format!("Failed to find any class that implements Connector and which name matches {class}"))
                .with_class("org.apache.kafka.connect.errors.ConnectException")
        })
    }

    /// A connector's kind, and its settings with placeholders resolved.
    fn known(&self, name: &str, props: &Props) -> Result<(ConnectorKind, Props), HerderError> {
        let props = self.config.providers.resolve(props).map(|resolved| resolved.props);
        let known = props.and_then(|props| Ok((self.kind(&props)?, props)));
        known.map_err(|error| HerderError::Failed(format!("{name}: {}", error.message())))
    }
}

#[async_trait]
impl Runner for WorkerRunner {
    async fn set_target(
        &self,
        name: &str,
        props: &Props,
        target: TargetState,
        listener: Arc<dyn ConnectorListener>,
    ) -> Result<()> {
        self.kind(&self.config.providers.resolve(props)?.props)?;
        self.worker.set_target(name, target);
        match target {
            TargetState::Started if !self.worker.is_connector_running(name) => {
                self.worker.start_connector(name, props.clone(), listener).await
            }
            TargetState::Started => Ok(()),
            TargetState::Paused | TargetState::Stopped => {
                self.worker.stop_connector(name).await;
                Ok(())
            }
        }
    }

    fn set_task_target(&self, name: &str, target: TargetState) {
        self.worker.set_target(name, target);
    }

    async fn stop_connector(&self, name: &str) {
        self.worker.stop_connector(name).await;
    }

    async fn task_configs(&self, name: &str) -> Result<Vec<Props>> {
        Ok(self.worker.connector_task_configs(name).await?.iter().map(in_order_of_the_jvm).collect())
    }

    async fn start_task(&self, start: TaskStart) -> Result<()> {
        self.worker.start_task(start)
    }

    async fn stop_tasks(&self, ids: &[TaskId]) {
        self.worker.stop_tasks(ids).await;
    }

    async fn fence_tasks(&self, name: &str, props: &Props, tasks: u32) -> Result<()> {
        let resolved = self.config.providers.resolve(props)?;
        self.worker.fence_source_tasks(name, &resolved.props, tasks).await
    }

    async fn offsets(&self, name: &str, props: &Props) -> Result<Vec<OffsetEntry>, HerderError> {
        let (kind, props) = &self.known(name, props)?;
        match kind {
            ConnectorKind::Source(_) => {
                SourceOffsets { worker: &self.worker, config: props, connector: name }.list().await
            }
            ConnectorKind::Sink(_) => SinkOffsets::new(&self.config.props, props, name)?.list().await,
        }
    }

    async fn alter_offsets(
        &self,
        name: &str,
        props: &Props,
        changes: Option<Vec<OffsetEntry>>,
    ) -> Result<String, HerderError> {
        let (kind, props) = &self.known(name, props)?;
        match kind {
            ConnectorKind::Source(plugin) => {
                SourceOffsets { worker: &self.worker, config: props, connector: name }.alter(&**plugin, changes).await
            }
            ConnectorKind::Sink(_) => SinkOffsets::new(&self.config.props, props, name)?.alter(changes).await,
        }
    }
}

/// A task's config in the order the JVM writes it: that of a `HashMap`.
fn in_order_of_the_jvm(task: &Props) -> Props {
    let mut entries: Vec<(&str, Option<&str>)> = task.iter().collect();
    hash_map_order::sort(&mut entries, |(key, _)| key);
    let mut ordered = Props::new();
    for (key, value) in entries {
        ordered.set_nullable(key, value.map(str::to_owned));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use couplet_testkit::golden::cases;

    use super::*;

    /// Every recorded task config, made from the config of its connector.
    #[test]
    fn task_configs_have_the_recorded_order() {
        let (mut checked, mut connectors) = (0, std::collections::HashMap::new());
        for case in cases("connect/topics/lifecycle-main.jsonl") {
            let (key, value) = (case["key"].as_str().unwrap_or_default(), case["value"].as_str());
            let Some(value) = value.filter(|_| key.starts_with("task-") || key.starts_with("connector-")) else {
                continue;
            };
            let value: serde_json::Value = serde_json::from_str(value).expect("JSON");
            let keys: Vec<String> = value["properties"].as_object().expect("properties").keys().cloned().collect();
            if let Some(name) = key.strip_prefix("connector-") {
                connectors.insert(name.to_owned(), keys);
                continue;
            }
            let name = key.trim_start_matches("task-").rsplit_once('-').map_or("", |(name, _)| name);
            let mut task: Props = connectors[name].iter().map(|key| (key.as_str(), "v")).collect();
            task.set("task.class", "v");
            let ordered = in_order_of_the_jvm(&task);
            assert_eq!(ordered.iter().map(|(key, _)| key).collect::<Vec<_>>(), keys, "{key}");
            checked += 1;
        }
        assert!(checked > 5, "only {checked} task configs are recorded");
    }
}
