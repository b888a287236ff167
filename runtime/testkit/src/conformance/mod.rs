//! Suites that check a connector against the promises in the comments of the traits.
//!
//! A connector's `tests/conformance.rs` sets up what the connector reads or writes, fills in the expectations, and calls
//! one function. Capabilities that a connector does not declare are not checked.

mod sink;
mod source;

pub use sink::{SinkExpectations, Target, sink_conformance};
pub use source::{SourceExpectations, source_conformance};
