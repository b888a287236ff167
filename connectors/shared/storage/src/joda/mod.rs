//! The parts of Joda-Time that paths and timestamps depend on: patterns, time zones, and ISO text.

mod iso;
mod names;
mod pattern;
mod zone;

pub use iso::parse_millis;
pub use pattern::JodaPattern;
pub use zone::Zone;
