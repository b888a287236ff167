//! The servers of the tests, and a database per scenario.

use std::time::Duration;

use couplet_api::config::Password;
use couplet_mysql_wire::{Access, Connection, TlsMode};

/// Where a server is.
pub struct Server {
    access: Access,
    /// Values of `${HOST}`, `${PORT}`, `${USER}`, `${PASSWORD}`.
    pub variables: [(&'static str, String); 4],
}

impl Server {
    /// The server of `variable`; without it says so, or panics when `COUPLET_REQUIRE_SERVICES` is set.
    #[allow(clippy::print_stdout, reason = "a skipped test says so")]
    pub fn from_env(variable: &str) -> Option<Self> {
        let Ok(url) = std::env::var(variable) else {
            let required = std::env::var("COUPLET_REQUIRE_SERVICES").is_ok_and(|v| v == "1");
            assert!(!required, "{variable} is not set");
            println!("skipped: {variable} is not set");
            return None;
        };
        let parts = || {
            let (user, address) = url.strip_prefix("mysql://")?.split_once('@')?;
            let ((user, password), (host, port)) = (user.split_once(':')?, address.split_once(':')?);
            Some((user, password, host, port.trim_end_matches('/')))
        };
        let (user, password, host, port) = parts().expect("mysql://user:password@host:port");
        let access = Access {
            host: host.to_owned(),
            port: port.parse().expect("a port"),
            user: user.to_owned(),
            password: Some(Password::new(password)),
            tls: TlsMode::Disabled,
            keep_alive: false,
            connect_timeout: Duration::from_secs(60),
        };
        let text = str::to_owned;
        let variables =
            [("HOST", text(host)), ("PORT", text(port)), ("USER", text(user)), ("PASSWORD", text(password))];
        Some(Server { access, variables })
    }

    /// Connects, to `database` if one is named.
    pub async fn connect(&self, database: &str) -> Result<Connection, String> {
        let mut connection = Connection::open(&self.access).await.map_err(|e| e.to_string())?;
        execute(&mut connection, "SET NAMES utf8mb4").await?;
        if !database.is_empty() {
            execute(&mut connection, &format!("USE `{database}`")).await?;
        }
        Ok(connection)
    }

    /// Makes `database` anew.
    pub async fn create(&self, database: &str) -> Result<(), String> {
        self.drop(database).await?;
        let mut admin = self.connect("").await?;
        execute(&mut admin, &format!("CREATE DATABASE `{database}`")).await
    }

    /// Drops `database`, and what another run left behind: a server of recordings has no other.
    pub async fn drop(&self, database: &str) -> Result<(), String> {
        let mut admin = self.connect("").await?;
        let rows = admin.all("SHOW DATABASES LIKE 'g\\_%'").await.map_err(|e| e.to_string())?;
        for name in rows.iter().filter_map(|row| row.text(0)) {
            execute(&mut admin, &format!("DROP DATABASE IF EXISTS `{name}`")).await?;
        }
        execute(&mut admin, &format!("DROP DATABASE IF EXISTS `{database}`")).await
    }

    /// Sessions that get the binary log.
    pub async fn dumps(&self) -> Result<Vec<String>, String> {
        let mut admin = self.connect("").await?;
        let rows = admin.all("SHOW PROCESSLIST").await.map_err(|e| e.to_string())?;
        let dumping = rows.iter().filter(|row| row.text(4).is_some_and(|command| command.starts_with("Binlog Dump")));
        Ok(dumping.filter_map(|row| row.text(0)).collect())
    }
}

/// Runs one statement.
pub async fn execute(connection: &mut Connection, statement: &str) -> Result<(), String> {
    connection.run(statement).await.map_err(|e| format!("{statement}: {e}"))
}
