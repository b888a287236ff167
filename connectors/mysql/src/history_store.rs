//! Opens the place where the schema history is kept.

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::error::Error;
use couplet_api::own_topic::{OwnTopics, TopicClients};
use couplet_mysql_schema::history::{FileHistory, HistoryStore, MemoryHistory, TopicHistory};

use crate::config::{HistoryPlace, MyConfig};

const PREFIX: &str = "schema.history.internal.";

/// Opens the history of a task.
///
/// # Errors
/// [`couplet_api::Kind::Config`] when a setting is missing or wrong.
pub(crate) async fn open(config: &MyConfig, props: &Props, topics: &dyn OwnTopics) -> Result<Box<dyn HistoryStore>> {
    Ok(match &config.history.place {
        HistoryPlace::Kafka => Box::new(topic(&props.with_prefix(PREFIX), topics).await.map_err(unusable)?),
        HistoryPlace::File(path) => Box::new(FileHistory::new(path)),
        HistoryPlace::Memory => Box::new(MemoryHistory::default()),
    })
}

async fn topic(props: &Props, topics: &dyn OwnTopics) -> Result<TopicHistory> {
    let required = |key: &str| {
        let value = props.get(key).map(str::trim).filter(|value| !value.is_empty());
        value.ok_or_else(|| Error::config(couplet_cdc::invalid(&format!("{PREFIX}{key}"), "A value is required")))
    };
    let (name, servers) = (required("kafka.topic")?, required("kafka.bootstrap.servers")?);
    let with_servers = |prefix: &str| {
        let mut props = props.with_prefix(prefix);
        props.set("bootstrap.servers", servers);
        props
    };
    let clients = TopicClients { producer: with_servers("producer."), consumer: with_servers("consumer.") };
    Ok(TopicHistory::new(topics.open(name, &clients).await?))
}

/// The line Debezium's error begins with.
fn unusable(error: Error) -> Error {
    // The cause, which Debezium only logs, stands where Java has its stack frames: those who compare traces leave them out.
    let text = "Error configuring an instance of KafkaSchemaHistory; check the logs for details";
    Error::new(error.kind(), format!("{text}\n\t... {error}"))
        .with_class("org.apache.kafka.connect.errors.ConnectException")
}
