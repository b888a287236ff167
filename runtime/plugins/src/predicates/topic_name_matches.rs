use std::sync::Arc;

use couplet_api::config::{Props, non_empty};
use couplet_api::data::Record;
use couplet_api::predicate::Predicate;
use couplet_api::{Error, Result, config_def};

use super::Class;
use crate::first_problem;
use crate::java::JavaRegex;
use crate::transforms::regex_pattern;

pub(super) const CLASS: Class = Class {
    name: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
    config_def: TopicNameMatchesConfig::config_def,
    create,
};

config_def! {
    /// Settings of TopicNameMatches.
    pub(super) struct TopicNameMatchesConfig {
        /// Java regular expression that the whole topic must match.
        pattern: Str = "pattern", Medium, required, non_empty(), regex_pattern();
    }
}

/// Whether a record's topic matches a pattern.
struct TopicNameMatches {
    pattern: JavaRegex,
}

fn create(props: &Props) -> Result<Arc<dyn Predicate>> {
    let config = first_problem(TopicNameMatchesConfig::parse, TopicNameMatchesConfig::config_def, props)?;
    Ok(Arc::new(TopicNameMatches { pattern: JavaRegex::new(&config.pattern).map_err(Error::config)? }))
}

impl Predicate for TopicNameMatches {
    fn test(&self, record: &Record) -> Result<bool> {
        self.pattern.matches(&record.topic)
    }
}
