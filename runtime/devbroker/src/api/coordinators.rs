//! FindCoordinator: we are it, for every group and every transactional id.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

use super::{Context, NODE};

pub(super) fn find(context: &Context<'_>, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let (host, port) = (context.shared.host.clone(), context.shared.port);
    if context.version < 4 {
        return FindCoordinatorResponse::default()
            .with_error_message(None)
            .with_node_id(NODE)
            .with_host(host)
            .with_port(port);
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_error_message(None)
            .with_node_id(NODE)
            .with_host(host.clone())
            .with_port(port)
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}
