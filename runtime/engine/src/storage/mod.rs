//! Stores behind the herders and the worker: folds over compacted topics, or over memory and files in standalone mode.

pub mod cluster_state;
pub mod config_store;
pub mod config_writer;
pub mod inbox;
pub mod internal_topics;
pub mod status_store;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod java_map;
mod offset_store;
mod offset_store_file;
mod offset_store_kafka;
mod offset_store_layered;
mod offset_store_memory;
mod offset_store_table;

pub use offset_store::{ConnectorOffsets, OffsetChange, OffsetStore};
pub use offset_store_file::FileOffsetStore;
pub use offset_store_kafka::KafkaOffsetStore;
pub use offset_store_layered::LayeredOffsetStore;
pub use offset_store_memory::MemoryOffsetStore;
pub(crate) use offset_store_table::offset_json;
