//! The sockets of the REST server.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::{Error, Result};
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::dispatch::{Gate, Surroundings};
use super::listener::Listener;
use super::route::Serves;
use super::state::RestState;
use crate::worker_config::WorkerConfig;

/// Listening, not yet answering.
pub struct RestServer {
    sockets: Vec<(TcpListener, Serves)>,
    around: Arc<Surroundings>,
    advertised_host: Option<String>,
    advertised_port: Option<i32>,
}

impl RestServer {
    /// Reads the server's settings and listens on every address of `listeners` and `admin.listeners`.
    ///
    /// # Errors
    /// `Kind::Config` that names the setting and what is wrong with it: malformed, HTTPS, in use.
    pub async fn bind(config: &WorkerConfig) -> Result<Self> {
        let common = &config.common;
        let serves = if common.admin_listeners.is_none() { Serves::Everything } else { Serves::Main };
        let around = Arc::new(Surroundings::new(common)?);
        let mut sockets = Vec::new();
        if common.listeners.is_empty() {
            return Err(Error::config("Invalid value [] for configuration listeners: there must be at least one"));
        }
        for url in &common.listeners {
            sockets.push((Listener::parse("listeners", url)?.bind("listeners").await?, serves));
        }
        for url in common.admin_listeners.iter().flatten() {
            let listener = Listener::parse("admin.listeners", url)?;
            sockets.push((listener.bind("admin.listeners").await?, Serves::Admin));
        }
        Ok(RestServer {
            sockets,
            around,
            advertised_host: common.rest_advertised_host_name.clone().filter(|host| !host.is_empty()),
            advertised_port: common.rest_advertised_port,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|(socket, _)| socket.local_addr().ok()).collect()
    }

    /// `host:port` under which other workers and clients reach this worker: its id in statuses.
    pub fn worker_id(&self) -> String {
        let bound = self.addresses().first().copied();
        let port = self.advertised_port.filter(|port| *port > 0);
        let port = port.map_or_else(|| bound.map_or(0, |b| b.port()).to_string(), |port| port.to_string());
        let host = self.advertised_host.clone().unwrap_or_else(|| match bound.map(|b| b.ip()) {
            Some(ip) if !ip.is_unspecified() => ip.to_string(),
            _ => machine_address().map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_string()),
        });
        format!("{host}:{port}")
    }

    /// Answers requests until `shutdown`, then lets those under way end.
    ///
    /// # Errors
    /// When a socket fails.
    pub async fn serve(self, state: RestState, shutdown: CancellationToken) -> Result<()> {
        let mut servers = Vec::new();
        for (socket, serves) in self.sockets {
            let gate = Arc::new(Gate::new(state.clone(), serves, self.around.clone()));
            let app = Router::new().fallback(move |request: Request| {
                let gate = gate.clone();
                async move { gate.handle(request).await }
            });
            let shutdown = shutdown.clone();
            servers.push(spawn(TaskKind::Rest, async move {
                axum::serve(socket, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
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

/// The address the machine's name stands for, as `InetAddress.getLocalHost`.
fn machine_address() -> Option<IpAddr> {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = name.ok()?.trim().to_owned();
    let addresses: Vec<SocketAddr> = (name.as_str(), 0).to_socket_addrs().ok()?.collect();
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).map(SocketAddr::ip)
}
