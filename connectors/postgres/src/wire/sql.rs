//! An ordinary SQL connection.

use couplet_api::Result;
use couplet_api::spawn::{TaskKind, spawn};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row};

use super::socket;
use super::{sql_error, walsender};
use crate::config::ConnectionConfig;

/// A connection for queries. Its background task ends when this is dropped.
pub(crate) struct Sql {
    client: Client,
}

impl Sql {
    /// Connects, fixes the text forms that values are read in, and runs the user's initial statements.
    ///
    /// # Errors
    /// As the server or the network says.
    pub(crate) async fn connect(config: &ConnectionConfig, purpose: &str) -> Result<Self> {
        let sql = Self::connect_bare(config, purpose).await?;
        for (name, value) in walsender::SESSION {
            sql.run(&format!("SET {name} = '{value}'")).await?;
        }
        if config.statement_timeout_ms > 0 {
            sql.run(&format!("SET statement_timeout = {}", config.statement_timeout_ms)).await?;
        }
        for statement in &config.initial_statements {
            sql.run(statement).await?;
        }
        Ok(sql)
    }

    /// Connects and nothing more.
    ///
    /// # Errors
    /// As the server or the network says.
    pub(crate) async fn connect_bare(config: &ConnectionConfig, purpose: &str) -> Result<Self> {
        let stream = socket::connect(config).await?;
        let mut options = tokio_postgres::Config::new();
        options.user(&config.user).dbname(&config.database).application_name(purpose);
        // The socket is encrypted already when it is to be.
        options.ssl_mode(tokio_postgres::config::SslMode::Disable);
        if let Some(password) = &config.password {
            options.password(password.reveal());
        }
        let (client, connection) = options.connect_raw(stream, NoTls).await.map_err(|e| sql_error(&e))?;
        spawn(TaskKind::Client, async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "SQL connection ended");
            }
        });
        Ok(Sql { client })
    }

    /// Runs statements without parameters or results.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn run(&self, statements: &str) -> Result<()> {
        self.client.batch_execute(statements).await.map_err(|e| sql_error(&e))
    }

    /// Runs a query.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn query(&self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.client.query(query, parameters).await.map_err(|e| sql_error(&e))
    }

    /// Names of the columns a query returns.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn column_names(&self, query: &str) -> Result<Vec<String>> {
        let statement = self.client.prepare(query).await.map_err(|e| sql_error(&e))?;
        Ok(statement.columns().iter().map(|c| c.name().to_owned()).collect())
    }

    /// Streams a `COPY … TO STDOUT`.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn copy_out(&self, statement: &str) -> Result<tokio_postgres::CopyOutStream> {
        self.client.copy_out(statement).await.map_err(|e| sql_error(&e))
    }
}

/// `name` as a quoted identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as a literal.
pub(crate) fn quoted_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
