//! Metadata: topics, partitions, and the one broker that leads them all. Creates topics on demand.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::{CLUSTER_OPERATIONS, Context, NODE, TOPIC_OPERATIONS, operations};
use crate::topic_config::TopicConfig;
use crate::topics::{self, Topic};

pub(super) fn handle(context: &Context<'_>, request: MetadataRequest) -> MetadataResponse {
    let shared = context.shared;
    let topic_operations = operations(request.include_topic_authorized_operations, TOPIC_OPERATIONS);
    let everything =
        request.topics.is_none() || (context.version == 0 && request.topics.as_ref().is_some_and(Vec::is_empty));
    let topics = if everything {
        shared.topics.all().iter().map(|topic| found(topic, topic_operations)).collect()
    } else {
        let may_create = shared.auto_create_topics && (context.version < 4 || request.allow_auto_topic_creation);
        let asked = request.topics.unwrap_or_default();
        asked.into_iter().map(|topic| look_up(context, topic, may_create, topic_operations)).collect()
    };
    let broker =
        MetadataResponseBroker::default().with_node_id(NODE).with_host(shared.host.clone()).with_port(shared.port);
    let mut response = MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(shared.cluster_id.clone()))
        .with_controller_id(NODE)
        .with_topics(topics);
    if (8..=10).contains(&context.version) {
        response.cluster_authorized_operations =
            operations(request.include_cluster_authorized_operations, CLUSTER_OPERATIONS);
    }
    response
}

fn look_up(
    context: &Context<'_>,
    asked: MetadataRequestTopic,
    may_create: bool,
    topic_operations: i32,
) -> MetadataResponseTopic {
    let missing = |error: ResponseError| {
        let name = asked.name.clone().or_else(|| (context.version < 12).then(TopicName::default));
        MetadataResponseTopic::default().with_error_code(error.code()).with_name(name).with_topic_id(asked.topic_id)
    };
    let Some(name) = &asked.name else {
        let topic = context.shared.topics.get_by_id(asked.topic_id);
        return topic.map_or_else(|| missing(ResponseError::UnknownTopicId), |topic| found(&topic, topic_operations));
    };
    if let Some(topic) = context.shared.topics.get(name) {
        return found(&topic, topic_operations);
    }
    match (may_create && !topics::is_internal(name)).then(|| create(context, name)) {
        None => missing(ResponseError::UnknownTopicOrPartition),
        Some(Ok(topic)) => found(&topic, topic_operations),
        Some(Err(code)) => missing(ResponseError::Unknown(code)),
    }
}

fn create(context: &Context<'_>, name: &StrBytes) -> Result<Arc<Topic>, i16> {
    let topics = &context.shared.topics;
    let created = topics.create(name, context.shared.partitions_default, TopicConfig::default(), false);
    // Another connection may have been faster.
    created.or_else(|error| topics.get(name).ok_or(error.code()))
}

fn found(topic: &Topic, topic_operations: i32) -> MetadataResponseTopic {
    let partitions = (0..topic.partition_count() as i32).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(NODE)
            .with_leader_epoch(crate::log::LEADER_EPOCH)
            .with_replica_nodes(vec![NODE])
            .with_isr_nodes(vec![NODE])
    });
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(topic.name.clone())))
        .with_topic_id(topic.id)
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(topic_operations)
}
