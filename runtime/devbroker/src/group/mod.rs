//! Classic groups of any protocol type ("consumer", "connect", …): membership, rebalancing, committed offsets.

pub(crate) mod event;
mod member;
pub(crate) mod offset_records;
pub(crate) mod offsets;
pub(crate) mod state;
#[cfg(test)]
mod state_tests;
mod validate;
