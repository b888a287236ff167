//! The schema history: every statement that changed a shape, with the position at which it did, in Debezium's records.

mod compare;
mod json;
mod pretty;
mod record;
mod recover;
mod store;
mod topic;

pub use compare::{GtidOrder, is_at_or_before};
pub use record::HistoryRecord;
pub use recover::{Recovered, Recovery};
pub use store::{FileHistory, HistoryStore, MemoryHistory, OnRecord};
pub use topic::TopicHistory;
