use std::sync::Arc;
use std::time::Duration;

use couplet_api::config::Props;
use couplet_api::{Error, Result};
use couplet_sasl::{Credentials, SecurityProtocol};
use couplet_tls::Tls;

use super::Node;

/// How to reach brokers: the settings of Java's clients, checked.
#[derive(Clone)]
pub struct ClientConfig {
    pub(super) bootstrap: Vec<Node>,
    /// Name of this client in the brokers' logs and quotas.
    pub client_id: String,
    pub(super) request_timeout: Duration,
    pub(super) setup_timeout: Duration,
    pub(super) reconnect_backoff: Duration,
    pub(super) reconnect_backoff_max: Duration,
    pub(super) idle_max: Duration,
    pub(super) metadata_age_max: Duration,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) credentials: Option<Credentials>,
}

impl ClientConfig {
    /// Reads the settings of a client (without prefix), as a worker's own clients have them. Reads the stores of `ssl.*`.
    ///
    /// # Errors
    /// `Kind::Config` that names the key.
    pub fn from_props(props: &Props) -> Result<Self> {
        if let Some(lookup) = props.get("client.dns.lookup").map(str::trim).filter(|l| *l != "use_all_dns_ips") {
            return Err(Error::config(format!(
                "Invalid value {lookup} for configuration client.dns.lookup: String must be one of: use_all_dns_ips"
            )));
        }
        let protocol = SecurityProtocol::from_props(props)?;
        Ok(ClientConfig {
            bootstrap: Node::parse_list(props.get("bootstrap.servers").unwrap_or("localhost:9092"))?,
            client_id: props.get("client.id").unwrap_or_default().trim().to_owned(),
            request_timeout: millis(props, "request.timeout.ms", 40_000)?,
            setup_timeout: millis(props, "socket.connection.setup.timeout.ms", 10_000)?,
            reconnect_backoff: millis(props, "reconnect.backoff.ms", 50)?,
            reconnect_backoff_max: millis(props, "reconnect.backoff.max.ms", 1_000)?,
            idle_max: millis(props, "connections.max.idle.ms", 540_000)?,
            metadata_age_max: millis(props, "metadata.max.age.ms", 300_000)?,
            tls: if protocol.has_tls() { Some(Tls::from_props(props)?.client_config()?) } else { None },
            credentials: if protocol.has_sasl() { Some(Credentials::from_props(props)?) } else { None },
        })
    }

    /// `request.timeout.ms`
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }
}

fn millis(props: &Props, key: &str, default: u64) -> Result<Duration> {
    let Some(text) = props.get(key) else { return Ok(Duration::from_millis(default)) };
    let number = text.trim().parse().map_err(|_| {
        Error::config(format!("Invalid value {text} for configuration {key}: Not a number of milliseconds"))
    })?;
    Ok(Duration::from_millis(number))
}
