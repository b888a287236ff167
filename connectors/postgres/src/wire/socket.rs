//! A connected socket, encrypted or not, before log-in.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use couplet_api::Result;
use couplet_api::error::Error;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls;
use crate::config::{ConnectionConfig, SslMode};

/// Asks the server whether it speaks TLS: length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Longest wait for one address to answer, as the JDBC driver's.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream to the server.
pub(super) enum Socket {
    /// In the clear.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects, and encrypts as `database.sslmode` asks.
///
/// # Errors
/// [`couplet_api::Kind::Remote`] in the JDBC driver's words when the server cannot be reached,
/// [`couplet_api::Kind::Config`] when TLS is wanted and not to be had.
pub(super) async fn connect(config: &ConnectionConfig) -> Result<Socket> {
    let mut stream = tcp(config).await.map_err(|e| unreachable(config, &e))?;
    if config.ssl == SslMode::Disable {
        return Ok(Socket::Plain(stream));
    }
    stream.write_all(&SSL_REQUEST).await.map_err(|e| unreachable(config, &e))?;
    let answer = stream.read_u8().await.map_err(|e| unreachable(config, &e))?;
    if answer != b'S' {
        return match config.ssl {
            SslMode::Prefer => Ok(Socket::Plain(stream)),
            _ => Err(Error::config(format!(
                "The server {}:{} does not support SSL, which database.sslmode asks for; switch it on there or use prefer",
                config.host, config.port
            ))),
        };
    }
    let connector = TlsConnector::from(Arc::new(tls::client_config(config)?));
    let name = ServerName::try_from(config.host.clone())
        .map_err(|_| Error::config(format!("database.hostname {} is not a valid name", config.host)))?;
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Socket::Tls(Box::new(stream))),
        Err(error) if config.ssl == SslMode::Prefer => {
            tracing::warn!(%error, "encryption failed; connecting without, as database.sslmode=prefer allows");
            tcp(config).await.map(Socket::Plain).map_err(|e| unreachable(config, &e))
        }
        Err(error) => Err(Error::config(format!("SSL error on the way to {}:{}: {error}", config.host, config.port))),
    }
}

/// Tries each address of the host in turn.
async fn tcp(config: &ConnectionConfig) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in lookup_host((config.host.as_str(), config.port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_keepalive(config.keep_alive)?;
        socket.set_nodelay(true)?;
        match timeout(CONNECT_TIMEOUT, socket.connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

fn unreachable(config: &ConnectionConfig, error: &io::Error) -> Error {
    let text = match error.kind() {
        io::ErrorKind::ConnectionRefused => format!(
            "Connection to {}:{} refused. Check that the hostname and port are correct and that the postmaster is \
             accepting TCP/IP connections.",
            config.host, config.port
        ),
        _ => "The connection attempt failed.".to_owned(),
    };
    tracing::debug!(host = config.host, port = config.port, %error, "connection attempt failed");
    Error::remote(text).with_class("org.postgresql.util.PSQLException")
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Socket::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Socket::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Socket::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Socket::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
