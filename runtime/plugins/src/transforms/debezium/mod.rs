//! Debezium's transforms.

mod by_logical_table_router;
mod checks;
mod event;
mod extract_changed_record_state;
mod extract_new_record_state;
mod header_to_value;
mod name_adjuster;
mod outbox;
mod partition_routing;
mod schema_change_event_filter;
mod timezone_converter;

use super::Class;

/// Version of Debezium whose transforms these are.
pub(super) const VERSION: &str = "3.3.1.Final";

/// The transforms, in the order of their names.
pub(super) const CLASSES: [Class; 8] = [
    by_logical_table_router::BY_LOGICAL_TABLE_ROUTER,
    extract_changed_record_state::EXTRACT_CHANGED_RECORD_STATE,
    extract_new_record_state::EXTRACT_NEW_RECORD_STATE,
    header_to_value::HEADER_TO_VALUE,
    schema_change_event_filter::SCHEMA_CHANGE_EVENT_FILTER,
    timezone_converter::TIMEZONE_CONVERTER,
    outbox::EVENT_ROUTER,
    partition_routing::PARTITION_ROUTING,
];
