//! Converters whose schemas live in a schema registry (Confluent's REST API, which other registries serve too), under the
//! class names and keys of Confluent's converters.
//!
//! [`client`] is the REST client, [`Registry`] what a converter sees of it: answers from a cache, or an error that carries
//! the lookup which the engine then awaits. Keys: the README of this crate.

mod avro;
mod bounded;
pub mod client;
mod config;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod json_schema;
mod plans;
mod protobuf;
mod registry;
mod subject;
pub mod wire;

pub use bounded::Bounded;
pub use config::{RegistryConfig, with_registry_keys};
pub use failure::{Direction, serialization};
pub use registry::{Dialect, Reading, Registry};
pub use subject::SubjectNames;

use std::sync::Arc;

use couplet_api::Plugin;

/// Version of the Confluent Platform whose converters these are.
pub const CONFLUENT_VERSION: &str = "7.9.0";

/// All plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    vec![Plugin::Converter(Arc::new(avro::factory())), json_schema::plugin(), protobuf::plugin()]
}
