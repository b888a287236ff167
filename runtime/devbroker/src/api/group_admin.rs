//! DescribeGroups, ListGroups, DeleteGroups.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    ListGroupsRequest, ListGroupsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::error::code_of;
use super::{Context, GROUP_OPERATIONS, operations};
use crate::group::state::{Group, Phase};

/// The type that newer clients filter by; groups of the newer protocol are not offered.
const GROUP_TYPE: &str = "classic";

pub(super) fn describe(context: &Context<'_>, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let authorized = operations(request.include_authorized_operations, GROUP_OPERATIONS);
    let groups = context.shared.coordinator.with(|state, _| {
        let describe = |group_id: GroupId| {
            let described = match state.groups.get(&group_id) {
                Some(view) => described(context.version, view.group),
                None => missing(context.version, &group_id),
            };
            described.with_group_id(group_id).with_authorized_operations(authorized)
        };
        request.groups.into_iter().map(describe).collect()
    });
    DescribeGroupsResponse::default().with_groups(groups)
}

/// Before version 6 a group that does not exist is described as dead, without an error.
fn missing(version: i16, group_id: &GroupId) -> DescribedGroup {
    let dead = DescribedGroup::default().with_group_state("Dead".into());
    if version < 6 {
        return dead;
    }
    let message = format!("Group {} not found.", &**group_id);
    dead.with_error_code(ResponseError::GroupIdNotFound.code()).with_error_message(Some(StrBytes::from_string(message)))
}

fn described(version: i16, group: &Group) -> DescribedGroup {
    let settled = group.phase == Phase::Stable;
    let members = group.members.iter().map(|(id, member)| {
        DescribedGroupMember::default()
            .with_member_id(id.clone())
            .with_group_instance_id(member.instance_id.clone().filter(|_| version >= 4))
            .with_client_id(member.client_id.clone())
            .with_client_host(member.client_host.clone())
            .with_member_metadata(if settled { member.metadata(&group.protocol_name) } else { Bytes::new() })
            .with_member_assignment(if settled { member.assignment.clone() } else { Bytes::new() })
    });
    DescribedGroup::default()
        .with_group_state(group.phase.name().into())
        .with_protocol_type(group.protocol_type.clone())
        .with_protocol_data(if settled { group.protocol_name.clone() } else { StrBytes::new() })
        .with_members(members.collect())
}

pub(super) fn list(context: &Context<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    let among = |filter: &[StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let groups = context.shared.coordinator.with(|state, _| {
        let wanted = state.groups.all().filter(|(_, view)| {
            among(&request.states_filter, view.group.phase.name()) && among(&request.types_filter, GROUP_TYPE)
        });
        wanted
            .map(|(id, view)| {
                let listed = ListedGroup::default()
                    .with_group_id(GroupId(id.clone()))
                    .with_protocol_type(view.group.protocol_type.clone());
                let listed =
                    if context.version >= 4 { listed.with_group_state(view.group.phase.name().into()) } else { listed };
                if context.version >= 5 { listed.with_group_type(GROUP_TYPE.into()) } else { listed }
            })
            .collect()
    });
    ListGroupsResponse::default().with_groups(groups)
}

pub(super) fn delete(context: &Context<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let results = request.groups_names.into_iter().map(|group_id| {
        let deleted = context.shared.coordinator.with(|state, _| state.groups.delete(&group_id));
        DeletableGroupResult::default().with_error_code(code_of(&deleted)).with_group_id(group_id)
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}
