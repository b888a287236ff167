//! Commits of a source task's offsets: when one is due, and what it carries.

use std::sync::Arc;
use std::time::Duration;

use couplet_api::source::Durable;
use couplet_api::{Error, Result};
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::submitted::Submitted;
use crate::metrics::TaskMetrics;
use crate::storage::OffsetStore;

/// What is acknowledged after a rest waits so long for what belongs to it: the records of one change come one after another.
const SETTLE: Duration = Duration::from_millis(100);

/// Offsets on their way into the store, at most one set at a time.
pub(super) struct OffsetCommit {
    store: Arc<dyn OffsetStore>,
    connector: Arc<str>,
    interval: Duration,
    timeout: Duration,
    due: Instant,
    /// Offsets of a commit that failed and of partitions that have no newer one.
    unstored: Vec<Durable>,
    running: Option<BoxFuture<'static, (Vec<Durable>, Result<()>)>>,
    /// When the running commit began.
    began: Instant,
    metrics: Arc<TaskMetrics>,
}

impl OffsetCommit {
    /// Nothing to commit yet.
    pub(super) fn new(
        store: Arc<dyn OffsetStore>,
        connector: Arc<str>,
        interval: Duration,
        timeout: Duration,
        metrics: Arc<TaskMetrics>,
    ) -> Self {
        let began = Instant::now();
        let (due, unstored) = (began + interval, Vec::new());
        OffsetCommit { store, connector, interval, timeout, due, unstored, running: None, began, metrics }
    }

    /// When the next commit is due; `None` while there is nothing to commit or one is running.
    pub(super) fn due(&self, submitted: &Submitted) -> Option<Instant> {
        let wanted = submitted.has_committable() || !self.unstored.is_empty();
        (wanted && self.running.is_none()).then_some(self.due)
    }

    /// Something may be committed again.
    pub(super) fn woken(&mut self) {
        self.due = self.due.max(Instant::now() + SETTLE.min(self.interval));
    }

    /// Begins a commit of everything that may be committed, unless one is running or there is nothing.
    pub(super) fn begin(&mut self, submitted: &mut Submitted) {
        if self.running.is_some() {
            return;
        }
        self.began = Instant::now();
        self.due = self.began + self.interval;
        let durable = self.collect(submitted);
        if durable.is_empty() {
            return;
        }
        let (store, connector, timeout) = (self.store.clone(), self.connector.clone(), self.timeout);
        self.running = Some(Box::pin(async move {
            let changes = durable.iter().map(|d| (d.partition.clone(), Some(d.offset.to_map()))).collect();
            let outcome = match tokio::time::timeout(timeout, store.put(&connector, changes)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Error::remote("Timed out waiting to flush offsets to storage")),
            };
            (durable, outcome)
        }));
    }

    /// The newest offset of each partition.
    fn collect(&mut self, submitted: &mut Submitted) -> Vec<Durable> {
        let mut durable: Vec<Durable> =
            submitted.take_committable().into_iter().map(|(partition, offset)| Durable { partition, offset }).collect();
        for old in self.unstored.drain(..) {
            if !durable.iter().any(|new| new.partition == old.partition) {
                durable.push(old);
            }
        }
        durable
    }

    /// Waits for the running commit, for ever if there is none. Returns what is durable now, nothing after a failure,
    /// which is logged: the next commit carries the same offsets or newer ones. Cancel-safe.
    pub(super) async fn finished(&mut self) -> Vec<Durable> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let (durable, outcome) = running.await;
        self.running = None;
        self.metrics.committed(outcome.is_ok(), self.began.elapsed());
        match outcome {
            Ok(()) => durable,
            Err(error) => {
                tracing::warn!(connector = %self.connector, %error, "failed to commit offsets");
                self.unstored = durable;
                Vec::new()
            }
        }
    }

    /// Whether a commit is running.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use couplet_api::config::Props;
    use couplet_api::data::{OffsetMap, Value};

    use super::*;
    use crate::metrics::Metrics;
    use crate::storage::OffsetChange;
    use crate::worker::TaskId;

    /// Fails as often as it is told.
    #[derive(Default)]
    struct Store {
        failures: Mutex<usize>,
        stored: Mutex<Vec<OffsetChange>>,
    }

    #[async_trait]
    impl OffsetStore for Store {
        async fn get(&self, _: &str, _: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
            Ok(Vec::new())
        }

        async fn list(&self, _: &str) -> Result<Vec<(OffsetMap, OffsetMap)>> {
            Ok(Vec::new())
        }

        async fn put(&self, _: &str, changes: Vec<OffsetChange>) -> Result<()> {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(Error::remote("away"));
            }
            self.stored.lock().unwrap().extend(changes);
            Ok(())
        }
    }

    fn map(key: &str, n: i64) -> OffsetMap {
        OffsetMap::new([(key, Value::Int64(n))])
    }

    #[tokio::test]
    async fn a_failed_commit_is_made_up_for_by_the_next() {
        let store = Arc::new(Store { failures: Mutex::new(1), ..Store::default() });
        let second = Duration::from_secs(1);
        let id = TaskId { connector: "c".into(), task: 0 };
        let metrics = Metrics::new("w:1".into(), &Props::new()).task(&id, true, Vec::new());
        let mut commit = OffsetCommit::new(store.clone(), "c".into(), second, second, metrics);
        let mut submitted = Submitted::default();
        assert_eq!(commit.due(&submitted), None, "nothing to commit");
        for (partition, offset) in [(1, 10), (2, 20)] {
            let token = submitted.submit(&map("p", partition), Arc::new(map("o", offset)), 1);
            submitted.done(token);
        }
        assert!(commit.due(&submitted).is_some());
        commit.begin(&mut submitted);
        assert!(commit.due(&submitted).is_none(), "one at a time");
        assert!(commit.finished().await.is_empty(), "it failed");

        let token = submitted.submit(&map("p", 2), Arc::new(map("o", 21)), 1);
        submitted.done(token);
        commit.begin(&mut submitted);
        assert_eq!(commit.finished().await.len(), 2);
        let mut stored = store.stored.lock().unwrap().clone();
        stored.sort_by_key(|(partition, _)| partition.get("p").and_then(Value::as_i64));
        assert_eq!(stored, [(map("p", 1), Some(map("o", 10))), (map("p", 2), Some(map("o", 21)))]);
    }
}
