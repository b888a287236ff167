//! The addresses of the REST server: `listeners` and `admin.listeners`.

use std::net::SocketAddr;

use couplet_api::{Error, Result};
use tokio::net::{TcpListener, lookup_host};

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// As it begins a URL.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The scheme called `name`, in any case of letters.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Scheme::Http, Scheme::Https].into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }
}

/// One `http://host:port` or `https://host:port`. No host: all addresses of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Listener {
    /// Reads `url`, a value of `key`.
    ///
    /// # Errors
    /// `Kind::Config` for what is neither.
    pub(super) fn parse(key: &str, url: &str) -> Result<Self> {
        let refuse = |why: &str| Error::config(format!("Invalid value {url} for configuration {key}: {why}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| refuse("expected http://host:port"))?;
        let scheme = Scheme::named(scheme).ok_or_else(|| refuse("the protocol must be http or https"))?;
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or_else(|| refuse("there is no port"))?;
        let port = port.parse().map_err(|_| refuse("the port must be a number from 0 to 65535"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Listener { scheme, host, port })
    }

    /// Listens.
    ///
    /// # Errors
    /// `Kind::Config` that names `key`, the address and what is wrong with it.
    pub(super) async fn bind(&self, key: &str) -> Result<TcpListener> {
        let refuse = |error: &std::io::Error| {
            let why = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("port {} is in use by another process; stop it or choose another port", self.port)
                }
                std::io::ErrorKind::PermissionDenied => format!("port {} needs more rights", self.port),
                _ => format!("cannot listen there: {error}"),
            };
            let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
            let scheme = self.scheme.name();
            Error::config(format!("Invalid value {scheme}://{host}:{} for configuration {key}: {why}", self.port))
        };
        let mut addresses: Vec<SocketAddr> = match self.host.as_str() {
            "" => vec![([0_u16; 8], self.port).into(), ([0_u8; 4], self.port).into()],
            host => lookup_host((host, self.port)).await.map_err(|e| refuse(&e))?.collect(),
        };
        addresses.dedup();
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpListener::bind(address).await {
                Ok(listener) => return Ok(listener),
                // A machine without IPv6 has only the second of the wildcard addresses; a port in use is in use.
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(refuse(&error)),
                Err(error) => last = error,
            }
        }
        Err(refuse(&last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let rows = [
            ("http://:8083", Some((Scheme::Http, "", 8083))),
            ("HTTP://localhost:80/", Some((Scheme::Http, "localhost", 80))),
            ("http://[::1]:8083", Some((Scheme::Http, "::1", 8083))),
            ("https://localhost:8443", Some((Scheme::Https, "localhost", 8443))),
            ("localhost:8083", None),
            ("http://localhost", None),
            ("http://localhost:eighty", None),
            ("ftp://localhost:21", None),
        ];
        for (url, want) in rows {
            let got = Listener::parse("listeners", url).ok().map(|l| (l.scheme, l.host, l.port));
            assert_eq!(got, want.map(|(scheme, host, port)| (scheme, host.to_owned(), port)), "{url}");
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = Listener { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port: 0 };
        let bound = first.bind("listeners").await.expect("any port is free");
        let port = bound.local_addr().expect("bound").port();
        let second = Listener { port, ..first };
        let error = second.bind("listeners").await.expect_err("in use").to_string();
        assert!(error.contains("listeners") && error.contains(&format!("port {port} is in use")), "{error}");
    }
}
