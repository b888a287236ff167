//! The one list of plugins, and the only file that names connectors.

use couplet_engine::plugins::Plugins;

/// Every plugin of this binary.
pub fn plugins() -> Plugins {
    let lists = [
        couplet_plugins::plugins(),
        couplet_registry::plugins(),
        couplet_file::plugins(),
        couplet_mysql::plugins(),
        couplet_postgres::plugins(),
        couplet_s3::plugins(),
    ];
    Plugins::new(lists.concat())
}
