//! What a worker measures about itself, under the names that Kafka Connect's metrics bear once the usual rules of the
//! Prometheus JMX exporter have turned them (`kafka.connect:type=T-metrics,connector=C,task=N` with attribute `a-b` becomes
//! `kafka_connect_T_a_b{connector="C",task="N"}`), so that existing dashboards and alerts work.
//!
//! Tasks note what they do per batch, never per record, in a [`TaskMetrics`] of their own; [`render`] reads all of them.
//! Rates, averages and maxima cover `metrics.num.samples` windows of `metrics.sample.window.ms`, as Kafka's do.

mod group;
mod latency;
mod own;
mod plugin_uses;
mod registry;
mod render;
mod render_group;
mod restarts;
mod sampled;
mod task;
mod text;

pub(crate) use group::GroupMetrics;
pub(crate) use plugin_uses::plugins_of;
pub use registry::{Metrics, StartupKind};
pub use render::{Sources, render};
pub(crate) use task::{PluginUse, TaskMetrics, TaskState};
