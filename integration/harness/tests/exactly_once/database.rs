//! Databases that banks are in.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use couplet_api::Kind;
use couplet_api::config::Password;
use couplet_harness::clients::postgres;
use couplet_mysql_wire::{Access, Connection, TlsMode};
use tokio_postgres::Client;

/// A connection to a database.
pub enum Database {
    Postgres(Client),
    /// MySQL or MariaDB.
    Binlog(Box<Connection>),
}

impl Database {
    /// Connects to `postgres://…`, or to `mysql://user:password@host:port/database`.
    pub async fn connect(url: &str) -> Result<Self> {
        let Some(target) = url.strip_prefix("mysql://") else { return Ok(Database::Postgres(postgres(url).await?)) };
        let (mut connection, name) = log_in(target).await?;
        connection.run(&format!("use {name}")).await?;
        Ok(Database::Binlog(Box::new(connection)))
    }

    /// As [`Database::connect`], to a database that may not be there yet.
    pub async fn create(url: &str) -> Result<Self> {
        if let Some(target) = url.strip_prefix("mysql://") {
            let (mut connection, name) = log_in(target).await?;
            connection.run(&format!("create database if not exists {name}")).await?;
        }
        Self::connect(url).await
    }

    /// Runs statements one after another. `false`: the server went away, and nobody knows what became of the last.
    ///
    /// # Panics
    /// When the server refuses one.
    pub async fn run(&mut self, statements: &[String]) -> bool {
        match self {
            Database::Postgres(client) => {
                let Err(error) = client.batch_execute(&statements.join(";")).await else { return true };
                let went_away = error.as_db_error().is_none_or(|error| error.code().code().starts_with("57"));
                assert!(went_away, "{error:?}");
                false
            }
            Database::Binlog(connection) => {
                for statement in statements {
                    if let Err(error) = connection.run(statement).await {
                        assert_eq!(error.kind(), Kind::Remote, "{error}");
                        return false;
                    }
                }
                true
            }
        }
    }

    /// Gives `table` another column, in front of all others where the server can. `false`: as [`Database::run`].
    pub async fn add_column(&mut self, table: &str, number: usize) -> bool {
        let place = if matches!(self, Database::Binlog(_)) { " first" } else { "" };
        let statement = format!("alter table {table} add column note{number} int not null default {number}{place}");
        self.run(&[statement]).await
    }

    /// The rows of a query for two numbers.
    pub async fn pairs(&mut self, query: &str) -> Result<Vec<(i64, i64)>> {
        Ok(match self {
            Database::Postgres(client) => {
                let rows = client.query(query, &[]).await?;
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
            Database::Binlog(connection) => {
                let rows = connection.all(query).await?;
                let number = |text: Option<String>| text.context("a number")?.parse::<i64>().map_err(|e| anyhow!(e));
                let pairs = rows.iter().map(|row| Ok((number(row.text(0))?, number(row.text(1))?)));
                pairs.collect::<Result<_>>()?
            }
        })
    }
}

/// Logs in, and says which database is meant.
async fn log_in(target: &str) -> Result<(Connection, &str)> {
    let parts = || {
        let ((user, password), rest) =
            target.split_once('@').and_then(|(who, rest)| Some((who.split_once(':')?, rest)))?;
        let ((host, port), database) = rest.split_once('/').and_then(|(at, name)| Some((at.split_once(':')?, name)))?;
        Some((user, password, host, port.parse().ok()?, database))
    };
    let (user, password, host, port, database) = parts().context("mysql://user:password@host:port/database")?;
    let access = Access {
        host: host.to_owned(),
        port,
        user: user.to_owned(),
        password: Some(Password::new(password)),
        tls: TlsMode::Disabled,
        keep_alive: false,
        connect_timeout: Duration::from_secs(60),
    };
    let mut connection = Connection::open(&access).await?;
    // Clerks have ids of their own, but gaps between ids are locked for all by default.
    connection.run("set session transaction isolation level read committed").await?;
    Ok((connection, database))
}
