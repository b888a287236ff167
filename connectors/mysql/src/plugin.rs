//! The connectors as the worker sees them: settings, validation against the server, tasks.

use std::time::Duration;

use async_trait::async_trait;
use couplet_api::Result;
use couplet_api::config::{ConfigDef, ConfigValue, Props};
use couplet_api::connector::{Connector, ConnectorPlugin, ExactlyOnceSupport, SourcePlugin, StaticConnector};
use couplet_api::source::SourceTask;

use crate::config::{self, MyConfig, groups};
use crate::flavour::Flavour;
use crate::server::Server;
use crate::source::MyTask;

/// Makes connectors and tasks.
pub(crate) struct MyPlugin {
    /// Which connector.
    pub(crate) flavour: Flavour,
}

/// The keys whose problems make a connection pointless.
const CONNECTION_KEYS: [&str; 5] =
    ["database.hostname", "database.port", "database.user", "database.password", "database.server.id"];

#[async_trait]
impl ConnectorPlugin for MyPlugin {
    fn class(&self) -> &'static str {
        self.flavour.class()
    }

    fn version(&self) -> &'static str {
        self.flavour.version()
    }

    fn task_class(&self) -> String {
        couplet_cdc::task_class(self.class())
    }

    fn config_def(&self) -> ConfigDef {
        couplet_cdc::config_def(groups(self.flavour))
    }

    async fn validate(&self, props: &Props) -> Vec<ConfigValue> {
        let mut values = config::validate(self.flavour, props);
        let broken = |v: &ConfigValue| CONNECTION_KEYS.contains(&v.name.as_str()) && !v.errors.is_empty();
        if values.iter().any(broken) {
            return values;
        }
        // Other settings may be wrong: the connection is worth a look all the same.
        let mut connection_only: Props = CONNECTION_KEYS
            .into_iter()
            .chain(["connect.timeout.ms", "database.ssl.mode"])
            .filter_map(|key| Some((key, props.get(key)?)))
            .chain([("topic.prefix", "validation")])
            .collect();
        for store in ["keystore", "truststore"] {
            for key in [format!("database.ssl.{store}"), format!("database.ssl.{store}.password")] {
                if let Some(value) = props.get(&key) {
                    connection_only.set(key, value);
                }
            }
        }
        let problem = match MyConfig::new(self.flavour, &connection_only) {
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
async fn connection_problem(config: &MyConfig, props: &Props) -> Option<String> {
    let limit = props.get("connection.validation.timeout.ms").and_then(|t| t.trim().parse().ok()).unwrap_or(60_000);
    let attempt = check_server(config);
    match tokio::time::timeout(Duration::from_millis(limit), Box::pin(attempt)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("Unable to connect: {}", error.message())),
        Err(_) => Some(format!("Connection validation timed out after {limit} ms")),
    }
}

/// Looks at what streaming will need. What is wrong with the log is logged: the task says it again, as an error.
async fn check_server(config: &MyConfig) -> Result<()> {
    let mut server = Server::connect_bare(&config.access, config.flavour).await?;
    if let Err(error) = server.check_log().await {
        tracing::warn!(%error, "streaming will not be possible");
    }
    Ok(())
}

#[async_trait]
impl SourcePlugin for MyPlugin {
    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(MyTask::new(self.flavour))
    }

    fn exactly_once_support(&self, _props: &Props) -> Option<ExactlyOnceSupport> {
        Some(ExactlyOnceSupport::Supported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_defined_once() {
        for flavour in [Flavour::MySql, Flavour::MariaDb] {
            // Panics at a key that is there twice.
            let definition = MyPlugin { flavour }.config_def();
            for key in ["database.hostname", "topic.prefix", "schema.history.internal"] {
                assert!(definition.key(key).is_some(), "{key}");
            }
        }
    }
}
