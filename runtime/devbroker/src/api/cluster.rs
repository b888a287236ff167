//! DescribeCluster.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};

use super::{CLUSTER_OPERATIONS, Context, NODE, operations};

pub(super) fn describe(context: &Context<'_>, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let shared = context.shared;
    let broker =
        DescribeClusterBroker::default().with_broker_id(NODE).with_host(shared.host.clone()).with_port(shared.port);
    DescribeClusterResponse::default()
        .with_endpoint_type(1)
        .with_cluster_id(shared.cluster_id.clone())
        .with_controller_id(NODE)
        .with_brokers(vec![broker])
        .with_cluster_authorized_operations(operations(
            request.include_cluster_authorized_operations,
            CLUSTER_OPERATIONS,
        ))
}
