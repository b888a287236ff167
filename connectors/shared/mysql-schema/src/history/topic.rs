//! A schema history in a Kafka topic.

use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::own_topic::{OwnTopic, OwnTopics, TopicClients, TopicState};
use couplet_api::{Error, Result};

use super::{HistoryRecord, HistoryStore, OnRecord};

/// Settings of a new history topic: nothing of it is ever dropped.
const TOPIC_CONFIGS: &[(&str, &str)] =
    &[("cleanup.policy", "delete"), ("retention.ms", "9223372036854775807"), ("retention.bytes", "-1")];

/// A topic with one partition: Debezium's `KafkaSchemaHistory`.
pub struct TopicHistory {
    topic: Arc<dyn OwnTopic>,
}

impl TopicHistory {
    /// Keeps records in `topic`.
    pub fn new(topic: Arc<dyn OwnTopic>) -> Self {
        TopicHistory { topic }
    }

    /// Opens the topic that `props`, the settings below `schema.history.internal.`, tell of.
    ///
    /// # Errors
    /// `Kind::Config` that names a setting that is missing or cannot be used.
    pub async fn open(topics: &dyn OwnTopics, props: &Props) -> Result<Self> {
        let name = needed(props, "kafka.topic")?;
        let clients = clients(props, needed(props, "kafka.bootstrap.servers")?);
        Ok(TopicHistory::new(topics.open(name, &clients).await?))
    }
}

fn needed<'a>(props: &'a Props, key: &str) -> Result<&'a str> {
    props.get(key).map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| {
        Error::config(format!("schema.history.internal.{key} is missing: the schema history is kept in Kafka"))
    })
}

/// Settings of the clients: what Debezium gives them, then those below `producer.` and `consumer.`.
fn clients(props: &Props, bootstrap: &str) -> TopicClients {
    let merged = |defaults: &[(&str, &str)], prefix: &str| {
        let mut merged: Props = defaults.iter().copied().collect();
        for (key, value) in props.with_prefix(prefix).iter() {
            merged.set_nullable(key, value.map(str::to_owned));
        }
        merged
    };
    let producer = [
        ("bootstrap.servers", bootstrap),
        ("acks", "all"),
        ("enable.idempotence", "false"),
        ("max.in.flight.requests.per.connection", "1"),
    ];
    TopicClients {
        producer: merged(&producer, "producer."),
        consumer: merged(&[("bootstrap.servers", bootstrap)], "consumer."),
    }
}

#[async_trait]
impl HistoryStore for TopicHistory {
    async fn has_records(&mut self) -> Result<bool> {
        Ok(self.topic.state().await? == TopicState::Written)
    }

    async fn initialize(&mut self) -> Result<()> {
        match self.topic.state().await? {
            TopicState::Missing => self.topic.create(TOPIC_CONFIGS).await,
            TopicState::Empty | TopicState::Written => Ok(()),
        }
    }

    async fn load(&mut self, on_record: OnRecord<'_>) -> Result<()> {
        self.topic
            .read(&mut |record| match record.value.as_deref().map(std::str::from_utf8) {
                Some(Ok(text)) => on_record(text),
                Some(Err(_)) | None => {
                    tracing::warn!(offset = record.offset, "a record of the schema history topic is no text; skipped");
                    Ok(())
                }
            })
            .await
    }

    async fn append(&mut self, record: &HistoryRecord) -> Result<()> {
        self.topic.append(None, Some(record.to_topic_text()?.into())).await
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::Kind;
    use couplet_api::testing::MemoryTopics;

    use super::*;

    #[test]
    fn clients_take_their_own_settings_over_the_defaults() {
        let props = Props::from_iter([
            ("kafka.topic", "h"),
            ("producer.security.protocol", "SSL"),
            ("producer.acks", "1"),
            ("consumer.bootstrap.servers", "c:1"),
        ]);
        let clients = clients(&props, "b:1");
        assert_eq!(clients.producer.get("bootstrap.servers"), Some("b:1"));
        assert_eq!(clients.producer.get("security.protocol"), Some("SSL"));
        assert_eq!(clients.producer.get("acks"), Some("1"));
        assert_eq!(clients.consumer.get("bootstrap.servers"), Some("c:1"));
        assert_eq!(clients.consumer.get("security.protocol"), None);
    }

    #[tokio::test]
    async fn a_missing_setting_is_named() {
        for (key, value, missing) in
            [("kafka.topic", "h", "kafka.bootstrap.servers"), ("kafka.bootstrap.servers", "b:1", "kafka.topic")]
        {
            let props = Props::from_iter([(key, value)]);
            let error = TopicHistory::open(&MemoryTopics::default(), &props).await.err().expect("refused");
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.message().contains(&format!("schema.history.internal.{missing}")), "{error}");
        }
    }
}
