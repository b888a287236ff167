//! Membership of the group of workers, in the JVM `AbstractCoordinator` and `WorkerCoordinator`.
//!
//! [`Membership`] is pure: events in, actions out, the time is an argument. [`Member`] does the actions: it sends requests
//! through a [`crate::wire::Client`], and calls a [`GroupHandler`], which is the herder.

mod answers;
mod config;
mod event;
mod handler;
mod heartbeat;
mod member;
mod requests;
mod state;
#[cfg(test)]
mod state_tests;
mod stopwatch;

pub use config::MemberConfig;
pub use event::{
    Action, Assigned, Call, CallResult, Event, Failure, FatalCause, FoundAnswer, Generation, GroupMembers, JoinAnswer,
    Request, Revoked, SyncAnswer, Ticket,
};
pub use handler::GroupHandler;
pub use member::{Member, MemberHandle, MemberStatus};
pub use state::{MemberState, Membership};
