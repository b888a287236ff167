//! Plugins, listeners and brokers for tests of the worker.

#![allow(dead_code, reason = "each test uses its own part")]

pub mod broker;
pub mod plugins;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_engine::herder::ClusterSnapshot;
use couplet_engine::metrics::{Metrics, Sources, render};
use couplet_engine::plugins::Plugins;
use couplet_engine::storage::{KafkaOffsetStore, OffsetStore};
use couplet_engine::worker::{ConnectorListener, TargetState, TaskEvent, TaskId, TaskListener, TaskStart, Worker};
use couplet_engine::worker_config::{Mode, WorkerConfig};
use couplet_kafka::clients::ClientSettings;
use couplet_kafka::{LogClients, TopicSpec};
use tokio::sync::Notify;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Remembers what tasks said.
#[derive(Default)]
pub struct Events {
    seen: Mutex<Vec<(TaskId, TaskEvent)>>,
    topics: Mutex<Vec<String>>,
    changed: Notify,
}

impl TaskListener for Events {
    fn on_event(&self, id: &TaskId, event: TaskEvent) {
        self.seen.lock().unwrap().push((id.clone(), event));
        self.changed.notify_waiters();
    }

    fn on_active_topic(&self, _id: &TaskId, topic: &str) {
        self.topics.lock().unwrap().push(topic.to_owned());
        self.changed.notify_waiters();
    }
}

impl ConnectorListener for Events {
    fn on_reconfigure(&self, name: &str) {
        self.topics.lock().unwrap().push(format!("reconfigure {name}"));
        self.changed.notify_waiters();
    }
}

impl Events {
    /// Everything said so far.
    pub fn all(&self) -> Vec<TaskEvent> {
        self.seen.lock().unwrap().iter().map(|(_, event)| event.clone()).collect()
    }

    /// Topics that were used, and connectors that want new task configs.
    pub fn topics(&self) -> Vec<String> {
        self.topics.lock().unwrap().clone()
    }

    /// Waits until `found` says yes.
    pub async fn wait(&self, what: &str, found: impl Fn(&Events) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if found(self) {
                    return;
                }
                changed.await;
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, wait).await;
        assert!(outcome.is_ok(), "waiting for {what}: {:?}", self.all());
    }

    /// Waits for `event`.
    pub async fn wait_for(&self, event: &TaskEvent) {
        self.wait(&format!("{event:?}"), |events| events.all().contains(event)).await;
    }

    /// Waits for a failure and returns its trace.
    pub async fn wait_for_failure(&self) -> String {
        let trace = |events: &Events| {
            events.all().into_iter().find_map(|event| match event {
                TaskEvent::Failed { trace, .. } | TaskEvent::Fenced { trace } => Some(trace),
                _ => None,
            })
        };
        self.wait("a failure", |events| trace(events).is_some()).await;
        trace(self).unwrap_or_default()
    }
}

/// A worker and what its tasks said.
pub struct Bench {
    pub worker: Worker,
    metrics: Arc<Metrics>,
    plugins: Arc<Plugins>,
    pub events: Arc<Events>,
    pub offsets: Arc<dyn OffsetStore>,
    pub bootstrap: String,
}

impl Bench {
    /// A worker whose offsets are in `offsets_topic`.
    pub async fn new(bootstrap: &str, offsets_topic: &str, more: &[(&str, &str)]) -> Bench {
        Bench::in_mode(Mode::Standalone, bootstrap, offsets_topic, more).await
    }

    /// A distributed worker, for settings that only those have.
    pub async fn distributed(bootstrap: &str, offsets_topic: &str, more: &[(&str, &str)]) -> Bench {
        Bench::in_mode(Mode::Distributed, bootstrap, offsets_topic, more).await
    }

    async fn in_mode(mode: Mode, bootstrap: &str, offsets_topic: &str, more: &[(&str, &str)]) -> Bench {
        let mut props = Props::from_iter([
            ("bootstrap.servers", bootstrap),
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("offset.flush.interval.ms", "200"),
        ]);
        let of_mode: &[(&str, &str)] = match mode {
            Mode::Standalone => &[("offset.storage.file.filename", "unused")],
            Mode::Distributed => &[
                ("group.id", offsets_topic),
                ("config.storage.topic", "unused"),
                ("status.storage.topic", "unused"),
                ("offset.storage.topic", offsets_topic),
                ("offset.storage.partitions", "3"),
                ("offset.storage.replication.factor", "1"),
            ],
        };
        for (key, value) in of_mode.iter().chain(more) {
            props.set(*key, *value);
        }
        let settings = ClientSettings::of_worker(&props).with("isolation.level", "read_committed");
        let spec = TopicSpec {
            name: offsets_topic.to_owned(),
            partitions: 3,
            replication_factor: 1,
            configs: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
        };
        let store = KafkaOffsetStore::open(&LogClients::new(&settings), spec).await.expect("offsets topic");
        let offsets: Arc<dyn OffsetStore> = Arc::new(store);
        let config = Arc::new(WorkerConfig::parse(mode, props).expect("valid worker settings"));
        let plugins = Arc::new(Plugins::new(plugins::all()));
        let metrics = Arc::new(Metrics::new("w:1".to_owned(), &config.props));
        let worker = Worker::new(config, plugins.clone(), offsets.clone(), Arc::new(SystemClock), metrics.clone());
        Bench { worker, metrics, plugins, events: Arc::default(), offsets, bootstrap: bootstrap.to_owned() }
    }

    /// What `/metrics` says.
    pub fn metrics_text(&self) -> String {
        let snapshot = ClusterSnapshot::default();
        let (metrics, plugins) = (&*self.metrics, &*self.plugins);
        render(&Sources { metrics, snapshot: &snapshot, plugins, version: "4.1.0", commit: "c0ffee" })
    }

    /// Starts task 0 of a connector.
    pub fn start(&self, name: &str, props: &[(&str, &str)], target: TargetState) {
        self.start_nth(0, name, props, target);
    }

    /// Starts one task of a connector.
    pub fn start_nth(&self, task: u32, name: &str, props: &[(&str, &str)], target: TargetState) {
        let mut connector = Props::from_iter([("name", name)]);
        for (key, value) in props {
            connector.set(*key, *value);
        }
        let start = TaskStart {
            id: TaskId { task, ..task_id(name) },
            connector_props: connector.clone(),
            task_props: connector,
            target,
            listener: self.events.clone(),
            preflight: None,
        };
        self.worker.start_task(start).expect("not running yet");
    }

    pub async fn stop(&self, name: &str) {
        self.worker.stop_tasks(&[task_id(name)]).await;
    }
}

pub fn task_id(name: &str) -> TaskId {
    TaskId { connector: name.into(), task: 0 }
}
