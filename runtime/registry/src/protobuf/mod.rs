//! Confluent's Protobuf converter.
//!
//! A Connect schema becomes a `.proto` file ([`from_connect`], [`text`]) and a plan by which values are written; a registered
//! file ([`parse`]) becomes a Connect schema and a plan by which messages are read. Plans are made once per schema: neither
//! direction looks at descriptors or names per record.

mod compatibility;
mod converter;
mod definition;
mod from_connect;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod known;
mod logical;
mod message_index;
mod names;
mod options;
mod parameters;
mod parse;
mod read_plan;
mod reader;
mod scalar;
#[cfg(test)]
mod tests;
mod text;
mod write_plan;
mod writer;

pub(crate) use converter::plugin;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use fuzzing::DECODERS;
