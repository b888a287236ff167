//! What a Couplet plugin sees: the data model, configuration definitions, and the traits of connectors, tasks,
//! converters, transforms and predicates. No Kafka client, no HTTP, no JSON.
//!
//! Names are Kafka Connect's (`org.apache.kafka.connect.{data,connector,source,sink,storage,transforms}`).

pub mod clock;
pub mod config;
pub mod connector;
pub mod converter;
pub mod data;
pub mod error;
pub mod metrics;
pub mod own_topic;
pub mod plugin;
pub mod predicate;
pub mod sink;
pub mod source;
pub mod spawn;
pub mod testing;
pub mod transform;

pub use error::{Error, Kind, Result};
pub use plugin::Plugin;
