//! Real services and workers on 127.0.0.1 for tests, demos and benchmarks, without containers.
//!
//! Everything is driven as a user would drive it: processes, REST, Kafka's protocol, SQL, S3. Nothing here links the worker,
//! so one scenario runs against the JVM worker and ours ([`worker::Engine`]).
//!
//! - [`services`] starts and stops a Kafka broker, PostgreSQL and S3, each with its own ports and folder.
//! - [`worker`] starts, kills and restarts a Connect worker of either kind.
//! - [`clients`] speaks to them: REST, Kafka, S3, SQL.
//! - [`lines`] are the load of most scenarios, and [`chance`] the moments at which workers are killed.
//! - [`shared`] finds the services that `cargo x test` started for all tests.

pub mod chance;
pub mod clients;
pub mod lines;
pub mod services;
pub mod shared;
pub mod worker;

pub use couplet_provision as provision;
pub use couplet_provision::{Deadline, eventually};
