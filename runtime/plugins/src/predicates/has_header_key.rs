use std::sync::Arc;

use couplet_api::config::{Props, non_empty};
use couplet_api::data::Record;
use couplet_api::predicate::Predicate;
use couplet_api::{Result, config_def};

use super::Class;
use crate::first_problem;

pub(super) const CLASS: Class = Class {
    name: "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
    config_def: HasHeaderKeyConfig::config_def,
    create,
};

config_def! {
    /// Settings of HasHeaderKey.
    pub(super) struct HasHeaderKeyConfig {
        /// Name of the header.
        name: Str = "name", Medium, required, non_empty();
    }
}

/// Whether a record has a header of some name.
struct HasHeaderKey {
    name: String,
}

fn create(props: &Props) -> Result<Arc<dyn Predicate>> {
    let config = first_problem(HasHeaderKeyConfig::parse, HasHeaderKeyConfig::config_def, props)?;
    Ok(Arc::new(HasHeaderKey { name: config.name }))
}

impl Predicate for HasHeaderKey {
    fn test(&self, record: &Record) -> Result<bool> {
        Ok(record.headers.iter().any(|header| *header.key == *self.name))
    }
}
