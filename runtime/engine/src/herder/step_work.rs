//! One step of a connector's lane, done with the worker.

use std::sync::Arc;

use arc_swap::ArcSwap;
use couplet_api::config::Props;
use couplet_api::data::OffsetMap;
use couplet_api::{Error, Result};
use couplet_kafka::TopicLog;
use tokio::sync::mpsc;

use super::driver::Request;
use super::event::{Failure, Outcome, Step, TaskSet};
use super::inflow::ToInbox;
use super::preflight::{LEADER_PATIENCE, TaskPreflight};
use super::runner::Runner;
use super::{ClusterSnapshot, HerderError, OffsetEntry};
use crate::peers::Peers;
use crate::worker::{TargetState, TaskId, TaskStart};

/// One step under way.
pub(super) struct StepWork {
    pub(super) runner: Arc<dyn Runner>,
    pub(super) listener: Arc<ToInbox>,
    pub(super) name: String,
    pub(super) props: Props,
    pub(super) target: TargetState,
    pub(super) tasks: Vec<(u32, Props)>,
    /// What exactly-once tasks ask their herder with.
    pub(super) door: mpsc::WeakSender<Request>,
    pub(super) peers: Arc<Peers>,
    pub(super) published: Arc<ArcSwap<ClusterSnapshot>>,
    pub(super) config: Option<Arc<TopicLog>>,
    pub(super) generation: u64,
}

impl StepWork {
    pub(super) async fn run(self, step: Step) -> Outcome {
        let traced = |result: Result<()>| {
            result.map_err(|error| {
                tracing::error!(connector = self.name, %error, "connector failed");
                Failure::from(&error)
            })
        };
        match step {
            Step::StartConnector => Outcome::ConnectorStarted(traced(self.set_target(self.target).await)),
            Step::StopConnector => {
                self.runner.stop_connector(&self.name).await;
                Outcome::ConnectorStopped
            }
            Step::SetTarget(target) => Outcome::TargetSet(target, traced(self.set_target(target).await)),
            Step::SetTaskTarget(target) => {
                self.runner.set_task_target(&self.name, target);
                Outcome::TaskTargetSet
            }
            Step::MakeTaskConfigs => {
                let made = self.runner.task_configs(&self.name).await;
                Outcome::TaskConfigs(made.map_err(|error| {
                    tracing::error!(connector = self.name, %error, "task configs could not be made");
                    Failure::from(&error)
                }))
            }
            Step::StopTasks(TaskSet::These(tasks)) => {
                let id = |task: &u32| TaskId { connector: self.name.as_str().into(), task: *task };
                self.runner.stop_tasks(&tasks.iter().map(id).collect::<Vec<_>>()).await;
                Outcome::TasksStopped(tasks)
            }
            Step::StartTasks(_) => Outcome::TasksStarted(self.start_tasks().await),
            Step::AlterOffsets(reply, changes) => {
                Outcome::OffsetsAltered(reply, self.runner.alter_offsets(&self.name, &self.props, changes).await)
            }
            Step::SetInitialOffsets(reply, config, offsets) => {
                Outcome::OffsetsAltered(reply, self.set_initial_offsets(&config, offsets).await)
            }
            step => broken(step, &Error::bug("not a step for the driver")),
        }
    }

    /// One change takes away what is left of another connector of this name and sets what is wanted: it is done or refused
    /// as a whole.
    async fn set_initial_offsets(&self, config: &Props, wanted: Vec<OffsetEntry>) -> Result<String, HerderError> {
        let stored = self.runner.offsets(&self.name, config).await?;
        let is_left = |entry: &OffsetEntry| wanted.iter().all(|wanted| !is_same(&wanted.partition, &entry.partition));
        let left: Vec<OffsetEntry> = stored.into_iter().filter(is_left).collect();
        let forgotten = left.into_iter().map(|entry| OffsetEntry { offset: None, ..entry });
        let changes = forgotten.chain(wanted.clone()).collect();
        self.runner.alter_offsets(&self.name, config, Some(changes)).await
    }

    async fn set_target(&self, target: TargetState) -> Result<()> {
        self.runner.set_target(&self.name, &self.props, target, self.listener.clone()).await
    }

    /// Starts all; returns those that could not be.
    async fn start_tasks(self) -> Vec<(u32, Failure)> {
        let connector: Arc<str> = self.name.as_str().into();
        let starts = self.tasks.into_iter().map(|(task, task_props)| {
            let id = TaskId { connector: connector.clone(), task };
            let preflight = TaskPreflight {
                requests: self.door.clone(),
                peers: self.peers.clone(),
                published: self.published.clone(),
                config: self.config.clone(),
                id: id.clone(),
                generation: self.generation,
                patience: LEADER_PATIENCE,
            };
            let start = TaskStart {
                id,
                connector_props: self.props.clone(),
                task_props,
                target: self.target,
                listener: self.listener.clone(),
                preflight: Some(Arc::new(preflight)),
            };
            let runner = &self.runner;
            async move { runner.start_task(start).await.err().map(|error| (task, Failure::from(&error))) }
        });
        futures::future::join_all(starts).await.into_iter().flatten().collect()
    }
}

/// Whether two partitions have the same fields, in whatever order.
fn is_same(one: &OffsetMap, other: &OffsetMap) -> bool {
    let (one, other) = (one.entries(), other.entries());
    one.len() == other.len() && one.iter().all(|field| other.contains(field))
}

/// The outcome of a step that panicked.
pub(super) fn broken(step: Step, error: &Error) -> Outcome {
    let failure = || Failure::from(error);
    match step {
        Step::SetTarget(target) => Outcome::TargetSet(target, Err(failure())),
        Step::SetTaskTarget(_) => Outcome::TaskTargetSet,
        Step::MakeTaskConfigs => Outcome::TaskConfigs(Err(failure())),
        Step::StopTasks(TaskSet::These(tasks)) => Outcome::TasksStopped(tasks),
        Step::StartTasks(tasks) => Outcome::TasksStarted(tasks.into_iter().map(|task| (task, failure())).collect()),
        Step::AlterOffsets(reply, _) | Step::SetInitialOffsets(reply, ..) => {
            Outcome::OffsetsAltered(reply, Err(HerderError::Failed(error.message().to_owned())))
        }
        Step::StopConnector => Outcome::ConnectorStopped,
        _ => Outcome::ConnectorStarted(Err(failure())),
    }
}
