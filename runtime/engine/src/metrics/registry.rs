//! The figures of a whole worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use couplet_api::config::Props;

use super::group::GroupMetrics;
use super::sampled::{Sampling, Series};
use super::task::{PluginUse, TaskMetrics};
use crate::worker::TaskId;

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartupKind {
    /// A connector.
    Connector,
    /// A task.
    Task,
}

/// Starts of connectors, or of tasks.
#[derive(Debug)]
pub(super) struct Startups {
    pub(super) attempts: u64,
    pub(super) successes: u64,
    /// 1 for each start that worked, 0 for each that did not.
    pub(super) success: Series,
}

/// What a worker measures. One for all its parts; cheap to note into.
#[derive(Debug)]
pub struct Metrics {
    sampling: Sampling,
    /// `host:port` of the worker, as states name it.
    pub(super) worker_id: String,
    /// Milliseconds since the epoch.
    pub(super) started_ms: u128,
    tasks: Mutex<BTreeMap<TaskId, Arc<TaskMetrics>>>,
    connector_starts: Mutex<Startups>,
    task_starts: Mutex<Startups>,
    /// Of a distributed worker.
    group: OnceLock<Arc<GroupMetrics>>,
}

impl Metrics {
    /// Of the worker that states call `worker_id`, with these properties.
    pub fn new(worker_id: String, worker: &Props) -> Self {
        let sampling = Sampling::of(worker);
        let startups = || Mutex::new(Startups { attempts: 0, successes: 0, success: Series::new(sampling) });
        let started_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Metrics {
            sampling,
            worker_id,
            started_ms,
            tasks: Mutex::default(),
            connector_starts: startups(),
            task_starts: startups(),
            group: OnceLock::new(),
        }
    }

    /// The figures of a task that starts now.
    pub(crate) fn task(&self, id: &TaskId, is_source: bool, plugins: Vec<PluginUse>) -> Arc<TaskMetrics> {
        let metrics = Arc::new(TaskMetrics::new(is_source, plugins, self.sampling));
        lock(&self.tasks).insert(id.clone(), metrics.clone());
        metrics
    }

    /// The task is gone from this worker.
    pub(crate) fn forget_task(&self, id: &TaskId) {
        lock(&self.tasks).remove(id);
    }

    /// A start ended, well or not.
    pub(crate) fn started(&self, kind: StartupKind, success: bool) {
        let mut starts = self.startups(kind);
        starts.attempts += 1;
        starts.successes += u64::from(success);
        starts.success.note(Instant::now(), f64::from(u8::from(success)));
    }

    /// The figures of the worker's membership, which are told of from now on.
    pub(crate) fn join_group(&self) -> Arc<GroupMetrics> {
        self.group.get_or_init(|| Arc::new(GroupMetrics::new(self.sampling))).clone()
    }

    /// The figures of the worker's membership, if it is distributed.
    pub(super) fn group(&self) -> Option<&GroupMetrics> {
        self.group.get().map(Arc::as_ref)
    }

    pub(super) fn startups(&self, kind: StartupKind) -> MutexGuard<'_, Startups> {
        lock(match kind {
            StartupKind::Connector => &self.connector_starts,
            StartupKind::Task => &self.task_starts,
        })
    }

    /// All tasks there are, in order.
    pub(super) fn tasks(&self) -> Vec<(TaskId, Arc<TaskMetrics>)> {
        lock(&self.tasks).iter().map(|(id, metrics)| (id.clone(), metrics.clone())).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
