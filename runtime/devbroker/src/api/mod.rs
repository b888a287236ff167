//! Requests: one file per family, each a function from request to response. [`dispatch`] is the list of all.

mod api_versions;
mod cluster;
mod configs;
mod coordinators;
pub(crate) mod dispatch;
mod error;
mod fetch;
mod group_admin;
mod list_offsets;
mod log_dirs;
mod membership;
mod metadata;
mod offsets;
mod produce;
mod records;
mod topics;
mod transactions;

pub(crate) use error::ApiError;

use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;

use crate::shared::Shared;

/// The only node.
const NODE: BrokerId = BrokerId(1);
/// "Not asked for", in fields for authorized operations.
const OPERATIONS_UNASKED: i32 = i32::MIN;
/// What a broker without authorizer answers: every operation on a topic (READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE,
/// DESCRIBE_CONFIGS, ALTER_CONFIGS; one bit each, at Kafka's `AclOperation` code).
const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// The same for a group: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS.
const GROUP_OPERATIONS: i32 = 0b1101_0100_1000;
/// The same for the cluster: CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE.
const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// What a handler knows besides the request itself.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    /// Version of the request, and so of the response.
    pub(crate) version: i16,
    pub(crate) client_id: StrBytes,
    /// As Kafka shows it: "/127.0.0.1".
    pub(crate) client_host: StrBytes,
}

fn operations(asked: bool, all: i32) -> i32 {
    if asked { all } else { OPERATIONS_UNASKED }
}
