//! The plugins that come with Kafka Connect and Debezium's record transforms: converters, transforms, predicates.
//!
//! Each file of [`converters`], [`transforms`] and [`predicates`] is one class under its Java name. [`json`] is also what
//! other crates read and write Connect's JSON with.

pub mod converters;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod java;
pub mod json;
mod json_path;
pub mod predicates;
pub mod transforms;
mod value_check;
mod values;

pub use java::{HashMapOrder, JavaRegex, civil, class_of, record_text};

use couplet_api::config::{ConfigDef, Props};
use couplet_api::{Error, Plugin, Result};

/// Version of Kafka whose plugins these are.
pub(crate) const KAFKA_VERSION: &str = "4.1.0";

/// All plugins of this crate, in the order in which Kafka Connect lists them.
pub fn plugins() -> Vec<Plugin> {
    [transforms::plugins(), predicates::plugins(), converters::plugins()].concat()
}

/// Reads the settings of a plugin that is made: with wrong settings it reports the first problem only, as Java's
/// constructors do. Validation reports all.
pub(crate) fn first_problem<T>(
    parse: fn(&Props) -> Result<T>,
    config_def: fn() -> ConfigDef,
    props: &Props,
) -> Result<T> {
    parse(props).map_err(|error| {
        let first = config_def().validate(props).into_iter().flat_map(|value| value.errors).next();
        first.map_or(error, Error::config)
    })
}
