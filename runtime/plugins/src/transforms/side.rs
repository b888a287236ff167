use couplet_api::data::{Datum, Record};

/// Which part of a record a transform works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl Side {
    /// The part.
    pub(super) const fn of(self, record: &Record) -> &Datum {
        match self {
            Side::Key => &record.key,
            Side::Value => &record.value,
        }
    }

    /// The record with another part.
    pub(super) fn with(self, mut record: Record, datum: Datum) -> Record {
        match self {
            Side::Key => record.key = datum,
            Side::Value => record.value = datum,
        }
        record
    }
}
