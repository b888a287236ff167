//! The channels that signals come through besides the signal table.

use couplet_api::Result;
use couplet_api::own_topic::OwnTopics;
use tokio::time::{Instant, sleep_until};

use crate::signal::Signal;
use crate::signal_config::ChannelConfig;
use crate::signal_file::SignalFile;

/// Gives signals out as they come.
pub struct Channels {
    file: Option<SignalFile>,
    config: ChannelConfig,
    /// When to look at the file.
    next: Instant,
}

impl Channels {
    /// Opens the channels that `config` enables. `topics` is where a topic of signals would be.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] for settings of clients that cannot be used.
    #[expect(clippy::unused_async, reason = "a topic is opened here")]
    pub async fn open(config: &ChannelConfig, _topics: &dyn OwnTopics) -> Result<Self> {
        let file = config.file.as_ref().map(SignalFile::new);
        Ok(Channels { file, config: config.clone(), next: Instant::now() })
    }

    /// Waits until [`Channels::take`] may have something to give; for ever when no channel is enabled. Cancel-safe.
    pub async fn ready(&mut self) {
        match self.file {
            Some(_) => sleep_until(self.next).await,
            None => std::future::pending().await,
        }
    }

    /// Takes the signals that came, which may be none. They count as done when [`Channels::ready`] or this is called again.
    /// Not cancel-safe: what was taken from a channel would be lost.
    pub async fn take(&mut self) -> Vec<Signal> {
        match &self.file {
            Some(file) if self.next <= Instant::now() => {
                self.next = Instant::now() + self.config.interval;
                file.take().await
            }
            _ => Vec::new(),
        }
    }
}
