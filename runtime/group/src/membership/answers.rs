//! What the coordinator's answers mean to a member.

use couplet_api::{Error, Result};
use kafka_protocol::ResponseError;

use super::event::{
    Action, Call, Failure, FoundAnswer, Generation, GroupMembers, JoinAnswer, Request, SyncAnswer, Ticket,
};
use super::state::{Coordinator, MemberState, Membership};
use crate::protocol::{Assignment, ConnectProtocol, WorkerState};

/// The protocol type of groups of Connect workers.
pub(super) const PROTOCOL_TYPE: &str = "connect";

impl Membership {
    pub(super) fn on_found(
        &mut self,
        now: i64,
        ticket: Ticket,
        answer: Result<FoundAnswer, Failure>,
        out: &mut Vec<Action>,
    ) {
        if !matches!(&self.coordinator, Coordinator::Unknown { lookup: Some(asked), .. } if *asked == ticket) {
            return;
        }
        let why = match answer {
            Ok(FoundAnswer { error: None, node }) => {
                tracing::info!(coordinator = %node, "Discovered group coordinator");
                self.heartbeat.extend(now, i64::from(self.config.session_timeout_ms));
                self.coordinator = Coordinator::Known(node);
                return;
            }
            Ok(FoundAnswer { error: Some(code), .. }) if !code.is_retriable() => {
                let refused = self.refused("FindCoordinator", code);
                return self.end(refused, out);
            }
            Err(Failure::Fatal(error)) => return self.end_with(&error, out),
            Ok(FoundAnswer { error, .. }) => format!("{error:?}"),
            Err(failure) => failure.to_string(),
        };
        tracing::debug!(why, "group coordinator lookup failed");
        let pause = self.backoff_ms();
        if let Coordinator::Unknown { lookup, retry_at, .. } = &mut self.coordinator {
            (*lookup, *retry_at) = (None, now + pause);
        }
    }

    pub(super) fn on_joined(
        &mut self,
        now: i64,
        ticket: Ticket,
        answer: Result<JoinAnswer, Failure>,
        out: &mut Vec<Action>,
    ) {
        if self.pending != Some(ticket) || self.state != MemberState::PreparingRebalance {
            return;
        }
        let Some(answer) = self.answered(now, answer, out) else { return };
        match answer.error {
            None => self.joined(now, answer, out),
            Some(ResponseError::MemberIdRequired) => {
                tracing::debug!(member_id = answer.member_id, "joining again with the given member id");
                let reason = format!("need to re-join with the given member-id: {}", answer.member_id);
                self.generation = Generation { member_id: answer.member_id, ..Generation::none() };
                self.retry_join(now, reason, 0);
            }
            Some(code) => self.join_refused(now, "JoinGroup", code, out),
        }
    }

    fn joined(&mut self, now: i64, answer: JoinAnswer, out: &mut Vec<Action>) {
        let protocol = match group_protocol(answer.protocol_type.as_deref(), answer.protocol.as_deref()) {
            Ok(protocol) => protocol,
            Err(error) => return self.end(error, out),
        };
        self.generation = Generation { id: answer.generation, member_id: answer.member_id, protocol: Some(protocol) };
        self.state = MemberState::CompletingRebalance;
        let (interval, session) = (self.config.heartbeat_interval_ms, self.config.session_timeout_ms);
        self.heartbeat.reset(now, i64::from(interval), i64::from(session));
        self.heartbeat_ticket = None;
        self.pending = None;
        tracing::info!(
            generation = answer.generation,
            member_id = self.generation.member_id,
            "Successfully joined group"
        );
        if answer.leader != self.generation.member_id {
            return self.sync(Vec::new(), out);
        }
        let decode =
            |(id, metadata): &(String, bytes::Bytes)| Ok((id.clone(), WorkerState::decode(metadata, protocol)?));
        match answer.members.iter().map(decode).collect::<Result<Vec<_>>>() {
            Ok(members) => self.call([Call::Assign(GroupMembers {
                leader: answer.leader,
                generation: answer.generation,
                last_completed_generation: self.last_completed_generation,
                protocol,
                members,
            })]),
            Err(error) => {
                tracing::error!(%error, "the metadata of a member cannot be read");
                self.retry_join(
                    now,
                    format!("rebalance failed due to {}", error.class()),
                    self.config.retry_backoff_ms,
                );
            }
        }
    }

    /// The handler has made the assignments of this generation, or of one that is past.
    pub(super) fn sync_as_leader(
        &mut self,
        now: i64,
        group: &GroupMembers,
        assignments: Result<Vec<(String, Assignment)>>,
        out: &mut Vec<Action>,
    ) {
        if self.state != MemberState::CompletingRebalance || self.generation.id != group.generation {
            return;
        }
        let encode = |(member, assignment): (String, Assignment)| Ok((member, assignment.encode(group.protocol)?));
        match assignments.and_then(|list| list.into_iter().map(encode).collect::<Result<Vec<_>>>()) {
            Ok(assignments) => self.sync(assignments, out),
            Err(error) => {
                tracing::error!(%error, "the work of the group cannot be assigned");
                self.retry_join(now, "rebalance failed on the leader".to_owned(), self.config.retry_backoff_ms);
            }
        }
    }

    fn sync(&mut self, assignments: Vec<(String, bytes::Bytes)>, out: &mut Vec<Action>) {
        let ticket = self.ticket();
        self.pending = Some(ticket);
        if let Coordinator::Known(node) = &self.coordinator {
            let request = Request::Sync { generation: self.generation.clone(), assignments };
            out.push(Action::Send(ticket, node.clone(), request));
        }
    }

    pub(super) fn on_synced(
        &mut self,
        now: i64,
        ticket: Ticket,
        answer: Result<SyncAnswer, Failure>,
        out: &mut Vec<Action>,
    ) {
        if self.pending != Some(ticket) || self.state != MemberState::CompletingRebalance {
            return;
        }
        let Some(answer) = self.answered(now, answer, out) else { return };
        if let Some(code) = answer.error {
            return self.join_refused(now, "SyncGroup", code, out);
        }
        let name = answer.protocol.as_deref().or(self.generation.protocol.map(ConnectProtocol::name));
        let protocol = match group_protocol(answer.protocol_type.as_deref(), name) {
            Ok(protocol) if Some(protocol) == self.generation.protocol => protocol,
            Ok(_) => return self.end(inconsistent("SyncGroup", name.unwrap_or_default()), out),
            Err(error) => return self.end(error, out),
        };
        match Assignment::decode(&answer.assignment) {
            Ok(assignment) => {
                tracing::info!(generation = self.generation.id, "Successfully synced group");
                self.complete(protocol, assignment);
            }
            Err(error) => {
                tracing::error!(%error, "the assignment that the leader made cannot be read");
                self.retry_join(
                    now,
                    format!("rebalance failed due to {}", error.class()),
                    self.config.retry_backoff_ms,
                );
            }
        }
    }

    /// An answer to a join or sync, or what its absence means.
    fn answered<T>(&mut self, now: i64, answer: Result<T, Failure>, out: &mut Vec<Action>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.heard();
                Some(answer)
            }
            Err(Failure::Unavailable(why)) => {
                self.lose_coordinator(now, true, &why, out);
                None
            }
            Err(Failure::Fatal(error)) => {
                self.end_with(&error, out);
                None
            }
        }
    }

    fn join_refused(&mut self, now: i64, request: &str, code: ResponseError, out: &mut Vec<Action>) {
        use ResponseError::{
            CoordinatorLoadInProgress, CoordinatorNotAvailable, IllegalGeneration, NotCoordinator, RebalanceInProgress,
            UnknownMemberId,
        };
        let reason = format!("rebalance failed due to {code:?}");
        tracing::info!(?code, generation = self.generation.id, "{request} failed; joining again if that can help");
        match code {
            UnknownMemberId | IllegalGeneration => {
                self.reset(code == UnknownMemberId, &format!("encountered {code:?} from {request} response"));
            }
            RebalanceInProgress => self.retry_join(now, reason, 0),
            CoordinatorNotAvailable | NotCoordinator => {
                self.retry_join(now, reason, self.config.retry_backoff_ms);
                self.lose_coordinator(now, false, &format!("error response {code:?}"), out);
            }
            CoordinatorLoadInProgress => self.retry_join(now, reason, self.config.retry_backoff_ms),
            _ => {
                let refused = self.refused(request, code);
                self.end(refused, out);
            }
        }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        now: i64,
        ticket: Ticket,
        answer: Result<Option<ResponseError>, Failure>,
        out: &mut Vec<Action>,
    ) {
        // A late answer is about a generation that is past.
        if self.heartbeat_ticket != Some(ticket) {
            return;
        }
        let session = i64::from(self.config.session_timeout_ms);
        let code = match answer {
            Ok(code) => code,
            Err(Failure::Unavailable(why)) => return self.lose_coordinator(now, true, &why, out),
            Err(Failure::Fatal(error)) => return self.end_with(&error, out),
        };
        self.heard();
        if let Some(code @ (ResponseError::CoordinatorNotAvailable | ResponseError::NotCoordinator)) = code {
            return self.lose_coordinator(now, false, &format!("error response {code:?}"), out);
        }
        self.heartbeat_ticket = None;
        match code {
            None => self.heartbeat.received(now, session),
            Some(ResponseError::RebalanceInProgress) => {
                self.heartbeat.received(now, session);
                if self.state == MemberState::Stable {
                    tracing::info!("Request joining group due to: group is already rebalancing");
                    self.rejoin = Some("group is already rebalancing".to_owned());
                }
            }
            Some(
                code @ (ResponseError::IllegalGeneration
                | ResponseError::UnknownMemberId
                | ResponseError::FencedInstanceId),
            ) => {
                let reason = format!("encountered {code:?} from Heartbeat response");
                self.reset(code != ResponseError::IllegalGeneration, &reason);
            }
            Some(code @ ResponseError::GroupAuthorizationFailed) => {
                let refused = self.refused("Heartbeat", code);
                self.end(refused, out);
            }
            Some(code) => {
                tracing::warn!(?code, "unexpected error in heartbeat response");
                self.heartbeat.failed(now, self.config.retry_backoff_ms);
            }
        }
    }

    pub(super) fn on_left(
        &mut self,
        ticket: Ticket,
        answer: Result<Option<ResponseError>, Failure>,
        out: &mut Vec<Action>,
    ) {
        match answer {
            Ok(None) => tracing::debug!("left the group"),
            Ok(Some(code)) => tracing::warn!(?code, "LeaveGroup failed; the session's end will remove this member"),
            Err(why) => tracing::warn!(%why, "LeaveGroup had no answer; the session's end will remove this member"),
        }
        self.end_leave(ticket, out);
    }

    fn end_with(&mut self, error: &std::sync::Arc<Error>, out: &mut Vec<Action>) {
        tracing::error!(%error, "this worker cannot be a member of its group");
        self.state = MemberState::Ended;
        out.push(Action::Ended(Err(error.clone())));
    }

    /// The error for a code that trying again does not change.
    fn refused(&self, request: &str, code: ResponseError) -> Error {
        let group = &self.config.group_id;
        match code {
            ResponseError::GroupAuthorizationFailed => Error::auth(format!("Not authorized to access group: {group}")),
            ResponseError::InconsistentGroupProtocol => inconsistent(request, group),
            ResponseError::InvalidSessionTimeout => Error::config(format!(
                "Invalid value {} for configuration session.timeout.ms: the broker allows values between its \
                 group.min.session.timeout.ms and group.max.session.timeout.ms",
                self.config.session_timeout_ms
            )),
            ResponseError::InvalidGroupId => {
                Error::config(format!("Invalid value {group} for configuration group.id: the broker refuses it"))
            }
            ResponseError::GroupMaxSizeReached => {
                Error::fatal(format!("group {group} already has as many members as the broker's group.max.size allows"))
            }
            code => Error::fatal(format!("Unexpected error in {request} response of group {group}: {code:?}")),
        }
    }
}

/// The protocol of the group that was joined.
fn group_protocol(protocol_type: Option<&str>, name: Option<&str>) -> Result<ConnectProtocol> {
    match protocol_type {
        Some(other) if other != PROTOCOL_TYPE => Err(inconsistent("JoinGroup", other)),
        _ => ConnectProtocol::from_name(name.unwrap_or_default()),
    }
}

fn inconsistent(request: &str, found: &str) -> Error {
    Error::config(format!(
        "{request} failed: configuration group.id names a group ({found}) that is no group of Connect workers, or whose workers \
         share no protocol with this one; choose another group.id, or see connect.protocol"
    ))
}
