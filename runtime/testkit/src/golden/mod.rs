//! Recordings of the JVM originals: where they are, how they are read, and how differences are shown.

mod differences;
mod files;
mod produced;

pub use differences::{Differences, equal};
pub use files::{cases, json, names, root, text, texts};
pub use produced::{make_topics, produce};
