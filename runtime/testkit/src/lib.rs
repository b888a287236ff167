//! What tests of several crates share: recordings of the JVM originals, the notation of their records, and suites
//! that check a connector against the promises in the comments of the traits.

pub mod conformance;
pub mod envelope;
pub mod golden;
pub mod incremental;
pub mod malformed;
