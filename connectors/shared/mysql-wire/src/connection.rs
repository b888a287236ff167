//! A connection: log-in, commands, queries.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::Password;
use couplet_api::error::Error;
use rustls::ClientConfig;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use crate::error::broken;
use crate::login;
use crate::packet::{Packets, Socket};
use crate::query::{Rows, TextRow};

/// COM_QUERY.
const QUERY: u8 = 3;

/// Whether connections are encrypted.
#[derive(Debug, Clone)]
pub enum TlsMode {
    /// Never.
    Disabled,
    /// If the server can.
    Preferred(Arc<ClientConfig>),
    /// Always.
    Required(Arc<ClientConfig>),
}

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct Access {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password.
    pub password: Option<Password>,
    /// Encryption.
    pub tls: TlsMode,
    /// TCP keep-alive.
    pub keep_alive: bool,
    /// Longest wait for the server to answer.
    pub connect_timeout: Duration,
}

/// A connection with a session of its own.
pub struct Connection {
    pub(crate) packets: Packets,
    /// As the server calls itself, with `MariaDB` in it for MariaDB.
    pub version: String,
    /// The session's number.
    pub id: u32,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Remote`] when the server cannot be reached, [`couplet_api::Kind::Auth`] when it refuses,
    /// [`couplet_api::Kind::Config`] when encryption is wanted and not to be had.
    pub async fn open(access: &Access) -> Result<Self> {
        let attempt = async {
            let tcp = connect(access).await.map_err(|error| unreachable(access, &error))?;
            login::log_in(Packets::new(Socket::Plain(tcp)), access).await
        };
        match timeout(access.connect_timeout, Box::pin(attempt)).await {
            Ok(result) => result,
            Err(_) => Err(unreachable(access, &io::ErrorKind::TimedOut.into())),
        }
    }

    /// Whether the server is MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.version.contains("MariaDB")
    }

    /// Runs `sql` and streams its rows.
    ///
    /// # Errors
    /// What the server says, or that the connection broke.
    pub async fn query(&mut self, sql: &str) -> Result<Rows<'_>> {
        self.packets.command(QUERY, sql.as_bytes()).await?;
        Rows::begin(&mut self.packets).await
    }

    /// Runs `sql` and returns all its rows.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub async fn all(&mut self, sql: &str) -> Result<Vec<TextRow>> {
        let mut rows = self.query(sql).await?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            all.push(row);
        }
        Ok(all)
    }

    /// Runs `sql` for its first row.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub async fn first(&mut self, sql: &str) -> Result<Option<TextRow>> {
        Ok(self.all(sql).await?.into_iter().next())
    }

    /// Runs `sql` for its effect.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub async fn run(&mut self, sql: &str) -> Result<()> {
        self.all(sql).await.map(drop)
    }
}

async fn connect(access: &Access) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in lookup_host((access.host.as_str(), access.port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_keepalive(access.keep_alive)?;
        socket.set_nodelay(true)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unreachable(access: &Access, error: &io::Error) -> Error {
    tracing::debug!(host = access.host, port = access.port, %error, "connection attempt failed");
    let Access { host, port, .. } = access;
    broken(error).context(format!("cannot connect to {host}:{port} (database.hostname, database.port): {error}"))
}
