//! Offsets of a connector, for users (KIP-875): in the offset store for sources, of a consumer group for sinks.

use couplet_api::config::Props;
use couplet_api::connector::SourcePlugin;
use couplet_api::data::{OffsetMap, TopicPartition, Value};
use couplet_kafka::clients::{Admin, ClientSettings};

use super::{HerderError, OffsetEntry};
use crate::worker::Worker;

const TOPIC: &str = "kafka_topic";
const PARTITION: &str = "kafka_partition";
const OFFSET: &str = "kafka_offset";

/// The answer when the connector has checked the offsets itself, or has none but these.
fn done(verb: &str, by_connector: bool) -> String {
    match by_connector {
        true => format!("The offsets for this connector have been {verb} successfully"),
        false => format!(
            "The Connect framework-managed offsets for this connector have been {verb} successfully. However, if this \
             connector manages offsets externally, they will need to be manually {verb} in the system that the connector uses."
        ),
    }
}

fn failed(error: &couplet_api::Error) -> HerderError {
    HerderError::Failed(error.message().to_owned())
}

/// Offsets of a source.
pub struct SourceOffsets<'a> {
    /// Knows where they are.
    pub worker: &'a Worker,
    /// The connector's config.
    pub config: &'a Props,
    /// Whose.
    pub connector: &'a str,
}

impl SourceOffsets<'_> {
    /// All that are stored.
    pub async fn list(&self) -> Result<Vec<OffsetEntry>, HerderError> {
        let store = self.worker.source_offsets(self.connector, self.config).await.map_err(|e| failed(&e))?;
        let stored = store.list(self.connector).await.map_err(|e| failed(&e))?;
        Ok(stored.into_iter().map(|(partition, offset)| OffsetEntry { partition, offset: Some(offset) }).collect())
    }

    /// Stores `changes` if the connector agrees; `None` forgets all.
    pub async fn alter(
        &self,
        plugin: &dyn SourcePlugin,
        changes: Option<Vec<OffsetEntry>>,
    ) -> Result<String, HerderError> {
        let verb = if changes.is_some() { "altered" } else { "reset" };
        let changes: Vec<(OffsetMap, Option<OffsetMap>)> = match changes {
            Some(changes) => {
                changes.into_iter().map(|c| (sorted(&c.partition), c.offset.as_ref().map(sorted))).collect()
            }
            None => self.list().await?.into_iter().map(|entry| (entry.partition, None)).collect(),
        };
        let by_connector = plugin.alter_offsets(self.config, &changes).await.map_err(|e| failed(&e))?;
        if !changes.is_empty() {
            let altered = self.worker.alter_source_offsets(self.connector, self.config, changes).await;
            altered.map_err(|e| failed(&e))?;
        }
        Ok(done(verb, by_connector))
    }
}

/// Keys in the order of the alphabet, as the JVM writes what came through REST.
fn sorted(map: &OffsetMap) -> OffsetMap {
    let mut entries: Vec<(&str, Value)> =
        map.entries().iter().filter_map(|(key, value)| Some((key.as_str()?, value.clone()))).collect();
    entries.sort_by(|a, b| a.0.cmp(b.0));
    OffsetMap::new(entries)
}

/// Offsets of a sink: those its consumer group has committed.
pub struct SinkOffsets {
    admin: Admin,
    group: String,
    connector: String,
}

impl SinkOffsets {
    /// The group of the sink `name` of a worker with the settings `worker`.
    pub fn new(worker: &Props, connector: &Props, name: &str) -> Result<Self, HerderError> {
        let admin = Admin::new(&ClientSettings::task_admin(worker, connector, name)).map_err(|e| failed(&e))?;
        let consumer = ClientSettings::task_consumer(worker, connector, name, 0);
        let group = consumer.get("group.id").map_or_else(|| format!("connect-{name}"), str::to_owned);
        Ok(SinkOffsets { admin, group, connector: name.to_owned() })
    }

    /// All that are committed.
    pub async fn list(&self) -> Result<Vec<OffsetEntry>, HerderError> {
        let committed = self.admin.list_group_offsets(&self.group).await.map_err(|error| {
            tracing::error!(connector = self.connector, %error, "offsets of a sink could not be read");
            HerderError::Failed(format!(
                "Failed to retrieve consumer group offsets for sink connector {}",
                self.connector
            ))
        })?;
        let entry = |(at, offset): (TopicPartition, i64)| OffsetEntry {
            partition: OffsetMap::new([
                (PARTITION, Value::Int64(at.partition.into())),
                (TOPIC, Value::str(&*at.topic)),
            ]),
            offset: Some(OffsetMap::new([(OFFSET, Value::Int64(offset))])),
        };
        Ok(committed.into_iter().map(entry).collect())
    }

    /// Commits `changes` for the group; `None` forgets all.
    pub async fn alter(&self, changes: Option<Vec<OffsetEntry>>) -> Result<String, HerderError> {
        let Some(changes) = changes else {
            self.outcome("reset", self.admin.delete_group(&self.group).await)?;
            return Ok(done("reset", true));
        };
        let (mut set, mut forget) = (Vec::new(), Vec::new());
        for change in &changes {
            match parse(change).map_err(HerderError::BadRequest)? {
                (at, Some(offset)) => set.push((at, offset)),
                (at, None) => forget.push(at),
            }
        }
        if set.iter().any(|(_, offset)| *offset < 0) {
            return Err(self.refused());
        }
        if !set.is_empty() {
            self.outcome("alter", self.admin.alter_group_offsets(&self.group, set).await)?;
        }
        if !forget.is_empty() {
            self.outcome("alter", self.admin.delete_group_offsets(&self.group, forget).await)?;
        }
        Ok(done("altered", true))
    }

    fn refused(&self) -> HerderError {
        HerderError::Failed(format!("Failed to modify offsets for sink connector {}", self.connector))
    }

    fn outcome(
        &self,
        verb: &str,
        outcome: couplet_api::Result<Result<(), couplet_kafka::clients::Failure>>,
    ) -> Result<(), HerderError> {
        let connector = &self.connector;
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) if failure.is_group_busy() => Err(HerderError::Failed(format!(
                "Failed to {verb} consumer group offsets for connector {connector} either because its tasks haven't stopped \
                 completely yet or the connector was resumed before the request to {verb} its offsets could be successfully \
                 completed. If the connector is in a stopped state, this operation can be safely retried. If it doesn't \
                 eventually succeed, the Connect cluster may need to be restarted to get rid of the zombie sink tasks."
            ))),
            Ok(Err(failure)) => {
                tracing::error!(connector, reason = failure.message(), "offsets of a sink could not be changed");
                Err(self.refused())
            }
            Err(error) => {
                tracing::error!(connector, %error, "offsets of a sink could not be changed");
                Err(self.refused())
            }
        }
    }
}

/// Reads what a user wants to commit, as `SinkUtils.parseSinkConnectorOffsets`. Numbers may be text.
fn parse(entry: &OffsetEntry) -> Result<(TopicPartition, Option<i64>), String> {
    let (Some(topic), Some(partition)) = (entry.partition.get(TOPIC), entry.partition.get(PARTITION)) else {
        return Err(format!(
            "The partition for a sink connector offset must contain the keys '{TOPIC}' and '{PARTITION}'"
        ));
    };
    let topic = match topic {
        Value::Null => return Err("Kafka topic names must be valid strings and may not be null".to_owned()),
        topic => shown(topic),
    };
    if partition.is_null() {
        return Err("Kafka partitions must be valid numbers and may not be null".to_owned());
    }
    let partition: i32 = shown(partition).parse().map_err(|_| {
        format!(
            "Failed to parse the following Kafka partition value in the provided offsets: '{}'. Partition values for sink \
             connectors need to be integers.",
            shown(partition)
        )
    })?;
    let at = TopicPartition::new(topic, partition);
    let Some(offset) = &entry.offset else { return Ok((at, None)) };
    let Some(offset) = offset.get(OFFSET) else {
        return Err(format!("The offset for a sink connector should either be null or contain the key '{OFFSET}'"));
    };
    let number = shown(offset).parse().map_err(|_| {
        format!(
            "Failed to parse the following Kafka offset value in the provided offsets: '{}'. Offset values for sink \
             connectors need to be integers.",
            shown(offset)
        )
    })?;
    Ok((at, Some(number)))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Str(text) => text.as_str().to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Float64(n) => n.to_string(),
        other => other.as_i64().map_or_else(|| "null".to_owned(), |n| n.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sink_offsets_are_read_as_the_jvm_reads_them() {
        let partition = |topic: Value, number: Value| OffsetMap::new([(TOPIC, topic), (PARTITION, number)]);
        let offset = |value: Value| Some(OffsetMap::new([(OFFSET, value)]));
        let good = || partition("t".into(), 0_i64.into());
        type Row = (OffsetMap, Option<OffsetMap>, Result<Option<i64>, &'static str>);
        let rows: Vec<Row> = vec![
            (good(), offset(5_i64.into()), Ok(Some(5))),
            (good(), offset("2".into()), Ok(Some(2))),
            (partition("t".into(), "0".into()), None, Ok(None)),
            (
                OffsetMap::new([(TOPIC, Value::str("t"))]),
                None,
                Err(
                    "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
                ),
            ),
            (
                partition("t".into(), "abc".into()),
                None,
                Err(
                    "Failed to parse the following Kafka partition value in the provided offsets: 'abc'. Partition values \
                     for sink connectors need to be integers.",
                ),
            ),
            (
                good(),
                Some(OffsetMap::new([("zzz", Value::Int64(1))])),
                Err("The offset for a sink connector should either be null or contain the key 'kafka_offset'"),
            ),
            (
                good(),
                offset(Value::Null),
                Err(
                    "Failed to parse the following Kafka offset value in the provided offsets: 'null'. Offset values for \
                     sink connectors need to be integers.",
                ),
            ),
            (
                partition(Value::Null, 0_i64.into()),
                None,
                Err("Kafka topic names must be valid strings and may not be null"),
            ),
            (
                partition("t".into(), Value::Null),
                None,
                Err("Kafka partitions must be valid numbers and may not be null"),
            ),
        ];
        for (partition, offset, want) in rows {
            let got = parse(&OffsetEntry { partition, offset }).map(|(_, offset)| offset);
            assert_eq!(got.as_ref().map_err(String::as_str), want.as_ref().map_err(|e| *e));
        }
    }
}
