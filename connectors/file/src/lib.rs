//! Lines of a file into Kafka, and records of Kafka into a file: `FileStreamSource` and `FileStreamSink`.
//!
//! The smallest connectors there are, and the model for new ones.

mod config;
mod lines;
mod sink;
mod source;
mod text;
mod watch;

use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::config::{ConfigDef, Props};
use couplet_api::connector::{
    Connector, ConnectorPlugin, ExactlyOnceSupport, OffsetChanges, SinkPlugin, SourcePlugin, StaticConnector,
};
use couplet_api::sink::SinkTask;
use couplet_api::source::SourceTask;
use couplet_api::{Plugin, Result};

/// Version of the originals whose contract this crate follows.
const VERSION: &str = "4.1.0";

/// What this crate offers to the worker.
pub fn plugins() -> Vec<Plugin> {
    vec![Plugin::Sink(Arc::new(FileStreamSink)), Plugin::Source(Arc::new(FileStreamSource))]
}

/// `org.apache.kafka.connect.file.FileStreamSourceConnector`.
pub struct FileStreamSource;

/// `org.apache.kafka.connect.file.FileStreamSinkConnector`.
pub struct FileStreamSink;

impl ConnectorPlugin for FileStreamSource {
    fn class(&self) -> &'static str {
        "org.apache.kafka.connect.file.FileStreamSourceConnector"
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn config_def(&self) -> ConfigDef {
        config::SourceConfig::config_def()
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(StaticConnector::single())
    }
}

#[async_trait]
impl SourcePlugin for FileStreamSource {
    fn task(&self) -> Box<dyn SourceTask> {
        Box::<source::FileStreamSourceTask>::default()
    }

    fn exactly_once_support(&self, props: &Props) -> Option<ExactlyOnceSupport> {
        Some(match config::file_of(props) {
            Some(_) => ExactlyOnceSupport::Supported,
            None => ExactlyOnceSupport::Unsupported,
        })
    }

    async fn alter_offsets(&self, props: &Props, changes: &OffsetChanges) -> Result<bool> {
        source::check_offsets(props, changes).map(|()| true)
    }
}

impl ConnectorPlugin for FileStreamSink {
    fn class(&self) -> &'static str {
        "org.apache.kafka.connect.file.FileStreamSinkConnector"
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn config_def(&self) -> ConfigDef {
        config::SinkConfig::config_def()
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(StaticConnector::per_task_max())
    }
}

impl SinkPlugin for FileStreamSink {
    fn task(&self) -> Box<dyn SinkTask> {
        Box::<sink::FileStreamSinkTask>::default()
    }
}
