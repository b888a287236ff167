//! The herder as REST sees it.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use couplet_api::config::Props;
use tokio::sync::{mpsc, oneshot};

use super::driver::Request;
use super::event::{Answer, Command};
use super::runner::Runner;
use super::start::ClusterId;
use super::{
    ClusterSnapshot, ConnectorInfo, ConnectorSnapshot, ConnectorState, Herder, HerderError, NewConnector, OffsetEntry,
    RestartRequest, snapshot,
};
use crate::hash_map_order;
use crate::peers::Peers;
use crate::plugins::Plugins;
use crate::storage::status_store::Subject;
use crate::validate;
use crate::worker::{TargetState, TaskId};
use crate::worker_config::WorkerConfig;

/// Sends wishes to the herder's loop and reads what it publishes.
#[derive(Clone)]
pub struct HerderHandle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) published: Arc<ArcSwap<ClusterSnapshot>>,
    pub(super) cluster_id: ClusterId,
    pub(super) runner: Arc<OnceLock<Arc<dyn Runner>>>,
    pub(super) plugins: Plugins,
    pub(super) config: Arc<WorkerConfig>,
    pub(super) peers: Arc<Peers>,
}

impl HerderHandle {
    /// Reaches other workers, as the herder does.
    pub fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    async fn ask(&self, command: Command) -> Result<Answer, HerderError> {
        let gone = |()| HerderError::Failed("The worker is shutting down".to_owned());
        let (reply, answer) = oneshot::channel();
        self.requests.send((command, reply)).await.map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?
    }

    fn connector(&self, name: &str) -> Result<Arc<ConnectorSnapshot>, HerderError> {
        let found = self.published.load().connectors.get(name).cloned();
        found.ok_or_else(|| HerderError::NotFound(format!("Connector {name} not found")))
    }

    fn info(&self, name: &str, config: Props, tasks: u32) -> ConnectorInfo {
        ConnectorInfo {
            name: name.to_owned(),
            kind: snapshot::kind_of(&self.plugins, &config),
            config,
            tasks: (0..tasks).map(|task| TaskId { connector: name.into(), task }).collect(),
        }
    }
}

/// `base` with `patch` applied, in the order of Java's `new HashMap<>(base)`.
fn patched(base: &Props, patch: &Props) -> Props {
    let mut merged = base.clone();
    for (key, value) in patch.iter() {
        match value {
            Some(value) => merged.set(key, value),
            None => {
                merged.remove(key);
            }
        }
    }
    let mut entries: Vec<(&str, Option<&str>)> = merged.iter().collect();
    hash_map_order::sort_extended_copy(&mut entries, base.len(), |(key, _)| key);
    let mut ordered = Props::new();
    for (key, value) in entries {
        ordered.set_nullable(key, value.map(str::to_owned));
    }
    ordered
}

/// `snapshot` with the parts in `plan` shown as RESTARTING.
fn restarting(snapshot: &ConnectorSnapshot, plan: &[Subject]) -> ConnectorSnapshot {
    let mut shown = snapshot.clone();
    for subject in plan {
        let status = match subject {
            Subject::Connector(_) => shown.status.as_mut(),
            Subject::Task(id) => shown.task_status.get_mut(&id.task),
        };
        if let Some(status) = status {
            status.state = ConnectorState::Restarting;
            status.trace = None;
        }
    }
    shown
}

#[async_trait]
impl Herder for HerderHandle {
    fn snapshot(&self) -> Arc<ClusterSnapshot> {
        self.published.load_full()
    }

    fn kafka_cluster_id(&self) -> Option<String> {
        self.cluster_id.get().cloned()
    }

    async fn ping(&self) -> Result<(), HerderError> {
        self.ask(Command::Ping).await.map(|_| ())
    }

    async fn put_connector(&self, new: NewConnector) -> Result<(bool, ConnectorInfo), HerderError> {
        validate::check(&self.plugins, &self.config, &new.config).await.map_err(HerderError::BadRequest)?;
        let name = new.name.clone();
        match self.ask(Command::Put { new, base: None }).await? {
            Answer::Written { created, config, tasks } => Ok((created, self.info(&name, config, tasks))),
            _ => Err(HerderError::Failed("an answer of the wrong kind".to_owned())),
        }
    }

    async fn patch_connector(&self, name: &str, patch: Props) -> Result<ConnectorInfo, HerderError> {
        if let Some(group) = self.published.load().group.as_ref().filter(|group| !group.is_leader) {
            return Err(HerderError::Elsewhere(group.leader_url.clone()));
        }
        loop {
            let base = self.connector(name)?.config.clone();
            let config = patched(&base, &patch);
            validate::check(&self.plugins, &self.config, &config).await.map_err(HerderError::BadRequest)?;
            let new = NewConnector { name: name.to_owned(), config, initial_state: None, replace: true };
            match self.ask(Command::Put { new, base: Some(base) }).await? {
                Answer::Written { config, tasks, .. } => return Ok(self.info(name, config, tasks)),
                // Somebody else was faster: patch what they left.
                _ => tokio::task::yield_now().await,
            }
        }
    }

    async fn delete_connector(&self, name: &str) -> Result<(), HerderError> {
        self.ask(Command::Delete(name.to_owned())).await.map(|_| ())
    }

    async fn set_target_state(&self, name: &str, target: TargetState) -> Result<(), HerderError> {
        self.ask(Command::Target(name.to_owned(), target)).await.map(|_| ())
    }

    async fn restart_connector(&self, name: &str, request: RestartRequest) -> Result<ConnectorSnapshot, HerderError> {
        match self.ask(Command::Restart(name.to_owned(), request)).await? {
            Answer::Restarting(plan) => Ok(restarting(&*self.connector(name)?, &plan)),
            _ => Ok((*self.connector(name)?).clone()),
        }
    }

    async fn restart_task(&self, id: &TaskId) -> Result<(), HerderError> {
        self.ask(Command::RestartTask(id.clone())).await.map(|_| ())
    }

    async fn put_task_configs(&self, name: &str, configs: Vec<Props>) -> Result<(), HerderError> {
        self.ask(Command::PutTaskConfigs(name.to_owned(), configs)).await.map(|_| ())
    }

    async fn fence_source_tasks(&self, name: &str) -> Result<(), HerderError> {
        self.ask(Command::Fence(name.to_owned())).await.map(|_| ())
    }

    async fn reset_active_topics(&self, name: &str) -> Result<(), HerderError> {
        self.ask(Command::ResetTopics(name.to_owned())).await.map(|_| ())
    }

    async fn set_logger_level(&self, logger: &str, level: &str) -> Result<(), HerderError> {
        self.ask(Command::SetLoggerLevel(logger.to_owned(), level.to_owned())).await.map(|_| ())
    }

    async fn offsets(&self, name: &str) -> Result<Vec<OffsetEntry>, HerderError> {
        let config = self.connector(name)?.config.clone();
        match self.runner.get() {
            Some(runner) => runner.offsets(name, &config).await,
            None => Err(HerderError::NotFound(format!("Connector {name} not found"))),
        }
    }

    async fn set_initial_offsets(
        &self,
        name: &str,
        config: &Props,
        offsets: Vec<OffsetEntry>,
    ) -> Result<String, HerderError> {
        validate::check(&self.plugins, &self.config, config).await.map_err(HerderError::BadRequest)?;
        match self.ask(Command::SetInitialOffsets(name.to_owned(), config.clone(), offsets)).await? {
            Answer::Message(message) => Ok(message),
            _ => Err(HerderError::Failed("an answer of the wrong kind".to_owned())),
        }
    }

    async fn alter_offsets(&self, name: &str, changes: Option<Vec<OffsetEntry>>) -> Result<String, HerderError> {
        match self.ask(Command::AlterOffsets(name.to_owned(), changes)).await? {
            Answer::Message(message) => Ok(message),
            _ => Err(HerderError::Failed("an answer of the wrong kind".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Orders are recorded: `lifecycle-main`, steps sink-fewer-tasks and patch-config.
    #[test]
    fn a_patch_sets_and_removes() {
        type Row = (&'static [&'static str], &'static [(&'static str, Option<&'static str>)], &'static [&'static str]);
        let rows: [Row; 3] = [
            (
                &["connector.class", "tasks.max", "file", "topics", "name"],
                &[("tasks.max", Some("1"))],
                &["connector.class", "name", "file", "tasks.max", "topics"],
            ),
            (
                &["connector.class", "tasks.max", "file", "topic", "batch.size", "name"],
                &[("foo", Some("bar"))],
                &["connector.class", "file", "tasks.max", "batch.size", "foo", "name", "topic"],
            ),
            (
                &["connector.class", "tasks.max", "file", "topics", "name"],
                &[("file", None), ("not.there", None)],
                &["connector.class", "name", "tasks.max", "topics"],
            ),
        ];
        for (base, changes, want) in rows {
            let base: Props = base.iter().map(|key| (*key, "v")).collect();
            let mut patch = Props::new();
            changes.iter().for_each(|(key, value)| patch.set_nullable(*key, value.map(str::to_owned)));
            let merged = patched(&base, &patch);
            assert_eq!(merged.iter().map(|(key, _)| key).collect::<Vec<_>>(), want);
        }
    }
}
