//! CreateTopics, DeleteTopics, CreatePartitions.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, TopicName,
};

use super::configs::source;
use super::{ApiError, Context, NODE};
use crate::topic_config::{DEFINITIONS, TopicConfig};
use crate::topics::{self, Topic};

pub(super) fn create(context: &Context<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let validate_only = request.validate_only;
    let asked_twice = |name: &TopicName| request.topics.iter().filter(|other| other.name == *name).count() > 1;
    let topics = request.topics.iter().map(|asked| {
        let answer = CreatableTopicResult::default().with_name(asked.name.clone()).with_error_message(None);
        let created = if asked_twice(&asked.name) {
            let message = "Create topics request contains multiple entries for the following topic.";
            Err(ApiError::new(ResponseError::InvalidRequest, message))
        } else {
            create_one(context, asked, validate_only)
        };
        match created {
            Ok((topic, partitions)) => {
                let answer = if context.version >= 7 { answer.with_topic_id(topic.id) } else { answer };
                if context.version < 5 { answer } else { described(answer, &topic.config(), partitions) }
            }
            Err(error) => answer.with_error_code(error.code()).with_error_message(Some(error.message())),
        }
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

fn described(answer: CreatableTopicResult, config: &TopicConfig, partitions: i32) -> CreatableTopicResult {
    let configs = DEFINITIONS.iter().map(|definition| {
        let (value, config_source) = source(config, definition);
        CreatableTopicConfigs::default()
            .with_name(definition.name.into())
            .with_value(Some(value))
            .with_config_source(config_source)
    });
    answer.with_num_partitions(partitions).with_replication_factor(1).with_configs(Some(configs.collect()))
}

fn create_one(
    context: &Context<'_>,
    asked: &CreatableTopic,
    validate_only: bool,
) -> Result<(std::sync::Arc<Topic>, i32), ApiError> {
    if topics::is_internal(&asked.name) {
        let message = "The embedded broker keeps this name for a topic of its own.";
        return Err(ApiError::new(ResponseError::InvalidTopicException, message));
    }
    let partitions = partition_count(context, asked)?;
    let mut overrides = BTreeMap::new();
    for config in &asked.configs {
        let value = config.value.as_ref().ok_or_else(|| {
            let message = format!("Null value not supported for topic configs: {}", &*config.name);
            ApiError::new(ResponseError::InvalidConfig, message)
        })?;
        overrides.insert(config.name.to_string(), value.to_string());
    }
    let config = TopicConfig::new(overrides).map_err(|message| ApiError::new(ResponseError::InvalidConfig, message))?;
    let topic = context.shared.topics.create(&asked.name, partitions, config, validate_only)?;
    Ok((topic, partitions))
}

fn partition_count(context: &Context<'_>, asked: &CreatableTopic) -> Result<i32, ApiError> {
    if asked.assignments.is_empty() {
        return match asked.replication_factor {
            -1 | 1 => Ok(match asked.num_partitions {
                -1 => context.shared.partitions_default,
                partitions => partitions,
            }),
            factor if factor < 1 => {
                let message = "Replication factor must be larger than 0, or -1 to use the default value.";
                Err(ApiError::new(ResponseError::InvalidReplicationFactor, message))
            }
            factor => {
                let message = format!(
                    "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} \
                     cannot be reached because only 1 broker(s) are registered."
                );
                Err(ApiError::new(ResponseError::InvalidReplicationFactor, message))
            }
        };
    }
    let mut indexes: Vec<i32> = asked.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    let all_there = indexes.iter().copied().eq(0..indexes.len() as i32);
    let all_here = asked.assignments.iter().all(|assignment| assignment.broker_ids == [NODE]);
    if all_there && all_here {
        return Ok(indexes.len() as i32);
    }
    let message = "Partitions must be numbered from 0 and assigned to the only broker, 1.";
    Err(ApiError::new(ResponseError::InvalidReplicaAssignment, message))
}

pub(super) fn delete(context: &Context<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let names = request.topic_names.into_iter().map(|name| (Some(name), uuid::Uuid::nil()));
    let states = request.topics.into_iter().map(|state| (state.name, state.topic_id));
    let responses = names.chain(states).map(|(name, id)| {
        let known = match &name {
            Some(name) => Some(name.clone()),
            None => context.shared.topics.get_by_id(id).map(|topic| TopicName(topic.name.clone())),
        };
        let answer = DeletableTopicResult::default().with_name(known.clone().or(name));
        let deleted = match known {
            None => Err(ApiError::new(ResponseError::UnknownTopicId, "This server does not host this topic ID.")),
            Some(name) => delete_one(context, &name),
        };
        match deleted {
            Ok(id) => {
                if context.version >= 6 {
                    answer.with_topic_id(id)
                } else {
                    answer
                }
            }
            Err(error) => {
                let answer = answer.with_error_code(error.code());
                let answer = if context.version >= 6 { answer.with_topic_id(id) } else { answer };
                answer.with_error_message((context.version >= 5).then(|| error.message()))
            }
        }
    });
    DeleteTopicsResponse::default().with_responses(responses.collect())
}

fn delete_one(context: &Context<'_>, name: &TopicName) -> Result<uuid::Uuid, ApiError> {
    let internal = context.shared.topics.get(name).is_some_and(|topic| topic.is_internal());
    if internal {
        let message = "The embedded broker needs this topic.";
        return Err(ApiError::new(ResponseError::InvalidTopicException, message));
    }
    let topic = context.shared.topics.delete(name)?;
    context.shared.coordinator.with(|state, _| state.groups.forget_topic(name))?;
    Ok(topic.id)
}

pub(super) fn create_partitions(context: &Context<'_>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let results = request.topics.iter().map(|asked| {
        let answer = CreatePartitionsTopicResult::default().with_name(asked.name.clone());
        match add_partitions(context, asked, request.validate_only) {
            Ok(()) => answer,
            Err(error) => answer.with_error_code(error.code()).with_error_message(Some(error.message())),
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn add_partitions(context: &Context<'_>, asked: &CreatePartitionsTopic, validate_only: bool) -> Result<(), ApiError> {
    let assignments = asked.assignments.as_deref().unwrap_or_default();
    if assignments.iter().any(|assignment| assignment.broker_ids != [NODE]) {
        let message = "Partitions can only be assigned to the only broker, 1.";
        return Err(ApiError::new(ResponseError::InvalidReplicaAssignment, message));
    }
    context.shared.topics.add_partitions(&asked.name, asked.count, validate_only)
}
