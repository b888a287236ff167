//! The sockets of the REST server.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::{Error, Result};
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::dispatch::{Gate, Surroundings};
use super::https::{self, HttpsListener};
use super::listener::{Listener, Scheme};
use super::route::Serves;
use super::state::RestState;
use crate::worker_config::{CommonConfig, WorkerConfig};

/// A listener that is open.
struct Open {
    socket: TcpListener,
    host: String,
    serves: Serves,
    /// For HTTPS.
    tls: Option<Arc<ServerConfig>>,
}

impl Open {
    async fn bind(key: &str, url: &str, serves: Serves, config: &WorkerConfig) -> Result<Self> {
        let listener = Listener::parse(key, url)?;
        let tls = match listener.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(https::server_config(&config.props, &format!("{key}.https."))?),
        };
        Ok(Open { socket: listener.bind(key).await?, host: listener.host, serves, tls })
    }

    const fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }
}

/// Listening, not yet answering.
pub struct RestServer {
    open: Vec<Open>,
    around: Arc<Surroundings>,
    advertised: Advertised,
}

/// What other workers and clients are told instead of what is listened on.
struct Advertised {
    scheme: Option<Scheme>,
    host: Option<String>,
    port: Option<i32>,
}

impl Advertised {
    fn parse(common: &CommonConfig) -> Result<Self> {
        let named = |word: &str| {
            Scheme::named(word).ok_or_else(|| {
                let key = "rest.advertised.listener";
                Error::config(format!("Invalid value {word} for configuration {key}: it must be one of http, https"))
            })
        };
        Ok(Advertised {
            scheme: common.rest_advertised_listener.as_deref().map(named).transpose()?,
            host: common.rest_advertised_host_name.clone().filter(|host| !host.is_empty()),
            port: common.rest_advertised_port.filter(|port| *port > 0),
        })
    }
}

impl RestServer {
    /// Reads the server's settings and listens on every address of `listeners`, `admin.listeners` and
    /// `couplet.metrics.listeners`.
    ///
    /// # Errors
    /// `Kind::Config` that names the setting and what is wrong with it: malformed, in use, no certificate for HTTPS.
    pub async fn bind(config: &WorkerConfig) -> Result<Self> {
        let common = &config.common;
        let (admin, metrics) = (common.admin_listeners.is_none(), common.metrics_listeners.is_none());
        let serves = Serves::Main { admin, metrics };
        let around = Arc::new(Surroundings::new(common)?);
        let mut open = Vec::new();
        if common.listeners.is_empty() {
            return Err(Error::config("Invalid value [] for configuration listeners: there must be at least one"));
        }
        for url in &common.listeners {
            open.push(Open::bind("listeners", url, serves, config).await?);
        }
        for url in common.admin_listeners.iter().flatten() {
            open.push(Open::bind("admin.listeners", url, Serves::Admin, config).await?);
        }
        for url in common.metrics_listeners.iter().flatten() {
            open.push(Open::bind("couplet.metrics.listeners", url, Serves::Metrics, config).await?);
        }
        Ok(RestServer { open, around, advertised: Advertised::parse(common)? })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.open.iter().filter_map(|open| open.socket.local_addr().ok()).collect()
    }

    /// `host:port` under which other workers and clients reach this worker: its id in statuses.
    pub fn worker_id(&self) -> String {
        self.advertised_place().1
    }

    /// The URL under which other workers and clients reach this worker, as it is told to the group: `http://host:port/`.
    pub fn advertised_url(&self) -> String {
        let (scheme, place) = self.advertised_place();
        format!("{}://{place}/", scheme.name())
    }

    /// Scheme, and host with port: as told by the settings, else of the first listener with HTTP, else of the first
    /// (`RestServer.advertisedUrl`).
    fn advertised_place(&self) -> (Scheme, String) {
        let main = || self.open.iter().filter(|open| matches!(open.serves, Serves::Main { .. }));
        let with = |scheme| main().find(|open| open.scheme() == scheme);
        let chosen = match self.advertised.scheme {
            Some(scheme) => with(scheme),
            None => with(Scheme::Http).or_else(|| main().next()),
        };
        let scheme = self.advertised.scheme.or(chosen.map(Open::scheme)).unwrap_or(Scheme::Http);
        let bound = chosen.and_then(|open| open.socket.local_addr().ok());
        let port = self.advertised.port.map_or_else(|| bound.map_or(0, |b| b.port()).to_string(), |p| p.to_string());
        let named = || chosen.map(|open| open.host.clone()).filter(|host| is_name(host));
        let host = self.advertised.host.clone().or_else(named).unwrap_or_else(|| match bound.map(|b| b.ip()) {
            Some(ip) if !ip.is_unspecified() => ip.to_string(),
            _ => machine_address().map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_string()),
        });
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        (scheme, format!("{host}:{port}"))
    }

    /// Answers requests until `shutdown`, then lets those under way end.
    ///
    /// # Errors
    /// When a socket fails.
    pub async fn serve(self, state: RestState, shutdown: CancellationToken) -> Result<()> {
        let mut servers = Vec::new();
        for Open { socket, serves, tls, .. } in self.open {
            let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
            let gate = Arc::new(Gate::new(state.clone(), serves, scheme, self.around.clone()));
            let app = Router::new().fallback(move |request: Request| {
                let gate = gate.clone();
                async move { gate.handle(request).await }
            });
            let shutdown = shutdown.clone().cancelled_owned();
            servers.push(spawn(TaskKind::Rest, async move {
                match tls {
                    None => axum::serve(socket, app).with_graceful_shutdown(shutdown).await,
                    Some(tls) => {
                        let listener = HttpsListener::new(socket, tls)?;
                        axum::serve(listener, app).with_graceful_shutdown(shutdown).await
                    }
                }
            }));
        }
        for ended in join_all(servers).await {
            if let Ok(Err(error)) = ended {
                return Err(Error::fatal(format!("a listener of the REST server ended: {error}")));
            }
        }
        Ok(())
    }
}

/// Whether a listener's host is a name, which others may know the machine by, and not an address.
fn is_name(host: &str) -> bool {
    !host.is_empty() && host.parse::<IpAddr>().is_err()
}

/// The address the machine's name stands for, as `InetAddress.getLocalHost`.
fn machine_address() -> Option<IpAddr> {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = name.ok()?.trim().to_owned();
    let addresses: Vec<SocketAddr> = (name.as_str(), 0).to_socket_addrs().ok()?.collect();
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).map(SocketAddr::ip)
}
