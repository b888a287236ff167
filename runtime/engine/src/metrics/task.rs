//! What one task notes about itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::latency::Latency;
use super::own::OwnMetrics;
use super::sampled::{Sampling, Series};

/// What a task does, as metrics tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskState {
    /// It was started and is not ready.
    Unassigned,
    /// It runs.
    Running,
    /// It rests.
    Paused,
    /// It failed.
    Failed,
    /// It ended.
    Destroyed,
}

impl TaskState {
    /// The word in `status`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            TaskState::Unassigned => "unassigned",
            TaskState::Running => "running",
            TaskState::Paused => "paused",
            TaskState::Failed => "failed",
            TaskState::Destroyed => "destroyed",
        }
    }
}

/// A plugin that a task uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginUse {
    /// `transform`, `predicate`, `key-converter`, `value-converter`, `header-converter`, `connector` or `task`.
    pub(crate) role: &'static str,
    /// Alias of a transform or predicate; empty for others.
    pub(crate) alias: String,
    /// Class name.
    pub(crate) class: String,
    /// Version of the plugin.
    pub(crate) version: String,
}

/// Everything that is counted or sampled.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) state: TaskState,
    began: Instant,
    state_since: Instant,
    running: Duration,
    paused: Duration,
    pub(crate) batch: Series,
    pub(crate) commit_ms: Series,
    /// 1 for each commit that worked, 0 for each that did not.
    pub(crate) commit_success: Series,
    /// Milliseconds of `poll` or `put`.
    pub(crate) batch_ms: Series,
    /// Records polled by a source, read by a sink.
    pub(crate) taken: Series,
    pub(crate) taken_total: u64,
    /// Records a source wrote to Kafka, or a sink gave to its task.
    pub(crate) passed: Series,
    pub(crate) passed_total: u64,
    pub(crate) active: Series,
    pub(crate) active_now: u64,
    pub(crate) partitions: u64,
    pub(crate) commit_seq_no: u64,
    pub(crate) completion: Series,
    pub(crate) completion_total: u64,
    pub(crate) skip: Series,
    pub(crate) skip_total: u64,
    pub(crate) errors: ErrorFigures,
    /// From the source's commit to Kafka's answer, or from Kafka to the sink's commit.
    pub(crate) latency: Latency,
    /// Records of each transaction, of a task that has some.
    pub(crate) transaction: Option<Series>,
}

/// Counts of `task-error-metrics`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ErrorFigures {
    pub(crate) failures: u64,
    pub(crate) errors: u64,
    pub(crate) skipped: u64,
    pub(crate) retries: u64,
    pub(crate) logged: u64,
    pub(crate) letters: u64,
    pub(crate) letters_failed: u64,
    /// Milliseconds since the epoch; 0 before the first.
    pub(crate) last_ms: i64,
}

/// The figures of one task, from its start until it is started anew. Noted once per batch.
#[derive(Debug)]
pub(crate) struct TaskMetrics {
    /// Whether it is a source's.
    pub(crate) is_source: bool,
    /// The plugins it uses.
    pub(crate) plugins: Vec<PluginUse>,
    /// Those of the plugin's own.
    pub(crate) own: Arc<OwnMetrics>,
    figures: Mutex<Figures>,
}

impl TaskMetrics {
    /// A task that was just started.
    pub(crate) fn new(is_source: bool, plugins: Vec<PluginUse>, sampling: Sampling) -> Self {
        let (now, series) = (Instant::now(), || Series::new(sampling));
        let figures = Figures {
            state: TaskState::Unassigned,
            began: now,
            state_since: now,
            running: Duration::ZERO,
            paused: Duration::ZERO,
            batch: series(),
            commit_ms: series(),
            commit_success: series(),
            batch_ms: series(),
            taken: series(),
            taken_total: 0,
            passed: series(),
            passed_total: 0,
            active: series(),
            active_now: 0,
            partitions: 0,
            commit_seq_no: 0,
            completion: series(),
            completion_total: 0,
            skip: series(),
            skip_total: 0,
            errors: ErrorFigures::default(),
            latency: Latency::default(),
            transaction: None,
        };
        TaskMetrics { is_source, plugins, own: Arc::default(), figures: Mutex::new(figures) }
    }

    /// All figures, for reading.
    pub(crate) fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task is in `state` from now on. Returns whether this decides about its start: it is up for the first time, or
    /// failed before it was.
    pub(crate) fn enter(&self, state: TaskState) -> bool {
        let mut figures = self.figures();
        let decides = figures.state == TaskState::Unassigned && state != TaskState::Destroyed;
        figures.enter(state, Instant::now());
        decides
    }

    /// A poll or a read brought `records`; `took` is the time of a poll.
    pub(crate) fn took(&self, records: usize, took: Option<Duration>) {
        let (mut figures, now) = (self.figures(), Instant::now());
        figures.taken.note(now, records as f64);
        figures.taken_total += records as u64;
        figures.active_now += records as u64;
        let active = figures.active_now;
        figures.active.note(now, active as f64);
        if let Some(took) = took {
            figures.batch.note(now, records as f64);
            figures.batch_ms.note(now, millis(took));
        }
    }

    /// A source's `records` are done: `written` of them are in Kafka, the others were dropped or skipped.
    pub(crate) fn wrote(&self, records: usize, written: usize) {
        let (mut figures, now) = (self.figures(), Instant::now());
        figures.passed.note(now, written as f64);
        figures.passed_total += written as u64;
        figures.active_now = figures.active_now.saturating_sub(records as u64);
        let active = figures.active_now;
        figures.active.note(now, active as f64);
    }

    /// A sink's task took a batch of `records`.
    pub(crate) fn put(&self, records: usize, took: Duration) {
        let (mut figures, now) = (self.figures(), Instant::now());
        figures.batch.note(now, records as f64);
        figures.batch_ms.note(now, millis(took));
        figures.passed.note(now, records as f64);
        figures.passed_total += records as u64;
    }

    /// A sink has so many partitions, and so many records that are read and not committed.
    pub(crate) fn holds(&self, partitions: usize, active: u64) {
        let (mut figures, now) = (self.figures(), Instant::now());
        figures.partitions = partitions as u64;
        figures.active_now = active;
        figures.active.note(now, active as f64);
    }

    /// So many milliseconds took records until they were where they belong; each with their number.
    pub(crate) fn arrived(&self, latencies: &[(u64, u64)]) {
        let mut figures = self.figures();
        for (ms, records) in latencies {
            figures.latency.note(*ms, *records);
        }
    }

    /// The task writes in transactions.
    pub(crate) fn writes_transactions(&self) {
        let mut figures = self.figures();
        figures.transaction = Some(figures.taken.empty());
    }

    /// A transaction of so many records was committed.
    pub(crate) fn transacted(&self, records: u64) {
        if let Some(sizes) = &mut self.figures().transaction {
            sizes.note(Instant::now(), records as f64);
        }
    }

    /// A commit of offsets began.
    pub(crate) fn commit_began(&self) {
        self.figures().commit_seq_no += 1;
    }

    /// A commit of offsets ended.
    pub(crate) fn committed(&self, success: bool, took: Duration) {
        let (mut figures, now) = (self.figures(), Instant::now());
        figures.commit_ms.note(now, millis(took));
        figures.commit_success.note(now, f64::from(u8::from(success)));
        if success {
            figures.completion.note(now, 1.0);
            figures.completion_total += 1;
        }
    }

    /// A commit was due while another was under way, or there was nothing to commit.
    pub(crate) fn commit_skipped(&self) {
        let (mut figures, now) = (self.figures(), Instant::now());
        figures.skip.note(now, 1.0);
        figures.skip_total += 1;
    }

    /// An operation on a record failed at `now_ms` since the epoch and will be tried again.
    pub(crate) fn retried(&self, now_ms: i64) {
        let errors = &mut self.figures().errors;
        errors.failures += 1;
        errors.retries += 1;
        errors.last_ms = now_ms;
    }

    /// A record failed for good at `now_ms` since the epoch; it was skipped, or fails the task.
    pub(crate) fn failed(&self, skipped: bool, now_ms: i64) {
        let errors = &mut self.figures().errors;
        errors.failures += 1;
        *(if skipped { &mut errors.skipped } else { &mut errors.errors }) += 1;
        errors.last_ms = now_ms;
    }

    /// A failure was logged.
    pub(crate) fn logged(&self) {
        self.figures().errors.logged += 1;
    }

    /// A record was given to the dead letter queue, which took it or not.
    pub(crate) fn buried(&self, success: bool) {
        let errors = &mut self.figures().errors;
        errors.letters += 1;
        errors.letters_failed += u64::from(!success);
    }
}

impl Figures {
    fn enter(&mut self, state: TaskState, now: Instant) {
        let spent = now.saturating_duration_since(self.state_since);
        match self.state {
            TaskState::Running => self.running += spent,
            TaskState::Paused => self.paused += spent,
            TaskState::Unassigned | TaskState::Failed | TaskState::Destroyed => {}
        }
        (self.state, self.state_since) = (state, now);
    }

    /// The parts of its life that the task ran and rested.
    pub(crate) fn ratios(&self, now: Instant) -> (f64, f64) {
        let (life, spent) =
            (now.saturating_duration_since(self.began), now.saturating_duration_since(self.state_since));
        let part = |before: Duration, state| {
            let time = if self.state == state { before + spent } else { before };
            if life.is_zero() { 0.0 } else { time.as_secs_f64() / life.as_secs_f64() }
        };
        (part(self.running, TaskState::Running), part(self.paused, TaskState::Paused))
    }
}

fn millis(duration: Duration) -> f64 {
    // Kafka measures whole milliseconds; fractions tell more and break nothing.
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use couplet_api::config::Props;

    use super::*;

    #[test]
    fn ratios_are_parts_of_the_whole_life() {
        let metrics = TaskMetrics::new(true, Vec::new(), Sampling::of(&Props::new()));
        let mut figures = metrics.figures();
        let begin = figures.began;
        let at = |seconds| begin + Duration::from_secs(seconds);
        figures.enter(TaskState::Running, at(10));
        figures.enter(TaskState::Paused, at(40));
        figures.enter(TaskState::Running, at(60));
        let (running, paused) = figures.ratios(at(100));
        assert!((running - 0.7).abs() < 1e-9 && (paused - 0.2).abs() < 1e-9, "{running} {paused}");
    }

    #[test]
    fn records_are_active_until_they_are_written() {
        let metrics = TaskMetrics::new(true, Vec::new(), Sampling::of(&Props::new()));
        metrics.took(10, Some(Duration::from_millis(3)));
        metrics.wrote(4, 3);
        let mut figures = metrics.figures();
        assert_eq!((figures.active_now, figures.taken_total, figures.passed_total), (6, 10, 3));
        assert_eq!(figures.active.max(Instant::now()), 10.0);
    }
}
