//! Restarts of connectors with their tasks (KIP-745): what is restarted, and what readers see meanwhile.

use super::event::{Step, TaskSet};
use super::state::HerderState;
use super::{ConnectorState, RestartRequest};
use crate::storage::status_store::{StatusRecord, StoredStatus, Subject};
use crate::worker::TaskId;

impl HerderState {
    /// What a restart request means now: nothing without a known state of the connector.
    pub(super) fn restart_plan(&self, name: &str, request: RestartRequest) -> Option<Vec<Subject>> {
        let restarts = |stored: &StoredStatus| !request.only_failed || stored.status.state == ConnectorState::Failed;
        let connector = Subject::Connector(name.to_owned());
        let mut plan = Vec::new();
        if restarts(self.statuses.get(&connector)?) {
            plan.push(connector);
        }
        let counts = |task: u32| request.include_tasks && task < self.cluster.task_count(name);
        let tasks = self.statuses.tasks(name).filter(|(task, stored)| counts(*task) && restarts(stored));
        plan.extend(tasks.map(|(task, _)| Subject::Task(TaskId { connector: name.into(), task })));
        Some(plan)
    }

    /// From now on readers see the parts of `plan` restart, however long it takes until they stop: who asks for the status
    /// right after the answer must not take the states of before for those of after.
    pub(super) fn promise_restart(&mut self, name: &str, plan: &[Subject]) {
        self.lane(name).restarting.extend(plan.iter().cloned());
        self.touched.insert(name.to_owned());
    }

    /// The restart was not written: nothing of it will happen.
    pub(super) fn withdraw_restart(&mut self, plan: &[Subject]) {
        for subject in plan {
            self.lane(subject.connector()).restarting.remove(subject);
            self.touched.insert(subject.connector().to_owned());
        }
    }

    /// Whether `subject` is to restart and the status log does not say so yet.
    pub(super) fn is_to_restart(&self, subject: &Subject) -> bool {
        self.lanes.get(subject.connector()).is_some_and(|lane| lane.restarting.contains(subject))
    }

    /// The status log tells of a restart itself, or that there is nothing to restart.
    pub(super) fn note_restart_begun(&mut self, record: &StatusRecord) {
        if let StatusRecord::Status(subject, stored) = record
            && let Some(lane) = self.lanes.get_mut(subject.connector())
            && stored.as_ref().is_none_or(|stored| stored.status.state == ConnectorState::Restarting)
        {
            lane.restarting.remove(subject);
        }
    }

    /// Stops all of `plan`, says that it restarts, and starts it.
    pub(super) fn restart(&mut self, name: &str, plan: &[Subject]) {
        let tasks: Vec<u32> =
            plan.iter().filter_map(|s| if let Subject::Task(id) = s { Some(id.task) } else { None }).collect();
        let connector = plan.len() > tasks.len();
        let mut steps = Vec::new();
        steps.extend(connector.then_some(Step::StopConnector));
        steps.push(Step::StopTasks(TaskSet::These(tasks.clone())));
        steps.extend(plan.iter().cloned().map(Step::SayRestarting));
        steps.extend(connector.then_some(Step::StartConnector));
        steps.push(Step::StartTasks(tasks));
        self.then(name, steps);
    }
}
