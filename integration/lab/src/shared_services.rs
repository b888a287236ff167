//! The services that all tests of one run share.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use couplet_harness::services::s3_service::{ACCESS_KEY, SECRET_KEY};
use couplet_harness::services::{
    BinlogServer, BrokerSettings, KafkaBroker, PostgresCluster, PostgresSettings, S3Service, S3Settings, SchemaRegistry,
};
use couplet_harness::shared;

/// Addresses, and the processes behind those that this run started itself.
pub struct SharedServices {
    pub bootstrap: String,
    pub postgres: String,
    pub s3: String,
    registry: String,
    mysql: String,
    mariadb: String,
    s3_access_key: String,
    s3_secret_key: String,
    _started: (Option<KafkaBroker>, Option<PostgresCluster>, Option<S3Service>, Option<SchemaRegistry>),
    _binlog_servers: [Option<BinlogServer>; 2],
}

impl SharedServices {
    /// Starts each service that the environment does not name already.
    pub async fn start() -> Result<Self> {
        let given = |variable: &str| std::env::var(variable).ok().filter(|v| !v.is_empty());
        let mut started = (None, None, None, None);
        let bootstrap = match given(shared::BOOTSTRAP) {
            Some(address) => address,
            None => started.0.insert(KafkaBroker::start(BrokerSettings::default()).await?).bootstrap.clone(),
        };
        let postgres = match given(shared::POSTGRES) {
            Some(url) => url,
            None => started.1.insert(PostgresCluster::start(PostgresSettings::default()).await?).url("postgres"),
        };
        let s3 = match given(shared::S3) {
            Some(endpoint) => endpoint,
            None => started.2.insert(S3Service::start(S3Settings::default()).await?).endpoint.clone(),
        };
        let registry = match given(shared::REGISTRY) {
            Some(url) => url,
            None => started.3.insert(SchemaRegistry::start().await?).url(),
        };
        let (mysql, mariadb) = tokio::try_join!(
            binlog_server(given(shared::MYSQL), BinlogServer::mysql()),
            binlog_server(given(shared::MARIADB), BinlogServer::mariadb()),
        )?;
        let key = |variable, own: &str| given(variable).unwrap_or_else(|| own.to_owned());
        Ok(Self {
            bootstrap,
            postgres,
            s3,
            registry,
            mysql: mysql.0,
            mariadb: mariadb.0,
            s3_access_key: key(shared::S3_ACCESS_KEY, ACCESS_KEY),
            s3_secret_key: key(shared::S3_SECRET_KEY, SECRET_KEY),
            _started: started,
            _binlog_servers: [mysql.1, mariadb.1],
        })
    }

    /// What tests read, see [`couplet_harness::shared`].
    pub fn environment(&self) -> [(&'static str, &str); 8] {
        [
            (shared::BOOTSTRAP, &self.bootstrap),
            (shared::POSTGRES, &self.postgres),
            (shared::S3, &self.s3),
            (shared::REGISTRY, &self.registry),
            (shared::MYSQL, &self.mysql),
            (shared::MARIADB, &self.mariadb),
            (shared::S3_ACCESS_KEY, &self.s3_access_key),
            (shared::S3_SECRET_KEY, &self.s3_secret_key),
        ]
    }

    /// Host and port of the database servers, by the names that recordings have for them.
    pub fn database_addresses(&self) -> Result<BTreeMap<&'static str, (&str, u16)>> {
        [("postgres", &self.postgres), ("mysql", &self.mysql), ("mariadb", &self.mariadb)]
            .into_iter()
            .map(|(name, url)| Ok((name, address(url).with_context(|| format!("{url} has no user@host:port"))?)))
            .collect()
    }
}

/// Host and port of `scheme://user:password@host:port/..`.
fn address(url: &str) -> Option<(&str, u16)> {
    let (host, port) = url.rsplit_once('@')?.1.split('/').next()?.split_once(':')?;
    Some((host, port.parse().ok()?))
}

/// The server that the environment names, or one of our own.
async fn binlog_server(
    given: Option<String>,
    own: impl Future<Output = Result<BinlogServer>>,
) -> Result<(String, Option<BinlogServer>)> {
    match given {
        Some(url) => Ok((url, None)),
        None => own.await.map(|server| (server.url(), Some(server))),
    }
}
