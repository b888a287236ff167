//! Predicates: which records a transform applies to (KIP-585).

use crate::Result;
use crate::data::Record;

/// A question about a record.
pub trait Predicate: Send + Sync {
    /// Whether `record` has the property.
    ///
    /// # Errors
    /// [`crate::Kind::Data`]: `errors.tolerance` decides about the record.
    fn test(&self, record: &Record) -> Result<bool>;
}
