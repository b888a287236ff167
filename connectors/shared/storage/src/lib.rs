//! What sinks that write files share: which directory a record belongs to, when the files of a topic partition close,
//! what the bytes of a record are, and how files are called. Pure: no I/O happens here.
//!
//! Follows the contract of `io.confluent.connect.storage` (partitioners, formats, schema compatibility).

pub mod compatibility;
pub mod format;
pub mod gzip;
pub mod joda;
pub mod naming;
pub mod partition;
pub mod rotate;
