//! What happens to a herder, and what it wants done: the words between its core and its driver.

use std::time::Duration;

use couplet_api::Error;
use couplet_api::config::Props;
use couplet_api::error::Disposition;
use couplet_group::membership::{Assigned, GroupMembers, Revoked};
use couplet_group::protocol::Assignment;

use super::auto_restart::Alarm;
use super::{HerderError, NewConnector, OffsetEntry, RestartRequest};
use crate::storage::config_store::{ConfigRecord, SessionKey};
use crate::storage::status_store::{StatusRecord, Subject};
use crate::worker::{TargetState, TaskEvent, TaskId};

/// Names a caller that waits for an answer.
pub type ReplyId = u64;

/// Names a call of the group that waits for its end.
pub type GroupTicket = u64;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A record of the config log came back. With it, the position behind it in the topic, if there is a topic.
    Config(ConfigRecord, Option<i64>),
    /// The config log was read up to this position; what is there means nothing to this version.
    ConfigPosition(i64),
    /// A record of the status log came back.
    Status(StatusRecord),
    /// Both logs are read to their end: work begins.
    Loaded,
    /// A step of a connector has ended.
    StepDone(String, Outcome),
    /// A task's life changed.
    Task(TaskId, TaskEvent),
    /// A task uses a topic; when, in milliseconds since the epoch.
    ActiveTopic(TaskId, String, i64),
    /// A connector's tasks may have changed, or it is time to try again.
    Reconfigure(String),
    /// Placeholders of a connector have other values than when its tasks were made.
    ValuesChanged(String),
    /// Placeholders of a connector are to be looked up again.
    ValuesExpired(String),
    /// The config records of [`Action::WriteConfig`] are durable and have come back, or why not.
    Written(Result<(), String>),
    /// Somebody wants something.
    Command(ReplyId, Command),
    /// [`Action::FenceTasks`] has ended; the error is a message.
    Fenced(String, Result<(), String>),
    /// It is time for a new session key.
    NewSessionKey(SessionKey),
    /// The group wants something.
    Group(GroupTicket, GroupCall),
    /// The config log was read to its end, or could not be in time; see [`Action::ReadConfig`].
    ConfigRead(bool),
    /// The time of [`Action::RejoinAfter`] is over.
    RejoinDue,
    /// The leader has taken a connector's task configs, or why not.
    TaskConfigsSent(String, Result<(), String>),
    /// The time of [`Action::Wake`] is over.
    Woken(Alarm),
    /// The worker is to end.
    Shutdown,
}

/// What the group wants of its member.
#[derive(Debug)]
pub enum GroupCall {
    /// Share out the work, as the leader. With the time in milliseconds since the epoch.
    Assign(GroupMembers, i64),
    /// Stop this work.
    Revoked(Revoked),
    /// All this work is yours.
    Assigned(Assigned),
}

/// How a call of the group ended.
#[derive(Debug, PartialEq)]
pub enum GroupAnswer {
    /// It is done.
    Done,
    /// Who gets what.
    Assignments(Vec<(String, Assignment)>),
}

/// What somebody can want.
#[derive(Debug)]
pub enum Command {
    /// Create or replace a connector. With `base`, only if that is still its config.
    Put {
        /// The connector.
        new: NewConnector,
        /// The config a patch was made from.
        base: Option<Props>,
    },
    /// Delete a connector.
    Delete(String),
    /// Pause, resume or stop a connector.
    Target(String, TargetState),
    /// Restart a connector.
    Restart(String, RestartRequest),
    /// Restart a task.
    RestartTask(TaskId),
    /// Forget a connector's active topics.
    ResetTopics(String),
    /// Set the level of a logger on all workers.
    SetLoggerLevel(String, String),
    /// Store offsets of a stopped connector; `None`: forget all.
    AlterOffsets(String, Option<Vec<OffsetEntry>>),
    /// Store the offsets that a connector with this config is to begin with; it is created next.
    SetInitialOffsets(String, Props, Vec<OffsetEntry>),
    /// Another worker's task configs for a connector, sent to the leader.
    PutTaskConfigs(String, Vec<Props>),
    /// Fence the tasks of earlier generations of a source.
    Fence(String),
    /// Check that a task of this generation of task configs may go on.
    VerifyTask(TaskId, u64),
    /// Answer.
    Ping,
}

/// The good answers.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// It is done.
    Done,
    /// The connector was written.
    Written {
        /// Whether it is new.
        created: bool,
        /// Its config.
        config: Props,
        /// Number of its tasks.
        tasks: u32,
    },
    /// The config a patch was made from is no longer the connector's.
    Stale,
    /// These parts of the connector restart.
    Restarting(Vec<Subject>),
    /// A message for the user.
    Message(String),
}

/// Which tasks of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskSet {
    /// All that run.
    All,
    /// These, as far as they run.
    These(Vec<u32>),
}

/// Something done to one connector. Steps of a connector follow one another, steps of several run side by side.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Makes the connector and starts it, as far as its target state allows.
    StartConnector,
    /// Stops the connector.
    StopConnector,
    /// Pauses, resumes or stops connector and tasks.
    SetTarget(TargetState),
    /// Pauses or resumes the tasks of a connector that is another worker's.
    SetTaskTarget(TargetState),
    /// Asks the connector for task configs.
    MakeTaskConfigs,
    /// Stops tasks.
    StopTasks(TaskSet),
    /// Starts tasks with the configs that count.
    StartTasks(Vec<u32>),
    /// Stores offsets and answers.
    AlterOffsets(ReplyId, Option<Vec<OffsetEntry>>),
    /// Stores the offsets of a connector that is not there yet, and answers.
    SetInitialOffsets(ReplyId, Props, Vec<OffsetEntry>),
    /// Tells everybody that something restarts.
    SayRestarting(Subject),
    /// Forgets the states of tasks from this number on.
    ForgetTasks(u32),
    /// Forgets all states and topics of a connector that is deleted.
    Forget,
    /// Forgets the topics of a connector, if it is deleted.
    ForgetTopics,
    /// Tells the group that all before this has stopped.
    Released(GroupTicket),
    /// Answers: all before this is done.
    Answer(ReplyId),
}

impl Step {
    /// Whether the step may take as long as an external system likes, and may be given up half-way.
    pub const fn is_interruptible(&self) -> bool {
        matches!(self, Step::StartConnector | Step::MakeTaskConfigs | Step::SetTarget(TargetState::Started))
    }
}

/// How a step ended.
#[derive(Debug)]
pub enum Outcome {
    /// [`Step::StartConnector`].
    ConnectorStarted(Result<(), Failure>),
    /// [`Step::StopConnector`].
    ConnectorStopped,
    /// [`Step::SetTarget`].
    TargetSet(TargetState, Result<(), Failure>),
    /// [`Step::SetTaskTarget`].
    TaskTargetSet,
    /// [`Step::MakeTaskConfigs`].
    TaskConfigs(Result<Vec<Props>, Failure>),
    /// [`Step::StopTasks`].
    TasksStopped(Vec<u32>),
    /// [`Step::StartTasks`]: tasks that could not be started, and why.
    TasksStarted(Vec<(u32, Failure)>),
    /// [`Step::AlterOffsets`], [`Step::SetInitialOffsets`].
    OffsetsAltered(ReplyId, Result<String, HerderError>),
    /// A step that can be, was given up half-way; see [`Action::Interrupt`].
    Interrupted,
}

/// Why a connector or task does not do what it should.
#[derive(Debug)]
pub struct Failure {
    /// What happened; the first line is `class: message`.
    pub trace: String,
    /// Whether another try may help.
    pub retriable: bool,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Failure { trace: error.trace(), retriable: error.kind().disposition() == Disposition::Retry }
    }
}

/// What the core wants done.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Run a step; [`Event::StepDone`] follows. Never a step that the core does itself.
    Run(String, Step),
    /// Give up the step that runs for a connector: what it wants is to be undone anyway.
    Interrupt(String),
    /// Write records to the config log, in order; [`Event::Written`] follows. One at a time.
    WriteConfig(Vec<ConfigRecord>),
    /// Write a record to the status log, behind those before.
    WriteStatus(StatusRecord),
    /// Answer a caller.
    Reply(ReplyId, Result<Answer, HerderError>),
    /// Send [`Event::Woken`] after the alarm's time.
    Wake(Alarm),
    /// Send [`Event::Reconfigure`] after a pause.
    ReconfigureAfter(String, Duration),
    /// End a call of the group. [`GroupAnswer::Done`] also means that all states written before are in the topic.
    GroupDone(GroupTicket, GroupAnswer),
    /// Ask the group for a rebalance, for this reason.
    Rejoin(String),
    /// Send [`Event::RejoinDue`] after so many milliseconds; `None`: not at all. Replaces what was asked before.
    RejoinAfter(Option<u64>),
    /// Leave the group for a while.
    StepOut {
        /// Why.
        reason: String,
        /// How long.
        pause_ms: i64,
    },
    /// Read the config log to its end; [`Event::ConfigRead`] follows.
    ReadConfig,
    /// Send a connector's task configs to the leader; [`Event::TaskConfigsSent`] follows.
    SendTaskConfigs {
        /// URL of the leader.
        leader: String,
        /// The connector.
        name: String,
        /// The configs.
        configs: Vec<Props>,
    },
    /// Set the level of a logger.
    SetLoggerLevel(String, Option<String>),
    /// Fence the producers of this many tasks of a source; [`Event::Fenced`] follows.
    FenceTasks(String, u32),
}
