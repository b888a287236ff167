//! The herder's core: what follows from what happened, decided without I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use couplet_api::config::Props;

use super::auto_restart::Restarts;
use super::event::{Action, Answer, Command, Event, Failure, Outcome, ReplyId, Step, TaskSet};
use super::fencing::{AfterFencing, Fencing};
use super::group::{Group, GroupSettings};
use super::lane::{Instance, Lane};
use super::{ConnectorState, ConnectorStatus, GroupView, HerderError};
use crate::plugins::Plugins;
use crate::storage::cluster_state::ClusterState;
use crate::storage::config_store::SessionKey;
use crate::storage::status_store::{StatusRecord, StatusTable, StoredStatus, Subject};
use crate::worker::{TargetState, TaskEvent, TaskId};
use crate::worker_config::Mode;

/// Something that needs the config log; done one by one, each on the state that the one before left behind.
#[derive(Debug)]
pub(super) enum Intent {
    /// A caller's wish.
    Command(ReplyId, Command),
    /// A connector's tasks changed.
    TaskConfigs(String, Vec<Props>),
    /// A new session key.
    SessionKey(SessionKey),
    /// Zombies of a source are fenced: the number of its tasks goes on record.
    TaskCount(String, Vec<AfterFencing>),
}

/// What to do when the records in flight are written.
#[derive(Debug)]
pub(super) enum Then {
    /// Answer that a connector was written.
    Put { reply: ReplyId, name: String, created: bool, config: Props },
    /// Answer.
    Reply(ReplyId, Answer),
    /// Tell those who wait for the connector's tasks.
    TaskConfigs(String),
    /// Zombies are fenced, and that is on record.
    Fenced(Vec<AfterFencing>),
    /// Nothing.
    Nothing,
}

/// All that a herder knows.
pub struct HerderState {
    pub(super) mode: Mode,
    worker_id: String,
    pub(super) plugins: Plugins,
    topic_tracking: bool,
    pub(super) exactly_once: bool,
    /// The worker's own settings of automatic restarts.
    pub(super) restart_defaults: Props,
    pub(super) restarts: Restarts,
    pub(super) fencings: BTreeMap<String, Fencing>,
    pub(super) cluster: ClusterState,
    pub(super) statuses: StatusTable,
    pub(super) lanes: BTreeMap<String, Lane>,
    /// The place in the group; `None` for a worker alone.
    pub(super) group: Option<Group>,
    /// The generation of the group, or a count of what would be rebalances in one, so that states of earlier owners are
    /// told apart.
    pub(super) generation: i64,
    pub(super) loaded: bool,
    pub(super) ready: bool,
    pub(super) stopping: bool,
    pub(super) intents: VecDeque<Intent>,
    pub(super) in_flight: Option<Then>,
    /// Connectors that look different since the last snapshot.
    pub(super) touched: BTreeSet<String>,
    pub(super) actions: Vec<Action>,
}

impl HerderState {
    /// A herder that has not read its logs yet. `worker_id` is the `host:port` states are written under. With `group`, it is
    /// that of a member.
    pub fn new(group: Option<GroupSettings>, worker_id: String, plugins: Plugins, topic_tracking: bool) -> Self {
        HerderState {
            mode: if group.is_some() { Mode::Distributed } else { Mode::Standalone },
            group: group.map(Group::new),
            worker_id,
            plugins,
            topic_tracking,
            exactly_once: false,
            restart_defaults: Props::new(),
            restarts: Restarts::default(),
            fencings: BTreeMap::new(),
            cluster: ClusterState::default(),
            statuses: StatusTable::default(),
            lanes: BTreeMap::new(),
            generation: 0,
            loaded: false,
            ready: false,
            stopping: false,
            intents: VecDeque::new(),
            in_flight: None,
            touched: BTreeSet::new(),
            actions: Vec::new(),
        }
    }

    /// The state of the config log.
    pub fn cluster(&self) -> &ClusterState {
        &self.cluster
    }

    /// The state of the status log.
    pub fn statuses(&self) -> &StatusTable {
        &self.statuses
    }

    /// Whether the logs were read and work has begun at least once.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether this worker follows the last assignment of its group, and no other is known to be due.
    pub fn is_settled(&self) -> bool {
        self.loaded && self.group.as_ref().is_none_or(Group::is_settled)
    }

    /// What others have to know of this worker's place in the group; `None` for a worker alone.
    pub fn group_view(&self) -> Option<GroupView> {
        let group = self.group.as_ref()?;
        Some(GroupView {
            is_leader: group.is_leader(),
            leader_url: group.leader_url().map(str::to_owned),
            signs_requests: group.signs_requests(),
            session_key: self.cluster.session_key().cloned(),
        })
    }

    /// Position behind the last record of the config topic that was taken.
    pub fn config_offset(&self) -> Option<i64> {
        self.group.as_ref().map(|group| group.config_offset)
    }

    /// Whether the next command may be handed in: all before it were decided.
    pub fn takes_commands(&self) -> bool {
        self.intents.is_empty()
    }

    /// Whether nothing runs or waits.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.intents.is_empty() && self.lanes.values().all(Lane::is_idle)
    }

    /// Names of connectors that look different since the last call.
    pub fn take_touched(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.touched)
    }

    /// Takes an event; returns what is to be done, in order.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Config(record, position) => {
                self.note_position(position);
                self.on_config(record);
            }
            Event::ConfigPosition(position) => self.note_position(Some(position)),
            Event::Status(record) => {
                self.touched.insert(match &record {
                    StatusRecord::Status(subject, _) => subject.connector().to_owned(),
                    StatusRecord::ActiveTopic { connector, .. } => connector.clone(),
                });
                self.note_restart_begun(&record);
                self.statuses.apply(record);
            }
            Event::Loaded => self.on_loaded(),
            Event::StepDone(name, outcome) => self.on_step_done(&name, outcome),
            Event::Task(id, event) => self.on_task(&id, event),
            Event::ActiveTopic(id, topic, now_ms) => self.on_active_topic(&id, topic, now_ms),
            Event::Reconfigure(name) => self.reconfigure(&name),
            Event::ValuesChanged(name) => self.cluster.forget_applied(&name),
            Event::ValuesExpired(name) => self.restart_for_values(&name),
            Event::Written(result) => self.on_written(result),
            Event::Fenced(name, result) => self.on_fenced(&name, result),
            Event::Command(reply, command) => self.intents.push_back(Intent::Command(reply, command)),
            Event::NewSessionKey(key) => self.intents.push_back(Intent::SessionKey(key)),
            Event::Group(ticket, call) => self.on_group(ticket, call),
            Event::ConfigRead(read) => self.on_config_read(read),
            Event::RejoinDue => self.in_group(Group::on_rejoin_due),
            Event::TaskConfigsSent(name, result) => self.on_task_configs_sent(&name, result),
            Event::Woken(alarm) => self.on_woken(alarm),
            Event::Shutdown => self.on_shutdown(),
        }
        while self.in_flight.is_none() && (self.is_settled() || self.stopping) {
            let Some(intent) = self.intents.pop_front() else { break };
            self.decide(intent);
        }
        std::mem::take(&mut self.actions)
    }

    fn on_shutdown(&mut self) {
        self.stopping = true;
        let names: Vec<String> = self.lanes.keys().cloned().collect();
        for name in names {
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.instead([Step::StopTasks(TaskSet::All), Step::StopConnector]);
            }
            self.advance(&name);
        }
    }

    /// Asks the connector for its task configs, unless it does not run or was asked already.
    fn reconfigure(&mut self, name: &str) {
        let runs = self.cluster.contains(name) && self.cluster.target(name) == TargetState::Started && !self.stopping;
        let lane = self.lanes.get(name);
        if runs && lane.is_some_and(|l| l.instance == Instance::Present && !l.awaits(&Step::MakeTaskConfigs)) {
            self.then(name, [Step::MakeTaskConfigs]);
        }
    }

    /// Restarts a connector that runs here, so that its placeholders are looked up again.
    fn restart_for_values(&mut self, name: &str) {
        let runs = self.cluster.target(name) == TargetState::Started && !self.stopping;
        if runs && self.lanes.get(name).is_some_and(|lane| lane.instance == Instance::Present) {
            self.then(name, [Step::StopConnector, Step::StartConnector]);
        }
    }

    pub(super) fn lane(&mut self, name: &str) -> &mut Lane {
        self.lanes.entry(name.to_owned()).or_default()
    }

    /// Appends steps to a connector's lane.
    pub(super) fn then(&mut self, name: &str, steps: impl IntoIterator<Item = Step>) {
        self.lane(name).then(steps);
        self.advance(name);
    }

    /// Starts the next step of a connector; does those that are the core's own.
    fn advance(&mut self, name: &str) {
        if self.lane(name).take_interrupt() {
            self.actions.push(Action::Interrupt(name.to_owned()));
        }
        while let Some(step) = self.lane(name).next_step() {
            match step {
                Step::SayRestarting(subject) => self.say(subject, ConnectorState::Restarting),
                Step::ForgetTasks(from) => self.forget_tasks(name, from),
                Step::Forget => self.forget(name),
                Step::ForgetTopics if self.cluster.contains(name) => {}
                Step::ForgetTopics => self.forget_topics(name),
                Step::Released(ticket) => self.on_released(name, ticket),
                Step::Answer(reply) => self.reply(reply, Ok(Answer::Done)),
                step => {
                    let lane = self.lane(name);
                    lane.busy = true;
                    lane.interruptible = step.is_interruptible();
                    if let Step::StartTasks(tasks) = &step {
                        lane.live.extend(tasks);
                    }
                    self.actions.push(Action::Run(name.to_owned(), step));
                    return;
                }
            }
        }
        if !self.cluster.contains(name) && self.lane(name).is_empty() {
            self.lanes.remove(name);
            self.restarts.forget(name);
        }
    }

    fn on_step_done(&mut self, name: &str, outcome: Outcome) {
        let lane = self.lane(name);
        (lane.busy, lane.interruptible) = (false, false);
        match outcome {
            Outcome::ConnectorStarted(result) => self.on_connector_started(name, result),
            Outcome::ConnectorStopped => {
                self.lane(name).instance = Instance::Absent;
                self.say(Subject::Connector(name.to_owned()), ConnectorState::Unassigned);
            }
            Outcome::TargetSet(target, Ok(())) => {
                if self.lane(name).instance == Instance::Present {
                    self.say(Subject::Connector(name.to_owned()), resting(target));
                    if target == TargetState::Started {
                        self.reconfigure(name);
                    }
                }
            }
            Outcome::TargetSet(_, Err(failure)) => self.fail_connector(name, failure),
            Outcome::TaskTargetSet => {}
            Outcome::TaskConfigs(Ok(configs)) => {
                self.lane(name).reset_retries();
                self.intents.push_back(Intent::TaskConfigs(name.to_owned(), configs));
            }
            Outcome::TaskConfigs(Err(reason)) => self.on_no_task_configs(name, reason),
            Outcome::TasksStopped(tasks) => {
                let lane = self.lane(name);
                lane.live.retain(|task| !tasks.contains(task));
                lane.fenced.retain(|task| !tasks.contains(task));
            }
            Outcome::TasksStarted(failed) => {
                for (task, failure) in failed {
                    self.say_failed(Subject::Task(TaskId { connector: name.into(), task }), failure);
                }
            }
            // Something may be left of the connector; the stop that follows sees to it.
            Outcome::Interrupted => self.lane(name).instance = Instance::Present,
            Outcome::OffsetsAltered(reply, result) => self.reply(reply, result.map(Answer::Message)),
        }
        self.advance(name);
    }

    fn on_connector_started(&mut self, name: &str, result: Result<(), Failure>) {
        let replies = std::mem::take(&mut self.lane(name).awaiting_start);
        match result {
            Ok(()) => {
                let target = self.cluster.target(name);
                self.lane(name).instance = Instance::Present;
                self.say(Subject::Connector(name.to_owned()), resting(target));
                replies.into_iter().for_each(|reply| self.reply(reply, Ok(Answer::Done)));
                if target == TargetState::Started {
                    self.reconfigure(name);
                } else {
                    self.answer_waiting(name, None);
                }
            }
            Err(failure) => {
                let message = message_of(&failure.trace);
                for reply in replies {
                    self.reply(reply, Err(HerderError::Failed(message.clone())));
                }
                self.fail_connector(name, failure);
            }
        }
    }

    fn fail_connector(&mut self, name: &str, failure: Failure) {
        self.lane(name).instance = Instance::Failed;
        let message = message_of(&failure.trace);
        self.say_failed(Subject::Connector(name.to_owned()), failure);
        self.answer_waiting(name, Some(message));
    }

    fn on_no_task_configs(&mut self, name: &str, reason: Failure) {
        if reason.retriable {
            let pause = self.lane(name).next_retry();
            self.actions.push(Action::ReconfigureAfter(name.to_owned(), pause));
        } else {
            self.fail_connector(name, reason);
        }
    }

    /// Answers those who wait for the connector's tasks (standalone mode).
    pub(super) fn answer_waiting(&mut self, name: &str, failure: Option<String>) {
        for (reply, created) in std::mem::take(&mut self.lane(name).awaiting_tasks) {
            let config = self.cluster.config(name).cloned().unwrap_or_default();
            let written = Answer::Written { created, config, tasks: self.cluster.task_count(name) };
            self.reply(reply, failure.clone().map_or(Ok(written), |message| Err(HerderError::Failed(message))));
        }
    }

    fn on_task(&mut self, id: &TaskId, event: TaskEvent) {
        // What a task says after it was given up does not count: its successor may run already.
        if !self.lanes.get(&*id.connector).is_some_and(|lane| lane.live.contains(&id.task)) {
            return;
        }
        let subject = Subject::Task(id.clone());
        match event {
            TaskEvent::Running => self.say(subject, ConnectorState::Running),
            TaskEvent::Paused => self.say(subject, ConnectorState::Paused),
            TaskEvent::Failed { trace, retriable } => self.say_failed(subject, Failure { trace, retriable }),
            TaskEvent::Fenced { trace } => {
                self.lane(&id.connector).fenced.insert(id.task);
                // The group says whether it runs again.
                self.say_failed(subject, Failure { trace, retriable: false });
            }
            TaskEvent::Stopped => self.say(subject, ConnectorState::Unassigned),
        }
    }

    fn on_active_topic(&mut self, id: &TaskId, topic: String, now_ms: i64) {
        let known = self.statuses.topics(&id.connector).any(|t| t == topic);
        if !self.topic_tracking || known || !self.cluster.contains(&id.connector) {
            return;
        }
        if self.lane(&id.connector).topics.insert(topic.clone()) {
            let discovered = Some((id.task, now_ms));
            let record = StatusRecord::ActiveTopic { connector: id.connector.to_string(), topic, discovered };
            self.actions.push(Action::WriteStatus(record));
        }
    }

    /// Writes a state that is not FAILED, unless it is an end and another worker has said something later.
    fn say(&mut self, subject: Subject, state: ConnectorState) {
        if state == ConnectorState::Unassigned && !self.may_say(&subject) {
            return;
        }
        self.note_state(&subject, state);
        self.write_status(subject, state, None);
    }

    /// Writes that something failed, unless another worker has said something later.
    fn say_failed(&mut self, subject: Subject, failure: Failure) {
        if self.may_say(&subject) {
            let trace = self.note_failure(&subject, failure);
            self.write_status(subject, ConnectorState::Failed, Some(trace));
        }
    }

    fn may_say(&self, subject: &Subject) -> bool {
        self.statuses.may_write(subject, &self.worker_id, self.generation)
    }

    fn write_status(&mut self, subject: Subject, state: ConnectorState, trace: Option<String>) {
        if let Subject::Task(id) = &subject {
            let task = id.task;
            self.lane(&id.connector.clone()).spoken.insert(task);
        }
        let version = match (&subject, state) {
            (_, ConnectorState::Restarting) => None,
            (subject, _) => self.version(subject.connector()),
        };
        let status = ConnectorStatus { state, worker_id: self.worker_id.clone(), trace, version };
        let stored = StoredStatus { status, generation: self.generation };
        self.actions.push(Action::WriteStatus(StatusRecord::Status(subject, Some(stored))));
    }

    fn version(&self, name: &str) -> Option<String> {
        let class = self.cluster.config(name)?.get("connector.class")?;
        Some(self.plugins.connector(class)?.plugin().version().to_owned())
    }

    pub(super) fn forget_tasks(&mut self, name: &str, from: u32) {
        let lane = self.lane(name);
        let mut tasks = lane.spoken.split_off(&from);
        tasks.extend(self.statuses.tasks(name).map(|(task, _)| task).filter(|task| *task >= from));
        for task in tasks {
            let subject = Subject::Task(TaskId { connector: name.into(), task });
            self.actions.push(Action::WriteStatus(StatusRecord::Status(subject, None)));
        }
    }

    fn forget(&mut self, name: &str) {
        self.generation += 1;
        self.forget_tasks(name, 0);
        let subject = Subject::Connector(name.to_owned());
        self.actions.push(Action::WriteStatus(StatusRecord::Status(subject, None)));
        self.forget_topics(name);
        let lane = self.lane(name);
        let (start, tasks) = (std::mem::take(&mut lane.awaiting_start), std::mem::take(&mut lane.awaiting_tasks));
        for reply in start.into_iter().chain(tasks.into_iter().map(|(reply, _)| reply)) {
            self.reply(reply, Err(HerderError::NotFound(format!("Connector {name} not found"))));
        }
    }

    pub(super) fn forget_topics(&mut self, name: &str) {
        let mut topics = self.lanes.get_mut(name).map(|lane| std::mem::take(&mut lane.topics)).unwrap_or_default();
        topics.extend(self.statuses.topics(name).map(str::to_owned));
        for topic in topics {
            let record = StatusRecord::ActiveTopic { connector: name.to_owned(), topic, discovered: None };
            self.actions.push(Action::WriteStatus(record));
        }
    }

    pub(super) fn reply(&mut self, reply: ReplyId, answer: Result<Answer, HerderError>) {
        self.actions.push(Action::Reply(reply, answer));
    }
}

/// The state a connector is in when it does what `target` says.
const fn resting(target: TargetState) -> ConnectorState {
    match target {
        TargetState::Started => ConnectorState::Running,
        TargetState::Paused => ConnectorState::Paused,
        TargetState::Stopped => ConnectorState::Stopped,
    }
}

/// The message in the first line of a trace, which is `class: message`.
fn message_of(trace: &str) -> String {
    let first = trace.lines().next().unwrap_or_default();
    first.split_once(": ").map_or(first, |(_, message)| message).to_owned()
}
