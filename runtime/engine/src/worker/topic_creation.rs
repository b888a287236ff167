//! Topics that sources write to: created by rules of the connector (KIP-158), or left to the broker.

use std::collections::HashSet;
use std::sync::Arc;

use couplet_api::config::{ConfigType, Props, Setting};
use couplet_api::{Error, Kind, Result};
use couplet_kafka::TopicSpec;
use couplet_kafka::clients::{Admin, TopicCreation as Created};
use regex::Regex;

use crate::connector_config::TOPIC_CREATION_PREFIX;

/// The rule that all topics fall under at last.
const DEFAULT_GROUP: &str = "default";

/// One group of `topic.creation.groups`.
#[derive(Debug)]
struct Group {
    include: Vec<Regex>,
    exclude: Vec<Regex>,
    partitions: i32,
    replication_factor: i16,
    configs: Vec<(String, String)>,
}

/// The rules of a connector, and the topics that need no more looking at.
pub(super) struct TopicCreation {
    /// In the order they are asked; the default group is the last. Empty: the broker creates topics, if it may.
    groups: Vec<Group>,
    settled: HashSet<Arc<str>>,
}

impl TopicCreation {
    /// The rules in `connector`; none when the worker does not allow them.
    ///
    /// # Errors
    /// `Kind::Config` for broken rules.
    pub(super) fn new(enabled: bool, names: &[String], connector: &Props) -> Result<Self> {
        let used = connector.contains(&format!("{TOPIC_CREATION_PREFIX}{DEFAULT_GROUP}.partitions"))
            || connector.contains(&format!("{TOPIC_CREATION_PREFIX}{DEFAULT_GROUP}.replication.factor"));
        if !enabled || !used {
            return Ok(TopicCreation { groups: Vec::new(), settled: HashSet::new() });
        }
        let default = Group::parse(DEFAULT_GROUP, connector, None)?;
        let mut groups = Vec::new();
        for name in names.iter().filter(|name| *name != DEFAULT_GROUP) {
            groups.push(Group::parse(name, connector, Some(&default))?);
        }
        groups.push(default);
        Ok(TopicCreation { groups, settled: HashSet::new() })
    }

    /// Whether records may be sent to `topic` at once.
    pub(super) fn is_settled(&self, topic: &str) -> bool {
        self.groups.is_empty() || self.settled.contains(topic)
    }

    /// Notes that `topic` is there.
    pub(super) fn settle(&mut self, topic: Arc<str>) {
        self.settled.insert(topic);
    }

    /// The topic as the first rule that matches wants it.
    pub(super) fn spec(&self, topic: &str) -> Option<TopicSpec> {
        let group = self.groups.iter().find(|group| group.matches(topic))?;
        Some(TopicSpec {
            name: topic.to_owned(),
            partitions: group.partitions,
            replication_factor: group.replication_factor,
            configs: group.configs.clone(),
        })
    }
}

impl Group {
    fn parse(name: &str, connector: &Props, default: Option<&Group>) -> Result<Self> {
        let prefix = format!("{TOPIC_CREATION_PREFIX}{name}.");
        let settings = connector.with_prefix(&prefix);
        let number = |key: &str, inherited: Option<i64>| -> Result<i64> {
            let full = format!("{prefix}{key}");
            let Some(text) = settings.get(key) else {
                return inherited.ok_or_else(|| {
                    Error::config(format!("Missing required configuration \"{full}\" which has no default value."))
                });
            };
            match ConfigType::Int.parse(text) {
                Ok(Setting::Int(n)) if n == -1 || n >= 1 => Ok(n),
                Ok(_) => Err(Error::config(format!(
                    "Invalid value {text} for configuration {full}: Value must be at least 1, or -1 to use broker default"
                ))),
                Err(problem) => Err(Error::config(format!("Invalid value {text} for configuration {full}: {problem}"))),
            }
        };
        let patterns = |key: &str| -> Result<Vec<Regex>> {
            let texts = settings.get(key).unwrap_or_default().split(',').map(str::trim).filter(|text| !text.is_empty());
            texts
                .map(|text| {
                    Regex::new(&format!("^(?:{text})$")).map_err(|error| {
                        Error::config(format!("Invalid value {text} for configuration {prefix}{key}: {error}"))
                    })
                })
                .collect()
        };
        let own = ["include", "exclude", "partitions", "replication.factor"];
        let configs = settings.iter().filter(|(key, _)| !own.contains(key));
        let out_of_range = |_| Error::config(format!("Invalid value for configuration {prefix}replication.factor"));
        Ok(Group {
            include: patterns("include")?,
            exclude: patterns("exclude")?,
            partitions: number("partitions", default.map(|d| d.partitions.into()))?.try_into().map_err(out_of_range)?,
            replication_factor: number("replication.factor", default.map(|d| d.replication_factor.into()))?
                .try_into()
                .map_err(out_of_range)?,
            configs: configs.filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect(),
        })
    }

    /// Exclusion beats inclusion; the default group includes everything.
    fn matches(&self, topic: &str) -> bool {
        let any = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(topic));
        !any(&self.exclude) && (self.include.is_empty() || any(&self.include))
    }
}

/// Makes sure that the topic of `spec` is there.
///
/// # Errors
/// `Kind::Remote` where trying again may help, else the error that fails the task.
pub(super) async fn ensure_topic(admin: &Admin, spec: TopicSpec) -> Result<()> {
    if admin.partition_count(&spec.name).await?.is_some() {
        return Ok(());
    }
    match admin.create_topic(&spec).await? {
        Ok(Created::Created) => {
            tracing::info!(topic = spec.name, partitions = spec.partitions, "created topic");
            Ok(())
        }
        Ok(Created::Existed) => Ok(()),
        Err(failure) if failure.kind() == Kind::Remote => Err(failure.into_error("cannot create topic")),
        Err(failure) => Err(Error::fatal(format!(
            "Task failed to create new topic {}. Ensure that the task is authorized to create topics or that the topic \
             exists and restart the task",
            spec.name
        ))
        .caused_by(failure.into_error("the broker refused"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(props: &[(&str, &str)], groups: &[&str]) -> Result<TopicCreation> {
        let names: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        TopicCreation::new(true, &names, &props.iter().map(|(k, v)| (*k, *v)).collect())
    }

    const BASE: [(&str, &str); 2] =
        [("topic.creation.default.partitions", "3"), ("topic.creation.default.replication.factor", "-1")];

    #[test]
    fn the_first_group_that_matches_wins() {
        let mut props = BASE.to_vec();
        props.extend([
            ("topic.creation.logs.include", "log.*, audit"),
            ("topic.creation.logs.exclude", "log-private"),
            ("topic.creation.logs.partitions", "1"),
            ("topic.creation.logs.cleanup.policy", "delete"),
            ("topic.creation.all.include", ".*-private"),
            ("topic.creation.all.replication.factor", "2"),
        ]);
        let rules = rules(&props, &["logs", "all"]).expect("valid");
        let rows = [("log-1", 1, -1, 1), ("audit", 1, -1, 1), ("log-private", 3, 2, 0), ("my-log", 3, -1, 0)];
        for (topic, partitions, replicas, configs) in rows {
            let spec = rules.spec(topic).expect("the default group takes all");
            let got = (spec.partitions, spec.replication_factor, spec.configs.len());
            assert_eq!(got, (partitions, replicas, configs), "{topic}");
        }
    }

    #[test]
    fn without_default_rules_or_permission_the_broker_creates_topics() {
        assert!(rules(&[], &[]).expect("valid").is_settled("t"));
        let props: Props = BASE.into_iter().collect();
        assert!(TopicCreation::new(false, &[], &props).expect("valid").is_settled("t"));
        let mut rules = TopicCreation::new(true, &[], &props).expect("valid");
        assert!(!rules.is_settled("t"));
        rules.settle("t".into());
        assert!(rules.is_settled("t"));
    }

    #[test]
    fn broken_rules_are_refused_by_key() {
        for (key, value) in [
            ("topic.creation.default.partitions", "0"),
            ("topic.creation.default.partitions", "many"),
            ("topic.creation.default.replication.factor", "-2"),
            ("topic.creation.default.include", "("),
        ] {
            let mut props: Props = BASE.into_iter().collect();
            props.set(key, value);
            let error = TopicCreation::new(true, &[], &props).err().expect(key);
            assert!(error.message().contains(key), "{error}");
        }
    }
}
