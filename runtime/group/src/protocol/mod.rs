//! What members of a Connect group tell each other (KIP-415, KIP-507), byte for byte as the JVM does.

mod assignment;
mod compatibility;
mod java_order;
mod schema;
mod task_id;
mod worker_state;

pub use assignment::{Assignment, CONFIG_MISMATCH, NO_ERROR};
pub use compatibility::ConnectProtocol;
pub use java_order::hash_set_order;
pub use task_id::TaskId;
pub use worker_state::WorkerState;
