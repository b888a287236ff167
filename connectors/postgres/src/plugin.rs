//! The connector as the worker sees it: settings, validation against the server, tasks.

use std::time::Duration;

use async_trait::async_trait;
use couplet_api::Result;
use couplet_api::config::{ConfigDef, ConfigValue, Props};
use couplet_api::connector::{Connector, ConnectorPlugin, ExactlyOnceSupport, SourcePlugin, StaticConnector};
use couplet_api::source::SourceTask;
use couplet_cdc::DEBEZIUM_VERSION;

use crate::CLASS;
use crate::config::{self, GROUPS, PgConfig};
use crate::source::PostgresTask;
use crate::wire::Sql;

/// Makes connectors and tasks.
pub(crate) struct PostgresPlugin;

/// The keys whose problems make a connection pointless.
const CONNECTION_KEYS: [&str; 7] = [
    "database.hostname",
    "database.port",
    "database.user",
    "database.password",
    "database.dbname",
    "slot.name",
    "plugin.name",
];

#[async_trait]
impl ConnectorPlugin for PostgresPlugin {
    fn class(&self) -> &'static str {
        CLASS
    }

    fn version(&self) -> &'static str {
        DEBEZIUM_VERSION
    }

    fn task_class(&self) -> String {
        couplet_cdc::task_class(self.class())
    }

    fn config_def(&self) -> ConfigDef {
        couplet_cdc::config_def(GROUPS)
    }

    async fn validate(&self, props: &Props) -> Vec<ConfigValue> {
        let mut values = config::validate(props);
        let broken = |v: &ConfigValue| CONNECTION_KEYS.contains(&v.name.as_str()) && !v.errors.is_empty();
        if values.iter().any(broken) {
            return values;
        }
        // Other settings may be wrong: the connection is worth a look all the same.
        let connection_only: Props = CONNECTION_KEYS
            .into_iter()
            .chain(["database.sslmode", "database.sslcert", "database.sslkey", "database.sslrootcert"])
            .filter_map(|key| Some((key, props.get(key)?)))
            .chain([("topic.prefix", "validation")])
            .collect();
        let problem = match PgConfig::new(&connection_only) {
            Ok(config) => connection_problem(&config, props).await,
            Err(error) => Some(error.message().to_owned()),
        };
        if let (Some(problem), Some(host)) = (problem, values.iter_mut().find(|v| v.name == "database.hostname")) {
            host.add_error(problem);
        }
        values
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(StaticConnector::single())
    }
}

/// Connects; all problems are put on the host's key, as in Debezium.
async fn connection_problem(config: &PgConfig, props: &Props) -> Option<String> {
    let limit = props.get("connection.validation.timeout.ms").and_then(|t| t.trim().parse().ok()).unwrap_or(60_000);
    let attempt = async {
        let sql = Sql::connect_bare(&config.connection, "Debezium Validate Connection").await?;
        check_server(&sql, config).await
    };
    match tokio::time::timeout(Duration::from_millis(limit), Box::pin(attempt)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("Error while validating connector config: {}", error.message())),
        Err(_) => Some(format!("Connection validation timed out after {limit} ms")),
    }
}

/// Looks at what streaming will need. As in Debezium, what is missing is logged: the task says it again, as an error.
async fn check_server(sql: &Sql, config: &PgConfig) -> Result<()> {
    let level = crate::catalog::parameter(sql, "wal_level").await?.unwrap_or_default();
    if level != "logical" {
        tracing::warn!(level, "wal_level must be logical for streaming");
    }
    let query = "SELECT rolsuper OR rolreplication OR pg_has_role(rolname, 'rds_replication', 'member') \
                 FROM pg_catalog.pg_roles WHERE rolname = current_user \
                 AND EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'rds_replication') \
                 UNION ALL SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user \
                 AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'rds_replication')";
    let rows = sql.query(query, &[]).await?;
    if !rows.first().is_some_and(|row| row.get::<_, bool>(0)) {
        tracing::error!(user = config.connection.user, "the user does not have the REPLICATION right");
    }
    Ok(())
}

#[async_trait]
impl SourcePlugin for PostgresPlugin {
    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(PostgresTask::default())
    }

    fn exactly_once_support(&self, _props: &Props) -> Option<ExactlyOnceSupport> {
        Some(ExactlyOnceSupport::Supported)
    }
}
