//! What all change data capture connectors share, and nothing of any one database: Debezium's envelope, names of topics
//! and schemas, column and table filters, semantic types, heartbeats, and the checks of its settings.
//!
//! Contract: Debezium 3.3.1.Final (`debezium-core`).

mod columns;
mod envelope;
mod field;
mod filter;
mod headers;
mod heartbeat;
mod keys;
mod modes;
mod naming;
mod semantic;
mod snapshot;
pub mod time;
mod transaction;

pub use columns::{ColumnChange, ColumnChanges, SourceType};
pub use envelope::{Envelope, Operation};
pub use field::{Check, Field, Group, config_def, invalid, validate};
pub use filter::{ColumnFilter, Patterns, TableFilter, TableId};
pub use headers::{ContextHeaders, NEW_KEY, OLD_KEY};
pub use heartbeat::Heartbeat;
pub use keys::KeyColumns;
pub use modes::{BinaryMode, DecimalMode, TimeMode};
pub use naming::{NameAdjustment, Replacement, Routing, TopicNaming};
pub use semantic::*;
pub use snapshot::{SnapshotMarker, source_schema};
pub use transaction::{TransactionTopic, transaction_block_schema};

/// The version of Debezium whose contract this follows.
pub const DEBEZIUM_VERSION: &str = "3.3.1.Final";
