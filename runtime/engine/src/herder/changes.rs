//! What follows from records of the config topic and from calls of the group: which connectors and tasks start and stop here.

use super::HerderError;
use super::event::{Action, GroupAnswer, GroupCall, GroupTicket, Step, TaskSet};
use super::group::{Group, Next};
use super::state::HerderState;
use crate::storage::cluster_state::Change;
use crate::storage::config_store::ConfigRecord;
use crate::storage::status_store::{StatusRecord, Subject};
use crate::worker::TaskId;

impl HerderState {
    pub(super) fn on_loaded(&mut self) {
        self.loaded = true;
        if self.group.is_some() {
            // Work begins with the group's first assignment.
            return;
        }
        self.ready = true;
        self.generation = self.statuses.generation_max() + 1;
        let names: Vec<String> = self.cluster.connectors().map(str::to_owned).collect();
        for name in names {
            let tasks = (0..self.cluster.task_count(&name)).collect();
            self.then(&name, [Step::StartConnector, Step::StartTasks(tasks)]);
        }
    }

    pub(super) fn note_position(&mut self, position: Option<i64>) {
        if let (Some(group), Some(position)) = (&mut self.group, position) {
            group.config_offset = position;
        }
    }

    pub(super) fn on_config(&mut self, record: ConfigRecord) {
        let name = match &record {
            ConfigRecord::Connector(name, _) | ConfigRecord::Commit(name, _) | ConfigRecord::Target(name, _) => {
                Some(name.clone())
            }
            _ => None,
        };
        self.touched.extend(name);
        let change = self.cluster.apply(record);
        if let (true, false, Some(change)) = (self.loaded, self.stopping, change) {
            match self.group {
                Some(_) => self.on_change_in_group(change),
                None => self.on_change_alone(change),
            }
        }
    }

    fn on_change_alone(&mut self, change: Change) {
        match change {
            Change::ConnectorAdded(name) => {
                self.generation += 1;
                self.then(&name, [Step::StartConnector]);
            }
            Change::ConnectorRemoved(name) => {
                self.then(&name, [Step::StopTasks(TaskSet::All), Step::StopConnector, Step::Forget]);
            }
            Change::TasksCommitted(name) if self.cluster.contains(&name) => {
                self.generation += 1;
                let count = self.cluster.task_count(&name);
                let start = Step::StartTasks((0..count).collect());
                self.then(&name, [Step::StopTasks(TaskSet::All), Step::ForgetTasks(count), start]);
            }
            Change::TasksCommitted(_) => {}
            change => self.on_local_change(change),
        }
    }

    /// What there is to share out is shared out anew; anything else concerns the owner only.
    fn on_change_in_group(&mut self, change: Change) {
        match change {
            Change::ConnectorAdded(_) | Change::ConnectorRemoved(_) => self.in_group(Group::note_change_of_work),
            Change::TasksCommitted(name) => {
                if self.lanes.get(&name).is_some_and(|lane| !lane.wanted().is_empty()) {
                    // They start with their new configs when the rebalance has said where.
                    self.then(&name, [Step::StopTasks(TaskSet::All)]);
                }
                self.in_group(Group::note_change_of_work);
            }
            change => self.on_local_change(change),
        }
    }

    fn on_local_change(&mut self, change: Change) {
        match change {
            Change::ConnectorUpdated(name) if self.runs_connector(&name) => {
                self.restarts.reset_all(&name);
                self.then(&name, [Step::StopConnector, Step::StartConnector]);
            }
            Change::TargetChanged(name) if self.cluster.contains(&name) => {
                let target = self.cluster.target(&name);
                if self.runs_connector(&name) {
                    self.then(&name, [Step::SetTarget(target)]);
                } else if self.lanes.get(&name).is_some_and(|lane| !lane.wanted().is_empty()) {
                    self.then(&name, [Step::SetTaskTarget(target)]);
                }
            }
            Change::RestartRequested(name, request) => {
                if let Some(mut plan) = self.restart_plan(&name, request) {
                    plan.retain(|subject| self.has(subject));
                    if !plan.is_empty() {
                        plan.iter().for_each(|subject| self.restarts.reset(subject));
                        self.restart(&name, &plan);
                    }
                }
            }
            Change::LoggerLevel(logger, level) => self.actions.push(Action::SetLoggerLevel(logger, level)),
            _ => {}
        }
    }

    /// Whether the connector is here when all steps are done.
    fn runs_connector(&self, name: &str) -> bool {
        self.lanes.get(name).is_some_and(super::lane::Lane::wants_connector)
    }

    pub(super) fn in_group(&mut self, act: impl FnOnce(&mut Group, &mut Vec<Action>)) {
        if let (Some(group), false) = (&mut self.group, self.stopping) {
            act(group, &mut self.actions);
        }
    }

    pub(super) fn on_group(&mut self, ticket: GroupTicket, call: GroupCall) {
        let Some(group) = &mut self.group else { return };
        match call {
            GroupCall::Assign(members, now_ms) => {
                let answer = group.assign(&self.cluster, &members, now_ms);
                self.actions.push(Action::GroupDone(ticket, answer));
            }
            GroupCall::Revoked(revoked) => {
                let taken = group.on_revoked(ticket, &revoked, &mut self.actions);
                for name in taken.names() {
                    let mut steps = vec![Step::StopTasks(TaskSet::These(taken.tasks_of(&name)))];
                    if taken.connectors.contains(&name) {
                        steps.push(Step::StopConnector);
                    }
                    steps.extend([Step::ForgetTopics, Step::Released(ticket)]);
                    self.then(&name, steps);
                }
            }
            GroupCall::Assigned(_) if self.stopping => {
                self.actions.push(Action::GroupDone(ticket, GroupAnswer::Done));
            }
            GroupCall::Assigned(assigned) => {
                self.generation = assigned.generation.into();
                let leads = assigned.is_leader();
                let next = group.on_assigned(ticket, assigned, &mut self.actions);
                if leads {
                    self.forget_deleted();
                }
                self.go_on(&next);
            }
        }
    }

    pub(super) fn on_config_read(&mut self, read: bool) {
        let Some(group) = &mut self.group else { return };
        let next = group.on_config_read(read, &mut self.actions);
        self.go_on(&next);
    }

    fn go_on(&mut self, next: &Next) {
        match next {
            Next::Wait => {}
            Next::Start => {
                self.follow_assignment();
                self.ready = true;
            }
            Next::GiveUp => self.follow_assignment(),
        }
    }

    pub(super) fn on_released(&mut self, name: &str, ticket: GroupTicket) {
        // Its restart was asked for, and it is somebody else's now.
        for reply in std::mem::take(&mut self.lane(name).awaiting_start) {
            self.reply(reply, Err(HerderError::Elsewhere(None)));
        }
        if let Some(group) = &mut self.group {
            group.released(ticket, &mut self.actions);
        }
    }

    /// Starts what is assigned and does not run, and stops what runs and is not assigned.
    fn follow_assignment(&mut self) {
        let Some(group) = &self.group else { return };
        tracing::info!("Starting connectors and tasks");
        let owned = group.owned().clone();
        let mut names = owned.names();
        names.extend(self.lanes.keys().cloned());
        for name in names {
            let exists = self.cluster.contains(&name);
            let count = if exists { self.cluster.task_count(&name) } else { 0 };
            let tasks: Vec<u32> = owned.tasks_of(&name).into_iter().filter(|task| *task < count).collect();
            let connector = exists && owned.connectors.contains(&name);
            let lane = self.lane(&name);
            // Whoever fenced a task that is here after all is gone: nobody else would run it.
            let is_left = |task: &u32| !tasks.contains(task) || lane.fenced.contains(task);
            let surplus: Vec<u32> = lane.wanted().iter().copied().filter(is_left).collect();
            let is_missing = |task: &u32| !lane.wanted().contains(task) || lane.fenced.contains(task);
            let missing: Vec<u32> = tasks.iter().copied().filter(is_missing).collect();
            let mut steps = Vec::new();
            if !surplus.is_empty() {
                steps.push(Step::StopTasks(TaskSet::These(surplus)));
            }
            match (lane.wants_connector(), connector) {
                (true, false) => steps.push(Step::StopConnector),
                (false, true) => steps.push(Step::StartConnector),
                _ => {}
            }
            if !missing.is_empty() {
                steps.push(Step::StartTasks(missing));
            }
            self.then(&name, steps);
        }
        tracing::info!("Finished starting connectors and tasks");
    }

    /// Forgets the states of connectors and tasks that are no more; the leader does so for all.
    fn forget_deleted(&mut self) {
        let mut names: Vec<String> = self.statuses.connectors().map(str::to_owned).collect();
        names.extend(self.lanes.iter().filter(|(_, lane)| !lane.spoken.is_empty()).map(|(name, _)| name.clone()));
        names.sort();
        names.dedup();
        for name in names {
            let exists = self.cluster.contains(&name);
            self.forget_tasks(&name, if exists { self.cluster.task_count(&name) } else { 0 });
            if !exists {
                self.actions.push(Action::WriteStatus(StatusRecord::Status(Subject::Connector(name.clone()), None)));
                if self.lane(&name).is_empty() {
                    self.lanes.remove(&name);
                }
            }
        }
    }

    /// Whether a connector is this worker's to restart, or whose it is.
    pub(super) fn owns_connector(&self, name: &str) -> Result<(), HerderError> {
        let Some(group) = &self.group else { return Ok(()) };
        match (group.owned().connectors.contains(name), group.is_leader()) {
            (true, _) => Ok(()),
            (false, true) => Err(HerderError::Elsewhere(group.owner_of_connector(name))),
            (false, false) => Err(HerderError::Elsewhere(group.leader_url().map(str::to_owned))),
        }
    }

    /// Whether a task is this worker's to restart, or whose it is.
    pub(super) fn owns_task(&self, id: &TaskId) -> Result<(), HerderError> {
        let Some(group) = &self.group else {
            let counts = id.task < self.cluster.task_count(&id.connector);
            return if counts { Ok(()) } else { Err(HerderError::Elsewhere(None)) };
        };
        match (group.owned().tasks.contains(id), group.is_leader()) {
            (true, _) => Ok(()),
            (false, true) => Err(HerderError::Elsewhere(group.owner_of_task(id))),
            (false, false) => Err(HerderError::Elsewhere(group.leader_url().map(str::to_owned))),
        }
    }

    /// Only the leader may do what comes next.
    pub(super) fn must_lead(&self) -> Result<(), HerderError> {
        match &self.group {
            Some(group) if !group.is_leader() => Err(HerderError::Elsewhere(group.leader_url().map(str::to_owned))),
            _ => Ok(()),
        }
    }
}
