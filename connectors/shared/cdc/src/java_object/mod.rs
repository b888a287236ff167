//! Java's object serialization, as far as Debezium's stored offsets use it: an `Object[]` with the key of a row, in
//! hexadecimal. What the JVM wrote is read, and what is written here is what the JVM would have written.
//!
//! Source: Java Object Serialization Specification, chapter 6 (stream protocol).

mod key;
mod order;
mod read;
mod write;

pub use key::{JavaObject, RowKey, key_from_hex, key_to_hex};
pub use order::{java_map_order, java_set_order};
