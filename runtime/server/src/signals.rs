//! The signals that ask for a graceful end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Stop;

/// SIGTERM and SIGINT, caught from the moment this exists: one that comes during the start is not lost.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Begins to catch them.
    pub fn catch() -> Result<Self, Stop> {
        let catch = |kind| signal(kind).map_err(|error| Stop::failed(format!("signals cannot be awaited: {error}")));
        Ok(StopSignals { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    /// Waits for one. Cancel-safe.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
