//! Debezium's transforms.

mod config;
mod extract_new_record_state;
mod field_reference;

pub(super) use extract_new_record_state::EXTRACT_NEW_RECORD_STATE;

/// Version of Debezium whose transforms these are.
pub(super) const VERSION: &str = "3.3.1.Final";
