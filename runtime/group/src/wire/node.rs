use std::fmt;

use couplet_api::{Error, Result};

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Id in the cluster; -1 while it is only known as one to begin with.
    pub id: i32,
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Node {
    /// Broker `id` at `host:port`.
    pub fn new(id: i32, host: impl Into<String>, port: u16) -> Self {
        Node { id, host: host.into(), port }
    }

    /// Reads `bootstrap.servers`: `host:port` with commas between, IPv6 addresses in brackets, `PROTOCOL://` in front allowed.
    ///
    /// # Errors
    /// `Kind::Config` that names the entry.
    pub(super) fn parse_list(text: &str) -> Result<Vec<Node>> {
        const KEY: &str = "bootstrap.servers";
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let nodes: Result<Vec<Node>> = entries
            .map(|entry| {
                let address = entry.split_once("://").map_or(entry, |(_, address)| address);
                let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
                let host = parts.map(|(host, port)| (host.trim_start_matches('[').trim_end_matches(']'), port));
                match host {
                    Some((host, port)) if !host.is_empty() => Ok(Node::new(-1, host, port)),
                    _ => Err(Error::config(format!(
                        "Invalid value {entry} for configuration {KEY}: Invalid url in bootstrap.servers; write host:port"
                    ))),
                }
            })
            .collect();
        match nodes? {
            nodes if nodes.is_empty() => {
                Err(Error::config(format!("Invalid value {text} for configuration {KEY}: no bootstrap urls given")))
            }
            nodes => Ok(nodes),
        }
    }
}

/// As the JVM logs it.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} (id: {})", self.host, self.port, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_servers_in_every_spelling() {
        let node = |host: &str, port| Node::new(-1, host, port);
        let rows = [
            ("localhost:9092", Some(vec![node("localhost", 9092)])),
            (" a:1 , b:2,", Some(vec![node("a", 1), node("b", 2)])),
            ("[::1]:9092", Some(vec![node("::1", 9092)])),
            ("SASL_SSL://kafka.example.org:9094", Some(vec![node("kafka.example.org", 9094)])),
            ("", None),
            ("localhost", None),
            ("localhost:port", None),
            (":9092", None),
        ];
        for (text, want) in rows {
            let got = Node::parse_list(text);
            if let Err(error) = &got {
                assert!(error.message().contains("bootstrap.servers"), "{error}");
            }
            assert_eq!(got.ok(), want, "{text}");
        }
    }
}
