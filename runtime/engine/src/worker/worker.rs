//! Starts and stops connectors and tasks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use couplet_api::clock::Clock;
use couplet_api::config::Props;
use couplet_api::error::Disposition;
use couplet_api::source::OffsetReader;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::{Error, Kind, Result};
use couplet_kafka::clients::{ClientSettings, Role, fence_producer};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::connector::{ConnectorListener, ConnectorRunner};
use super::guard::guarded;
use super::offset_topics::OffsetTopics;
use super::placeholders::{Fingerprints, Placeholders};
use super::producers::Producers;
use super::task_run::{Shared, TaskRun};
use super::{TargetState, TaskEvent, TaskId, TaskListener, TaskStart, sink_task, source_task};
use crate::connector_config::ConnectorConfig;
use crate::metrics::{Metrics, PluginUse, StartupKind, TaskMetrics, TaskState, plugins_of};
use crate::plugins::{ConnectorKind, Plugins};
use crate::secrets;
use crate::storage::{ConnectorOffsets, OffsetChange, OffsetStore};
use crate::worker_config::{ExactlyOnce, WorkerConfig};

/// Producers that are fenced at the same time.
const FENCED_AT_ONCE: usize = 8;

/// How long a connector gets to stop, as in the JVM.
const CONNECTOR_STOP_GRACE: Duration = Duration::from_secs(5);

/// Runs connectors and tasks. Everything it is told comes from a herder; everything it has to say goes to listeners.
pub struct Worker {
    shared: Arc<Shared>,
    connectors: Mutex<HashMap<String, Connector>>,
    made_from: Fingerprints,
    tasks: Mutex<HashMap<TaskId, Task>>,
}

struct Connector {
    runner: ConnectorRunner,
    kind: ConnectorKind,
    props: Props,
    placeholders: Arc<Placeholders>,
    listener: Arc<dyn ConnectorListener>,
}

struct Task {
    stop: CancellationToken,
    target: watch::Sender<TargetState>,
    listener: Arc<Muted>,
    handle: JoinHandle<()>,
}

/// Passes on what a task says, until the task is given up: a cancelled task must not write its status any more.
struct Muted(Mutex<Option<Arc<dyn TaskListener>>>);

impl Muted {
    fn listener(&self) -> Option<Arc<dyn TaskListener>> {
        lock(&self.0).clone()
    }
}

impl TaskListener for Muted {
    fn on_event(&self, id: &TaskId, event: TaskEvent) {
        if let Some(listener) = self.listener() {
            listener.on_event(id, event);
        }
    }

    fn on_active_topic(&self, id: &TaskId, topic: &str) {
        if let Some(listener) = self.listener() {
            listener.on_active_topic(id, topic);
        }
    }
}

impl Worker {
    /// A worker that runs nothing yet.
    pub fn new(
        config: Arc<WorkerConfig>,
        plugins: Arc<Plugins>,
        offsets: Arc<dyn OffsetStore>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Worker {
        secrets::keep(secrets::in_connector(&plugins, &config.props));
        let (producers, offset_topics) = (Arc::<Producers>::default(), OffsetTopics::default());
        let shared = Shared { config, plugins, offsets, clock, producers, offset_topics, metrics };
        Worker {
            shared: Arc::new(shared),
            connectors: Mutex::default(),
            made_from: Fingerprints::default(),
            tasks: Mutex::default(),
        }
    }

    /// Makes and starts a connector.
    ///
    /// # Errors
    /// When it is running already, its class is not there, or its `start` fails; nothing runs then.
    pub async fn start_connector(&self, name: &str, props: Props, listener: Arc<dyn ConnectorListener>) -> Result<()> {
        let outcome = self.make_connector(name, props, listener).await;
        self.shared.metrics.started(StartupKind::Connector, outcome.is_ok());
        outcome
    }

    async fn make_connector(&self, name: &str, props: Props, listener: Arc<dyn ConnectorListener>) -> Result<()> {
        if lock(&self.connectors).contains_key(name) {
            return Err(Error::fatal(format!("Connector with name {name} already exists")));
        }
        let resolved = self.shared.resolve(&props)?;
        let (given, props) = (props, resolved.props.clone());
        let kind = self.kind_of(&props)?;
        let name_shared: Arc<str> = name.into();
        let offsets: Option<Arc<dyn OffsetReader>> = match &kind {
            ConnectorKind::Source(_) => {
                let store = self.shared.offsets_of(name, &props).await?.store;
                Some(Arc::new(ConnectorOffsets::new(store, name_shared.clone())))
            }
            ConnectorKind::Sink(_) => None,
        };
        let connector = kind.plugin().connector();
        let runner = ConnectorRunner::start(connector, name_shared, props.clone(), offsets, listener.clone()).await?;
        let placeholders = Arc::new(Placeholders::watch(name, given, resolved, listener.clone()));
        let connector = Connector { runner, kind, props, placeholders, listener };
        lock(&self.connectors).insert(name.to_owned(), connector);
        Ok(())
    }

    /// Stops a connector; one that does not stop in time is cut off. Does nothing when it is not running.
    pub async fn stop_connector(&self, name: &str) {
        let connector = lock(&self.connectors).remove(name);
        if let Some(connector) = connector {
            connector.runner.stop(CONNECTOR_STOP_GRACE).await;
        }
    }

    /// Whether the connector is running.
    pub fn is_connector_running(&self, name: &str) -> bool {
        lock(&self.connectors).contains_key(name)
    }

    /// The task configs of a running connector, at most `tasks.max` of them, each with `task.class`, and for sinks the
    /// topics.
    ///
    /// # Errors
    /// When it is not running, or what its `task_configs` says; `Kind::Remote` may be tried again.
    pub async fn connector_task_configs(&self, name: &str) -> Result<Vec<Props>> {
        let (commands, kind, props, placeholders, listener) = {
            let connectors = lock(&self.connectors);
            let connector = connectors
                .get(name)
                .ok_or_else(|| Error::fatal(format!("Connector {name} not found in this worker.")))?;
            let (runner, kind, props) = (connector.runner.commands(), connector.kind.clone(), connector.props.clone());
            (runner, kind, props, connector.placeholders.clone(), connector.listener.clone())
        };
        let config = ConnectorConfig::parse(&props)?;
        let max = usize::try_from(config.tasks_max).unwrap_or(1);
        let mut tasks = ConnectorRunner::task_configs(commands, max).await?;
        if tasks.len() > max {
            let text = format!(
                "The connector {name} has generated {} tasks, which is greater than {max}, the maximum number of tasks \
                 it is configured to create. ",
                tasks.len()
            );
            if config.tasks_max_enforce {
                return Err(Error::fatal(text).with_class("org.apache.kafka.connect.errors.TooManyTasksException"));
            }
            tracing::warn!("{text}");
        }
        let inherited: &[&str] = match kind {
            ConnectorKind::Source(_) => &[],
            ConnectorKind::Sink(_) => &["topics", "topics.regex"],
        };
        for task in &mut tasks {
            task.set("task.class", kind.plugin().task_class());
            for key in inherited {
                if let Some(value) = props.get_nullable(key) {
                    task.set_nullable(*key, value.map(str::to_owned));
                }
            }
        }
        if self.made_from.only_values_changed(name, placeholders.fingerprint()) {
            listener.on_values_changed(name);
        }
        Ok(tasks.iter().map(|task| placeholders.restored(task)).collect())
    }

    /// Starts a task. How it fares, its listener hears.
    ///
    /// # Errors
    /// When the task is running already.
    pub fn start_task(&self, start: TaskStart) -> Result<()> {
        let mut tasks = lock(&self.tasks);
        if tasks.get(&start.id).is_some_and(|task| !task.handle.is_finished()) {
            return Err(Error::fatal(format!("Task already exists in this worker: {}", start.id)));
        }
        let id = start.id.clone();
        let stop = CancellationToken::new();
        let (target, target_seen) = watch::channel(start.target);
        let listener = Arc::new(Muted(Mutex::new(Some(start.listener.clone()))));
        let future = live(self.shared.clone(), start, listener.clone(), stop.clone(), target_seen);
        let context =
            tracing::error_span!("task", connector.context = %format_args!("[{}|task-{}] ", id.connector, id.task));
        let handle = spawn(TaskKind::Task, future.instrument(context));
        tasks.insert(id, Task { stop, target, listener, handle });
        Ok(())
    }

    /// Stops tasks. All of them together get `task.shutdown.graceful.timeout.ms`; then they are cut off and not heard of
    /// any more. Ids that are not running are passed over.
    pub async fn stop_tasks(&self, ids: &[TaskId]) {
        let stopping: Vec<(TaskId, Task)> = {
            let mut tasks = lock(&self.tasks);
            ids.iter().filter_map(|id| Some((id.clone(), tasks.remove(id)?))).collect()
        };
        for (_, task) in &stopping {
            task.stop.cancel();
        }
        let grace = self.shared.config.common.task_shutdown_graceful_timeout_ms;
        let deadline = Instant::now() + Duration::from_millis(u64::try_from(grace).unwrap_or(0));
        for (id, mut task) in stopping {
            if timeout_at(deadline, &mut task.handle).await.is_err() {
                tracing::error!(task = %id, "graceful stop of the task failed, it is cancelled");
                lock(&task.listener.0).take();
                task.handle.abort();
            }
            self.shared.metrics.forget_task(&id);
        }
    }

    /// Pauses or resumes all tasks of a connector.
    pub fn set_target(&self, connector: &str, target: TargetState) {
        for (_, task) in lock(&self.tasks).iter().filter(|(id, _)| &*id.connector == connector) {
            task.target.send_replace(target);
        }
    }

    /// Where the offsets of the source `name` are.
    ///
    /// # Errors
    /// When the connector's own offsets topic cannot be used.
    pub async fn source_offsets(&self, name: &str, props: &Props) -> Result<Arc<dyn OffsetStore>> {
        Ok(self.shared.offsets_of(name, props).await?.store)
    }

    /// Stores offsets of the source `name`, whose tasks do not run; in a transaction when sources deliver exactly once.
    ///
    /// # Errors
    /// When they may not be durable.
    pub async fn alter_source_offsets(&self, name: &str, props: &Props, changes: Vec<OffsetChange>) -> Result<()> {
        let exactly_once = self.shared.config.exactly_once() == ExactlyOnce::Enabled;
        let producer = exactly_once.then(|| self.shared.transactional_producer(name, props, 0));
        self.shared.offsets_of(name, props).await?.alter(name, changes, producer).await
    }

    /// Fences the producers of the first `tasks` tasks of the source `name`, with the connector's admin settings.
    ///
    /// # Errors
    /// When one cannot be fenced.
    pub async fn fence_source_tasks(&self, name: &str, props: &Props, tasks: u32) -> Result<()> {
        let admin = ClientSettings::task_admin(&self.shared.config.props, props, name).native(Role::Admin)?;
        let fence = |task| {
            let (admin, id) = (admin.clone(), self.shared.transactional_id(name, task));
            async move { fence_producer(&admin, &id).await }
        };
        let fencing = futures::stream::iter((0..tasks).map(fence)).buffer_unordered(FENCED_AT_ONCE);
        fencing.try_collect::<Vec<()>>().await.map(|_| ())
    }

    /// Ids of all tasks that were started and not stopped, failed ones among them.
    pub fn task_ids(&self) -> Vec<TaskId> {
        lock(&self.tasks).keys().cloned().collect()
    }

    /// Stops everything.
    pub async fn shutdown(&self) {
        let connectors: Vec<(String, Connector)> = lock(&self.connectors).drain().collect();
        let connectors = connectors.into_iter().map(|(_, connector)| connector.runner.stop(CONNECTOR_STOP_GRACE));
        let tasks = self.task_ids();
        tokio::join!(futures::future::join_all(connectors), self.stop_tasks(&tasks));
    }

    fn kind_of(&self, props: &Props) -> Result<ConnectorKind> {
        kind_of(&self.shared.plugins, props)
    }
}

fn kind_of(plugins: &Plugins, props: &Props) -> Result<ConnectorKind> {
    let class = props.get("connector.class").unwrap_or_default().trim();
    plugins.connector(class).ok_or_else(|| {
        Error::config(format!("Failed to find any class that implements Connector and which name matches {class}"))
            .with_class("org.apache.kafka.connect.errors.ConnectException")
    })
}

/// A task from its start to its end. Whatever happens inside, its listener hears of the end once.
async fn live(
    shared: Arc<Shared>,
    start: TaskStart,
    listener: Arc<Muted>,
    stop: CancellationToken,
    target: watch::Receiver<TargetState>,
) {
    let id = start.id.clone();
    let metrics = shared.metrics.task(&id, is_source(&shared, &start), used_plugins(&shared, &start));
    let outcome = guarded(work(shared.clone(), start, listener.clone(), metrics.clone(), stop, target)).await;
    let end = if outcome.is_ok() { TaskState::Destroyed } else { TaskState::Failed };
    if metrics.enter(end) {
        shared.metrics.started(StartupKind::Task, false);
    }
    match outcome {
        Ok(()) => listener.on_event(&id, TaskEvent::Stopped),
        Err(error) if error.kind().disposition() == Disposition::StopQuietly => {
            tracing::info!(task = %id, %error, "the task was fenced off and ends");
        }
        Err(error) => {
            let retriable = error.kind().disposition() == Disposition::Retry;
            tracing::error!(task = %id, %error, "the task failed and will not run again until it is restarted");
            let trace = error.trace();
            let event = match was_fenced(&error) {
                true => TaskEvent::Fenced { trace },
                false => TaskEvent::Failed { trace, retriable },
            };
            listener.on_event(&id, event);
        }
    }
}

/// Whether a successor's producer is behind the failure.
fn was_fenced(error: &Error) -> bool {
    std::iter::successors(Some(error), |error| error.cause()).any(|error| error.kind() == Kind::Fenced)
}

async fn work(
    shared: Arc<Shared>,
    start: TaskStart,
    listener: Arc<Muted>,
    metrics: Arc<TaskMetrics>,
    stop: CancellationToken,
    target: watch::Receiver<TargetState>,
) -> Result<()> {
    let TaskStart { id, connector_props, task_props, preflight, .. } = start;
    let connector_props = shared.resolve(&connector_props)?.props;
    let task_props = shared.resolve(&task_props)?.props;
    let kind = kind_of(&shared.plugins, &connector_props)?;
    let config = ConnectorConfig::parse(&connector_props)?;
    let run = TaskRun { id, shared, connector_props, task_props, config, listener, metrics, stop, target, preflight };
    match kind {
        ConnectorKind::Source(plugin) => Box::pin(source_task::run(run, plugin)).await,
        ConnectorKind::Sink(plugin) => Box::pin(sink_task::run(run, plugin)).await,
    }
}

fn is_source(shared: &Shared, start: &TaskStart) -> bool {
    matches!(kind_of(&shared.plugins, &start.connector_props), Ok(ConnectorKind::Source(_)))
}

fn used_plugins(shared: &Shared, start: &TaskStart) -> Vec<PluginUse> {
    plugins_of(&shared.plugins, &shared.config.props, &start.connector_props, &start.task_props)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
