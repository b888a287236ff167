//! Who does what: the assignors of the group's leader. They are pure; clock and configuration are arguments.
//!
//! [`IncrementalAssignor`] is that of the protocols `compatible` and `sessioned` (KIP-415), [`assign_eagerly`] that of `eager`.
//! Both decide as the JVM's do, so leadership can move between workers of either kind.

mod balance;
mod eager;
#[cfg(test)]
mod golden_tests;
mod incremental;
mod work;

pub use eager::assign_eagerly;
pub use incremental::{Assignments, IncrementalAssignor, Round};
pub use work::Work;
