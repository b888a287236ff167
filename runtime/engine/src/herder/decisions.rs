//! What follows from a wish: refused, or written to the config log. Messages are the JVM's; clients match on them.

use couplet_api::config::Props;

use super::event::{Action, Answer, Command, ReplyId, Step, TaskSet};
use super::fencing::AfterFencing;
use super::lane::Instance;
use super::state::{HerderState, Intent, Then};
use super::{HerderError, NewConnector, OffsetEntry, RestartRequest};
use crate::storage::config_store::ConfigRecord;
use crate::storage::status_store::Subject;
use crate::worker::{TargetState, TaskId};
use crate::worker_config::Mode;

impl HerderState {
    /// Does what `intent` wants as far as it can be decided now. A write makes the next intent wait.
    pub(super) fn decide(&mut self, intent: Intent) {
        match intent {
            Intent::SessionKey(key) => self.write(vec![ConfigRecord::SessionKey(key)], Then::Nothing),
            Intent::TaskCount(name, waiting) => self.write_task_count(&name, waiting),
            Intent::TaskConfigs(name, configs) => self.publish_task_configs(name, configs),
            Intent::Command(reply, _) if self.stopping => {
                self.refuse(reply, HerderError::Failed("The worker is shutting down".to_owned()));
            }
            Intent::Command(reply, Command::Ping) => self.reply(reply, Ok(Answer::Done)),
            Intent::Command(reply, command) => {
                if let Err(refusal) = self.decide_command(reply, command) {
                    self.refuse(reply, refusal);
                }
            }
        }
    }

    fn decide_command(&mut self, reply: ReplyId, command: Command) -> Result<(), HerderError> {
        match command {
            Command::Put { new, base } => self.decide_put(reply, new, base.as_ref()),
            Command::Delete(name) => {
                self.must_lead()?;
                self.known(&name, |name| HerderError::NotFound(format!("Connector {name} not found")))?;
                let records = vec![ConfigRecord::Connector(name.clone(), None), ConfigRecord::Target(name, None)];
                self.write(records, Then::Reply(reply, Answer::Done));
                Ok(())
            }
            Command::Target(name, target) => self.decide_target(reply, name, target),
            Command::Restart(name, request) => self.decide_restart(reply, &name, request),
            Command::RestartTask(id) => self.decide_restart_task(reply, &id),
            Command::ResetTopics(name) => {
                self.forget_topics(&name);
                self.reply(reply, Ok(Answer::Done));
                Ok(())
            }
            Command::SetLoggerLevel(logger, level) => {
                self.write(vec![ConfigRecord::LoggerLevel(logger, Some(level))], Then::Reply(reply, Answer::Done));
                Ok(())
            }
            Command::AlterOffsets(name, changes) => self.decide_alter_offsets(reply, &name, changes),
            Command::SetInitialOffsets(name, config, offsets) => {
                self.must_lead()?;
                if self.cluster.contains(&name) {
                    return Err(HerderError::Conflict(format!("Connector {name} already exists")));
                }
                // Behind the end of an earlier connector of that name.
                self.then(&name, [Step::SetInitialOffsets(reply, config, offsets)]);
                Ok(())
            }
            Command::PutTaskConfigs(name, configs) => self.decide_put_task_configs(reply, name, configs),
            Command::Fence(name) => self.decide_fence(&name, AfterFencing::Reply(reply)),
            Command::VerifyTask(id, generation) => self.decide_verify(reply, &id, generation),
            Command::Ping => Ok(()),
        }
    }

    fn decide_put(&mut self, reply: ReplyId, new: NewConnector, base: Option<&Props>) -> Result<(), HerderError> {
        self.must_lead()?;
        let NewConnector { name, config, initial_state, replace } = new;
        let current = self.cluster.config(&name);
        if current.is_some() && !replace {
            return Err(HerderError::Conflict(format!("Connector {name} already exists")));
        }
        if base.is_some_and(|base| Some(base) != current) {
            self.reply(reply, Ok(Answer::Stale));
            return Ok(());
        }
        let created = current.is_none();
        let mut records = Vec::new();
        records.extend(initial_state.map(|state| ConfigRecord::Target(name.clone(), Some(state))));
        records.push(ConfigRecord::Connector(name.clone(), Some(config.clone())));
        if self.mode == Mode::Standalone {
            self.lane(&name).awaiting_tasks.push((reply, created));
        }
        self.write(records, Then::Put { reply, name, created, config });
        Ok(())
    }

    fn decide_target(&mut self, reply: ReplyId, name: String, target: TargetState) -> Result<(), HerderError> {
        let mode = self.mode;
        self.known(&name, |name| match (mode, target) {
            (Mode::Standalone, TargetState::Stopped) => {
                HerderError::Failed(format!("No connector `{name}` configured"))
            }
            _ => HerderError::NotFound(format!("Unknown connector {name}")),
        })?;
        let mut records = Vec::new();
        if target == TargetState::Stopped {
            // Task configs are written too, and only the leader writes those.
            self.must_lead()?;
            records.push(ConfigRecord::Commit(name.clone(), 0));
        }
        records.push(ConfigRecord::Target(name, Some(target)));
        self.write(records, Then::Reply(reply, Answer::Done));
        Ok(())
    }

    fn decide_restart(&mut self, reply: ReplyId, name: &str, request: RestartRequest) -> Result<(), HerderError> {
        let plain = !request.include_tasks && !request.only_failed;
        let mode = self.mode;
        self.known(name, |name| match mode {
            // The JVM stumbles over a null pointer here; its status is kept.
            Mode::Standalone if plain => HerderError::Failed(format!("Unknown connector: {name}")),
            _ => HerderError::NotFound(format!("Unknown connector: {name}")),
        })?;
        if plain {
            self.owns_connector(name)?;
            self.restarts.reset(&Subject::Connector(name.to_owned()));
            self.lane(name).awaiting_start.push(reply);
            self.then(name, [Step::StopConnector, Step::StartConnector]);
            return Ok(());
        }
        self.must_lead()?;
        let plan = self
            .restart_plan(name, request)
            .ok_or_else(|| HerderError::NotFound(format!("Status for connector {name} not found")))?;
        self.promise_restart(name, &plan);
        match self.mode {
            Mode::Distributed => {
                let records = vec![ConfigRecord::Restart(name.to_owned(), request)];
                self.write(records, Then::Reply(reply, Answer::Restarting(plan)));
            }
            Mode::Standalone => {
                plan.iter().for_each(|subject| self.restarts.reset(subject));
                self.restart(name, &plan);
                self.reply(reply, Ok(Answer::Restarting(plan)));
            }
        }
        Ok(())
    }

    fn decide_restart_task(&mut self, reply: ReplyId, id: &TaskId) -> Result<(), HerderError> {
        let name = &*id.connector;
        let mode = self.mode;
        let unusable =
            |id: &TaskId| format!("Failed to start task {id} since it is not a recognizable type (source or sink)");
        self.known(name, |name| match mode {
            Mode::Standalone => HerderError::Failed(unusable(id)),
            Mode::Distributed => HerderError::NotFound(format!("Unknown connector: {name}")),
        })?;
        if self.cluster.task_config(name, id.task).is_none() {
            return Err(HerderError::NotFound(format!("Unknown task: {id}")));
        }
        // A task that is configured and nobody's: the JVM then looks for a leader to ask.
        self.owns_task(id)?;
        self.restarts.reset(&Subject::Task(id.clone()));
        let tasks = vec![id.task];
        self.then(name, [Step::StopTasks(TaskSet::These(tasks.clone())), Step::StartTasks(tasks), Step::Answer(reply)]);
        Ok(())
    }

    fn decide_alter_offsets(
        &mut self,
        reply: ReplyId,
        name: &str,
        changes: Option<Vec<OffsetEntry>>,
    ) -> Result<(), HerderError> {
        self.must_lead()?;
        self.known(name, |name| HerderError::NotFound(format!("Connector {name} not found")))?;
        if self.cluster.target(name) != TargetState::Stopped || self.cluster.task_count(name) != 0 {
            return Err(HerderError::BadRequest(format!(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
                 specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
            )));
        }
        self.alter_offsets_now(reply, name, changes)
    }

    /// Writes task configs if they differ from those that count, and the connector still wants them.
    fn publish_task_configs(&mut self, name: String, configs: Vec<Props>) {
        let wanted = self.cluster.contains(&name)
            && self.cluster.target(&name) == TargetState::Started
            && self.lane(&name).instance == Instance::Present
            && !self.stopping;
        if !wanted || !self.cluster.task_configs_differ(&name, &configs) {
            self.answer_waiting(&name, None);
            return;
        }
        match self.must_lead() {
            Ok(()) => {
                let records = task_records(&name, configs);
                self.write(records, Then::TaskConfigs(name));
            }
            Err(HerderError::Elsewhere(Some(leader))) => {
                self.actions.push(Action::SendTaskConfigs { leader, name, configs });
            }
            Err(_) => self.reconfigure_later(name),
        }
    }

    /// Task configs that another worker made.
    fn decide_put_task_configs(
        &mut self,
        reply: ReplyId,
        name: String,
        configs: Vec<Props>,
    ) -> Result<(), HerderError> {
        self.must_lead()?;
        self.known(&name, |name| HerderError::NotFound(format!("Connector {name} not found")))?;
        if !configs.is_empty() && self.cluster.target(&name) == TargetState::Stopped {
            let why = format!("Cannot submit non-empty set of task configs for stopped connector {name}");
            return Err(HerderError::BadRequest(why));
        }
        let records = task_records(&name, configs);
        self.write(records, Then::Reply(reply, Answer::Done));
        Ok(())
    }

    pub(super) fn on_task_configs_sent(&mut self, name: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.answer_waiting(name, None),
            // The driver has logged why.
            Err(_) => self.reconfigure_later(name.to_owned()),
        }
    }

    fn reconfigure_later(&mut self, name: String) {
        let pause = self.lane(&name).next_retry();
        self.actions.push(Action::ReconfigureAfter(name, pause));
    }

    pub(super) fn write(&mut self, records: Vec<ConfigRecord>, then: Then) {
        debug_assert!(self.in_flight.is_none(), "one write at a time");
        self.in_flight = Some(then);
        self.actions.push(Action::WriteConfig(records));
    }

    pub(super) fn on_written(&mut self, result: Result<(), String>) {
        let Some(then) = self.in_flight.take() else { return };
        match (then, result) {
            // Answered when there are tasks.
            (Then::Put { .. }, Ok(())) if self.mode == Mode::Standalone => {}
            (Then::Put { reply, name, created, config }, Ok(())) => {
                // The tasks are those of the config before: new ones are not made yet.
                let tasks = self.cluster.task_count(&name);
                self.reply(reply, Ok(Answer::Written { created, config, tasks }));
            }
            (Then::Reply(reply, answer), Ok(())) => self.reply(reply, Ok(answer)),
            (Then::Fenced(waiting), Ok(())) => self.after_fencing(waiting),
            (Then::Fenced(waiting), Err(message)) => self.refuse_fencing(waiting, &HerderError::Failed(message)),
            (Then::TaskConfigs(name), Ok(())) => self.answer_waiting(&name, None),
            (Then::Put { reply, name, .. }, Err(message)) => {
                self.lane(&name).awaiting_tasks.retain(|(waiting, _)| *waiting != reply);
                self.refuse(reply, HerderError::Failed(message));
            }
            (Then::Reply(reply, answer), Err(message)) => {
                if let Answer::Restarting(plan) = answer {
                    self.withdraw_restart(&plan);
                }
                self.refuse(reply, HerderError::Failed(message));
            }
            (Then::TaskConfigs(name), Err(_)) => {
                // The driver has logged why.
                self.reconfigure_later(name);
            }
            (Then::Nothing, _) => {}
        }
    }

    fn known(&self, name: &str, otherwise: impl FnOnce(&str) -> HerderError) -> Result<(), HerderError> {
        if self.cluster.contains(name) { Ok(()) } else { Err(otherwise(name)) }
    }

    fn refuse(&mut self, reply: ReplyId, refusal: HerderError) {
        self.reply(reply, Err(refusal));
    }
}

/// A complete set of task configs.
fn task_records(name: &str, configs: Vec<Props>) -> Vec<ConfigRecord> {
    let connector: std::sync::Arc<str> = name.into();
    let count = u32::try_from(configs.len()).unwrap_or(u32::MAX);
    let task = |(task, config)| ConfigRecord::Task(TaskId { connector: connector.clone(), task }, config);
    let mut records: Vec<ConfigRecord> = (0..).zip(configs).map(task).collect();
    records.push(ConfigRecord::Commit(name.to_owned(), count));
    records
}
