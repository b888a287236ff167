//! The plugins that come with Kafka Connect and Debezium's record transforms: converters, transforms, predicates.
//!
//! Each file of [`converters`], [`transforms`] and [`predicates`] is one class under its Java name. [`json`] is also what
//! other crates read and write Connect's JSON with.

pub mod converters;
mod java;
pub mod json;

use couplet_api::Plugin;

/// Version of Kafka whose plugins these are.
pub(crate) const KAFKA_VERSION: &str = "4.1.0";

/// All plugins of this crate, in the order in which Kafka Connect lists them.
pub fn plugins() -> Vec<Plugin> {
    converters::plugins()
}
