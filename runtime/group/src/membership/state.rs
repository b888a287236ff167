use std::collections::VecDeque;

use couplet_api::Error;

use super::MemberConfig;
use super::event::{Action, Assigned, Call, CallResult, Event, FatalCause, Generation, Request, Revoked, Ticket};
use super::heartbeat::Heartbeat;
use crate::protocol::{Assignment, ConnectProtocol, WorkerState};
use crate::wire::Node;

/// Where a member stands, in Java `AbstractCoordinator.MemberState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Not in the group. It may hold work still, until it joins or is told to stop.
    Unjoined,
    /// Waits for the others to join as well.
    PreparingRebalance,
    /// Joined, and waits for its assignment; the leader makes it.
    CompletingRebalance,
    /// Has its assignment.
    Stable,
    /// Leaving for good.
    Leaving,
    /// Will never be a member again.
    Ended,
}

/// Where the coordinator is.
#[derive(Debug)]
pub(super) enum Coordinator {
    Known(Node),
    Unknown { since: i64, lookup: Option<Ticket>, retry_at: i64 },
}

/// A call that the handler runs.
#[derive(Debug)]
struct Running {
    ticket: Ticket,
    since: i64,
    /// It took too long, and the group was left for it.
    overdue: bool,
}

/// The state of a member. Pure: what it does depends on its events, their times and the offset of the config topic alone.
///
/// Source: `AbstractCoordinator` and `WorkerCoordinator` of Kafka 4.1. Differences: a join failed by bad bytes of another
/// member, or by the handler, is tried again, where the JVM's worker would stop; a request for a rebalance that comes while a
/// join is under way counts for the next one.
#[derive(Debug)]
pub struct Membership {
    pub(super) config: MemberConfig,
    pub(super) state: MemberState,
    pub(super) coordinator: Coordinator,
    pub(super) generation: Generation,
    /// The protocol of the group when last seen.
    pub(super) group_protocol: ConnectProtocol,
    pub(super) assignment: Option<Assignment>,
    pub(super) last_completed_generation: i32,
    /// Why the group must be joined again, as far as the group says so.
    pub(super) rejoin: Option<String>,
    /// Why the herder wants a rebalance.
    asked: Option<String>,
    /// Whether the next join is the first attempt since the last assignment.
    pub(super) needs_prepare: bool,
    /// No join before this time.
    pub(super) join_at: i64,
    /// The join or sync under way.
    pub(super) pending: Option<Ticket>,
    pub(super) heartbeat: Heartbeat,
    pub(super) heartbeat_ticket: Option<Ticket>,
    /// Calls to the handler in order; the first one runs.
    calls: VecDeque<Call>,
    running: Option<Running>,
    leave_ticket: Option<Ticket>,
    /// Failures since the coordinator last answered.
    failures: u32,
    next_ticket: u64,
    jitter: u64,
}

impl Membership {
    /// A member that has not joined yet; the first event starts it. `seed` spreads the retries of many members.
    pub fn new(config: MemberConfig, seed: u64) -> Self {
        Membership {
            state: MemberState::Unjoined,
            coordinator: Coordinator::Unknown { since: 0, lookup: None, retry_at: 0 },
            generation: Generation::none(),
            group_protocol: config.protocol,
            assignment: None,
            last_completed_generation: -1,
            rejoin: Some(String::new()),
            asked: None,
            needs_prepare: true,
            join_at: 0,
            pending: None,
            heartbeat: Heartbeat::default(),
            heartbeat_ticket: None,
            calls: VecDeque::new(),
            running: None,
            leave_ticket: None,
            failures: 0,
            next_ticket: 0,
            jitter: seed,
            config,
        }
    }

    /// Takes in an event at `now` (milliseconds of any clock that does not go back) and says what to do.
    /// `config_offset` is how far the worker has read the config topic by now.
    pub fn on(&mut self, now: i64, config_offset: i64, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        if self.state != MemberState::Ended {
            self.take_in(now, event, &mut out);
            self.advance(now, config_offset, &mut out);
        }
        out
    }

    /// When [`Event::Tick`] is due, unless something happens before.
    pub fn deadline(&self) -> Option<i64> {
        if matches!(self.state, MemberState::Leaving | MemberState::Ended) {
            return None;
        }
        let idle = self.calls.is_empty();
        let call = self.running.as_ref().filter(|call| !call.overdue);
        let call = call.map(|call| call.since + i64::from(self.config.rebalance_timeout_ms));
        let network = match &self.coordinator {
            Coordinator::Unknown { since, lookup, retry_at } => {
                let retry = lookup.is_none().then_some(*retry_at);
                let revoke = (idle && self.holds_work()).then(|| since + i64::from(self.config.heartbeat_interval_ms));
                retry.into_iter().chain(revoke).min()
            }
            Coordinator::Known(_) => {
                let join = (idle && self.may_join() && self.wants_join()).then_some(self.join_at);
                let heartbeat = self.beats().then(|| self.heartbeat.deadline());
                join.into_iter().chain(heartbeat).min()
            }
        };
        call.into_iter().chain(network).min()
    }

    /// Where the member stands.
    pub fn state(&self) -> MemberState {
        self.state
    }

    /// Its place in the group.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// The work it holds as far as the group knows.
    pub fn assignment(&self) -> Option<&Assignment> {
        self.assignment.as_ref()
    }

    /// How the group shares its work, as last seen; before the first join, what is wished for.
    pub fn protocol(&self) -> ConnectProtocol {
        self.group_protocol
    }

    /// Whether it is about to join, or joining: what it knows of the others may be out of date.
    pub fn is_rebalancing(&self) -> bool {
        self.state != MemberState::Stable || self.wants_join()
    }

    fn take_in(&mut self, now: i64, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::Rejoin(reason) => {
                tracing::debug!(reason, "rebalance requested");
                self.asked = Some(reason);
            }
            Event::StepOut { reason, pause_ms } => {
                self.step_out(&reason, out);
                self.join_at = now + pause_ms;
            }
            Event::Leave(reason) => self.leave(&reason, out),
            Event::Found(ticket, answer) => self.on_found(now, ticket, answer, out),
            Event::Joined(ticket, answer) => self.on_joined(now, ticket, answer, out),
            Event::Synced(ticket, answer) => self.on_synced(now, ticket, answer, out),
            Event::Heartbeat(ticket, answer) => self.on_heartbeat(now, ticket, answer, out),
            Event::Left(ticket, answer) => self.on_left(ticket, answer, out),
            Event::Called(ticket, result) => self.on_called(now, ticket, result, out),
        }
    }

    /// Does what can be done by now.
    fn advance(&mut self, now: i64, config_offset: i64, out: &mut Vec<Action>) {
        if matches!(self.state, MemberState::Leaving | MemberState::Ended) {
            return;
        }
        self.watch_call(now, out);
        self.find_coordinator(now, out);
        if self.calls.is_empty() && self.may_join() && self.wants_join() && now >= self.join_at {
            self.join(config_offset, out);
        }
        self.beat(now, out);
        self.call_next(now, out);
    }

    /// A handler that does not come back cannot keep its place in the group (`handlePollTimeoutExpiry`).
    fn watch_call(&mut self, now: i64, out: &mut Vec<Action>) {
        let limit = i64::from(self.config.rebalance_timeout_ms);
        let Some(call) = self.running.as_mut().filter(|call| !call.overdue && now - call.since >= limit) else {
            return;
        };
        call.overdue = true;
        tracing::warn!(
            rebalance_timeout_ms = limit,
            "worker poll timeout has expired: the herder has been busy with a rebalance for longer than rebalance.timeout.ms; \
             increase it if the work needs that long"
        );
        self.step_out("worker poll timeout has expired.", out);
    }

    fn beat(&mut self, now: i64, out: &mut Vec<Action>) {
        let Coordinator::Known(node) = &self.coordinator else { return };
        if !self.beats() {
            return;
        }
        if self.heartbeat.session_is_over(now) {
            self.lose_coordinator(now, false, "session timed out without receiving a heartbeat response", out);
        } else if self.heartbeat.is_due(now) {
            let (node, request) = (node.clone(), Request::Heartbeat(self.generation.clone()));
            self.heartbeat.sent(now, i64::from(self.config.heartbeat_interval_ms));
            let ticket = self.ticket();
            self.heartbeat_ticket = Some(ticket);
            out.push(Action::Send(ticket, node, request));
        }
    }

    fn find_coordinator(&mut self, now: i64, out: &mut Vec<Action>) {
        let Coordinator::Unknown { since, lookup, retry_at } = &self.coordinator else { return };
        let lost_for = now - since;
        if lookup.is_none() && now >= *retry_at {
            let ticket = self.ticket();
            if let Coordinator::Unknown { lookup, .. } = &mut self.coordinator {
                *lookup = Some(ticket);
            }
            out.push(Action::FindCoordinator(ticket));
        }
        // Others may be given this work when the session is over (KAFKA-9184).
        if lost_for >= i64::from(self.config.heartbeat_interval_ms) && self.holds_work() && self.calls.is_empty() {
            tracing::info!(
                unreachable_ms = lost_for,
                "Broker coordinator was unreachable; revoking the assignment to avoid running tasks while not being a member"
            );
            if let Some(assignment) = self.assignment.take() {
                self.calls.push_back(revoke_all(&assignment));
            }
        }
    }

    fn join(&mut self, config_offset: i64, out: &mut Vec<Action>) {
        let Coordinator::Known(node) = &self.coordinator else { return };
        let node = node.clone();
        if self.needs_prepare {
            self.needs_prepare = false;
            tracing::info!("Rebalance started");
            if !self.group_protocol.is_cooperative() && self.holds_work() {
                // Kept in `assignment` as the JVM does: it goes into metadata of newer protocols.
                self.calls.extend(self.assignment.as_ref().map(revoke_all));
                return;
            }
        }
        let allocation = self.assignment.clone();
        let state = WorkerState { url: self.config.url.clone(), config_offset, allocation };
        let protocols = match self.config.protocol.join_protocols(&state) {
            Ok(protocols) => protocols,
            Err(error) => return self.end(error.context("cannot join the group of workers"), out),
        };
        let reason = self.rejoin.clone().filter(|reason| !reason.is_empty()).or(self.asked.take()).unwrap_or_default();
        tracing::info!(member_id = self.generation.member_id, reason, "(Re-)joining group");
        self.asked = None;
        self.state = MemberState::PreparingRebalance;
        let ticket = self.ticket();
        self.pending = Some(ticket);
        let member_id = self.generation.member_id.clone();
        out.push(Action::Send(ticket, node, Request::Join { member_id, protocols, reason }));
    }

    /// Appends calls to the handler; the first of them starts when those before it are done.
    pub(super) fn call(&mut self, calls: impl IntoIterator<Item = Call>) {
        self.calls.extend(calls);
    }

    fn call_next(&mut self, now: i64, out: &mut Vec<Action>) {
        if self.running.is_some() {
            return;
        }
        if let Some(call) = self.calls.front().cloned() {
            let ticket = self.ticket();
            self.running = Some(Running { ticket, since: now, overdue: false });
            out.push(Action::Call(ticket, call));
        }
    }

    fn on_called(&mut self, now: i64, ticket: Ticket, result: CallResult, out: &mut Vec<Action>) {
        if self.running.as_ref().is_none_or(|call| call.ticket != ticket) {
            return;
        }
        self.running = None;
        let call = self.calls.pop_front();
        if let (Some(Call::Assign(group)), CallResult::Assignments(assignments)) = (call, result) {
            self.sync_as_leader(now, &group, assignments, out);
        }
    }

    /// Leaves the group but comes back (`maybeLeaveGroup`).
    fn step_out(&mut self, reason: &str, out: &mut Vec<Action>) {
        if let (Coordinator::Known(node), false) = (&self.coordinator, self.generation.member_id.is_empty()) {
            tracing::info!(member_id = self.generation.member_id, reason, "leaving the group");
            let request = Request::Leave { member_id: self.generation.member_id.clone(), reason: reason.to_owned() };
            let node = node.clone();
            out.push(Action::Send(self.ticket(), node, request));
        }
        self.reset(true, "worker pro-actively leaving the group");
    }

    fn leave(&mut self, reason: &str, out: &mut Vec<Action>) {
        if self.state == MemberState::Leaving {
            return;
        }
        self.step_out(reason, out);
        match out.last() {
            Some(Action::Send(ticket, _, Request::Leave { .. })) => {
                self.leave_ticket = Some(*ticket);
                self.state = MemberState::Leaving;
            }
            _ => {
                self.state = MemberState::Ended;
                out.push(Action::Ended(Ok(())));
            }
        }
    }

    /// The answer to a leave for good, whatever it is, is the end.
    pub(super) fn end_leave(&mut self, ticket: Ticket, out: &mut Vec<Action>) {
        if self.leave_ticket == Some(ticket) {
            self.state = MemberState::Ended;
            out.push(Action::Ended(Ok(())));
        }
    }

    /// Forgets the generation, and the member id unless it may be good still (`resetStateAndRejoin`).
    pub(super) fn reset(&mut self, with_member_id: bool, reason: &str) {
        tracing::info!(reason, with_member_id, "resetting generation");
        self.state = MemberState::Unjoined;
        self.pending = None;
        self.heartbeat_ticket = None;
        let member_id = if with_member_id { String::new() } else { std::mem::take(&mut self.generation.member_id) };
        self.generation = Generation { member_id, ..Generation::none() };
        self.rejoin = Some(reason.to_owned());
        self.needs_prepare = true;
    }

    /// A join or sync did not succeed: try again after `pause_ms`.
    pub(super) fn retry_join(&mut self, now: i64, reason: String, pause_ms: i64) {
        self.state = MemberState::Unjoined;
        self.pending = None;
        self.heartbeat_ticket = None;
        self.rejoin = Some(reason);
        self.join_at = self.join_at.max(now + pause_ms);
    }

    /// The coordinator is somewhere else, or gone. `cut_off`: its connection is closed already.
    pub(super) fn lose_coordinator(&mut self, now: i64, cut_off: bool, cause: &str, out: &mut Vec<Action>) {
        let retry_at = now + self.backoff_ms();
        let unknown = Coordinator::Unknown { since: now, lookup: None, retry_at };
        if let Coordinator::Known(node) = &self.coordinator {
            tracing::info!(coordinator = %node, cause, "Group coordinator is unavailable or invalid; looking for it again");
            if !cut_off {
                out.push(Action::Disconnect(node.clone()));
            }
            self.coordinator = unknown;
        }
        if self.heartbeat_ticket.take().is_some() {
            self.heartbeat.failed(now, self.config.retry_backoff_ms);
        }
        if self.pending.is_some() {
            self.retry_join(now, format!("rebalance failed due to {cause}"), self.config.retry_backoff_ms);
        }
    }

    pub(super) fn end(&mut self, error: Error, out: &mut Vec<Action>) {
        tracing::error!(%error, "this worker cannot be a member of its group");
        self.state = MemberState::Ended;
        out.push(Action::Ended(Err(FatalCause::new(error))));
    }

    /// The coordinator answers.
    pub(super) fn heard(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after one more failure: doubles with each, is spread by a fifth, and has an upper limit.
    pub(super) fn backoff_ms(&mut self) -> i64 {
        let doubled = self.config.retry_backoff_ms.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        // Knuth's MMIX generator; only that members differ matters.
        self.jitter = self.jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let percent = 80 + (self.jitter >> 33) as i64 % 41;
        (doubled * percent / 100).min(self.config.retry_backoff_max_ms.max(self.config.retry_backoff_ms))
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    fn wants_join(&self) -> bool {
        self.rejoin.is_some() || self.asked.is_some() || self.assignment.as_ref().is_none_or(Assignment::failed)
    }

    fn may_join(&self) -> bool {
        matches!(self.state, MemberState::Unjoined | MemberState::Stable)
    }

    fn beats(&self) -> bool {
        matches!(self.state, MemberState::CompletingRebalance | MemberState::Stable)
    }

    fn holds_work(&self) -> bool {
        self.assignment.as_ref().is_some_and(|assignment| !assignment.failed())
    }

    /// Takes over what a sync brought (`onJoinComplete`).
    pub(super) fn complete(&mut self, protocol: ConnectProtocol, mut new: Assignment) {
        self.state = MemberState::Stable;
        self.pending = None;
        self.rejoin = None;
        self.needs_prepare = true;
        self.group_protocol = protocol;
        let mut calls = Vec::new();
        if protocol.is_cooperative() {
            if new.revokes() {
                calls.push(Call::Revoked(Revoked {
                    leader: new.leader.clone(),
                    connectors: new.revoked_connectors.clone(),
                    tasks: new.revoked_tasks.clone(),
                }));
            }
            if let Some(kept) = self.assignment.take() {
                keep(&mut new.connectors, kept.connectors, &new.revoked_connectors);
                keep(&mut new.tasks, kept.tasks, &new.revoked_tasks);
            }
        }
        calls.push(Call::Assigned(Assigned {
            generation: self.generation.id,
            member_id: self.generation.member_id.clone(),
            protocol,
            assignment: new.clone(),
        }));
        new.revoked_connectors.clear();
        new.revoked_tasks.clear();
        self.assignment = Some(new);
        self.last_completed_generation = self.generation.id;
        self.call(calls);
    }
}

/// Appends to `assigned` what was `held`, is not `revoked` and is not there yet.
fn keep<T: PartialEq>(assigned: &mut Vec<T>, held: Vec<T>, revoked: &[T]) {
    for work in held {
        if !revoked.contains(&work) && !assigned.contains(&work) {
            assigned.push(work);
        }
    }
}

fn revoke_all(assignment: &Assignment) -> Call {
    Call::Revoked(Revoked {
        leader: assignment.leader.clone(),
        connectors: assignment.connectors.clone(),
        tasks: assignment.tasks.clone(),
    })
}
