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

#[cfg(test)]
mod tests {
    use couplet_api::Plugin;

    /// The originals' classes: a worker of the JVM that takes over reads them out of the task's config.
    #[test]
    fn tasks_have_the_classes_of_the_originals() {
        let lists =
            [couplet_file::plugins(), couplet_mysql::plugins(), couplet_postgres::plugins(), couplet_s3::plugins()];
        let mut classes: Vec<String> = lists
            .concat()
            .iter()
            .filter_map(|plugin| match plugin {
                Plugin::Source(plugin) => Some(plugin.task_class()),
                Plugin::Sink(plugin) => Some(plugin.task_class()),
                _ => None,
            })
            .collect();
        classes.sort();
        let want = [
            "io.confluent.connect.s3.S3SinkTask",
            "io.debezium.connector.mariadb.MariaDbConnectorTask",
            "io.debezium.connector.mysql.MySqlConnectorTask",
            "io.debezium.connector.postgresql.PostgresConnectorTask",
            "org.apache.kafka.connect.file.FileStreamSinkTask",
            "org.apache.kafka.connect.file.FileStreamSourceTask",
        ];
        assert_eq!(classes, want);
    }
}
