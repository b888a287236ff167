//! Runs tasks: the loops that move records, and their life from start to stop.

mod lifecycle;

pub use lifecycle::{TargetState, TaskEvent, TaskId, TaskListener, TaskStart};
