//! Settings of both connectors.

use couplet_api::config::{Props, non_empty};
use couplet_api::config_def;

config_def! {
    /// Settings of the source.
    pub struct SourceConfig {
        /// File to read; standard input when absent or empty.
        file: Str = "file", High, optional;
        /// Topic to write lines to.
        topic: Str = "topic", High, required, non_empty();
        /// Most lines that are handed on at once.
        batch_size: Int = "batch.size", Low, default "2000";
    }
}

config_def! {
    /// Settings of the sink.
    pub struct SinkConfig {
        /// File to append to; standard output when absent or empty.
        file: Str = "file", High, optional;
    }
}

/// The file that `props` name; `None` stands for the standard streams.
pub fn file_of(props: &Props) -> Option<&str> {
    props.get("file").map(str::trim).filter(|file| !file.is_empty())
}
