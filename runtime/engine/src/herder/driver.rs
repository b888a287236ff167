//! The herder's loop: owns the state, does what the core decides, publishes what readers see.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use couplet_api::clock::{Clock, SystemClock};
use couplet_api::spawn::{TaskKind, panic_text, spawn};
use couplet_api::{Error, Kind, Result};
use couplet_kafka::TopicLog;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::event::{Action, Answer, Command, Event, GroupAnswer, GroupTicket, Outcome, ReplyId, Step};
use super::group_port::{Membership, Port, PortCall};
use super::inflow::ToInbox;
use super::runner::Runner;
use super::session_key::SessionKeys;
use super::state::HerderState;
use super::step_work::{StepWork, broken};
use super::write_stage::describe;
use super::{ClusterSnapshot, HerderError, snapshot};
use crate::peers::Peers;
use crate::plugins::Plugins;
use crate::storage::config_store::{ConfigRecord, KeyValue};
use crate::storage::config_writer::ConfigWriter;
use crate::storage::inbox::Inbox;
use crate::storage::status_store::StatusRecord;

/// Pause before states that could not be written are tried again.
const STATUS_RETRY: Duration = Duration::from_secs(1);
/// How long a write to the config log may take, as in Kafka's `KafkaConfigBackingStore`.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long fencing may take, as REST waits in the JVM.
const FENCE_TIMEOUT: Duration = Duration::from_secs(90);
/// Pause before another session key is made when none has come back: longer than a write may take.
const KEY_RETRY: Duration = Duration::from_secs(35);
/// How long the last states may take when the worker ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long leaving the group may take when the worker ends.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// What a herder outside of its group waits for, in the words of "The worker is currently …".
const JOINING: &str = "ensuring membership in the cluster";
/// Most states in one write.
const STATUS_BATCH_MAX: usize = 500;

/// A command and who waits for its answer.
pub type Request = (Command, oneshot::Sender<Result<Answer, HerderError>>);

/// Called with loggers whose level changes on all workers.
pub type SetLoggerLevel = dyn Fn(&str, Option<&str>) + Send + Sync;

/// The logs of a herder, read to their end; `None`: they live in memory, and what is written has come back at once.
#[derive(Clone, Default)]
pub struct Logs {
    /// What users want.
    pub config: Option<Arc<ConfigWriter>>,
    /// What is.
    pub status: Option<Arc<TopicLog>>,
}

/// What a herder is made of.
pub struct Driver {
    /// Decides.
    pub state: HerderState,
    /// Everything that happens arrives here, in order.
    pub inbox: Arc<Inbox<Event>>,
    /// What users ask for.
    pub requests: mpsc::Receiver<Request>,
    /// The other end, for tasks that ask before they begin.
    pub door: mpsc::WeakSender<Request>,
    /// What there is to run.
    pub plugins: Plugins,
    /// Where readers look.
    pub published: Arc<ArcSwap<ClusterSnapshot>>,
    /// Makes session keys; standalone workers need none.
    pub session_keys: Option<SessionKeys>,
    /// Makes the herder a member of its group; standalone workers have none.
    pub membership: Option<Membership>,
    /// Reaches other workers.
    pub peers: Arc<Peers>,
    /// Ends the herder.
    pub stop: CancellationToken,
    /// Where levels of loggers go.
    pub set_logger_level: Arc<SetLoggerLevel>,
}

/// The loop's own things, while it runs.
pub(super) struct Running {
    pub(super) driver: Driver,
    runner: Arc<dyn Runner>,
    pub(super) logs: Logs,
    listener: Arc<ToInbox>,
    replies: HashMap<ReplyId, oneshot::Sender<Result<Answer, HerderError>>>,
    next_reply: ReplyId,
    /// States not yet handed to the status log.
    pub(super) unwritten: VecDeque<StatusRecord>,
    /// Gives up the steps that can be, by connector.
    interrupts: HashMap<String, CancellationToken>,
    /// Whether this worker was the leader when that was last looked at.
    leads: bool,
    /// When this worker made its last session key.
    key_made: Option<Instant>,
    /// The write of states under way; returns those that must be tried again.
    pub(super) writing: Option<BoxFuture<'static, Vec<StatusRecord>>>,
    /// The membership of the group.
    pub(super) port: Option<Port>,
    /// Position in the config topic, as the membership tells others.
    config_offset: Arc<AtomicI64>,
    pub(super) group_replies: HashMap<GroupTicket, oneshot::Sender<GroupAnswer>>,
    /// Calls of the group to be answered when all states are written.
    pub(super) after_flush: Vec<GroupTicket>,
    /// When lost work is to be shared out.
    pub(super) rejoin_at: Option<Instant>,
}

impl Driver {
    /// Works until it is stopped and everything has ended. `logs` are read to their end: the inbox holds what they say.
    ///
    /// # Errors
    /// When the worker cannot be a member of its group.
    pub async fn run(self, runner: Arc<dyn Runner>, logs: Logs) -> Result<()> {
        let listener = Arc::new(ToInbox(self.inbox.clone()));
        let mut running = Running {
            driver: self,
            runner,
            logs,
            listener,
            replies: HashMap::new(),
            next_reply: 0,
            unwritten: VecDeque::new(),
            interrupts: HashMap::new(),
            leads: false,
            key_made: None,
            writing: None,
            port: None,
            config_offset: Arc::new(AtomicI64::new(-1)),
            group_replies: HashMap::new(),
            after_flush: Vec::new(),
            rejoin_at: None,
        };
        running.load();
        let joined = running.driver.membership.take().map(|group| group.join(running.config_offset.clone()));
        let (port, calls) = joined.unzip();
        running.port = port;
        let ended = running.work(calls).await;
        if let Some(port) = running.port {
            // What an administrator reads in the broker's log.
            let leaving = port.member.leave("the worker is being shut down");
            if tokio::time::timeout(LEAVE_TIMEOUT, leaving).await.is_err() {
                tracing::warn!("the group could not be left in time");
            }
        }
        ended
    }
}

impl Running {
    /// Folds what the logs hold, then begins.
    fn load(&mut self) {
        while let Some(event) = self.driver.inbox.try_next() {
            self.handle(event);
        }
        self.handle(Event::Loaded);
        self.publish();
    }

    /// One select, branch order is priority: states out, stop, what happened, the group, wishes, keys.
    async fn work(&mut self, calls: Option<mpsc::Receiver<PortCall>>) -> Result<()> {
        let mut stopping = false;
        // Nobody calls a herder alone.
        let mut calls = calls.unwrap_or_else(|| mpsc::channel(1).1);
        let mut key_due = self.key_due();
        let mut flush_ends: Option<Instant> = None;
        loop {
            if stopping && self.driver.state.is_idle() {
                flush_ends = flush_ends.or_else(|| Some(Instant::now() + FLUSH_TIMEOUT));
                if self.unwritten.is_empty() && self.writing.is_none() {
                    return Ok(());
                }
            }
            self.write_statuses();
            self.answer_flushed();
            tokio::select! {
                biased;
                failed = async { self.writing.as_mut().expect("checked by the guard").await }, if self.writing.is_some() => {
                    self.writing = None;
                    failed.into_iter().rev().for_each(|record| self.unwritten.push_front(record));
                }
                () = tokio::time::sleep_until(flush_ends.unwrap_or_else(Instant::now)), if flush_ends.is_some() => {
                    tracing::warn!("the last states could not be written to Kafka");
                    return Ok(());
                }
                () = self.driver.stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.handle(Event::Shutdown);
                }
                event = self.driver.inbox.next() => {
                    self.handle(event);
                    while let Some(event) = self.driver.inbox.try_next() {
                        self.handle(event);
                    }
                    self.publish();
                    key_due = self.key_due();
                }
                ended = async { self.port.as_mut().expect("checked by the guard").member.ended().await }, if self.port.is_some() => {
                    self.port = None;
                    return ended.map_err(|cause| Error::new(cause.kind(), cause.message().to_owned()));
                }
                Some((call, reply)) = calls.recv() => {
                    self.next_reply += 1;
                    self.group_replies.insert(self.next_reply, reply);
                    self.handle(Event::Group(self.next_reply, call));
                    self.note_leadership();
                    self.publish();
                    key_due = self.key_due();
                }
                () = tokio::time::sleep_until(self.rejoin_at.unwrap_or_else(Instant::now)), if self.rejoin_at.is_some() => {
                    self.rejoin_at = None;
                    self.handle(Event::RejoinDue);
                }
                Some((command, reply)) = self.driver.requests.recv(), if self.driver.state.takes_commands() => {
                    self.next_reply += 1;
                    self.replies.insert(self.next_reply, reply);
                    self.handle(Event::Command(self.next_reply, command));
                }
                () = tokio::time::sleep(key_due.unwrap_or_default()), if key_due.is_some() && !stopping => {
                    self.new_session_key();
                    key_due = self.key_due();
                }
            }
        }
    }

    /// A new leader takes the right to write to the config topic at once, and so fences a former one that has not heard
    /// of it yet; a former one gives it up.
    fn note_leadership(&mut self) {
        let leads = self.driver.state.group_view().is_some_and(|view| view.is_leader);
        let Some(writer) = self.logs.config.clone().filter(|_| leads != self.leads) else { return };
        self.leads = leads;
        spawn(TaskKind::Herder, async move {
            if !leads {
                writer.relinquish().await;
            } else if let Err(error) = writer.claim().await {
                tracing::error!(%error, "unable to claim write privileges for the config topic; writing tries again");
            }
        });
    }

    fn key_due(&self) -> Option<Duration> {
        let keys = self.driver.session_keys.as_ref()?;
        // Only the leader makes keys, and only for groups that sign.
        let view = self.driver.state.group_view()?;
        let makes = view.is_leader && view.signs_requests && self.driver.state.is_settled();
        let due =
            makes.then(|| keys.due_in(self.driver.state.cluster().session_key(), SystemClock.now_ms())).flatten()?;
        // One that was made is on its way until its record is back, or its write has failed.
        let on_its_way = self.key_made.map_or(Duration::ZERO, |at| KEY_RETRY.saturating_sub(at.elapsed()));
        Some(if due.is_zero() { on_its_way } else { due })
    }

    fn new_session_key(&mut self) {
        self.key_made = Some(Instant::now());
        let Some(keys) = &self.driver.session_keys else { return };
        match keys.make(SystemClock.now_ms()) {
            Ok(key) => self.handle(Event::NewSessionKey(key)),
            Err(error) => tracing::error!(%error, "no session key was made"),
        }
    }

    fn publish(&mut self) {
        let before = self.driver.published.load_full();
        if let Some(next) = snapshot::next(&before, &mut self.driver.state, &self.driver.plugins) {
            self.driver.published.store(Arc::new(next));
        }
    }

    /// Tells readers what the herder is waiting for; nothing when it is empty.
    fn set_stage(&self, stage: String) {
        let mut next = ClusterSnapshot::clone(&self.driver.published.load());
        next.stage = stage;
        next.stage_began_ms = SystemClock.now_ms();
        self.driver.published.store(Arc::new(next));
    }

    fn handle(&mut self, event: Event) {
        if matches!(event, Event::Written(_) | Event::Loaded) {
            self.set_stage(String::new());
        }
        let settled = self.driver.state.is_settled();
        let actions = self.driver.state.on(event);
        if let Some(offset) = self.driver.state.config_offset() {
            self.config_offset.store(offset, Ordering::Release);
        }
        for action in actions {
            self.act(action);
        }
        match (settled, self.driver.state.is_settled()) {
            (false, true) => self.set_stage(String::new()),
            (true, false) => self.set_stage(JOINING.to_owned()),
            _ => {}
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Run(name, step) => self.run_step(name, step),
            Action::Interrupt(name) => {
                if let Some(interrupt) = self.interrupts.remove(&name) {
                    interrupt.cancel();
                }
            }
            Action::WriteConfig(records) => self.write_config(records),
            Action::WriteStatus(record) if self.logs.status.is_none() => {
                self.driver.inbox.push(Event::Status(record.redacted()));
            }
            Action::WriteStatus(record) => self.unwritten.push_back(record.redacted()),
            Action::Reply(reply, answer) => {
                if let Some(waiting) = self.replies.remove(&reply) {
                    // A caller that gave up wants no answer.
                    let _ = waiting.send(answer);
                }
            }
            Action::ReconfigureAfter(name, pause) => {
                let inbox = self.driver.inbox.clone();
                spawn(TaskKind::Herder, async move {
                    tokio::time::sleep(pause).await;
                    inbox.push(Event::Reconfigure(name));
                });
            }
            Action::Wake(alarm) => {
                let inbox = self.driver.inbox.clone();
                spawn(TaskKind::Herder, async move {
                    tokio::time::sleep(alarm.after).await;
                    inbox.push(Event::Woken(alarm));
                });
            }
            Action::FenceTasks(name, tasks) => self.fence_tasks(name, tasks),
            Action::SetLoggerLevel(logger, level) => (self.driver.set_logger_level)(&logger, level.as_deref()),
            action => self.act_in_group(action),
        }
    }

    /// Begins to write states that wait, unless some are being written: their order counts.
    fn write_statuses(&mut self) {
        let Some(log) = self.logs.status.clone() else { return };
        if self.writing.is_some() || self.unwritten.is_empty() {
            return;
        }
        let batch: Vec<StatusRecord> = self.unwritten.drain(..self.unwritten.len().min(STATUS_BATCH_MAX)).collect();
        self.writing = Some(Box::pin(async move {
            let encoded: Result<Vec<KeyValue>> = batch.iter().map(StatusRecord::encode).collect();
            let written = async { log.append_all(encoded?).await };
            match written.await {
                Ok(()) => Vec::new(),
                Err(error) => {
                    tracing::warn!(%error, "states could not be written and are tried again");
                    tokio::time::sleep(STATUS_RETRY).await;
                    batch
                }
            }
        }));
    }

    fn write_config(&mut self, records: Vec<ConfigRecord>) {
        let inbox = self.driver.inbox.clone();
        let Some(writer) = self.logs.config.clone() else {
            records.into_iter().for_each(|record| inbox.push(Event::Config(record, None)));
            inbox.push(Event::Written(Ok(())));
            return;
        };
        let (stage, failure) = describe(&records);
        self.set_stage(stage);
        spawn(TaskKind::Herder, async move {
            let result = match tokio::time::timeout(WRITE_TIMEOUT, writer.write(&records)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) if error.kind() == Kind::Fenced => {
                    tracing::warn!(%error, "{failure}");
                    Err(error.message().to_owned())
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "{failure}");
                    Err(failure.to_owned())
                }
                Err(_) => {
                    tracing::error!("{failure}: no acknowledgement within {} s", WRITE_TIMEOUT.as_secs());
                    Err(failure.to_owned())
                }
            };
            inbox.push(Event::Written(result));
        });
    }

    fn fence_tasks(&self, name: String, tasks: u32) {
        let props = self.driver.state.cluster().config(&name).cloned().unwrap_or_default();
        let (runner, inbox) = (self.runner.clone(), self.driver.inbox.clone());
        self.set_stage(format!("initiating a round of zombie fencing for connector {name}"));
        spawn(TaskKind::Herder, async move {
            let fenced = match tokio::time::timeout(FENCE_TIMEOUT, runner.fence_tasks(&name, &props, tasks)).await {
                Ok(fenced) => fenced,
                Err(_) => Err(Error::remote(format!("no answer within {} s", FENCE_TIMEOUT.as_secs()))),
            };
            let fenced = fenced.map_err(|error| {
                tracing::error!(connector = name, %error, "old tasks could not be fenced");
                "Failed to perform zombie fencing".to_owned()
            });
            inbox.push(Event::Fenced(name, fenced));
        });
    }

    fn run_step(&mut self, name: String, step: Step) {
        let cluster = self.driver.state.cluster();
        let work = StepWork {
            door: self.driver.door.clone(),
            peers: self.driver.peers.clone(),
            published: self.driver.published.clone(),
            config: self.logs.config.as_ref().map(|writer| writer.log().clone()),
            generation: cluster.task_generation(&name),
            runner: self.runner.clone(),
            listener: self.listener.clone(),
            props: cluster.config(&name).cloned().unwrap_or_default(),
            target: cluster.target(&name),
            tasks: match &step {
                Step::StartTasks(tasks) => {
                    let config = |task: &u32| Some((*task, cluster.task_config(&name, *task)?.clone()));
                    tasks.iter().filter_map(config).collect()
                }
                _ => Vec::new(),
            },
            name,
        };
        let interrupt = CancellationToken::new();
        if step.is_interruptible() {
            self.interrupts.insert(work.name.clone(), interrupt.clone());
        }
        let inbox = self.driver.inbox.clone();
        spawn(TaskKind::Herder, async move {
            let name = work.name.clone();
            let panicked = |panic: Box<dyn std::any::Any + Send>| Error::bug(format!("panic: {}", panic_text(&*panic)));
            let guarded = AssertUnwindSafe(work.run(step.clone())).catch_unwind();
            let outcome = tokio::select! {
                ended = guarded => ended.map_err(panicked).unwrap_or_else(|error| broken(step, &error)),
                () = interrupt.cancelled() => Outcome::Interrupted,
            };
            inbox.push(Event::StepDone(name, outcome));
        });
    }
}
