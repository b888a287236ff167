use couplet_api::own_topic::OwnTopic;
use couplet_api::testing::MemoryTopics;
use serde_json::{Value, json};

/// Makes the topics that the scenario `scenario` wants to be there before its connector; `filled` puts values for variables.
///
/// # Errors
/// The topic's.
pub async fn make_topics(
    topics: &MemoryTopics,
    scenario: &Value,
    filled: impl Fn(&str) -> String,
) -> Result<(), String> {
    for name in scenario["pre_topics"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        topics.topic(&filled(name)).create(&[]).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Writes the record of a step `produce`. Returns it as recordings show it when its topic is one of those that the scenario
/// records.
///
/// # Errors
/// The topic's.
pub async fn produce(
    topics: &MemoryTopics,
    scenario: &Value,
    record: &Value,
    filled: impl Fn(&str) -> String,
) -> Result<Option<Value>, String> {
    let text = |member: &str| record[member].as_str().map(&filled);
    let (topic, key, value) = (text("topic").unwrap_or_default(), text("key"), text("value"));
    let bytes = |text: &Option<String>| text.as_ref().map(|text| text.clone().into());
    let appended = topics.topic(&topic).append(bytes(&key), bytes(&value)).await;
    appended.map_err(|error| error.to_string())?;
    let prefix = format!("{}.", scenario["scenario"].as_str().unwrap_or_default());
    let shown = |text: Option<String>| {
        text.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| json!({ "__text": text })))
    };
    let event = || json!({ "topic": topic, "key": shown(key), "value": shown(value), "headers": [] });
    Ok(topic.starts_with(&prefix).then(event))
}
