//! Kafka Connect itself: worker, herders, storage, REST. Knows the traits of plugins, no connector.

pub mod config_provider;
pub mod connector_config;
mod errors;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod hash_map_order;
pub mod herder;
pub mod java_properties;
pub mod metrics;
mod override_policy;
pub mod peers;
pub mod plugins;
pub mod rest;
pub mod secrets;
pub mod storage;
pub mod validate;
pub mod worker;
pub mod worker_config;
mod worker_keys;
