//! Kafka Connect itself: worker, herders, storage, REST. Knows the traits of plugins, no connector.

pub mod herder;
pub mod plugins;
pub mod worker;
pub mod worker_config;
