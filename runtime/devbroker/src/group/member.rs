//! A member of a group.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use super::event::{Join, Protocol, RequestId};

/// A member that has joined at least once.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<StrBytes>,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: StrBytes,
    pub(crate) session_timeout_ms: u64,
    pub(crate) rebalance_timeout_ms: u64,
    /// In the order the member prefers them.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// A join that waits for the rebalance.
    pub(crate) joining: Option<RequestId>,
    /// A sync that waits for the leader.
    pub(crate) syncing: Option<RequestId>,
    /// It has asked for its assignment of this generation.
    pub(crate) synced: bool,
    /// Without a sign of life until then, the member is dead.
    pub(crate) expires_ms: u64,
}

impl Member {
    pub(crate) fn new(join: &Join, now_ms: u64) -> Member {
        Member {
            instance_id: join.instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            synced: false,
            expires_ms: now_ms + join.session_timeout_ms,
        }
    }

    /// Takes over what a repeated join says.
    pub(crate) fn update(&mut self, join: &Join) {
        self.client_id = join.client_id.clone();
        self.client_host = join.client_host.clone();
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
        self.protocols.clone_from(&join.protocols);
    }

    pub(crate) fn alive(&mut self, now_ms: u64) {
        self.expires_ms = now_ms + self.session_timeout_ms;
    }

    /// When its silence becomes fatal; a member that waits for us is not silent.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        (self.joining.is_none() && self.syncing.is_none()).then_some(self.expires_ms)
    }

    pub(crate) fn speaks(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|ours| &*ours.name == protocol)
    }

    /// Metadata for a protocol; empty when the member does not speak it.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|ours| &*ours.name == protocol).map_or_else(Bytes::new, |ours| ours.metadata.clone())
    }
}
