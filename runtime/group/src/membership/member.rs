use std::sync::Arc;
use std::time::{Duration, Instant};

use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::{Error, Result};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};

use super::event::{Action, Call, CallResult, Event, FatalCause, Ticket};
use super::stopwatch::Stopwatch;
use super::{GroupHandler, MemberConfig, MemberState, Membership, requests};
use crate::protocol::ConnectProtocol;
use crate::wire::Client;

/// Commands that wait for the loop; a caller waits for room.
const COMMANDS_MAX: usize = 16;

/// How long to wait when there is no deadline: until something happens.
const IDLE: Duration = Duration::from_secs(3600);

/// A member at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Where it stands.
    pub state: MemberState,
    /// Whether it is joining or about to.
    pub rebalancing: bool,
    /// Its id; empty outside of the group.
    pub member_id: String,
    /// The generation; -1 outside of the group.
    pub generation: i32,
    /// How the group shares its work, as last seen.
    pub protocol: ConnectProtocol,
    /// Member id of the leader of the last assignment.
    pub leader: Option<String>,
}

impl MemberStatus {
    fn of(membership: &Membership) -> Self {
        MemberStatus {
            state: membership.state(),
            rebalancing: membership.is_rebalancing(),
            member_id: membership.generation().member_id.clone(),
            generation: membership.generation().id,
            protocol: membership.protocol(),
            leader: membership.assignment().map(|assignment| assignment.leader.clone()),
        }
    }
}

/// A worker's membership, carried on in the background. Dropping it ends the membership without leaving: the group
/// notices when the session is over.
#[derive(Debug)]
pub struct Member {
    commands: mpsc::Sender<Event>,
    status: watch::Receiver<MemberStatus>,
    ended: oneshot::Receiver<Result<(), FatalCause>>,
}

/// What asks a [`Member`] for something; many may hold one.
#[derive(Debug, Clone)]
pub struct MemberHandle {
    commands: mpsc::Sender<Event>,
    status: watch::Receiver<MemberStatus>,
}

impl MemberHandle {
    /// Asks for a rebalance. Nothing happens when the membership has ended.
    pub async fn rejoin(&self, reason: &str) {
        self.command(Event::Rejoin(reason.to_owned())).await;
    }

    /// Leaves the group, and joins again after `pause`. The work this member holds is given to others.
    pub async fn step_out(&self, reason: &str, pause: Duration) {
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 2);
        self.command(Event::StepOut { reason: reason.to_owned(), pause_ms }).await;
    }

    /// Where the member stands now.
    pub fn status(&self) -> MemberStatus {
        self.status.borrow().clone()
    }

    /// Follows where the member stands.
    pub fn watch(&self) -> watch::Receiver<MemberStatus> {
        self.status.clone()
    }

    async fn command(&self, command: Event) {
        // A member that has ended has nothing to do.
        let _ = self.commands.send(command).await;
    }
}

impl Member {
    /// Joins the group, and stays in it.
    pub fn start(config: MemberConfig, client: Arc<Client>, handler: Arc<dyn GroupHandler>) -> Self {
        let membership = Membership::new(config.clone(), getrandom::u64().unwrap_or_default());
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let (publish, status) = watch::channel(MemberStatus::of(&membership));
        let (mut end, ended) = oneshot::channel();
        let driver = Driver {
            membership,
            config,
            client,
            handler,
            publish,
            inbox,
            running: FuturesUnordered::new(),
            started: Instant::now(),
            stopwatch: Stopwatch::default(),
        };
        spawn(TaskKind::Herder, async move {
            let outcome = tokio::select! {
                outcome = driver.run() => outcome,
                () = end.closed() => return,
            };
            // Nobody may wait for the end any more.
            let _ = end.send(outcome);
        });
        Member { commands, status, ended }
    }

    /// What asks this member for something.
    pub fn handle(&self) -> MemberHandle {
        MemberHandle { commands: self.commands.clone(), status: self.status.clone() }
    }

    /// Waits until the membership has ended by itself. Cancel-safe.
    ///
    /// # Errors
    /// Why this worker cannot be a member: refused credentials, no access to the group, wrong settings.
    pub async fn ended(&mut self) -> Result<(), FatalCause> {
        (&mut self.ended).await.unwrap_or_else(|_| Err(Error::bug("the member's loop is gone").into()))
    }

    /// Leaves the group at once, so that others take the work over, and waits until that is done. Call it when the work
    /// has stopped.
    pub async fn leave(mut self, reason: &str) {
        // A member that has ended has left.
        let _ = self.commands.send(Event::Leave(reason.to_owned())).await;
        let _ = self.ended().await;
    }
}

/// The loop: feeds events to the pure state machine and does what it says.
struct Driver {
    membership: Membership,
    config: MemberConfig,
    client: Arc<Client>,
    handler: Arc<dyn GroupHandler>,
    publish: watch::Sender<MemberStatus>,
    inbox: mpsc::Receiver<Event>,
    /// Requests and calls under way.
    running: FuturesUnordered<BoxFuture<'static, Event>>,
    started: Instant,
    stopwatch: Stopwatch,
}

impl Driver {
    async fn run(mut self) -> Result<(), FatalCause> {
        let mut event = Event::Tick;
        loop {
            let (now, config_offset) = (self.now(), self.handler.config_offset());
            for action in self.membership.on(now, config_offset, event) {
                match action {
                    Action::Ended(outcome) => {
                        self.publish.send_replace(MemberStatus::of(&self.membership));
                        return outcome;
                    }
                    action => self.start(action),
                }
            }
            self.publish.send_if_modified(|status| {
                let new = MemberStatus::of(&self.membership);
                let changed = *status != new;
                *status = new;
                changed
            });
            event = self.next().await;
            for measured in self.stopwatch.answered(&event, Instant::now()) {
                self.client.observer().note(measured);
            }
        }
    }

    async fn next(&mut self) -> Event {
        let deadline = self.membership.deadline();
        let pause = deadline.map(|at| Duration::from_millis(u64::try_from(at - self.now()).unwrap_or(0)));
        tokio::select! {
            biased;
            Some(command) = self.inbox.recv() => command,
            Some(event) = self.running.next() => event,
            () = tokio::time::sleep(pause.unwrap_or(IDLE)) => Event::Tick,
        }
    }

    fn start(&mut self, action: Action) {
        match action {
            Action::FindCoordinator(ticket) => {
                let (client, group) = (self.client.clone(), self.config.group_id.clone());
                let ask = async move { Event::Found(ticket, client.group_coordinator(&group).await) };
                self.running.push(Box::pin(ask));
            }
            Action::Send(ticket, node, request) => {
                self.stopwatch.sent(&request, Instant::now());
                let (client, config) = (self.client.clone(), self.config.clone());
                let send = async move { requests::send(&client, &config, ticket, node, request).await };
                self.running.push(Box::pin(send));
            }
            Action::Disconnect(node) => self.client.disconnect(&node),
            Action::Call(ticket, call) => self.running.push(Box::pin(run(self.handler.clone(), ticket, call))),
            Action::Ended(_) => {}
        }
    }

    /// Milliseconds since the start.
    fn now(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

async fn run(handler: Arc<dyn GroupHandler>, ticket: Ticket, call: Call) -> Event {
    let result = match call {
        Call::Assign(group) => CallResult::Assignments(handler.assign(group).await),
        Call::Revoked(revoked) => {
            handler.revoked(revoked).await;
            CallResult::Done
        }
        Call::Assigned(assigned) => {
            handler.assigned(assigned).await;
            CallResult::Done
        }
    };
    Event::Called(ticket, result)
}
