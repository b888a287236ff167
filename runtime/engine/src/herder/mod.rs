//! Herders own connectors: which there are, what they shall do, what they do.
//!
//! One actor owns all state. Its core is pure: [`state`] takes an [`event`] and says what is to be done, [`decisions`] does
//! so for wishes. The [`driver`] does it: it never waits for a connector, so nothing that one does can hold up another.
//! Standalone and distributed herders are the same actor over different logs.

mod auto_restart;
mod changes;
mod decisions;
pub mod distributed;
mod driver;
mod event;
mod fencing;
mod group;
mod group_actions;
mod group_port;
mod handle;
mod inflow;
mod interface;
mod lane;
#[cfg(test)]
mod lifecycle_tests;
mod offsets;
mod preflight;
#[cfg(test)]
mod refusal_tests;
mod restarts;
mod runner;
#[cfg(test)]
mod seeded_random;
mod session_key;
#[cfg(test)]
mod simulation_tests;
mod snapshot;
#[cfg(test)]
mod solo_group;
pub mod standalone;
mod start;
mod state;
mod step_work;
mod worker_runner;
mod write_stage;

pub use driver::SetLoggerLevel;
pub use handle::HerderHandle;
pub use interface::{
    ClusterSnapshot, ConnectorInfo, ConnectorSnapshot, ConnectorState, ConnectorStatus, ConnectorType, GroupView,
    Herder, HerderError, NewConnector, OffsetEntry, RestartCount, RestartRequest, TaskInfo, TaskStatus,
};
pub use runner::Runner;
pub use start::{HerderSetup, StartedHerder};
