//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;

use super::error::code_of;
use super::{Context, error};
use crate::group::event::{Caller, Join, JoinRefused, Joined, Protocol, Sync, Synced};

/// Kafka's `group.max.session.timeout.ms`.
const SESSION_TIMEOUT_MAX: Duration = Duration::from_millis(1_800_000);
/// Longer than any client asks for, short enough to add to a clock.
const REBALANCE_TIMEOUT_MS_MAX: i32 = 86_400_000;

pub(super) async fn join(context: &Context<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    let member_id = request.member_id.clone();
    let joined = match check_join(&request, context.shared.session_timeout_min) {
        Err(error) => Err(JoinRefused { error, member_id }),
        Ok(()) => {
            let group_id = request.group_id.0.clone();
            let join = joining(context, request);
            let answered = context.shared.coordinator.with(|state, now_ms| state.groups.join(&group_id, join, now_ms));
            let stopped = || Err(JoinRefused { error: ResponseError::CoordinatorNotAvailable, member_id });
            wait(context, answered).await.unwrap_or_else(stopped)
        }
    };
    join_response(context.version, joined)
}

/// The answer, unless the broker stops first.
async fn wait<T>(context: &Context<'_>, answered: oneshot::Receiver<T>) -> Option<T> {
    tokio::select! {
        answer = answered => answer.ok(),
        () = context.shared.stop.cancelled() => None,
    }
}

fn check_join(request: &JoinGroupRequest, session_min: Duration) -> Result<(), ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let session = u64::try_from(request.session_timeout_ms).map(Duration::from_millis);
    if !session.is_ok_and(|session| (session_min..=SESSION_TIMEOUT_MAX).contains(&session)) {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    Ok(())
}

fn joining(context: &Context<'_>, request: JoinGroupRequest) -> Join {
    // Version 0 has no rebalance timeout of its own.
    let rebalance_timeout_ms =
        if request.rebalance_timeout_ms < 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    let prefix: &str = request.group_instance_id.as_deref().unwrap_or(&context.client_id);
    let protocols = request.protocols.into_iter();
    Join {
        request: 0, // given by the coordinator
        member_id: request.member_id,
        fresh_id: StrBytes::from_string(format!("{prefix}-{}", uuid::Uuid::new_v4())),
        id_required: context.version >= 4,
        may_skip_assignment: context.version >= 9,
        instance_id: request.group_instance_id.clone(),
        client_id: context.client_id.clone(),
        client_host: context.client_host.clone(),
        session_timeout_ms: request.session_timeout_ms.max(0) as u64,
        rebalance_timeout_ms: rebalance_timeout_ms.clamp(0, REBALANCE_TIMEOUT_MS_MAX) as u64,
        protocol_type: request.protocol_type,
        protocols: protocols.map(|protocol| Protocol { name: protocol.name, metadata: protocol.metadata }).collect(),
    }
}

fn join_response(version: i16, joined: Result<Joined, JoinRefused>) -> JoinGroupResponse {
    match joined {
        Ok(joined) => {
            let members = joined.members.into_iter().map(|member| {
                JoinGroupResponseMember::default()
                    .with_member_id(member.member_id)
                    .with_group_instance_id(member.instance_id.filter(|_| version >= 5))
                    .with_metadata(member.metadata)
            });
            JoinGroupResponse::default()
                .with_generation_id(joined.generation)
                .with_protocol_type((version >= 7).then_some(joined.protocol_type))
                .with_protocol_name(Some(joined.protocol_name))
                .with_leader(joined.leader)
                .with_skip_assignment(version >= 9 && joined.skip_assignment)
                .with_member_id(joined.member_id)
                .with_members(members.collect())
        }
        Err(refused) => JoinGroupResponse::default()
            .with_error_code(refused.error.code())
            .with_generation_id(-1)
            .with_protocol_name(if version >= 7 { None } else { Some(StrBytes::new()) })
            .with_member_id(refused.member_id),
    }
}

pub(super) async fn sync(context: &Context<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    let assignments = request.assignments.into_iter();
    let sync = Sync {
        request: 0, // given by the coordinator
        caller: Caller {
            member_id: request.member_id,
            instance_id: request.group_instance_id,
            generation: request.generation_id,
        },
        protocol_type: request.protocol_type,
        protocol_name: request.protocol_name,
        assignments: assignments.map(|assignment| (assignment.member_id, assignment.assignment)).collect(),
    };
    let answered = context.shared.coordinator.with(|state, now_ms| state.groups.sync(&request.group_id, sync, now_ms));
    let synced = wait(context, answered).await.unwrap_or(Err(ResponseError::CoordinatorNotAvailable));
    sync_response(context.version, synced)
}

fn sync_response(version: i16, synced: Result<Synced, ResponseError>) -> SyncGroupResponse {
    let response = SyncGroupResponse::default().with_error_code(error::code_of(&synced));
    match synced {
        Err(_) => response,
        Ok(synced) => response
            .with_protocol_type((version >= 5).then_some(synced.protocol_type))
            .with_protocol_name((version >= 5).then_some(synced.protocol_name))
            .with_assignment(synced.assignment),
    }
}

pub(super) fn heartbeat(context: &Context<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    let caller = Caller {
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
    };
    let result =
        context.shared.coordinator.with(|state, now_ms| state.groups.heartbeat(&request.group_id, caller, now_ms));
    HeartbeatResponse::default().with_error_code(code_of(&result))
}

pub(super) fn leave(context: &Context<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let one_leaves = |member_id: StrBytes, instance_id: Option<StrBytes>| {
        context
            .shared
            .coordinator
            .with(|state, now_ms| state.groups.leave(&request.group_id, member_id, instance_id, now_ms))
    };
    if context.version < 3 {
        let left = one_leaves(request.member_id, None);
        return LeaveGroupResponse::default().with_error_code(code_of(&left));
    }
    let members = request.members.into_iter().map(|member| {
        let left = one_leaves(member.member_id.clone(), member.group_instance_id.clone());
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code_of(&left))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}
