//! A small client of Kafka's protocol, for what librdkafka does not do: groups of other types than `consumer`, fencing of
//! producers, deletion of offsets.
//!
//! [`Client`] keeps a few connections to each broker. A connection carries one request at a time; who sends a second one
//! meanwhile gets a second connection, so a join that waits for others holds up nobody.

mod client;
mod connection;
mod frame;
mod node;
mod pool;
mod sasl;
mod settings;
mod versions;

pub use client::Client;
pub use node::Node;
pub use settings::ClientConfig;
