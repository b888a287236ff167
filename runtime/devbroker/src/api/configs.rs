//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs: of topics; of the broker to read only.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, alter_configs_response,
    incremental_alter_configs_response,
};
use kafka_protocol::protocol::StrBytes;

use super::{ApiError, Context};
use crate::topic_config::{self, DEFINITIONS, Definition, TopicConfig, ValueType};
use crate::topics::Topic;

const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;
/// Where a value comes from.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_STATIC_BROKER: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;

/// The value of a key and where it comes from.
pub(super) fn source(config: &TopicConfig, definition: &Definition) -> (StrBytes, i8) {
    match config.overrides.get(definition.name) {
        Some(value) => (StrBytes::from_string(value.clone()), SOURCE_TOPIC),
        None => (definition.default.into(), SOURCE_DEFAULT),
    }
}

pub(super) fn describe(context: &Context<'_>, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.iter().map(|resource| {
        let answer = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone())
            .with_error_message(None);
        match describe_resource(context, resource, request.include_synonyms) {
            Ok(configs) => answer.with_configs(configs),
            Err(error) => answer.with_error_code(error.code()).with_error_message(Some(error.message())),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe_resource(
    context: &Context<'_>,
    resource: &DescribeConfigsResource,
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, ApiError> {
    let wanted = |name: &str| {
        resource.configuration_keys.as_ref().is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| &**key == name))
    };
    let entry = |name: &'static str, value: StrBytes, config_source: i8, value_type: ValueType| {
        let result = DescribeConfigsResourceResult::default()
            .with_name(name.into())
            .with_value(Some(value.clone()))
            .with_config_source(config_source)
            .with_documentation(None)
            .with_read_only(config_source == SOURCE_STATIC_BROKER)
            .with_config_type(if context.version >= 3 { value_type as i8 } else { 0 });
        let synonym = DescribeConfigsSynonym::default().with_name(name.into()).with_value(Some(value));
        if synonyms { result.with_synonyms(vec![synonym.with_source(config_source)]) } else { result }
    };
    match resource.resource_type {
        TOPIC_RESOURCE => {
            let config =
                context.shared.topics.get(&resource.resource_name).ok_or_else(ApiError::unknown_topic)?.config();
            let wanted = DEFINITIONS.iter().filter(|definition| wanted(definition.name));
            Ok(wanted
                .map(|definition| {
                    let (value, config_source) = source(&config, definition);
                    entry(definition.name, value, config_source, definition.value_type)
                })
                .collect())
        }
        BROKER_RESOURCE if matches!(&*resource.resource_name, "1" | "") => Ok(broker_configs(context)
            .into_iter()
            .filter(|(name, ..)| wanted(name))
            .map(|(name, value, value_type)| entry(name, value.into(), SOURCE_STATIC_BROKER, value_type))
            .collect()),
        BROKER_RESOURCE => {
            let message = format!("Unexpected broker id, expected 1, but received {}", &*resource.resource_name);
            Err(ApiError::new(ResponseError::InvalidRequest, message))
        }
        other => Err(unsupported(other)),
    }
}

fn unsupported(resource_type: i8) -> ApiError {
    let message = format!("The embedded broker has no configuration for resources of type {resource_type}.");
    ApiError::new(ResponseError::InvalidRequest, message)
}

/// What tools ask a broker for.
fn broker_configs(context: &Context<'_>) -> Vec<(&'static str, String, ValueType)> {
    let shared = context.shared;
    vec![
        ("auto.create.topics.enable", shared.auto_create_topics.to_string(), ValueType::Boolean),
        ("broker.id", "1".to_owned(), ValueType::Int),
        ("default.replication.factor", "1".to_owned(), ValueType::Int),
        ("delete.topic.enable", "true".to_owned(), ValueType::Boolean),
        ("message.max.bytes", "1048588".to_owned(), ValueType::Int),
        ("min.insync.replicas", "1".to_owned(), ValueType::Int),
        ("node.id", "1".to_owned(), ValueType::Int),
        ("num.partitions", shared.partitions_default.to_string(), ValueType::Int),
        ("offsets.topic.replication.factor", "1".to_owned(), ValueType::Int),
        ("transaction.state.log.replication.factor", "1".to_owned(), ValueType::Int),
    ]
}

pub(super) fn alter(context: &Context<'_>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let responses = request.resources.into_iter().map(|resource| {
        let answer = alter_configs_response::AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone())
            .with_error_message(None);
        let changes = resource.configs.into_iter().map(|config| (config.name, Change::Set(config.value)));
        let target = topic(context, resource.resource_type, &resource.resource_name);
        // This older request names everything: what it leaves out goes back to the default.
        let altered = target.and_then(|topic| apply(&topic, BTreeMap::new(), changes, request.validate_only));
        match altered {
            Ok(()) => answer,
            Err(error) => answer.with_error_code(error.code()).with_error_message(Some(error.message())),
        }
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

pub(super) fn alter_incrementally(
    context: &Context<'_>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = request.resources.into_iter().map(|resource| {
        let answer = incremental_alter_configs_response::AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone())
            .with_error_message(None);
        let changes = resource.configs.into_iter().map(|config| {
            let change = match config.config_operation {
                0 => Change::Set(config.value),
                1 => Change::Delete,
                2 => Change::Append(config.value),
                3 => Change::Subtract(config.value),
                other => Change::Unknown(other),
            };
            (config.name, change)
        });
        let target = topic(context, resource.resource_type, &resource.resource_name);
        let altered =
            target.and_then(|topic| apply(&topic, topic.config().overrides.clone(), changes, request.validate_only));
        match altered {
            Ok(()) => answer,
            Err(error) => answer.with_error_code(error.code()).with_error_message(Some(error.message())),
        }
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

/// What happens to one key.
#[derive(Debug)]
enum Change {
    Set(Option<StrBytes>),
    Delete,
    Append(Option<StrBytes>),
    Subtract(Option<StrBytes>),
    Unknown(i8),
}

fn topic(context: &Context<'_>, resource_type: i8, name: &StrBytes) -> Result<Arc<Topic>, ApiError> {
    match resource_type {
        TOPIC_RESOURCE => context.shared.topics.get(name).ok_or_else(ApiError::unknown_topic),
        other => Err(unsupported(other)),
    }
}

fn apply(
    topic: &Topic,
    mut overrides: BTreeMap<String, String>,
    changes: impl Iterator<Item = (StrBytes, Change)>,
    validate_only: bool,
) -> Result<(), ApiError> {
    for (name, change) in changes {
        change_one(&mut overrides, &name, change)?;
    }
    let config = TopicConfig::new(overrides).map_err(|message| ApiError::new(ResponseError::InvalidConfig, message))?;
    if validate_only { Ok(()) } else { topic.set_config(config) }
}

fn change_one(overrides: &mut BTreeMap<String, String>, name: &str, change: Change) -> Result<(), ApiError> {
    let missing = || {
        let message = format!("Null value not supported for : {name}");
        ApiError::new(ResponseError::InvalidRequest, message)
    };
    let list = |overrides: &BTreeMap<String, String>| -> Result<Vec<String>, ApiError> {
        let definition = topic_config::definition(name).filter(|definition| definition.value_type == ValueType::List);
        let definition = definition.ok_or_else(|| {
            let message = format!("Can't APPEND or SUBTRACT to key {name} because its type is not LIST.");
            ApiError::new(ResponseError::InvalidConfig, message)
        })?;
        let current = overrides.get(name).map_or(definition.default, String::as_str);
        Ok(current.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect())
    };
    let value = match change {
        Change::Delete => {
            overrides.remove(name);
            return Ok(());
        }
        Change::Set(value) => value.ok_or_else(missing)?.to_string(),
        Change::Append(value) => {
            let mut items = list(overrides)?;
            for item in value.ok_or_else(missing)?.split(',') {
                if !items.iter().any(|have| have == item) {
                    items.push(item.to_owned());
                }
            }
            items.join(",")
        }
        Change::Subtract(value) => {
            let gone = value.ok_or_else(missing)?;
            list(overrides)?
                .into_iter()
                .filter(|item| !gone.split(',').any(|gone| gone == item))
                .collect::<Vec<_>>()
                .join(",")
        }
        Change::Unknown(code) => {
            return Err(ApiError::new(ResponseError::InvalidRequest, format!("Unknown operation {code}.")));
        }
    };
    overrides.insert(name.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes() {
        let text = |text: &'static str| Some(StrBytes::from_static_str(text));
        let policy = "cleanup.policy";
        let rows = [
            ("set", policy, Change::Set(text("delete")), Ok(Some("delete"))),
            ("delete", policy, Change::Delete, Ok(None)),
            ("append", policy, Change::Append(text("delete")), Ok(Some("compact,delete"))),
            ("append what is there", policy, Change::Append(text("compact")), Ok(Some("compact"))),
            ("subtract", policy, Change::Subtract(text("compact")), Ok(Some(""))),
            ("append to a number", "retention.ms", Change::Append(text("1")), Err(())),
            ("set nothing", policy, Change::Set(None), Err(())),
            ("an unknown operation", policy, Change::Unknown(9), Err(())),
        ];
        for (claim, name, change, want) in rows {
            let mut overrides = BTreeMap::from([(policy.to_owned(), "compact".to_owned())]);
            let got = change_one(&mut overrides, name, change);
            assert_eq!(got.map_err(|_| ()).map(|()| overrides.get(name).map(String::as_str)), want, "{claim}");
        }
    }
}
