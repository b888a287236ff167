//! Metrics of a plugin's own, beside those that the worker measures (KIP-877, `PluginMetrics`).

use std::sync::Arc;

/// What a metric is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricName {
    /// What the metrics of a plugin have in common; KIP-877 knows only `plugins`.
    pub group: &'static str,
    /// Its own name.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub description: &'static str,
    /// Tags, in the order in which they are shown, behind those of connector and task.
    pub tags: Vec<(&'static str, String)>,
}

/// Tells what a metric is at the moment. It is asked whenever somebody looks, so it must neither wait nor work long.
pub type MetricValue = Arc<dyn Fn() -> f64 + Send + Sync>;

/// The metrics of one task. They are gone when the task is started anew or leaves the worker.
pub trait PluginMetrics: Send + Sync {
    /// Adds a metric, in the place of any of the same name and tags.
    fn add_metric(&self, name: MetricName, value: MetricValue);

    /// Removes a metric, if there is such a one.
    fn remove_metric(&self, name: &MetricName);
}
