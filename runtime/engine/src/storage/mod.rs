//! Stores behind the herders and the worker: folds over compacted topics, or over memory and files in standalone mode.

pub mod cluster_state;
pub mod config_store;
pub mod record_log;
pub mod status_store;
