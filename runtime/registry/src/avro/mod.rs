//! `io.confluent.connect.avro.AvroConverter`.
//!
//! Schemas go through [`from_connect`] and [`to_connect`], values through plans compiled once per schema
//! ([`write_plan`], [`read_plan`]) straight from and to bytes ([`writer`], [`reader`]). Mapping follows Confluent's
//! `AvroData`, bytes the Avro specification.

mod converter;
mod defaults;
mod dialect;
mod from_connect;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod names;
mod options;
mod parse;
mod print;
mod read_plan;
mod reader;
mod schema;
mod to_connect;
mod write_plan;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use converter::factory;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use fuzzing::DECODERS;
