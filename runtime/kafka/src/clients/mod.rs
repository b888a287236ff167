//! Producers, consumers and admin requests: librdkafka behind safe types.
//!
//! The only code of the project that calls librdkafka is here, and the only `unsafe` code is in the files that do.

mod admin;
mod admin_request;
mod batch;
mod client_config;
mod consumer;
mod failure;
mod log_reader;
mod native;
mod native_config;
mod partition_list;
mod producer;
mod security;
mod transaction;

pub use admin::{Admin, End, GroupOffset, TopicCreation, TopicSpec};
pub use batch::{ConsumedRecord, RecordBatch};
pub use client_config::{ClientSettings, Role};
pub use consumer::{Consumer, ConsumerEvent};
pub use failure::Failure;
pub(crate) use log_reader::{Followed, LogReader, Positions};
pub use native_config::NativeConfig;
pub use producer::{Deliveries, Delivery, Outgoing, Producer, Report, Reports, SendError, Sender, Topic};
pub use transaction::fence_producer;
