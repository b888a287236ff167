//! The only crate that knows librdkafka and Kafka's wire: clients, and topics read to their end and followed.

pub mod clients;
pub mod log;
mod own_topic;

pub use clients::TopicSpec;
pub use log::{LogClients, LogRecord, TopicLog};
pub use own_topic::KafkaTopics;
