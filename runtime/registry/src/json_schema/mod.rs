//! Confluent's JSON Schema converter.
//!
//! A Connect schema becomes a JSON Schema ([`from_connect`]) and a plan by which values are written; a registered JSON Schema
//! becomes a Connect schema ([`to_connect`], over [`keywords`]), by which JSON is read in one pass.

mod compatibility;
mod converter;
mod from_connect;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod keywords;
mod options;
mod pretty;
mod properties;
mod reader;
mod refs;
#[cfg(test)]
mod tests;
mod to_connect;
mod validation;
mod write_plan;
mod writer;

pub(crate) use converter::plugin;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use fuzzing::DECODERS;
