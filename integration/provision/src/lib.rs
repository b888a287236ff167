//! What tests, demos and benchmarks need on the machine, and how it is got: Debian packages, jars, an S3 server, a Python
//! environment. Also the child processes that all of them are made of.
//!
//! This crate builds with nothing but a Rust toolchain and a C compiler, so that `cargo x` can name, or install, the packages
//! that the rest of the workspace needs before anything else is compiled.

pub mod cache;
pub mod debian;
pub mod jars;
pub mod mysql_server;
pub mod process;
pub mod process_stat;
pub mod progress;
pub mod python;
pub mod s3_server;
pub mod schema_registry;
pub mod wait;

pub use wait::{Deadline, eventually};
