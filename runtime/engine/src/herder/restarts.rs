//! Restarts of connectors with their tasks (KIP-745): what is restarted, and what readers see meanwhile; and when parts that
//! failed are restarted though nobody asks.

use couplet_api::config::Props;

use super::auto_restart::{Alarm, RestartPolicy, Ring};
use super::event::{Action, Failure, Step, TaskSet};
use super::state::HerderState;
use super::{ConnectorState, RestartRequest};
use crate::connector_config::RESTART_PREFIX;
use crate::storage::status_store::{StatusRecord, StoredStatus, Subject};
use crate::worker::{TargetState, TaskId};

impl HerderState {
    /// With the worker's settings of automatic restarts.
    #[must_use]
    pub fn with_restart_defaults(mut self, worker: &Props) -> Self {
        let own = worker.iter().filter(|(key, _)| key.starts_with(RESTART_PREFIX));
        self.restart_defaults = own.filter_map(|(key, value)| Some((key, value?))).collect();
        self
    }

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

    /// Whether that part of a connector is here when all steps are done.
    pub(super) fn has(&self, subject: &Subject) -> bool {
        let Some(lane) = self.lanes.get(subject.connector()) else { return false };
        match subject {
            Subject::Connector(_) => lane.wants_connector(),
            Subject::Task(id) => lane.wanted().contains(&id.task),
        }
    }

    /// What the status says of a failure: its trace, and whether a restart follows.
    pub(super) fn note_failure(&mut self, subject: &Subject, failure: Failure) -> String {
        let Failure { mut trace, retriable } = failure;
        let Some(policy) = self.restart_policy(subject.connector()) else { return trace };
        let (sentence, alarm) = self.restarts.failed(subject, retriable, &policy);
        if let Some(sentence) = sentence {
            tracing::warn!(part = ?subject, "{sentence}");
            trace.push_str(&sentence);
            trace.push('\n');
        }
        self.actions.extend(alarm.map(Action::Wake));
        trace
    }

    /// A part that did not fail has another state.
    pub(super) fn note_state(&mut self, subject: &Subject, state: ConnectorState) {
        let mut restarts = std::mem::take(&mut self.restarts);
        let alarm =
            restarts.changed(subject, state == ConnectorState::Running, || self.restart_policy(subject.connector()));
        self.restarts = restarts;
        self.actions.extend(alarm.map(Action::Wake));
    }

    pub(super) fn on_woken(&mut self, alarm: Alarm) {
        let name = alarm.subject.connector().to_owned();
        match self.restarts.rang(&alarm) {
            Ring::Stale => {}
            Ring::Healthy => {
                self.touched.insert(name);
            }
            Ring::Restart if self.stopping || !self.has(&alarm.subject) || !self.is_restarted(&name) => {
                self.restarts.reset(&alarm.subject);
            }
            // A connector that rests is left alone until it is resumed.
            Ring::Restart if self.cluster.target(&name) != TargetState::Started => {
                self.actions.push(Action::Wake(alarm));
            }
            Ring::Restart => {
                self.restarts.begun(&alarm.subject);
                self.restart(&name, &[alarm.subject]);
            }
        }
    }

    /// Whether the policy in force now still asks for restarts.
    fn is_restarted(&self, name: &str) -> bool {
        self.restart_policy(name).is_some_and(|policy| policy.enabled)
    }

    fn restart_policy(&self, name: &str) -> Option<RestartPolicy> {
        let policy = RestartPolicy::of(&self.restart_defaults, self.cluster.config(name)?);
        policy.inspect_err(|error| tracing::warn!(connector = name, %error, "no automatic restarts")).ok()
    }
}
