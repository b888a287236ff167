//! Admin requests that librdkafka does not have, or not for groups of workers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use couplet_api::{Error, Result};
use futures::stream::{self, StreamExt, TryStreamExt};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::{
    DescribeGroupsRequest, GroupId, InitProducerIdRequest, ListGroupsRequest, OffsetDeleteRequest, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::membership::Failure;
use crate::wire::{Client, Node};

/// Ids that are fenced at the same time.
const FENCED_AT_ONCE: usize = 16;
/// First and longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Whom a request is for.
#[derive(Clone, Copy)]
enum Coordinator<'a> {
    Group(&'a str),
    Transaction(&'a str),
}

/// What to make of an answer.
type Answer<T> = Result<Result<T, ResponseError>, Failure>;

/// Fences the producers of these transactional ids: none of them can commit any more, and what they have open is aborted. In
/// Java `Admin.fenceProducers`.
///
/// `timeout`: how long all of it may take; also the transaction timeout that the ids get, as in Java.
///
/// # Errors
/// `Kind::Auth` when access is denied, `Kind::Remote` when brokers do not answer in time, both naming the id.
pub async fn fence_producers(client: &Client, transactional_ids: &[String], timeout: Duration) -> Result<()> {
    let fence = |id: &String| {
        let id = id.clone();
        async move { fence_producer(client, &id, timeout).await }
    };
    stream::iter(transactional_ids.iter().map(fence)).buffer_unordered(FENCED_AT_ONCE).try_collect().await
}

async fn fence_producer(client: &Client, id: &str, timeout: Duration) -> Result<()> {
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    at_coordinator(client, Coordinator::Transaction(id), timeout, async |node| {
        let make = |_| {
            InitProducerIdRequest::default()
                .with_transactional_id(Some(TransactionalId(text(id))))
                .with_transaction_timeout_ms(timeout_ms)
                .with_producer_id((-1).into())
                .with_producer_epoch(-1)
        };
        let (_, response) = client.send(node, 4, make).await?;
        Ok(ResponseError::try_from_code(response.error_code).map_or(Ok(()), Err))
    })
    .await
}

/// Deletes the offsets of a consumer group for these partitions; those that have none are fine.
///
/// # Errors
/// `Kind::Config` when consumers still subscribe to a topic, `Kind::Auth` when access is denied, `Kind::Remote` when brokers do
/// not answer within `timeout`.
pub async fn delete_offsets(
    client: &Client,
    group: &str,
    partitions: &[(String, i32)],
    timeout: Duration,
) -> Result<()> {
    let mut topics: Vec<OffsetDeleteRequestTopic> = Vec::new();
    for (name, partition) in partitions {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(*partition);
        match topics.iter_mut().find(|topic| *topic.name.0 == *name.as_str()) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(
                OffsetDeleteRequestTopic::default().with_name(TopicName(text(name))).with_partitions(vec![partition]),
            ),
        }
    }
    at_coordinator(client, Coordinator::Group(group), timeout, async |node| {
        let make = |_| OffsetDeleteRequest::default().with_group_id(GroupId(text(group))).with_topics(topics.clone());
        let (_, response) = client.send(node, 0, make).await?;
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let codes = std::iter::once(response.error_code).chain(partitions.map(|p| p.error_code));
        let failed = codes.filter_map(ResponseError::try_from_code).find(|code| !is_nothing_there(*code));
        Ok(failed.map_or(Ok(()), Err))
    })
    .await
}

/// Whether there is nothing to delete.
fn is_nothing_there(code: ResponseError) -> bool {
    matches!(code, ResponseError::GroupIdNotFound | ResponseError::UnknownTopicOrPartition)
}

/// A group as its coordinator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead`.
    pub state: String,
    /// `connect` or `consumer`.
    pub protocol_type: String,
    /// Name of the protocol in use; empty while there is none.
    pub protocol: String,
    /// The members.
    pub members: Vec<MemberDescription>,
}

/// A member as its coordinator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// `client.id` of its client.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// What it said when it joined.
    pub metadata: Bytes,
    /// What it was given.
    pub assignment: Bytes,
}

/// Describes a group; one that does not exist is `Dead`.
///
/// # Errors
/// `Kind::Auth` when access is denied, `Kind::Remote` when brokers do not answer within `timeout`.
pub async fn describe_group(client: &Client, group: &str, timeout: Duration) -> Result<GroupDescription> {
    at_coordinator(client, Coordinator::Group(group), timeout, async |node| {
        let make = |_| DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
        let (_, response) = client.send(node, 5, make).await?;
        let Some(group) = response.groups.into_iter().next() else { return Ok(Err(ResponseError::GroupIdNotFound)) };
        if let Some(code) = ResponseError::try_from_code(group.error_code) {
            return Ok(Err(code));
        }
        let member = |m: kafka_protocol::messages::describe_groups_response::DescribedGroupMember| MemberDescription {
            member_id: m.member_id.to_string(),
            client_id: m.client_id.to_string(),
            client_host: m.client_host.to_string(),
            metadata: m.member_metadata,
            assignment: m.member_assignment,
        };
        Ok(Ok(GroupDescription {
            state: group.group_state.to_string(),
            protocol_type: group.protocol_type.to_string(),
            protocol: group.protocol_data.to_string(),
            members: group.members.into_iter().map(member).collect(),
        }))
    })
    .await
}

/// Ids and protocol types of all groups of the cluster.
///
/// # Errors
/// `Kind::Auth` when access is denied, `Kind::Remote` when a broker does not answer.
pub async fn list_groups(client: &Client) -> Result<Vec<(String, String)>> {
    let mut groups = Vec::new();
    for node in client.nodes().await.map_err(|failure| failed("the cluster", failure))? {
        let answer = client.send(&node, 4, |_| ListGroupsRequest::default()).await;
        let (_, response) = answer.map_err(|failure| failed("the list of groups", failure))?;
        if let Some(code) = ResponseError::try_from_code(response.error_code) {
            return Err(refused("the list of groups", code));
        }
        groups.extend(response.groups.iter().map(|g| (g.group_id.to_string(), g.protocol_type.to_string())));
    }
    groups.sort();
    Ok(groups)
}

/// Asks the coordinator until there is an answer that counts. Coordinators move, and load their topics when they start.
async fn at_coordinator<T>(
    client: &Client,
    of: Coordinator<'_>,
    timeout: Duration,
    ask: impl AsyncFn(&Node) -> Answer<T>,
) -> Result<T> {
    let (what, started, mut pause) = (of.to_string(), Instant::now(), PAUSES.0);
    loop {
        let left = timeout.saturating_sub(started.elapsed());
        let attempt = tokio::time::timeout(left, ask_once(client, of, &ask)).await;
        let why = match attempt {
            Ok(Ok(Ok(answer))) => return Ok(answer),
            Ok(Ok(Err(code))) if !code.is_retriable() => return Err(refused(&what, code)),
            Ok(Err(fatal @ Failure::Fatal(_))) => return Err(failed(&what, fatal)),
            Ok(Ok(Err(code))) => Failure::Unavailable(format!("{code:?}")),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Unavailable(format!("no answer within {timeout:?}")),
        };
        if started.elapsed() + pause >= timeout {
            return Err(failed(&what, why));
        }
        tracing::debug!(what, %why, "asking again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn ask_once<T>(client: &Client, of: Coordinator<'_>, ask: &impl AsyncFn(&Node) -> Answer<T>) -> Answer<T> {
    let found = match of {
        Coordinator::Group(id) => client.group_coordinator(id).await?,
        Coordinator::Transaction(id) => client.transaction_coordinator(id).await?,
    };
    match found.error {
        None => ask(&found.node).await,
        Some(code) => Ok(Err(code)),
    }
}

impl std::fmt::Display for Coordinator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Coordinator::Group(id) => write!(f, "group {id}"),
            Coordinator::Transaction(id) => write!(f, "transactional id {id}"),
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn failed(what: &str, failure: Failure) -> Error {
    match failure {
        Failure::Unavailable(why) => Error::remote(format!("{what}: {why}")),
        Failure::Fatal(error) => Error::new(error.kind(), format!("{what}: {}", error.message())),
    }
}

fn refused(what: &str, code: ResponseError) -> Error {
    match code {
        ResponseError::GroupAuthorizationFailed
        | ResponseError::TransactionalIdAuthorizationFailed
        | ResponseError::ClusterAuthorizationFailed
        | ResponseError::TopicAuthorizationFailed => Error::auth(format!("{what}: access denied ({code:?})")),
        ResponseError::GroupSubscribedToTopic => {
            Error::config(format!("{what}: the group still has consumers of the topic; stop them first"))
        }
        code => Error::fatal(format!("{what}: {code:?}")),
    }
}
