//! Small clients for what a scenario does and looks at.

mod connect_rest;
mod kafka;
mod object_store;

pub use connect_rest::ConnectRest;
pub use kafka::{Kafka, KeyValue, Message};
pub use object_store::ObjectStore;

pub use crate::services::postgres_cluster::connect as postgres;
