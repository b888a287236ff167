//! What happens to a record between a task and Kafka: transforms under predicates, and converters. Pure.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::converter::{Converter, HeaderConverter};
use couplet_api::data::{Header, Record, SinkRecord, TimestampType};
use couplet_api::predicate::Predicate;
use couplet_api::transform::Transform;
use couplet_api::{Error, Kind, Result};
use couplet_kafka::clients::ConsumedRecord;
use futures::future::BoxFuture;

use crate::connector_config::{ConnectorConfig, PREDICATES, TRANSFORMS};
use crate::errors::{Stage, StageError};
use crate::plugins::Plugins;

/// Most lookups that converters may want for one record: a schema, what it refers to, key and value.
pub(super) const LOOKUPS_MAX: u32 = 16;

/// A plugin and the class name it goes by in reports.
struct Named<T: ?Sized> {
    class: &'static str,
    plugin: Arc<T>,
}

struct Step {
    transform: Named<dyn Transform>,
    predicate: Option<Condition>,
}

struct Condition {
    predicate: Named<dyn Predicate>,
    negate: bool,
}

/// The transforms and converters of one task.
pub struct Pipeline {
    steps: Vec<Step>,
    key: Named<dyn Converter>,
    value: Named<dyn Converter>,
    header: Named<dyn HeaderConverter>,
}

/// Where a record's key and value lie in the buffer they were written to; `None` is Kafka's null.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) key: Option<std::ops::Range<usize>>,
    pub(super) value: Option<std::ops::Range<usize>>,
    pub(super) headers: Vec<(Arc<str>, Option<Bytes>)>,
}

impl Encoded {
    /// Bytes of key, value and headers.
    pub(super) fn size(&self) -> usize {
        let part = |range: &Option<std::ops::Range<usize>>| range.as_ref().map_or(0, ExactSizeIterator::len);
        let header = |(name, value): &(Arc<str>, Option<Bytes>)| name.len() + value.as_ref().map_or(0, Bytes::len);
        part(&self.key) + part(&self.value) + self.headers.iter().map(header).sum::<usize>()
    }
}

impl Pipeline {
    /// The pipeline of a connector; what it does not say is taken from the worker.
    ///
    /// # Errors
    /// `Kind::Config` for classes that are not there and settings that a plugin refuses.
    pub fn new(plugins: &Plugins, config: &ConnectorConfig, connector: &Props, worker: &Props) -> Result<Self> {
        let predicates = config.predicates.iter().map(|alias| predicate(plugins, connector, alias));
        let predicates = predicates.collect::<Result<Vec<_>>>()?;
        let steps = config.transforms.iter().map(|alias| step(plugins, connector, alias, &predicates));
        Ok(Pipeline {
            steps: steps.collect::<Result<_>>()?,
            key: converter(plugins, "key.converter", true, connector, worker)?,
            value: converter(plugins, "value.converter", false, connector, worker)?,
            header: header_converter(plugins, connector, worker)?,
        })
    }

    /// Sends a record through the transforms; `None`: one of them dropped it. On failure the record as it came is given
    /// back if it may be tried again.
    pub(super) fn transform(&self, mut record: Record) -> Result<Option<Record>, StageError> {
        for step in &self.steps {
            let failed = |class| move |error| StageError { stage: Stage::Transformation, class, error };
            if let Some(condition) = &step.predicate {
                let class = condition.predicate.class;
                if condition.predicate.plugin.test(&record).map_err(failed(class))? == condition.negate {
                    continue;
                }
            }
            match step.transform.plugin.apply(record).map_err(failed(step.transform.class))? {
                Some(changed) => record = changed,
                None => return Ok(None),
            }
        }
        Ok(Some(record))
    }

    /// Whether records are the same before and after the transforms.
    pub(super) fn has_transforms(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Appends the bytes of key and value to `out`. After a failure `out` is as before.
    pub(super) fn encode(&self, record: &Record, out: &mut BytesMut) -> Result<Encoded, StageError> {
        let begin = out.len();
        let outcome = self.encode_parts(record, out);
        if outcome.is_err() {
            out.truncate(begin);
        }
        outcome
    }

    fn encode_parts(&self, record: &Record, out: &mut BytesMut) -> Result<Encoded, StageError> {
        let topic = &*record.topic;
        let mut part = |converter: &Named<dyn Converter>, datum, stage| {
            let begin = out.len();
            let written = converter.plugin.from_connect(topic, &record.headers, datum, out);
            match written {
                Ok(true) => Ok(Some(begin..out.len())),
                Ok(false) => Ok(None),
                Err(error) => Err(StageError { stage, class: converter.class, error }),
            }
        };
        let header = |header: &Header| {
            let value = self.header.plugin.from_connect_header(topic, &header.key, &header.value);
            let failed = |error| StageError { stage: Stage::HeaderConverter, class: self.header.class, error };
            Ok((header.key.clone(), value.map_err(failed)?))
        };
        // The JVM's order: headers, key, value.
        let headers = record.headers.iter().map(header).collect::<Result<_, _>>()?;
        let key = part(&self.key, &record.key, Stage::KeyConverter)?;
        let value = part(&self.value, &record.value, Stage::ValueConverter)?;
        Ok(Encoded { key, value, headers })
    }

    /// Gets what a converter wanted when it failed with `Kind::Lookup`; then the record is converted again. After `tries`
    /// lookups for one record it is given up.
    pub(super) fn resolve(&self, failed: StageError, tries: u32) -> BoxFuture<'static, Result<(), StageError>> {
        let converter = match failed.stage {
            Stage::KeyConverter => Some(self.key.plugin.clone()),
            Stage::ValueConverter => Some(self.value.plugin.clone()),
            _ => None,
        };
        let StageError { stage, class, error } = failed;
        Box::pin(async move {
            let outcome = match (converter, error.wanted()) {
                (Some(converter), Some(lookup)) if tries < LOOKUPS_MAX => converter.resolve(lookup).await,
                _ => Err(error),
            };
            outcome.map_err(|error| StageError { stage, class, error })
        })
    }

    /// Converts and transforms a record that was read; `None`: a transform dropped it.
    pub(super) fn decode(&self, raw: &ConsumedRecord) -> Result<Option<SinkRecord>, StageError> {
        let failed = |stage, class| move |error| StageError { stage, class, error };
        let part = |converter: &Named<dyn Converter>, bytes: &Option<Bytes>, stage| {
            let datum = converter.plugin.to_connect(&raw.topic, bytes.as_ref());
            datum.map_err(failed(stage, converter.class))
        };
        let key = part(&self.key, &raw.key, Stage::KeyConverter)?;
        let value = part(&self.value, &raw.value, Stage::ValueConverter)?;
        let header = |(name, bytes): &(Arc<str>, Option<Bytes>)| {
            let value = self.header.plugin.to_connect_header(&raw.topic, name, bytes.as_ref());
            let value = value.map_err(failed(Stage::HeaderConverter, self.header.class))?;
            Ok(Header { key: name.clone(), value })
        };
        let record = Record {
            topic: raw.topic.clone(),
            partition: Some(raw.partition),
            key,
            value,
            headers: raw.headers.iter().map(header).collect::<Result<_, _>>()?,
            timestamp: raw.timestamp,
            offset: Some(raw.offset),
        };
        let record = if self.has_transforms() { self.transform(record)? } else { Some(record) };
        Ok(record.map(|record| SinkRecord {
            record,
            original: raw.topic_partition(),
            original_offset: raw.offset,
            timestamp_type: raw.timestamp_type,
        }))
    }

    /// The bytes of a sink record whose own are no longer known, at its original place.
    ///
    /// # Errors
    /// `Kind::Data` when it cannot be converted back.
    pub(crate) async fn to_consumed(&self, record: &SinkRecord) -> Result<ConsumedRecord> {
        let mut out = BytesMut::new();
        let mut tries = 0;
        let encoded = loop {
            match self.encode(&record.record, &mut out) {
                Ok(encoded) => break encoded,
                Err(failed) if failed.error.kind() == Kind::Lookup => {
                    self.resolve(failed, tries).await.map_err(|failed| failed.error)?;
                    tries += 1;
                }
                Err(failed) => return Err(failed.error),
            }
        };
        let bytes = out.freeze();
        Ok(ConsumedRecord {
            topic: record.original.topic.clone(),
            partition: record.original.partition,
            offset: record.original_offset,
            timestamp: record.record.timestamp.filter(|_| record.timestamp_type != TimestampType::None),
            timestamp_type: record.timestamp_type,
            key: encoded.key.map(|range| bytes.slice(range)),
            value: encoded.value.map(|range| bytes.slice(range)),
            headers: encoded.headers,
        })
    }
}

fn not_found(key: &str, class: &str) -> Error {
    Error::config(format!("Invalid value {class} for configuration {key}: Class {class} could not be found."))
}

/// The class in `connector`, else in `worker`, with the settings of the place it was found in.
fn class_and_settings<'a>(key: &str, connector: &'a Props, worker: &'a Props) -> Result<(&'a str, Props)> {
    let source = if connector.contains(key) { connector } else { worker };
    match source.get(key) {
        Some(class) => Ok((class.trim(), source.with_prefix(&format!("{key}.")))),
        None => Err(Error::config(format!("Missing required configuration \"{key}\" which has no default value."))),
    }
}

fn converter(
    plugins: &Plugins,
    key: &str,
    is_key: bool,
    connector: &Props,
    worker: &Props,
) -> Result<Named<dyn Converter>> {
    let (class, settings) = class_and_settings(key, connector, worker)?;
    let factory = plugins.converter(class).ok_or_else(|| not_found(key, class))?;
    Ok(Named { class: factory.class, plugin: (factory.create)(&settings, is_key)? })
}

fn header_converter(plugins: &Plugins, connector: &Props, worker: &Props) -> Result<Named<dyn HeaderConverter>> {
    const KEY: &str = "header.converter";
    const DEFAULT: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
    let (class, settings) = match connector.contains(KEY) || worker.contains(KEY) {
        true => class_and_settings(KEY, connector, worker)?,
        false => (DEFAULT, Props::new()),
    };
    let factory = plugins.header_converter(class).ok_or_else(|| not_found(KEY, class))?;
    Ok(Named { class: factory.class, plugin: (factory.create)(&settings)? })
}

type NamedPredicate = (String, &'static str, Arc<dyn Predicate>);

fn predicate(plugins: &Plugins, connector: &Props, alias: &str) -> Result<NamedPredicate> {
    let prefix = format!("{PREDICATES}.{alias}.");
    let key = format!("{prefix}type");
    let class = connector.get(&key).unwrap_or_default().trim();
    let factory = plugins.predicate(class).ok_or_else(|| not_found(&key, class))?;
    Ok((alias.to_owned(), factory.class, (factory.create)(&connector.with_prefix(&prefix))?))
}

fn step(plugins: &Plugins, connector: &Props, alias: &str, predicates: &[NamedPredicate]) -> Result<Step> {
    let prefix = format!("{TRANSFORMS}.{alias}.");
    let settings = connector.with_prefix(&prefix);
    let class = settings.get("type").unwrap_or_default().trim();
    let factory = plugins.transform(class).ok_or_else(|| not_found(&format!("{prefix}type"), class))?;
    let predicate = match settings.get("predicate").map(str::trim).filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => {
            let known = predicates.iter().find(|(alias, _, _)| alias == name);
            let (_, class, plugin) = known.ok_or_else(|| {
                let key = format!("{prefix}predicate");
                Error::config(format!("Invalid value {name} for configuration {key}: Predicate {name} is not defined"))
            })?;
            let negate = settings.get("negate").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
            Some(Condition { predicate: Named { class, plugin: plugin.clone() }, negate })
        }
    };
    Ok(Step { transform: Named { class: factory.class, plugin: (factory.create)(&settings)? }, predicate })
}
