//! Settings of signals and incremental snapshots.

use std::path::PathBuf;
use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::error::Error;
use couplet_cdc::TableId;

use super::reader::Reader;
use crate::incremental::parsed;

/// Signals, and the incremental snapshots that they start.
#[derive(Debug, Clone)]
pub struct SignalConfig {
    /// The signal table.
    pub table: Option<TableId>,
    /// Whether signals are taken from it; its marks of chunks always are.
    pub from_table: bool,
    /// The file that signals are taken from.
    pub file: Option<PathBuf>,
    /// How often it is looked at.
    pub interval: Duration,
    /// Whether chunks end with the deletion of the mark in front of them.
    pub delete_marks: bool,
    /// Whether chunks are marked by places in the log, without writing.
    pub read_only: bool,
    /// Most rows in a chunk.
    pub chunk_rows: usize,
}

impl Reader<'_> {
    fn listed(&self, key: &str, name: &str) -> bool {
        self.opt(key).is_some_and(|list| list.split(',').any(|item| item.trim() == name))
    }

    pub(super) fn signals(&self) -> Result<SignalConfig> {
        let channel = |name: &str| self.listed("signal.enabled.channels", name);
        for none in ["jmx", "in-process"] {
            if channel(none) {
                tracing::warn!(channel = none, "no signal will come through this channel of signal.enabled.channels");
            }
        }
        Ok(SignalConfig {
            table: self.opt("signal.data.collection").map(parsed),
            from_table: channel("source"),
            file: channel("file").then(|| self.opt("signal.file").unwrap_or("file-signals.txt").into()),
            interval: self.millis("signal.poll.interval.ms")?,
            delete_marks: self.name("incremental.snapshot.watermarking.strategy") == "insert_delete",
            read_only: self.flag("read.only"),
            chunk_rows: self.number::<usize>("incremental.snapshot.chunk.size")?.max(1),
        })
    }
}

/// Custom converters are Java classes. As in Debezium, the first one that cannot be loaded fails the task.
///
/// # Errors
/// [`couplet_api::Kind::Fatal`] in Debezium's words when `converters` names any.
pub(crate) fn check_converters(props: &Props) -> Result<()> {
    let first = props.get("converters").and_then(|list| list.split(',').map(str::trim).find(|name| !name.is_empty()));
    let Some(name) = first else { return Ok(()) };
    let class = props.get(&format!("{name}.type")).unwrap_or("null").trim();
    let registry = "Unable to create service io.debezium.relational.CustomConverterRegistry";
    let missing =
        Error::fatal(format!("Unable to find class {class}")).with_class("java.lang.IllegalArgumentException");
    let cause = Error::fatal(format!("{class}: custom converters are Java classes, which cannot be loaded here"));
    Err(Error::fatal(registry)
        .with_class("io.debezium.DebeziumException")
        .caused_by(missing)
        .caused_by(cause.with_class("java.lang.ClassNotFoundException")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_converter_fails_the_task_in_debeziums_words() {
        let props = Props::from_iter([("converters", " isbn"), ("isbn.type", "com.example.Isbn")]);
        let error = check_converters(&props).expect_err("refused");
        let trace = error.trace();
        let lines: Vec<&str> = trace.lines().collect();
        assert_eq!(
            lines[0],
            "io.debezium.DebeziumException: Unable to create service io.debezium.relational.CustomConverterRegistry"
        );
        assert_eq!(lines[1], "Caused by: java.lang.IllegalArgumentException: Unable to find class com.example.Isbn");
        assert!(check_converters(&Props::new()).is_ok());
    }

    #[test]
    fn signals_come_from_the_table_unless_other_channels_are_named() {
        let props = Props::from_iter([
            ("signal.data.collection", "db.public.signals"),
            ("signal.enabled.channels", "file"),
            ("incremental.snapshot.watermarking.strategy", "INSERT_DELETE"),
            ("incremental.snapshot.chunk.size", "0"),
        ]);
        let config = Reader(&props).signals().expect("valid");
        assert_eq!(config.table, Some(TableId::new("public", "signals")));
        assert!(!config.from_table && config.delete_marks && !config.read_only);
        assert_eq!((config.chunk_rows, config.interval), (1, Duration::from_secs(5)));
        assert_eq!(config.file, Some(PathBuf::from("file-signals.txt")));
    }
}
