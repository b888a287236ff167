//! A source whose connector and tasks fail to start a given number of times, or hang.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use couplet_api::config::{ConfigDef, Props};
use couplet_api::connector::{Connector, ConnectorContext, ConnectorPlugin, SourcePlugin};
use couplet_api::source::{SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::{Error, Plugin, Result};

/// The plugin.
pub fn plugin() -> Plugin {
    Plugin::Source(Arc::new(Moody))
}

/// `connector.failures` and `task.failures` are how many starts fail; `fatal` makes them fail for good; with `hang` the
/// connector's start never ends.
struct Moody;

impl ConnectorPlugin for Moody {
    fn class(&self) -> &'static str {
        "test.MoodySourceConnector"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn config_def(&self) -> ConfigDef {
        ConfigDef::new()
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(MoodyConnector::default())
    }
}

impl SourcePlugin for Moody {
    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(MoodyTask)
    }
}

/// Fails while less starts than `key` says were tried for this name in this `run`.
fn try_to_start(props: &Props, key: &str, name: &str) -> Result<()> {
    static STARTS: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);
    let failures: u32 = props.get(key).map_or(0, |text| text.parse().expect("a number"));
    let mut starts = STARTS.lock().unwrap();
    let tried = starts.entry(format!("{key} {name} {}", props.get("run").unwrap_or_default())).or_default();
    *tried += 1;
    match (*tried <= failures, props.get("fatal")) {
        (false, _) => Ok(()),
        (true, None) => Err(Error::remote("nobody there")),
        (true, Some(_)) => Err(Error::config("cannot work")),
    }
}

#[derive(Default)]
struct MoodyConnector(Props);

#[async_trait]
impl Connector for MoodyConnector {
    async fn start(&mut self, props: &Props, context: ConnectorContext) -> Result<()> {
        self.0 = props.clone();
        if props.get("hang").is_some() {
            std::future::pending::<()>().await;
        }
        try_to_start(props, "connector.failures", &context.name)
    }

    async fn task_configs(&mut self, _max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.0.clone()])
    }
}

struct MoodyTask;

#[async_trait]
impl SourceTask for MoodyTask {
    async fn start(&mut self, props: &Props, context: SourceTaskContext) -> Result<()> {
        try_to_start(props, "task.failures", &context.connector)
    }

    async fn poll(&mut self, _batch: &mut SourceBatch) -> Result<()> {
        std::future::pending().await
    }

    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}
