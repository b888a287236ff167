//! A member's requests as Kafka's messages.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
    SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::MemberConfig;
use super::answers::PROTOCOL_TYPE;
use super::event::{Event, Failure, Generation, JoinAnswer, Request, SyncAnswer, Ticket};
use crate::wire::{Client, Node};

/// How much longer than the rebalance a join may take (`JOIN_GROUP_TIMEOUT_LAPSE`).
const JOIN_LAPSE: Duration = Duration::from_secs(5);

/// The longest reason that brokers take.
const REASON_BYTES_MAX: usize = 255;

/// Sends `request` to the coordinator; the answer as an event.
pub(super) async fn send(
    client: &Client,
    config: &MemberConfig,
    ticket: Ticket,
    node: Node,
    request: Request,
) -> Event {
    let group = GroupId(text(&config.group_id));
    match request {
        Request::Join { member_id, protocols, reason } => {
            let rebalance = Duration::from_millis(u64::try_from(config.rebalance_timeout_ms).unwrap_or_default());
            let limit = client.config().request_timeout().max(rebalance + JOIN_LAPSE);
            let make = |version| join(config, group, member_id, protocols, &reason, version);
            let answer = client.send_within(limit, &node, 9, make).await;
            Event::Joined(ticket, answer.map(|(_, response)| joined(response)))
        }
        Request::Sync { generation, assignments } => {
            let make = |version| sync(group, &generation, assignments, version);
            let answer = client.send(&node, 5, make).await;
            Event::Synced(ticket, answer.map(|(_, response)| synced(response)))
        }
        Request::Heartbeat(generation) => {
            let make = |_| {
                HeartbeatRequest::default()
                    .with_group_id(group)
                    .with_generation_id(generation.id)
                    .with_member_id(text(&generation.member_id))
            };
            let answer = client.send(&node, 4, make).await;
            Event::Heartbeat(ticket, answer.map(|(_, response)| ResponseError::try_from_code(response.error_code)))
        }
        Request::Leave { member_id, reason } => {
            Event::Left(ticket, leave(client, group, &node, &member_id, &reason).await)
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// `reason` as far as brokers take it.
fn short(reason: &str) -> StrBytes {
    text(&reason[..reason.floor_char_boundary(REASON_BYTES_MAX)])
}

fn join(
    config: &MemberConfig,
    group: GroupId,
    member_id: String,
    protocols: Vec<(&'static str, bytes::Bytes)>,
    reason: &str,
    version: i16,
) -> JoinGroupRequest {
    let protocol = |(name, metadata)| {
        JoinGroupRequestProtocol::default().with_name(StrBytes::from_static_str(name)).with_metadata(metadata)
    };
    let request = JoinGroupRequest::default()
        .with_group_id(group)
        .with_session_timeout_ms(config.session_timeout_ms)
        .with_rebalance_timeout_ms(config.rebalance_timeout_ms)
        .with_member_id(StrBytes::from_string(member_id))
        .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
        .with_protocols(protocols.into_iter().map(protocol).collect());
    // Reasons are KIP-800's; older versions cannot carry them.
    if version >= 8 { request.with_reason(Some(short(reason))) } else { request }
}

fn joined(response: JoinGroupResponse) -> JoinAnswer {
    JoinAnswer {
        error: ResponseError::try_from_code(response.error_code),
        generation: response.generation_id,
        protocol_type: response.protocol_type.map(|text| text.to_string()),
        protocol: response.protocol_name.map(|text| text.to_string()),
        leader: response.leader.to_string(),
        member_id: response.member_id.to_string(),
        members: response.members.into_iter().map(|m| (m.member_id.to_string(), m.metadata)).collect(),
    }
}

fn sync(
    group: GroupId,
    generation: &Generation,
    assignments: Vec<(String, bytes::Bytes)>,
    version: i16,
) -> SyncGroupRequest {
    let assignment = |(member, bytes): (String, bytes::Bytes)| {
        SyncGroupRequestAssignment::default().with_member_id(StrBytes::from_string(member)).with_assignment(bytes)
    };
    let request = SyncGroupRequest::default()
        .with_group_id(group)
        .with_generation_id(generation.id)
        .with_member_id(text(&generation.member_id))
        .with_assignments(assignments.into_iter().map(assignment).collect());
    match generation.protocol {
        Some(protocol) if version >= 5 => request
            .with_protocol_type(Some(StrBytes::from_static_str(PROTOCOL_TYPE)))
            .with_protocol_name(Some(StrBytes::from_static_str(protocol.name()))),
        _ => request,
    }
}

fn synced(response: SyncGroupResponse) -> SyncAnswer {
    SyncAnswer {
        error: ResponseError::try_from_code(response.error_code),
        protocol_type: response.protocol_type.map(|text| text.to_string()),
        protocol: response.protocol_name.map(|text| text.to_string()),
        assignment: response.assignment,
    }
}

async fn leave(
    client: &Client,
    group: GroupId,
    node: &Node,
    member_id: &str,
    reason: &str,
) -> Result<Option<ResponseError>, Failure> {
    let make = |version| {
        let request = LeaveGroupRequest::default().with_group_id(group);
        // Several members at once from version 3 on (KIP-345), with a reason from 5 on.
        match version {
            0..3 => request.with_member_id(text(member_id)),
            _ => {
                let member = MemberIdentity::default().with_member_id(text(member_id));
                let reason = (version >= 5).then(|| short(reason));
                request.with_members(vec![member.with_reason(reason)])
            }
        }
    };
    let (_, response) = client.send(node, 5, make).await?;
    let code = response.members.first().map_or(0, |member| member.error_code);
    let code = if response.error_code == 0 { code } else { response.error_code };
    Ok(ResponseError::try_from_code(code))
}
