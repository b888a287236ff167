//! The plugins that come with Kafka Connect and Debezium's record transforms: converters, transforms, predicates.
//!
//! Each file of [`converters`], [`transforms`] and [`predicates`] is one class under its Java name. [`json`] is also what
//! other crates read and write Connect's JSON with.

pub mod converters;
mod java;
pub mod json;
mod values;

use couplet_api::{Error, Plugin, Result};

/// Version of Kafka whose plugins these are.
pub(crate) const KAFKA_VERSION: &str = "4.1.0";

/// All plugins of this crate, in the order in which Kafka Connect lists them.
pub fn plugins() -> Vec<Plugin> {
    converters::plugins()
}

/// A plugin that is made with wrong settings reports the first problem only, as Java's constructors do; validation
/// reports all.
pub(crate) fn first_problem<T>(parsed: Result<T>) -> Result<T> {
    parsed.map_err(|error| match error.message().split_once('\n') {
        Some((first, _)) => Error::config(first),
        None => error,
    })
}
