//! The PostgreSQL server of the tests, and a database per scenario.

use std::time::Duration;

use couplet_api::spawn::{TaskKind, spawn};
use tokio_postgres::{Client, Config, NoTls};

/// Where the server is.
pub struct Server {
    config: Config,
    /// Values of `${HOST}`, `${PORT}`, `${USER}`, `${PASSWORD}`.
    pub access: [(&'static str, String); 4],
}

impl Server {
    /// The server of `COUPLET_TEST_POSTGRES`; without it says so, or panics when `COUPLET_REQUIRE_SERVICES` is set.
    #[allow(clippy::print_stdout, reason = "a skipped test says so")]
    pub fn from_env() -> Option<Self> {
        let Ok(url) = std::env::var("COUPLET_TEST_POSTGRES") else {
            let required = std::env::var("COUPLET_REQUIRE_SERVICES").is_ok_and(|v| v == "1");
            assert!(!required, "COUPLET_TEST_POSTGRES is not set");
            println!("skipped: COUPLET_TEST_POSTGRES is not set");
            return None;
        };
        let config: Config = url.parse().expect("COUPLET_TEST_POSTGRES is a postgres:// URL");
        let host = match config.get_hosts() {
            [tokio_postgres::config::Host::Tcp(host), ..] => host.clone(),
            other => panic!("COUPLET_TEST_POSTGRES needs a TCP host, not {other:?}"),
        };
        let password = String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned();
        let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
        let user = config.get_user().unwrap_or("postgres").to_owned();
        Some(Server { config, access: [("HOST", host), ("PORT", port), ("USER", user), ("PASSWORD", password)] })
    }

    /// Connects to `database`.
    pub async fn connect(&self, database: &str) -> Result<Client, String> {
        let mut config = self.config.clone();
        config.dbname(database);
        let (client, connection) = config.connect(NoTls).await.map_err(|e| format!("connect to {database}: {e}"))?;
        spawn(TaskKind::Client, connection);
        Ok(client)
    }

    /// Makes `database` anew.
    pub async fn create(&self, database: &str) -> Result<(), String> {
        self.drop(database).await?;
        let admin = self.connect("postgres").await?;
        execute(&admin, &format!("CREATE DATABASE \"{database}\" TEMPLATE template0")).await
    }

    /// Drops `database` with its slots.
    pub async fn drop(&self, database: &str) -> Result<(), String> {
        let admin = self.connect("postgres").await?;
        let slots = "SELECT slot_name::text, active_pid FROM pg_replication_slots WHERE database = $1";
        for _ in 0..50 {
            let rows = admin.query(slots, &[&database]).await.map_err(|e| e.to_string())?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let (slot, pid): (String, Option<i32>) = (row.get(0), row.get(1));
                if let Some(pid) = pid {
                    execute(&admin, &format!("SELECT pg_terminate_backend({pid})")).await?;
                }
                // Fails while the walsender is on its way out; then the next round does it.
                let _ = execute(&admin, &format!("SELECT pg_drop_replication_slot('{slot}')")).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        execute(&admin, &format!("DROP DATABASE IF EXISTS \"{database}\" WITH (FORCE)")).await
    }
}

/// Runs one statement.
pub async fn execute(client: &Client, statement: &str) -> Result<(), String> {
    client.batch_execute(statement).await.map_err(|e| {
        let text = e.as_db_error().map_or_else(|| e.to_string(), |db| db.message().to_owned());
        format!("{statement}: {text}")
    })
}
