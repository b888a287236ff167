//! Settings of signals and of the incremental snapshots that they start.

use std::path::PathBuf;
use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::error::Error;
use couplet_api::own_topic::OwnTopics;

use crate::field::invalid;
use crate::filter::TableId;
use crate::incremental::Marks;
use crate::notification::unknown_channel;
use crate::signal_topic::SignalTopicConfig;

/// Checks `signal.enabled.channels`: channels that are there; `jmx` and `in-process` have nothing to come through here.
pub fn check_signal_channels(value: Option<&str>, _props: &Props) -> Option<String> {
    unknown_channel(value, &["source", "kafka", "file", "jmx", "in-process"])
}

/// Signals, and the incremental snapshots that they start.
#[derive(Debug, Clone)]
pub struct SignalConfig {
    /// The signal table.
    pub table: Option<TableId>,
    /// Whether signals are taken from it; its marks of chunks always are.
    pub from_table: bool,
    /// The other channels.
    pub channels: ChannelConfig,
    /// Whether chunks end with the deletion of the mark in front of them.
    pub delete_marks: bool,
    /// Whether chunks are marked by places in the log, without writing.
    pub read_only: bool,
    /// Most rows in a chunk.
    pub chunk_rows: usize,
}

/// Channels besides the signal table.
#[derive(Debug, Clone, Default)]
pub struct ChannelConfig {
    /// The file that signals are taken from.
    pub file: Option<PathBuf>,
    /// How often it is looked at.
    pub interval: Duration,
    /// The topic that signals are taken from.
    pub kafka: Option<SignalTopicConfig>,
}

impl ChannelConfig {
    /// Fails the start of a task, as in Debezium, and not its stream, where no client can be made of `signal.consumer.*`.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] that names the setting.
    pub async fn check(&self, topics: &dyn OwnTopics) -> Result<()> {
        match &self.kafka {
            Some(kafka) => kafka.check(topics).await,
            None => Ok(()),
        }
    }
}

impl SignalConfig {
    /// How chunks are marked in the stream.
    pub fn marks(&self) -> Marks {
        match self.table {
            _ if self.read_only => Marks::Places,
            Some(_) => Marks::Rows { delete: self.delete_marks },
            None => Marks::None,
        }
    }

    /// Reads `signal.*`, `incremental.snapshot.*` and `read.only` out of `props`. `setting` gives a setting or its default,
    /// never empty; `table` reads the name of the signal table.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] for a number out of range, and for a Kafka channel that cannot be used.
    pub fn new<'a>(
        props: &Props,
        setting: impl Fn(&str) -> Option<&'a str>,
        table: impl FnOnce(&str) -> TableId,
    ) -> Result<SignalConfig> {
        let listed = setting("signal.enabled.channels").unwrap_or_default();
        let channel = |name: &str| listed.split(',').any(|item| item.trim() == name);
        for none in ["jmx", "in-process"] {
            if channel(none) {
                tracing::warn!(channel = none, "no signal will come through this channel of signal.enabled.channels");
            }
        }
        let is = |key: &str, value: &str| setting(key).is_some_and(|text| text.eq_ignore_ascii_case(value));
        let number = |key: &str| match setting(key) {
            None => Ok(0),
            Some(text) => {
                text.parse::<u64>().map_err(|_| Error::config(invalid(key, &format!("{text} is out of range"))))
            }
        };
        Ok(SignalConfig {
            table: setting("signal.data.collection").map(table),
            from_table: channel("source"),
            channels: ChannelConfig {
                file: channel("file").then(|| setting("signal.file").unwrap_or("file-signals.txt").into()),
                interval: Duration::from_millis(number("signal.poll.interval.ms")?),
                kafka: match channel("kafka") {
                    true => Some(SignalTopicConfig::new(props, setting("topic.prefix").unwrap_or_default())?),
                    false => None,
                },
            },
            delete_marks: is("incremental.snapshot.watermarking.strategy", "insert_delete"),
            read_only: is("read.only", "true"),
            chunk_rows: usize::try_from(number("incremental.snapshot.chunk.size")?).unwrap_or(usize::MAX).max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<SignalConfig> {
        let props = Props::from_iter(pairs.iter().copied());
        SignalConfig::new(&props, |key| props.get(key), |name| TableId::new("s", name))
    }

    #[test]
    fn settings_are_read() {
        let read = config(&[
            ("signal.data.collection", "signals"),
            ("signal.enabled.channels", "jmx, file"),
            ("signal.poll.interval.ms", "5000"),
            ("incremental.snapshot.watermarking.strategy", "INSERT_DELETE"),
            ("incremental.snapshot.chunk.size", "0"),
        ]);
        let read = read.expect("valid");
        assert_eq!(read.table, Some(TableId::new("s", "signals")));
        assert!(!read.from_table && read.delete_marks && !read.read_only);
        assert_eq!((read.chunk_rows, read.channels.interval), (1, Duration::from_secs(5)));
        assert_eq!(read.channels.file, Some(PathBuf::from("file-signals.txt")));
        let read = config(&[("signal.enabled.channels", "source"), ("signal.file", "f"), ("read.only", "True")]);
        let read = read.expect("valid");
        assert!(read.from_table && read.read_only && read.channels.file.is_none() && read.table.is_none());
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let error = config(&[("incremental.snapshot.chunk.size", "-1")]).expect_err("negative");
        assert!(error.message().contains("incremental.snapshot.chunk.size"), "{error}");
    }
}
