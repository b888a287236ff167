//! A small single-node broker that speaks the Kafka protocol, for development, demos and fast tests.
//!
//! It is not a mock: batches are stored as producers send them, in memory or in segment files that survive `kill -9`,
//! and groups, idempotent producers and transactions behave as a real broker's. It is not for production either:
//! one node, no replication, no authentication, no TLS, and it binds to loopback addresses only.
//!
//! # The way of a request
//!
//! ```text
//! server.rs ► connection.rs ► api/dispatch.rs ► api/<family>.rs ► topics.rs ► log/partition.rs   batches
//!  accept      frames          which handler     request → answer ► coordinator/ ► group/state.rs groups, transactions
//! ```
//!
//! What differs from Kafka: segments are rolled at 64 MiB (8 MiB in memory) even when `segment.bytes` is larger, a
//! partition in memory keeps at most 512 MiB when its topic sets no `retention.bytes`, compaction starts with 1 MiB of new
//! records (and at every start) instead of waiting for a segment to be closed, committed offsets never expire, groups
//! rebalance without an initial delay, and clients may not write to internal topics.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use couplet_devbroker::{Broker, BrokerConfig, Storage};
//! let config = BrokerConfig { storage: Storage::Memory, ..BrokerConfig::default() };
//! let broker = Broker::start(config).await?;
//! println!("bootstrap.servers={}", broker.address());
//! broker.stop().await;
//! # Ok(())
//! # }
//! ```

mod api;
mod broker;
mod clock;
mod connection;
mod coordinator;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod group;
mod log;
mod maintenance;
mod server;
mod shared;
mod topic_config;
mod topics;

pub use broker::{Broker, BrokerConfig, Storage};
