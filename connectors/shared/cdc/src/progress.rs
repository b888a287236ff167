//! How far a snapshot of whole tables has come, as metrics: Debezium's snapshot metrics, under the names that the usual rules
//! of the Prometheus JMX exporter give them (`debezium_metrics_RowsScanned`), so that dashboards for Debezium work.
//!
//! Contract: Debezium's documentation, "Monitoring", snapshot metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use couplet_api::metrics::{MetricName, PluginMetrics};

use crate::filter::TableId;
use crate::notification::{Notice, Snapshot};

/// Rows of one table that were read.
#[derive(Debug, Clone, Default)]
pub struct ScannedRows(Arc<AtomicU64>);

impl ScannedRows {
    /// So many more.
    pub fn add(&self, rows: u64) {
        self.0.fetch_add(rows, Ordering::Relaxed);
    }
}

/// Where a snapshot stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// None was begun.
    #[default]
    None,
    Running,
    Completed,
    Aborted,
    Skipped,
}

#[derive(Debug, Default)]
struct State {
    stage: Stage,
    begun: Option<Instant>,
    ended: Option<Instant>,
    tables: u64,
    remaining: u64,
    /// Metrics of the tables of this snapshot.
    rows: Vec<MetricName>,
}

impl State {
    fn end(&mut self, stage: Stage) {
        self.stage = stage;
        self.ended = Some(Instant::now());
    }

    fn seconds(&self) -> u64 {
        let until = self.ended.unwrap_or_else(Instant::now);
        self.begun.map_or(0, |begun| until.saturating_duration_since(begun).as_secs())
    }
}

/// The metrics of the snapshots of one task.
pub struct SnapshotProgress {
    metrics: Arc<dyn PluginMetrics>,
    plugin: &'static str,
    server: String,
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SnapshotProgress {
    /// Of the connector `plugin` (`postgres`, `mysql`) for the server whose logical name is `server`.
    pub fn new(metrics: Arc<dyn PluginMetrics>, plugin: &'static str, server: &str) -> Self {
        let progress = SnapshotProgress { metrics, plugin, server: server.to_owned(), state: Arc::default() };
        let is = |stage| move |state: &State| u64::from(state.stage == stage);
        progress.add("TotalTableCount", "Tables of the snapshot", |state| state.tables);
        progress.add("RemainingTableCount", "Tables that are not read yet", |state| state.remaining);
        progress.add("SnapshotRunning", "Whether a snapshot is being taken", is(Stage::Running));
        progress.add("SnapshotCompleted", "Whether the snapshot is complete", is(Stage::Completed));
        progress.add("SnapshotAborted", "Whether the snapshot failed", is(Stage::Aborted));
        progress.add("SnapshotSkipped", "Whether none was due", is(Stage::Skipped));
        progress.add("SnapshotDurationInSeconds", "How long the snapshot took so far", State::seconds);
        progress
    }

    fn name(&self, name: &'static str, description: &'static str) -> MetricName {
        let tags =
            vec![("plugin", self.plugin.to_owned()), ("name", self.server.clone()), ("context", "snapshot".to_owned())];
        MetricName { group: "debezium_metrics", name, description, tags }
    }

    fn add(
        &self,
        name: &'static str,
        description: &'static str,
        value: impl Fn(&State) -> u64 + Send + Sync + 'static,
    ) {
        let state = self.state.clone();
        self.metrics.add_metric(self.name(name, description), Arc::new(move || value(&lock(&state)) as f64));
    }

    /// These tables are about to be read; where their rows are counted, in their order.
    pub fn tables(&self, tables: &[TableId]) -> Vec<ScannedRows> {
        let mut state = lock(&self.state);
        (state.tables, state.remaining) = (tables.len() as u64, tables.len() as u64);
        for earlier in state.rows.drain(..) {
            self.metrics.remove_metric(&earlier);
        }
        let mut scanned = Vec::with_capacity(tables.len());
        for table in tables {
            let mut name = self.name("RowsScanned", "Rows that were read of a table");
            name.tags.push(("table", table.to_string()));
            let rows = ScannedRows::default();
            let counted = rows.0.clone();
            self.metrics.add_metric(name.clone(), Arc::new(move || counted.load(Ordering::Relaxed) as f64));
            state.rows.push(name);
            scanned.push(rows);
        }
        scanned
    }

    /// Follows what is told of snapshots.
    pub fn note(&self, notice: &Notice) {
        if notice.about != Snapshot::Initial {
            return;
        }
        let mut state = lock(&self.state);
        match notice.kind {
            "STARTED" => {
                state.stage = Stage::Running;
                (state.begun, state.ended) = (Some(Instant::now()), None);
            }
            "TABLE_SCAN_COMPLETED" => state.remaining = state.remaining.saturating_sub(1),
            "COMPLETED" => {
                // A table that was dropped meanwhile is not read.
                state.remaining = 0;
                state.end(Stage::Completed);
            }
            "ABORTED" => state.end(Stage::Aborted),
            // A stream behind a snapshot of this task has nothing to skip.
            "SKIPPED" if state.stage == Stage::None => state.stage = Stage::Skipped,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::testing::MemoryMetrics;

    use super::*;
    use crate::notification::TableNotices;

    #[test]
    fn metrics_follow_a_snapshot() {
        let metrics = Arc::new(MemoryMetrics::default());
        let progress = SnapshotProgress::new(metrics.clone(), "postgres", "bank");
        let tables = [TableId::new("public", "a"), TableId::new("public", "b")];
        let notices = TableNotices::new(&tables, &tables);
        let figures = || {
            let names = ["SnapshotRunning", "SnapshotCompleted", "TotalTableCount", "RemainingTableCount"];
            names.map(|name| metrics.value(name, "bank").expect(name))
        };
        let rows = |table: &str| metrics.value("RowsScanned", table);
        assert_eq!((figures(), rows("public.a")), ([0.0; 4], None));

        progress.note(&Notice::of_initial("STARTED"));
        let scanned = progress.tables(&tables);
        scanned[0].add(5);
        progress.note(&notices.begun(&tables[0]));
        assert_eq!((figures(), rows("public.a"), rows("public.b")), ([1.0, 0.0, 2.0, 2.0], Some(5.0), Some(0.0)));
        progress.note(&notices.ended(&tables[0], 5));
        assert_eq!(figures(), [1.0, 0.0, 2.0, 1.0]);
        progress.note(&notices.ended(&tables[1], 0));
        progress.note(&Notice::of_initial("COMPLETED"));
        assert_eq!(figures(), [0.0, 1.0, 2.0, 0.0]);

        // Another one, of fewer tables, is not the sum of both.
        progress.note(&Notice::of_initial("STARTED"));
        progress.tables(&tables[1..]);
        assert_eq!((figures(), rows("public.a"), rows("public.b")), ([1.0, 0.0, 1.0, 1.0], None, Some(0.0)));
        progress.note(&Notice::of_initial("ABORTED"));
        assert_eq!(metrics.value("SnapshotAborted", "bank"), Some(1.0));
    }
}
