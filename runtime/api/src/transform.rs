//! Single message transforms.

use crate::Result;
use crate::data::Record;

/// Changes one record, or drops it.
pub trait Transform: Send + Sync {
    /// The changed record; `None` drops it.
    ///
    /// # Errors
    /// [`crate::Kind::Data`]: `errors.tolerance` decides about the record.
    fn apply(&self, record: Record) -> Result<Option<Record>>;
}
