//! HTTPS listeners: which settings apply to them, and connections that have shaken hands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_tls::{ClientAuth, Tls};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// Most handshakes at a time; who comes then waits in the kernel's queue.
const HANDSHAKES_MAX: usize = 64;
/// How long a client may take for its part of the handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// TLS for the listeners whose settings are under `prefix`.
///
/// # Errors
/// `Kind::Config` that names the key, without the prefix, and says under which it was looked for.
pub(super) fn server_config(props: &Props, prefix: &str) -> Result<Arc<ServerConfig>> {
    let props = props.with_prefix_or_all(prefix);
    let config = || Tls::from_props(&props)?.server_config(ClientAuth::from_props(&props)?);
    config().map_err(|error| {
        let place = format!("an https listener takes the ssl. settings that begin with {prefix}, or all without it");
        couplet_api::Error::config(format!("{} ({place})", error.message()))
    })
}

/// A socket that hands out connections after their handshake. Handshakes go on side by side: a client that does not shake
/// hands holds up nobody.
pub(super) struct HttpsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl HttpsListener {
    /// Begins to accept connections on `socket`, until this is dropped.
    ///
    /// # Errors
    /// When the socket does not know its address.
    pub(super) fn new(socket: TcpListener, config: Arc<ServerConfig>) -> std::io::Result<Self> {
        let address = socket.local_addr()?;
        let (done, ready) = mpsc::channel(HANDSHAKES_MAX);
        spawn(TaskKind::Rest, accept(socket, TlsAcceptor::from(config), done));
        Ok(HttpsListener { ready, address })
    }
}

impl Listener for HttpsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The accepting task ends with this listener only, or by a panic that is logged there.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(mut socket: TcpListener, tls: TlsAcceptor, done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (stream, client) = tokio::select! {
            () = done.closed() => return,
            // Waits and tries again when the machine has no socket left.
            accepted = Listener::accept(&mut socket) => accepted,
        };
        let (tls, done) = (tls.clone(), done.clone());
        spawn(TaskKind::Rest, async move {
            match tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(stream)).await {
                // Nobody listens any more: the worker stops, and so does the connection.
                Ok(Ok(stream)) => drop(done.send((stream, client)).await),
                Ok(Err(error)) => tracing::debug!(%client, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%client, "TLS handshake took too long"),
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_prefixed_setting_makes_the_others_not_count() {
        let props =
            Props::from_iter([("ssl.keystore.location", "/clients"), ("listeners.https.ssl.client.auth", "none")]);
        assert_eq!(props.with_prefix_or_all("listeners.https.").get("ssl.keystore.location"), None);
        assert_eq!(props.with_prefix_or_all("admin.listeners.https.").get("ssl.keystore.location"), Some("/clients"));
        let error = server_config(&props, "listeners.https.").expect_err("no key store").to_string();
        assert!(error.contains("ssl.keystore.location") && error.contains("listeners.https."), "{error}");
    }
}
