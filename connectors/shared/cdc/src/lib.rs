//! What all change data capture connectors share, and nothing of any one database: Debezium's envelope, names of topics
//! and schemas, column and table filters, semantic types, heartbeats, signals, the state of incremental snapshots,
//! notifications, and the checks of its settings.
//!
//! Contract: Debezium 3.3.1.Final (`debezium-core`).

mod columns;
mod converter_class;
mod envelope;
mod field;
mod filter;
mod headers;
mod heartbeat;
mod incremental;
mod java_object;
mod keys;
mod modes;
mod naming;
mod notification;
mod outbox;
pub mod parallel;
mod progress;
mod semantic;
mod signal;
mod signal_channels;
mod signal_config;
mod signal_file;
mod signal_topic;
mod snapshot;
mod throttle;
pub mod time;
mod transaction;

pub use columns::{ColumnChange, ColumnChanges, SourceType};
pub use converter_class::unknown_converter;
pub use envelope::{Envelope, Operation};
pub use field::{Check, Field, Group, config_def, invalid, validate};
pub use filter::{ColumnFilter, Patterns, TableFilter, TableId};
pub use headers::{ContextHeaders, NEW_KEY, OLD_KEY};
pub use heartbeat::Heartbeat;
pub use incremental::{
    ChunkQuery, ChunkReader, ChunkRow, DataCollection, Dialect, Incremental, IncrementalOffset, KeyColumn, Marks,
    Planned,
};
pub use java_object::{JavaObject, RowKey, java_map_order, java_set_order, key_from_hex, key_to_hex};
pub use keys::KeyColumns;
pub use modes::{BinaryMode, DecimalMode, TimeMode};
pub use naming::{NameAdjustment, Replacement, Routing, TopicNaming, task_class};
pub use notification::{
    Notice, NotificationConfig, Notifications, Snapshot, TableNotices, check_notification_channels,
    check_notification_topic, unknown_channel,
};
pub use outbox::{Chunk, Outbox, Room};
pub use progress::{ScannedRows, SnapshotProgress};
pub use semantic::*;
pub use signal::{Action, Condition, Signal, SnapshotRequest};
pub use signal_channels::Channels;
pub use signal_config::{ChannelConfig, SignalConfig, check_signal_channels};
pub use signal_topic::SignalTopicConfig;
pub use snapshot::{SnapshotMarker, source_schema};
pub use throttle::{Throttle, rows_per_second};
pub use transaction::{TransactionTopic, transaction_block_schema};

/// The version of Debezium whose contract this follows.
pub const DEBEZIUM_VERSION: &str = "3.3.1.Final";
