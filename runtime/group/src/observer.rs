//! What a member and its client tell of themselves, for metrics.

use std::time::Duration;

/// Something that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// A connection to a broker was made.
    Connected,
    /// A connection was closed, by either side.
    Disconnected,
    /// A broker took our credentials, or refused them. Without SASL nobody asks.
    Authenticated(bool),
    /// A request to a broker and its answer.
    Exchange {
        /// Id of the broker; -1 for one of `bootstrap.servers`.
        node: i32,
        /// Bytes sent.
        sent: usize,
        /// Bytes received; 0 when no answer came.
        received: usize,
        /// From the request to the answer.
        took: Duration,
    },
    /// JoinGroup was answered: the group has a new generation.
    Joined(Duration),
    /// SyncGroup was answered with an assignment.
    Synced(Duration),
    /// A heartbeat was answered.
    Heartbeat(Duration),
    /// An attempt to join failed, be it only because the member had no id yet.
    RebalanceFailed,
    /// From the first request to join to the assignment.
    Rebalanced(Duration),
}

/// Hears what is measured, from within requests; must not block.
pub trait Observer: Send + Sync {
    /// Takes note.
    fn note(&self, measured: Measured);
}

/// For clients that nobody observes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn note(&self, _measured: Measured) {}
}
