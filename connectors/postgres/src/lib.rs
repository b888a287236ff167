//! `io.debezium.connector.postgresql.PostgresConnector`: changes of PostgreSQL tables, by logical decoding with pgoutput.
//!
//! Contract: Debezium 3.3.1.Final; see README.md for what differs.

mod catalog;
mod chunk;
mod config;
mod copy;
mod decode;
mod emit;
mod feed;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod incremental;
mod lately;
mod offset;
mod plugin;
mod publication;
mod record;
mod schema;
mod snapshot;
mod source;
mod stream;
mod types;
mod wire;

use std::sync::Arc;

use couplet_api::Plugin;

/// The connector's class.
pub const CLASS: &str = "io.debezium.connector.postgresql.PostgresConnector";

/// The plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    vec![Plugin::Source(Arc::new(plugin::PostgresPlugin))]
}
