//! Metrics that plugins add themselves (KIP-877).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use couplet_api::metrics::{MetricName, MetricValue, PluginMetrics};

use super::text::Exposition;

/// Those of one task.
#[derive(Default)]
pub(crate) struct OwnMetrics(Mutex<BTreeMap<MetricName, MetricValue>>);

impl OwnMetrics {
    fn metrics(&self) -> MutexGuard<'_, BTreeMap<MetricName, MetricValue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row for each, with the tags of connector and task in front.
    pub(super) fn rows(&self, out: &mut Exposition, task: [(&str, &str); 2]) {
        for (MetricName { group, name, description, tags }, value) in &*self.metrics() {
            let own = tags.iter().map(|(tag, text)| (*tag, text.as_str()));
            let labels: Vec<(&str, &str)> = task.into_iter().chain(own).collect();
            out.row(description, &format!("{group}_{name}"), &labels, value());
        }
    }
}

impl PluginMetrics for OwnMetrics {
    fn add_metric(&self, name: MetricName, value: MetricValue) {
        self.metrics().insert(name, value);
    }

    fn remove_metric(&self, name: &MetricName) {
        self.metrics().remove(name);
    }
}

impl fmt::Debug for OwnMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.metrics().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn rows_tell_what_metrics_are_when_they_are_read() {
        let (own, rows) = (OwnMetrics::default(), Arc::new(AtomicU32::new(0)));
        let name = |name, tags| MetricName { group: "plugins", name, description: "d", tags };
        let counted = rows.clone();
        let scanned = name("rows-scanned", vec![("table", "a.b".to_owned())]);
        own.add_metric(scanned, Arc::new(move || f64::from(counted.load(Ordering::Relaxed))));
        own.add_metric(name("gone", Vec::new()), Arc::new(|| 1.0));
        own.remove_metric(&name("gone", Vec::new()));
        rows.store(7, Ordering::Relaxed);
        let mut out = Exposition::default();
        own.rows(&mut out, [("connector", "c"), ("task", "0")]);
        assert_eq!(
            out.finish(),
            "# HELP plugins_rows_scanned d\n# TYPE plugins_rows_scanned gauge\n\
             plugins_rows_scanned{connector=\"c\",task=\"0\",table=\"a.b\"} 7\n"
        );
    }
}
