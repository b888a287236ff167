//! `io.debezium.connector.mysql.MySqlConnector` and `io.debezium.connector.mariadb.MariaDbConnector`: changes of tables, by
//! the binary log.
//!
//! Contract: Debezium 3.3.1.Final (MariaDB: 3.3.0.Final); see README.md for what differs.

mod binlog;
mod chunk;
mod config;
mod definitions;
mod emit;
mod feed;
mod flavour;
mod gtid;
mod history_store;
mod incremental;
mod java_order;
mod offset;
mod plugin;
mod record;
mod schema;
mod server;
mod snapshot;
mod source;
mod stream;
mod tls;
mod tracker;
mod values;

use std::sync::Arc;

use couplet_api::Plugin;

/// The plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    [flavour::Flavour::MySql, flavour::Flavour::MariaDb]
        .into_iter()
        .map(|flavour| Plugin::Source(Arc::new(plugin::MyPlugin { flavour })))
        .collect()
}
