use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::Record;
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::validators::regex_pattern;
use crate::first_problem;
use crate::java::JavaRegex;

config_def! {
    /// Settings of RegexRouter.
    struct RegexRouterConfig {
        /// Java regular expression that the whole topic must match.
        regex: Str = "regex", High, required, regex_pattern();
        /// What replaces the first match in the topic; $1 and so on stand for groups.
        replacement: Str = "replacement", High, required;
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    RegexRouterConfig::config_def()
}

/// Renames topics.
struct RegexRouter {
    regex: JavaRegex,
    replacement: String,
}

/// Makes the transform.
pub(super) fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(RegexRouterConfig::parse, RegexRouterConfig::config_def, props)?;
    let regex = JavaRegex::new(&config.regex).map_err(Error::config)?;
    Ok(Arc::new(RegexRouter { regex, replacement: config.replacement }))
}

impl Transform for RegexRouter {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        if self.regex.matches(&record.topic)? {
            record.topic = self.regex.replace_first(&record.topic, &self.replacement)?.into();
        }
        Ok(Some(record))
    }
}
