//! What all connections share.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::protocol::StrBytes;
use tokio_util::sync::CancellationToken;

use crate::coordinator::Coordinator;
use crate::topics::Topics;

/// The running broker, as requests see it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) cluster_id: StrBytes,
    /// Where clients are told to connect.
    pub(crate) host: StrBytes,
    pub(crate) port: i32,
    /// The data folder, or a word for memory.
    pub(crate) log_dir: StrBytes,
    pub(crate) partitions_default: i32,
    pub(crate) auto_create_topics: bool,
    pub(crate) session_timeout_min: Duration,
    pub(crate) topics: Arc<Topics>,
    pub(crate) coordinator: Arc<Coordinator>,
    /// Ends every wait.
    pub(crate) stop: CancellationToken,
}
