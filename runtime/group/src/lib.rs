//! The group of Connect workers: what members tell each other, how a worker is a member, and the client that carries it.
//!
//! - [`protocol`]: the bytes of metadata and assignments, as Kafka's `ConnectProtocol` writes them.
//! - [`membership`]: a member of the group, `WorkerCoordinator` and `AbstractCoordinator` in the JVM: a pure state machine
//!   and the loop that drives it.
//! - [`assignor`]: who does what; the leader decides.
//! - [`wire`]: connections, versions, time limits, TLS and SASL.
//! - [`observer`]: what is measured meanwhile.
//! - [`admin`]: requests that librdkafka does not have.

pub mod admin;
pub mod assignor;
pub mod membership;
pub mod observer;
pub mod protocol;
pub mod wire;
