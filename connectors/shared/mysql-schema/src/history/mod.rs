//! The schema history: every statement that changed a shape, with the position at which it did, in Debezium's records.

mod compare;
mod json;
mod pretty;
mod record;
mod store;

pub use compare::{GtidOrder, is_at_or_before};
pub use record::HistoryRecord;
pub use store::{FileHistory, HistoryStore, MemoryHistory, OnRecord};
