//! A herder for tests of routes: a fixed snapshot, and answers that say what was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::data::{OffsetMap, Value};

use crate::herder::{
    ClusterSnapshot, ConnectorInfo, ConnectorSnapshot, ConnectorState, ConnectorStatus, ConnectorType, Herder,
    HerderError, NewConnector, OffsetEntry, RestartRequest,
};
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::plugins::Plugins;
use crate::rest::{Loggers, RestState};
use crate::worker::{TargetState, TaskId};
use crate::worker_config::{Mode, WorkerConfig};

/// What a server with this herder answers from, with `more` settings than a worker must have.
pub(super) fn state(herder: Arc<FakeHerder>, more: &[(&str, &str)]) -> RestState {
    let base = [
        ("group.id", "g"),
        ("key.converter", "K"),
        ("value.converter", "V"),
        ("config.storage.topic", "c"),
        ("offset.storage.topic", "o"),
        ("status.storage.topic", "s"),
    ];
    let props: Props = base.iter().chain(more).copied().collect();
    RestState {
        herder,
        peers: Arc::new(Peers::new(&Props::new()).expect("defaults")),
        plugins: Arc::new(Plugins::default()),
        config: Arc::new(WorkerConfig::parse(Mode::Distributed, props).expect("a worker's settings")),
        loggers: Arc::new(Loggers::new(|_| {})),
        metrics: Arc::new(Metrics::new("w:1".to_owned(), &Props::new())),
        version: "4.1.0",
        commit: "c0ffee",
    }
}

/// Knows one running source, `src`, with one task.
pub(super) struct FakeHerder {
    snapshot: Arc<ClusterSnapshot>,
    /// Whether it ever answers.
    answers: bool,
    asked: Mutex<Vec<String>>,
}

impl FakeHerder {
    pub(super) fn new() -> Self {
        let status = |trace: Option<&str>| ConnectorStatus {
            state: if trace.is_some() { ConnectorState::Failed } else { ConnectorState::Running },
            worker_id: "w:1".to_owned(),
            trace: trace.map(str::to_owned),
            version: Some("4.1.0".to_owned()),
        };
        let source = ConnectorSnapshot {
            config: Props::from_iter([("topic", "t"), ("connector.class", "X"), ("name", "src")]),
            kind: ConnectorType::Source,
            tasks: vec![Props::from_iter([("task.class", "Y")])],
            target: TargetState::Started,
            status: Some(status(None)),
            task_status: BTreeMap::from([(0, status(Some("boom")))]),
            active_topics: ["t".to_owned()].into(),
            restarts: Vec::new(),
        };
        let connectors = BTreeMap::from([("src".to_owned(), Arc::new(source))]);
        let snapshot = ClusterSnapshot { connectors, ready: true, ..Default::default() };
        FakeHerder { snapshot: Arc::new(snapshot), answers: true, asked: Mutex::default() }
    }

    /// One that is busy with `stage` for ever.
    pub(super) fn stuck(stage: &str, ready: bool) -> Self {
        let snapshot = ClusterSnapshot { ready, stage: stage.to_owned(), ..Default::default() };
        FakeHerder { snapshot: Arc::new(snapshot), answers: false, asked: Mutex::default() }
    }

    /// What it was asked, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn note(&self, what: String) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        if !self.answers {
            std::future::pending::<()>().await;
        }
    }

    fn known(&self, name: &str) -> Result<Arc<ConnectorSnapshot>, HerderError> {
        let found = self.snapshot.connectors.get(name).cloned();
        found.ok_or_else(|| HerderError::NotFound(format!("Unknown connector {name}")))
    }
}

#[async_trait]
impl Herder for FakeHerder {
    fn snapshot(&self) -> Arc<ClusterSnapshot> {
        self.snapshot.clone()
    }

    fn kafka_cluster_id(&self) -> Option<String> {
        Some("cluster".to_owned())
    }

    async fn ping(&self) -> Result<(), HerderError> {
        self.note("ping".to_owned()).await;
        Ok(())
    }

    async fn put_connector(&self, new: NewConnector) -> Result<(bool, ConnectorInfo), HerderError> {
        self.note(format!("put {} {:?} {}", new.name, new.initial_state, new.replace)).await;
        let exists = self.snapshot.connectors.contains_key(&new.name);
        if exists && !new.replace {
            return Err(HerderError::Conflict(format!("Connector {} already exists", new.name)));
        }
        let info = ConnectorInfo { name: new.name, config: new.config, tasks: Vec::new(), kind: ConnectorType::Source };
        Ok((!exists, info))
    }

    async fn patch_connector(&self, name: &str, patch: Props) -> Result<ConnectorInfo, HerderError> {
        self.note(format!("patch {name} {:?}", patch.iter().collect::<Vec<_>>())).await;
        let config = self.known(name)?.config.clone();
        Ok(ConnectorInfo { name: name.to_owned(), config, tasks: Vec::new(), kind: ConnectorType::Source })
    }

    async fn delete_connector(&self, name: &str) -> Result<(), HerderError> {
        self.note(format!("delete {name}")).await;
        self.known(name).map(|_| ())
    }

    async fn set_target_state(&self, name: &str, target: TargetState) -> Result<(), HerderError> {
        self.note(format!("target {name} {}", target.name())).await;
        self.known(name).map(|_| ())
    }

    async fn restart_connector(&self, name: &str, request: RestartRequest) -> Result<ConnectorSnapshot, HerderError> {
        self.note(format!("restart {name} {} {}", request.include_tasks, request.only_failed)).await;
        self.known(name).map(|connector| (*connector).clone())
    }

    async fn restart_task(&self, id: &TaskId) -> Result<(), HerderError> {
        self.note(format!("restart task {id}")).await;
        self.known(&id.connector).map(|_| ())
    }

    async fn put_task_configs(&self, name: &str, configs: Vec<Props>) -> Result<(), HerderError> {
        self.note(format!("put {} task configs of {name}", configs.len())).await;
        self.known(name).map(|_| ())
    }

    async fn fence_source_tasks(&self, name: &str) -> Result<(), HerderError> {
        self.note(format!("fence {name}")).await;
        self.known(name).map(|_| ())
    }

    async fn reset_active_topics(&self, name: &str) -> Result<(), HerderError> {
        self.note(format!("reset topics {name}")).await;
        Ok(())
    }

    async fn set_logger_level(&self, logger: &str, level: &str) -> Result<(), HerderError> {
        self.note(format!("logger {logger} {level}")).await;
        Ok(())
    }

    async fn set_initial_offsets(
        &self,
        name: &str,
        _config: &Props,
        offsets: Vec<OffsetEntry>,
    ) -> Result<String, HerderError> {
        let shown: Vec<_> = offsets.iter().map(|entry| (entry.partition.get("a"), entry.offset.is_some())).collect();
        self.note(format!("initial offsets {name} {shown:?}")).await;
        Ok("altered".to_owned())
    }

    async fn offsets(&self, name: &str) -> Result<Vec<OffsetEntry>, HerderError> {
        self.known(name)?;
        let map = |key: &str, value: Value| OffsetMap::new([(key, value)]);
        let offset = Some(map("position", Value::Int64(14)));
        Ok(vec![OffsetEntry { partition: map("filename", Value::str("in.txt")), offset }])
    }

    async fn alter_offsets(&self, name: &str, changes: Option<Vec<OffsetEntry>>) -> Result<String, HerderError> {
        self.note(format!("alter {name} {:?}", changes.map(|c| c.len()))).await;
        self.known(name).map(|_| "done".to_owned())
    }
}
