//! Runs connectors and tasks: the loops that move records, and their life from start to stop.
//!
//! A source record goes from [`worker`](Worker) down: `source_task` polls, `source_flow` sends it through the `pipeline`
//! and `topic_creation` to the producer, `submitted` says which offsets its report sets free, `offset_commit` stores
//! them; `source_skips` buries what goes no further. A sink record: `sink_task` reads and puts, the `pipeline` converts,
//! `sink_offsets` says what may be committed.

mod ack_latency;
mod connector;
mod flush_latency;
mod guard;
mod lifecycle;
mod offset_commit;
mod offset_topics;
mod passed_over;
mod pipeline;
mod placeholders;
mod producers;
mod sink_offsets;
mod sink_task;
mod sink_topics;
mod source_flow;
mod source_skips;
mod source_task;
mod source_transactions;
mod submitted;
mod task_run;
mod topic_creation;
mod transactions;
#[allow(clippy::module_inception, reason = "the worker itself")]
mod worker;

pub use connector::ConnectorListener;
pub use lifecycle::{Preflight, TargetState, TaskEvent, TaskId, TaskListener, TaskStart};
pub(crate) use pipeline::Pipeline;
pub use worker::Worker;
