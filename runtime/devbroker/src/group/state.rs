//! The life of a group as a pure state machine: the same group, event and time give the same actions.
//!
//! Source: Kafka's classic `GroupCoordinator`; error codes and re-answered joins follow it.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::event::{Action, Caller, Event, Join, JoinRefused, Joined, JoinedMember, Sync, Synced};
use super::member::Member;

/// Members of one group; more are refused.
const MEMBERS_MAX: usize = 1_000;

/// Where a group stands. The names are what DescribeGroups answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No members; committed offsets may remain.
    Empty,
    /// Members are asked to join (again) until all have, or time is up.
    PreparingRebalance,
    /// The generation is fixed; members wait for the leader's assignment.
    CompletingRebalance,
    Stable,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::PreparingRebalance => "PreparingRebalance",
            Phase::CompletingRebalance => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }
}

/// A group's membership.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) phase: Phase,
    pub(crate) generation: i32,
    /// Kept when the last member leaves, as its offsets are still of that type.
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocol_name: StrBytes,
    pub(crate) leader: StrBytes,
    pub(crate) members: BTreeMap<StrBytes, Member>,
    /// Ids handed out by MEMBER_ID_REQUIRED, with the time until which they must be used.
    pending: BTreeMap<StrBytes, u64>,
    /// End of the current phase, when it has one.
    phase_ends_ms: Option<u64>,
}

impl Default for Group {
    fn default() -> Group {
        Group {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: StrBytes::new(),
            protocol_name: StrBytes::new(),
            leader: StrBytes::new(),
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            phase_ends_ms: None,
        }
    }
}

impl Group {
    /// Applies one event at `now_ms`, any clock that does not go backwards.
    pub(crate) fn on(&mut self, event: Event, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Join(join) => self.on_join(join, now_ms, &mut actions),
            Event::Sync(sync) => self.on_sync(sync, now_ms, &mut actions),
            Event::Heartbeat { request, caller } => {
                actions.push(Action::Answer(request, self.on_heartbeat(&caller, now_ms)));
            }
            Event::Leave { request, member_id, instance_id } => {
                let left = self.on_leave(&member_id, instance_id.as_ref(), now_ms, &mut actions);
                actions.push(Action::Answer(request, left));
            }
            Event::Tick => self.on_tick(now_ms, &mut actions),
        }
        actions
    }

    /// When [`Event::Tick`] is due next.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        let sessions = self.members.values().filter_map(Member::deadline_ms);
        sessions.chain(self.pending.values().copied()).chain(self.phase_ends_ms).min()
    }

    fn on_join(&mut self, join: Join, now_ms: u64, actions: &mut Vec<Action>) {
        let request = join.request;
        let known_as = if join.member_id.is_empty() { self.member_of_instance(&join) } else { None };
        let result = self.check_join(&join).and_then(|()| match known_as {
            Some(previous) => self.replace_instance(join, previous, now_ms, actions),
            None if join.member_id.is_empty() => self.join_new(join, now_ms, actions),
            None => self.join_known(join, now_ms, actions),
        });
        if let Err(refused) = result {
            actions.push(Action::AnswerJoin(request, Err(refused)));
        }
    }

    fn check_join(&self, join: &Join) -> Result<(), JoinRefused> {
        let refuse = |error| Err(JoinRefused { error, member_id: join.member_id.clone() });
        let others = self.members.iter().any(|(id, _)| *id != join.member_id);
        let common = |protocol: &str| {
            self.members.iter().filter(|(id, _)| **id != join.member_id).all(|(_, member)| member.speaks(protocol))
        };
        if join.protocol_type.is_empty() || join.protocols.is_empty() {
            return refuse(ResponseError::InconsistentGroupProtocol);
        }
        if !self.members.is_empty() && self.protocol_type != join.protocol_type {
            return refuse(ResponseError::InconsistentGroupProtocol);
        }
        if others && !join.protocols.iter().any(|protocol| common(&protocol.name)) {
            return refuse(ResponseError::InconsistentGroupProtocol);
        }
        let is_new = !self.members.contains_key(&join.member_id);
        if is_new
            && self.members.len() + self.pending.len() >= MEMBERS_MAX
            && !self.pending.contains_key(&join.member_id)
        {
            return refuse(ResponseError::GroupMaxSizeReached);
        }
        Ok(())
    }

    fn member_of_instance(&self, join: &Join) -> Option<StrBytes> {
        let instance_id = join.instance_id.as_ref()?;
        let found = self.members.iter().find(|(_, member)| member.instance_id.as_ref() == Some(instance_id));
        found.map(|(id, _)| id.clone())
    }

    fn join_new(&mut self, join: Join, now_ms: u64, actions: &mut Vec<Action>) -> Result<(), JoinRefused> {
        if join.id_required && join.instance_id.is_none() {
            let member_id = join.fresh_id.clone();
            self.pending.insert(member_id.clone(), now_ms + join.session_timeout_ms);
            return Err(JoinRefused { error: ResponseError::MemberIdRequired, member_id });
        }
        let member_id = join.fresh_id.clone();
        self.add(member_id, &join, now_ms, actions);
        Ok(())
    }

    fn add(&mut self, member_id: StrBytes, join: &Join, now_ms: u64, actions: &mut Vec<Action>) {
        self.protocol_type = join.protocol_type.clone();
        let mut member = Member::new(join, now_ms);
        member.joining = Some(join.request);
        self.members.insert(member_id, member);
        self.rebalance(now_ms, actions);
    }

    fn join_known(&mut self, join: Join, now_ms: u64, actions: &mut Vec<Action>) -> Result<(), JoinRefused> {
        let member_id = join.member_id.clone();
        if self.pending.remove(&member_id).is_some() {
            self.add(member_id, &join, now_ms, actions);
            return Ok(());
        }
        self.check_member(&member_id, join.instance_id.as_ref())
            .map_err(|error| JoinRefused { error, member_id: member_id.clone() })?;
        let is_leader = self.leader == member_id;
        let settled = match self.phase {
            Phase::CompletingRebalance => true,
            Phase::Stable => !is_leader,
            Phase::Empty | Phase::PreparingRebalance => false,
        };
        let Some(member) = self.members.get_mut(&member_id) else { return Ok(()) };
        member.alive(now_ms);
        if settled && member.protocols == join.protocols {
            // It missed the answer, or asks without news: this generation still holds.
            member.update(&join);
            let joined = self.joined(&member_id, false);
            actions.push(Action::AnswerJoin(join.request, Ok(joined)));
            return Ok(());
        }
        member.update(&join);
        if let Some(earlier) = member.joining.replace(join.request) {
            let error = ResponseError::RebalanceInProgress;
            actions.push(Action::AnswerJoin(earlier, Err(JoinRefused { error, member_id })));
        }
        self.rebalance(now_ms, actions);
        Ok(())
    }

    /// A static member came back under its instance id: it gets a new member id, and the old one is fenced.
    fn replace_instance(
        &mut self,
        join: Join,
        previous: StrBytes,
        now_ms: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), JoinRefused> {
        let Some(mut member) = self.members.remove(&previous) else { return Ok(()) };
        let fenced = ResponseError::FencedInstanceId;
        if let Some(request) = member.joining.take() {
            actions.push(Action::AnswerJoin(request, Err(JoinRefused { error: fenced, member_id: previous.clone() })));
        }
        if let Some(request) = member.syncing.take() {
            actions.push(Action::AnswerSync(request, Err(fenced)));
        }
        let unchanged = member.protocols == join.protocols;
        let member_id = join.fresh_id.clone();
        member.update(&join);
        member.alive(now_ms);
        let was_leader = self.leader == previous;
        if was_leader {
            self.leader = member_id.clone();
        }
        let keeps_generation = self.phase == Phase::Stable && unchanged;
        if !keeps_generation {
            member.joining = Some(join.request);
        }
        self.members.insert(member_id.clone(), member);
        if keeps_generation {
            let mut joined = self.joined(&member_id, was_leader && join.may_skip_assignment);
            if was_leader && !join.may_skip_assignment {
                // Old clients would compute an assignment nobody asked for: they are told that another leads.
                joined.leader = previous;
                joined.members.clear();
            }
            actions.push(Action::AnswerJoin(join.request, Ok(joined)));
            actions.push(Action::Persist);
        } else {
            self.rebalance(now_ms, actions);
        }
        Ok(())
    }

    /// Asks everybody to join again, unless that is under way; then looks whether all have.
    fn rebalance(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.phase != Phase::PreparingRebalance {
            for member in self.members.values_mut() {
                if let Some(request) = member.syncing.take() {
                    member.expires_ms = now_ms + member.session_timeout_ms;
                    actions.push(Action::AnswerSync(request, Err(ResponseError::RebalanceInProgress)));
                }
            }
            self.phase = Phase::PreparingRebalance;
            self.phase_ends_ms = Some(now_ms + self.rebalance_timeout_ms());
        }
        self.complete_join_if_all_joined(now_ms, actions);
    }

    fn rebalance_timeout_ms(&self) -> u64 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    fn complete_join_if_all_joined(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let all_joined = self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.phase == Phase::PreparingRebalance && all_joined {
            self.complete_join(now_ms, actions);
        }
    }

    /// Fixes a new generation with the members that have joined.
    fn complete_join(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        self.members.retain(|_, member| member.joining.is_some() || member.instance_id.is_some());
        self.generation += 1;
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            self.phase_ends_ms = None;
            self.protocol_name = StrBytes::new();
            self.leader = StrBytes::new();
            actions.push(Action::Persist);
            return;
        }
        let leader_joined = self.members.get(&self.leader).is_some_and(|leader| leader.joining.is_some());
        if !leader_joined {
            let first_joined = self.members.iter().find(|(_, member)| member.joining.is_some());
            self.leader =
                first_joined.or_else(|| self.members.iter().next()).map_or_else(StrBytes::new, |(id, _)| id.clone());
        }
        self.protocol_name = self.vote();
        self.phase = Phase::CompletingRebalance;
        self.phase_ends_ms = Some(now_ms + self.rebalance_timeout_ms());
        let mut answers = Vec::new();
        for (id, member) in &mut self.members {
            member.alive(now_ms);
            member.synced = false;
            if let Some(request) = member.joining.take() {
                answers.push((request, id.clone()));
            }
        }
        for (request, id) in answers {
            let joined = self.joined(&id, false);
            actions.push(Action::AnswerJoin(request, Ok(joined)));
        }
    }

    /// The protocol most members prefer among those that all speak; ties go to the first by name.
    fn vote(&self) -> StrBytes {
        let mut votes: BTreeMap<&StrBytes, usize> = BTreeMap::new();
        for member in self.members.values() {
            let common = |name: &str| self.members.values().all(|other| other.speaks(name));
            if let Some(protocol) = member.protocols.iter().find(|protocol| common(&protocol.name)) {
                *votes.entry(&protocol.name).or_default() += 1;
            }
        }
        let most = votes.iter().rev().max_by_key(|(_, count)| **count);
        most.map_or_else(StrBytes::new, |(name, _)| (*name).clone())
    }

    fn joined(&self, member_id: &StrBytes, skip_assignment: bool) -> Joined {
        let mut members = Vec::new();
        if *member_id == self.leader {
            members.extend(self.members.iter().map(|(id, member)| JoinedMember {
                member_id: id.clone(),
                instance_id: member.instance_id.clone(),
                metadata: member.metadata(&self.protocol_name),
            }));
        }
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone(),
            member_id: member_id.clone(),
            skip_assignment,
            members,
        }
    }

    fn on_sync(&mut self, sync: Sync, now_ms: u64, actions: &mut Vec<Action>) {
        let request = sync.request;
        match self.check_sync(&sync) {
            Err(error) => actions.push(Action::AnswerSync(request, Err(error))),
            Ok(()) => {
                let member_id = sync.caller.member_id.clone();
                if let Some(member) = self.members.get_mut(&member_id) {
                    member.alive(now_ms);
                    member.synced = true;
                    if let Some(earlier) = member.syncing.replace(request) {
                        actions.push(Action::AnswerSync(earlier, Err(ResponseError::RebalanceInProgress)));
                    }
                }
                if self.phase == Phase::CompletingRebalance && self.leader == member_id {
                    self.assign(sync);
                    actions.push(Action::Persist);
                }
                if self.phase == Phase::Stable {
                    self.answer_syncs(now_ms, actions);
                }
            }
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ResponseError> {
        self.check_member(&sync.caller.member_id, sync.caller.instance_id.as_ref())?;
        if sync.caller.generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        let differs = |asked: &Option<StrBytes>, ours: &StrBytes| asked.as_ref().is_some_and(|asked| asked != ours);
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol_name, &self.protocol_name) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        match self.phase {
            Phase::Empty => Err(ResponseError::UnknownMemberId),
            Phase::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            Phase::CompletingRebalance | Phase::Stable => Ok(()),
        }
    }

    fn assign(&mut self, sync: Sync) {
        let mut assignments: BTreeMap<_, _> = sync.assignments.into_iter().collect();
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
        }
        self.phase = Phase::Stable;
    }

    fn answer_syncs(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        for member in self.members.values_mut() {
            let Some(request) = member.syncing.take() else { continue };
            member.expires_ms = now_ms + member.session_timeout_ms;
            let synced = Synced {
                protocol_type: self.protocol_type.clone(),
                protocol_name: self.protocol_name.clone(),
                assignment: member.assignment.clone(),
            };
            actions.push(Action::AnswerSync(request, Ok(synced)));
        }
        if self.members.values().all(|member| member.synced) {
            self.phase_ends_ms = None;
        }
    }

    fn on_heartbeat(&mut self, caller: &Caller, now_ms: u64) -> Result<(), ResponseError> {
        self.check_member(&caller.member_id, caller.instance_id.as_ref())?;
        if caller.generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        if let Some(member) = self.members.get_mut(&caller.member_id) {
            member.alive(now_ms);
        }
        match self.phase {
            Phase::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            Phase::Empty | Phase::CompletingRebalance | Phase::Stable => Ok(()),
        }
    }

    fn on_leave(
        &mut self,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
        now_ms: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), ResponseError> {
        if self.pending.remove(member_id).is_some() {
            self.complete_join_if_all_joined(now_ms, actions);
            return Ok(());
        }
        let by_instance = || {
            let found = self.members.iter().find(|(_, member)| member.instance_id.as_ref() == instance_id);
            found.map(|(id, _)| id.clone()).filter(|_| instance_id.is_some())
        };
        // An administrator removes a static member by its instance id alone.
        let gone = if member_id.is_empty() { by_instance() } else { Some(member_id.clone()) };
        let gone = gone.ok_or(ResponseError::UnknownMemberId)?;
        self.check_member(&gone, instance_id)?;
        self.remove(&[gone], now_ms, actions);
        Ok(())
    }

    /// Whether the caller is who it says it is.
    pub(super) fn check_member(
        &self,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
    ) -> Result<(), ResponseError> {
        let holder = instance_id
            .and_then(|instance| self.members.iter().find(|(_, member)| member.instance_id.as_ref() == Some(instance)));
        match holder {
            Some((id, _)) if id != member_id => Err(ResponseError::FencedInstanceId),
            None if instance_id.is_some() => Err(ResponseError::UnknownMemberId),
            _ if self.members.contains_key(member_id) => Ok(()),
            _ => Err(ResponseError::UnknownMemberId),
        }
    }

    fn remove(&mut self, gone: &[StrBytes], now_ms: u64, actions: &mut Vec<Action>) {
        for id in gone {
            let Some(member) = self.members.remove(id) else { continue };
            let error = ResponseError::UnknownMemberId;
            if let Some(request) = member.joining {
                actions.push(Action::AnswerJoin(request, Err(JoinRefused { error, member_id: id.clone() })));
            }
            if let Some(request) = member.syncing {
                actions.push(Action::AnswerSync(request, Err(error)));
            }
        }
        self.rebalance(now_ms, actions);
    }

    fn on_tick(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let pending_before = self.pending.len();
        self.pending.retain(|_, until_ms| *until_ms > now_ms);
        if self.pending.len() < pending_before {
            self.complete_join_if_all_joined(now_ms, actions);
        }
        let mut sync_is_over = false;
        if self.phase_ends_ms.is_some_and(|ends_ms| ends_ms <= now_ms) {
            self.phase_ends_ms = None;
            match self.phase {
                Phase::PreparingRebalance => self.on_rebalance_timeout(now_ms, actions),
                Phase::CompletingRebalance | Phase::Stable => sync_is_over = true,
                Phase::Empty => {}
            }
        }
        let is_dead = |member: &Member| {
            member.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) || (sync_is_over && !member.synced)
        };
        let dead: Vec<StrBytes> =
            self.members.iter().filter(|(_, member)| is_dead(member)).map(|(id, _)| id.clone()).collect();
        if !dead.is_empty() {
            self.remove(&dead, now_ms, actions);
        }
    }

    fn on_rebalance_timeout(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let nobody_joined = self.members.values().all(|member| member.joining.is_none());
        let has_static = self.members.values().any(|member| member.instance_id.is_some());
        if nobody_joined && has_static {
            // Static members keep their places until their sessions end, even when all are silent.
            self.phase_ends_ms = Some(now_ms + self.rebalance_timeout_ms().max(1));
        } else {
            self.complete_join(now_ms, actions);
        }
    }
}
