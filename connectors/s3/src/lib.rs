//! `io.confluent.connect.s3.S3SinkConnector`: writes topics to objects in S3.

mod client;
mod config;
mod events;
mod file;
mod object;
mod sink;
mod writer;

pub use config::S3Config;

use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::Plugin;
use couplet_api::config::{ConfigDef, ConfigValue, Props};
use couplet_api::connector::{Connector, ConnectorPlugin, SinkPlugin, StaticConnector};
use couplet_api::sink::SinkTask;

/// The sink plugin.
struct S3Sink;

/// All plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    vec![Plugin::Sink(Arc::new(S3Sink))]
}

#[async_trait]
impl ConnectorPlugin for S3Sink {
    fn class(&self) -> &'static str {
        "io.confluent.connect.s3.S3SinkConnector"
    }

    fn version(&self) -> &'static str {
        "12.2.0-src"
    }

    fn config_def(&self) -> ConfigDef {
        S3Config::config_def()
    }

    async fn validate(&self, props: &Props) -> Vec<ConfigValue> {
        config::validate(props)
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(StaticConnector::per_task_max())
    }
}

impl SinkPlugin for S3Sink {
    fn task(&self) -> Box<dyn SinkTask> {
        Box::new(sink::S3SinkTask::default())
    }
}
