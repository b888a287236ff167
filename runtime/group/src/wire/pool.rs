use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::{ClientConfig, Node};

/// Connections nobody uses at the moment, and how often brokers could not be reached.
#[derive(Default)]
pub(super) struct Pool {
    brokers: HashMap<(String, u16), Broker>,
}

#[derive(Default)]
struct Broker {
    idle: Vec<Connection>,
    /// Changes when connections are to be closed, so that those in use are not kept when they come back.
    era: u64,
    failures: u32,
    retry_at: Option<Instant>,
}

impl Pool {
    fn broker(&mut self, node: &Node) -> &mut Broker {
        self.brokers.entry((node.host.clone(), node.port)).or_default()
    }

    /// A connection that was used within `idle_max`, if there is one, and the era it belongs to.
    pub(super) fn take(&mut self, node: &Node, idle_max: Duration) -> (Option<Connection>, u64) {
        let broker = self.broker(node);
        let now = Instant::now();
        broker.idle.retain(|c| now - c.used < idle_max && c.expires.is_none_or(|expires| now < expires));
        (broker.idle.pop(), broker.era)
    }

    /// Keeps a connection for the next request.
    pub(super) fn give_back(&mut self, node: &Node, connection: Connection, era: u64) {
        let broker = self.broker(node);
        if broker.era == era {
            broker.idle.push(connection);
        }
    }

    /// Closes the connections to `node`.
    pub(super) fn close(&mut self, node: &Node) {
        let broker = self.broker(node);
        broker.idle.clear();
        broker.era += 1;
    }

    /// How long to wait before the next attempt to connect.
    pub(super) fn pause(&mut self, node: &Node) -> Option<Duration> {
        let retry_at = self.broker(node).retry_at?;
        Some(retry_at.saturating_duration_since(Instant::now()))
    }

    /// An attempt to connect has ended: waits double with each failure (`reconnect.backoff.ms`, `.max.ms`).
    pub(super) fn attempted(&mut self, node: &Node, config: &ClientConfig, connected: bool) {
        let broker = self.broker(node);
        if connected {
            (broker.failures, broker.retry_at) = (0, None);
            return;
        }
        let pause = config.reconnect_backoff.saturating_mul(1 << broker.failures.min(16));
        broker.failures = broker.failures.saturating_add(1);
        broker.retry_at = Some(Instant::now() + pause.min(config.reconnect_backoff_max));
    }
}
