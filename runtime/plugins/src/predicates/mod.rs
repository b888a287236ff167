//! Predicates, one class a file.

mod has_header_key;
mod record_is_tombstone;
mod topic_name_matches;

use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::plugin::Factory;
use couplet_api::predicate::Predicate;
use couplet_api::{Plugin, Result};

use crate::KAFKA_VERSION;

/// What a predicate class consists of: its name, its settings, and how to make one.
struct Class {
    name: &'static str,
    config_def: fn() -> ConfigDef,
    create: fn(&Props) -> Result<Arc<dyn Predicate>>,
}

const CLASSES: [Class; 3] = [has_header_key::CLASS, record_is_tombstone::CLASS, topic_name_matches::CLASS];

/// The predicates of Kafka Connect.
pub(crate) fn plugins() -> Vec<Plugin> {
    let plugin = |class: &Class| {
        Plugin::Predicate(Arc::new(Factory {
            class: class.name,
            version: KAFKA_VERSION,
            config_def: class.config_def,
            create: class.create,
        }))
    };
    CLASSES.iter().map(plugin).collect()
}
