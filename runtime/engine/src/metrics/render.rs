//! All metrics of a worker as Prometheus reads them.

use std::collections::BTreeMap;
use std::time::Instant;

use super::latency::{Latency, QUANTILES};
use super::registry::{Metrics, StartupKind};
use super::render_group::membership;
use super::restarts;
use super::task::{ErrorFigures, Figures, TaskMetrics, TaskState};
use super::text::Exposition;
use crate::herder::{ClusterSnapshot, ConnectorSnapshot, ConnectorType};
use crate::plugins::Plugins;
use crate::worker::TaskId;

/// What the text is made from.
pub struct Sources<'a> {
    /// What tasks and starts noted.
    pub metrics: &'a Metrics,
    /// The connectors; those of other workers are theirs to tell of.
    pub snapshot: &'a ClusterSnapshot,
    /// The plugins of this worker.
    pub plugins: &'a Plugins,
    /// The version clients decide by.
    pub version: &'static str,
    /// The commit of that version.
    pub commit: &'static str,
}

/// The text of `GET /metrics`.
pub fn render(sources: &Sources<'_>) -> String {
    let (mut out, now) = (Exposition::default(), Instant::now());
    let client = format!("connect-{}", sources.metrics.worker_id);
    app_info(&mut out, sources, &client);
    if let Some(group) = sources.metrics.group() {
        membership(&mut out, group, &client, now);
    }
    let tasks = sources.metrics.tasks();
    worker(&mut out, sources, tasks.len(), now);
    connectors(&mut out, sources);
    for (name, connector) in &sources.snapshot.connectors {
        restarts::rows(&mut out, name, connector);
    }
    task_counts(&mut out, &tasks);
    for (id, metrics) in &tasks {
        task(&mut out, id, metrics, now);
    }
    out.finish()
}

fn app_info(out: &mut Exposition, sources: &Sources<'_>, client: &str) {
    const HELP: &str = "Version and start of the worker";
    let client = [("clientid", client)];
    out.row(HELP, "kafka_connect_start_time_seconds", &client, sources.metrics.started_ms as f64 / 1000.0);
    for (attribute, value) in [("version", sources.version), ("commit-id", sources.commit)] {
        out.row(HELP, &format!("kafka_connect_{attribute}_info"), &[client[0], (attribute, value)], 1.0);
    }
}

/// `connect-worker-metrics` of the whole worker.
fn worker(out: &mut Exposition, sources: &Sources<'_>, tasks: usize, now: Instant) {
    const HELP: &str = "Kafka Connect worker metric";
    out.row(HELP, "kafka_connect_worker_connector-count", &[], own_connectors(sources).count() as f64);
    out.row(HELP, "kafka_connect_worker_task-count", &[], tasks as f64);
    for (kind, name) in [(StartupKind::Connector, "connector"), (StartupKind::Task, "task")] {
        let mut starts = sources.metrics.startups(kind);
        let success = match starts.success.avg(now) {
            none if none.is_nan() => (0.0, 0.0),
            part => (part, 1.0 - part),
        };
        let rows = [
            ("attempts-total", starts.attempts as f64),
            ("success-total", starts.successes as f64),
            ("failure-total", (starts.attempts - starts.successes) as f64),
            ("success-percentage", success.0),
            ("failure-percentage", success.1),
        ];
        for (row, value) in rows {
            out.row(HELP, &format!("kafka_connect_worker_{name}-startup-{row}"), &[], value);
        }
    }
}

fn own_connectors<'a>(sources: &'a Sources<'_>) -> impl Iterator<Item = (&'a str, &'a ConnectorSnapshot)> {
    let own = |connector: &ConnectorSnapshot| {
        connector.status.as_ref().is_some_and(|status| status.worker_id == sources.metrics.worker_id)
    };
    sources.snapshot.connectors.iter().filter(move |(_, c)| own(c)).map(|(name, c)| (name.as_str(), &**c))
}

/// `connector-metrics`: words, each as a label of a row that is 1.
fn connectors(out: &mut Exposition, sources: &Sources<'_>) {
    const HELP: &str = "Kafka Connect connector metric";
    for (name, connector) in own_connectors(sources) {
        let class = connector.config.get("connector.class").unwrap_or_default().trim();
        let kind = sources.plugins.connector(class);
        let class = kind.as_ref().map_or(class, |kind| kind.plugin().class());
        let version = kind.as_ref().map_or("", |kind| kind.plugin().version());
        let status = connector.status.as_ref().map_or("unassigned", |status| status.state.name()).to_lowercase();
        let kind = match connector.kind {
            ConnectorType::Source => "source",
            ConnectorType::Sink => "sink",
            ConnectorType::Unknown => "unknown",
        };
        let words =
            [("connector-class", class), ("connector-type", kind), ("connector-version", version), ("status", &status)];
        for (attribute, word) in words {
            let labels = [("connector", name), (attribute, word)];
            out.row(HELP, &format!("kafka_connect_connector_{attribute}_info"), &labels, 1.0);
        }
    }
}

/// `connect-worker-metrics` of each connector: how many of its tasks are in which state (KIP-475).
fn task_counts(out: &mut Exposition, tasks: &[(TaskId, std::sync::Arc<TaskMetrics>)]) {
    const HELP: &str = "Tasks of the connector on this worker";
    let mut counts: BTreeMap<&str, Vec<TaskState>> = BTreeMap::new();
    for (id, metrics) in tasks {
        counts.entry(&id.connector).or_default().push(metrics.figures().state);
    }
    for (connector, states) in counts {
        let count = |state| states.iter().filter(|s| **s == state).count() as f64;
        let rows = [
            ("total", states.len() as f64),
            ("running", count(TaskState::Running)),
            ("paused", count(TaskState::Paused)),
            ("failed", count(TaskState::Failed)),
            ("unassigned", count(TaskState::Unassigned)),
            ("destroyed", count(TaskState::Destroyed)),
            // A task that restarts is stopped, then started: it is never seen between the two.
            ("restarting", 0.0),
        ];
        for (state, value) in rows {
            out.row(
                HELP,
                &format!("kafka_connect_worker_connector-{state}-task-count"),
                &[("connector", connector)],
                value,
            );
        }
    }
}

fn task(out: &mut Exposition, id: &TaskId, metrics: &TaskMetrics, now: Instant) {
    let number = id.task.to_string();
    let labels = [("connector", &*id.connector), ("task", number.as_str())];
    let mut figures = metrics.figures();
    // The one row that the usual rules name by hand.
    let status = [labels[0], labels[1], ("status", figures.state.name())];
    out.row("Kafka Connect task status", "kafka_connect_connector_status", &status, 1.0);
    plugins(out, metrics, labels);
    common(out, &mut figures, labels, now);
    if metrics.is_source {
        source(out, &mut figures, labels, now)
    } else {
        sink(out, &mut figures, labels, now)
    }
    errors(out, &figures.errors, labels);
    latency(out, &figures.latency, metrics.is_source, labels);
    metrics.own.rows(out, labels);
}

/// Classes and versions in `connector-task-metrics`, `connector-transform-metrics` and `connector-predicate-metrics`.
fn plugins(out: &mut Exposition, metrics: &TaskMetrics, labels: [(&str, &str); 2]) {
    const HELP: &str = "Plugin that the task uses";
    for plugin in &metrics.plugins {
        let role = plugin.role;
        let group = if plugin.alias.is_empty() { "task" } else { role };
        for (attribute, word) in [("class", &plugin.class), ("version", &plugin.version)] {
            let attribute = format!("{role}-{attribute}");
            let name = format!("kafka_connect_connector_{group}_{attribute}_info");
            let mut labels = labels.to_vec();
            if !plugin.alias.is_empty() {
                labels.push((role, &plugin.alias));
            }
            labels.push((&attribute, word));
            out.row(HELP, &name, &labels, 1.0);
        }
    }
    let kind = if metrics.is_source { "source" } else { "sink" };
    let labels = [labels[0], labels[1], ("connector-type", kind)];
    out.row(HELP, "kafka_connect_connector_task_connector-type_info", &labels, 1.0);
}

fn common(out: &mut Exposition, figures: &mut Figures, labels: [(&str, &str); 2], now: Instant) {
    let (running, paused) = figures.ratios(now);
    let success = figures.commit_success.avg(now);
    let (success, failure) = if success.is_nan() { (0.0, 0.0) } else { (success, 1.0 - success) };
    let rows = [
        ("running-ratio", running),
        ("pause-ratio", paused),
        ("batch-size-avg", figures.batch.avg(now)),
        ("batch-size-max", figures.batch.max(now)),
        ("offset-commit-avg-time-ms", figures.commit_ms.avg(now)),
        ("offset-commit-max-time-ms", figures.commit_ms.max(now)),
        ("offset-commit-success-percentage", success),
        ("offset-commit-failure-percentage", failure),
    ];
    rows_of(out, "connector_task", &rows, labels);
}

fn source(out: &mut Exposition, figures: &mut Figures, labels: [(&str, &str); 2], now: Instant) {
    let rows = [
        ("poll-batch-avg-time-ms", figures.batch_ms.avg(now)),
        ("poll-batch-max-time-ms", figures.batch_ms.max(now)),
        ("source-record-poll-rate", figures.taken.rate(now)),
        ("source-record-poll-total", figures.taken_total as f64),
        ("source-record-write-rate", figures.passed.rate(now)),
        ("source-record-write-total", figures.passed_total as f64),
        ("source-record-active-count", figures.active_now as f64),
        ("source-record-active-count-avg", figures.active.avg(now)),
        ("source-record-active-count-max", figures.active.max(now)),
    ];
    rows_of(out, "source_task", &rows, labels);
    if let Some(sizes) = &mut figures.transaction {
        let rows = [
            ("transaction-size-avg", sizes.avg(now)),
            ("transaction-size-max", sizes.max(now)),
            ("transaction-size-min", sizes.min(now)),
        ];
        rows_of(out, "source_task", &rows, labels);
    }
}

/// What no JVM measures: how long records take. Only of tasks that had some.
fn latency(out: &mut Exposition, latency: &Latency, is_source: bool, labels: [(&str, &str); 2]) {
    let (name, help) = match is_source {
        true => (
            "couplet_source_commit_to_ack_seconds",
            "From the commit of a change at its source, where that is known, else the record's timestamp, to Kafka's answer",
        ),
        false => (
            "couplet_sink_kafka_to_flush_seconds",
            "From the timestamp of a record to the commit of its offset by the sink",
        ),
    };
    let quantiles = QUANTILES.map(|(part, label)| latency.quantile(part).map(|seconds| (label, seconds)));
    let quantiles: Vec<(&str, f64)> = quantiles.into_iter().flatten().collect();
    if !quantiles.is_empty() {
        out.summary(help, name, &labels, &quantiles, latency.sum_and_count());
    }
}

fn sink(out: &mut Exposition, figures: &mut Figures, labels: [(&str, &str); 2], now: Instant) {
    let rows = [
        ("partition-count", figures.partitions as f64),
        ("put-batch-avg-time-ms", figures.batch_ms.avg(now)),
        ("put-batch-max-time-ms", figures.batch_ms.max(now)),
        ("sink-record-read-rate", figures.taken.rate(now)),
        ("sink-record-read-total", figures.taken_total as f64),
        ("sink-record-send-rate", figures.passed.rate(now)),
        ("sink-record-send-total", figures.passed_total as f64),
        ("sink-record-active-count", figures.active_now as f64),
        ("sink-record-active-count-avg", figures.active.avg(now)),
        ("sink-record-active-count-max", figures.active.max(now)),
        ("offset-commit-seq-no", figures.commit_seq_no as f64),
        ("offset-commit-completion-rate", figures.completion.rate(now)),
        ("offset-commit-completion-total", figures.completion_total as f64),
        ("offset-commit-skip-rate", figures.skip.rate(now)),
        ("offset-commit-skip-total", figures.skip_total as f64),
    ];
    rows_of(out, "sink_task", &rows, labels);
}

fn errors(out: &mut Exposition, errors: &ErrorFigures, labels: [(&str, &str); 2]) {
    let rows = [
        ("total-record-failures", errors.failures as f64),
        ("total-record-errors", errors.errors as f64),
        ("total-records-skipped", errors.skipped as f64),
        ("total-retries", errors.retries as f64),
        ("total-errors-logged", errors.logged as f64),
        ("deadletterqueue-produce-requests", errors.letters as f64),
        ("deadletterqueue-produce-failures", errors.letters_failed as f64),
        ("last-error-timestamp", errors.last_ms as f64),
    ];
    rows_of(out, "task_error", &rows, labels);
}

fn rows_of(out: &mut Exposition, group: &str, rows: &[(&str, f64)], labels: [(&str, &str); 2]) {
    for (attribute, value) in rows {
        out.row("Kafka Connect task metric", &format!("kafka_connect_{group}_{attribute}"), &labels, *value);
    }
}
