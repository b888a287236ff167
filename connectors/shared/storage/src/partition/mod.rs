//! Which directory a record belongs to: `io.confluent.connect.storage.partitioner`.

mod extract;
mod field;
mod nested;
mod partitioner;
mod time;

pub use extract::TimestampExtractor;
pub use field::FieldPartitioner;
pub use partitioner::{Affix, Partitioner, PathRules, Scheme};
pub use time::{TimePartitioner, TimeSettings};

use couplet_api::Error;

/// The class clients see for records that have no directory.
pub(crate) const PARTITION_EXCEPTION: &str = "io.confluent.connect.storage.errors.PartitionException";

/// An error for a record that has no directory.
fn unplaced(message: impl Into<String>) -> Error {
    Error::data(message).with_class(PARTITION_EXCEPTION)
}

/// Whether `error` says that a record has no directory.
pub fn is_unplaced(error: &Error) -> bool {
    error.class() == PARTITION_EXCEPTION
}
