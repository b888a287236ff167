//! The channels that signals come through besides the signal table.

use std::time::Duration;

use couplet_cdc::{Signal, SignalFile};
use tokio::time::Instant;

use crate::config::SignalConfig;

/// Looks for signals now and then.
pub(crate) struct Channels {
    file: Option<SignalFile>,
    interval: Duration,
    next: Instant,
}

impl Channels {
    /// The channels that `config` enables.
    pub(crate) fn new(config: &SignalConfig) -> Self {
        Channels { file: config.file.as_ref().map(SignalFile::new), interval: config.interval, next: Instant::now() }
    }

    /// When to look; `None`: there is nothing to look at.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.file.is_some().then_some(self.next)
    }

    /// Takes the signals that came, when it is time to look.
    pub(crate) async fn take(&mut self) -> Vec<Signal> {
        if self.deadline().is_none_or(|due| due > Instant::now()) {
            return Vec::new();
        }
        self.next = Instant::now() + self.interval;
        match &self.file {
            Some(file) => file.take().await,
            None => Vec::new(),
        }
    }
}
