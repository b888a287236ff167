//! The channels that signals come through besides the signal table.

use std::time::Duration;

use couplet_api::Result;
use couplet_api::own_topic::OwnTopics;
use tokio::time::{Instant, sleep_until};

use crate::signal::Signal;
use crate::signal_config::ChannelConfig;
use crate::signal_file::SignalFile;
use crate::signal_topic::SignalTopic;

/// Gives signals out as they come.
pub struct Channels {
    file: Option<SignalFile>,
    /// How often it is looked at.
    interval: Duration,
    /// When to look at it.
    next: Instant,
    topic: Option<SignalTopic>,
}

impl Channels {
    /// Opens the channels that `config` enables. `topics` is where a topic of signals would be.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] for settings of clients that cannot be used.
    pub async fn open(config: &ChannelConfig, topics: &dyn OwnTopics) -> Result<Self> {
        let topic = match &config.kafka {
            Some(kafka) => Some(SignalTopic::open(kafka.clone(), topics).await?),
            None => None,
        };
        let file = config.file.as_ref().map(SignalFile::new);
        Ok(Channels { file, interval: config.interval, next: Instant::now(), topic })
    }

    /// Waits until [`Channels::take`] may have something to give; for ever when no channel is enabled. Cancel-safe.
    pub async fn ready(&mut self) {
        let Channels { file, next, topic, .. } = self;
        let of_topic = async {
            match topic {
                Some(topic) => topic.ready().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = of_topic => {}
            () = sleep_until(*next), if file.is_some() => {}
        }
    }

    /// Takes the signals that came, which may be none. They count as done when [`Channels::ready`] or this is called again.
    /// Not cancel-safe: what was taken from a channel would be lost.
    pub async fn take(&mut self) -> Vec<Signal> {
        let mut signals = self.topic.as_mut().map(SignalTopic::take).unwrap_or_default();
        if let Some(file) = self.file.as_ref().filter(|_| self.next <= Instant::now()) {
            self.next = Instant::now() + self.interval;
            signals.extend(file.take().await);
        }
        signals
    }
}
