//! Automatic restarts of this worker's connectors and tasks; a name of our own, as the JVM has none.

use super::text::Exposition;
use crate::herder::ConnectorSnapshot;

/// The rows of one connector and its tasks; none for parts that were never restarted.
pub(super) fn rows(out: &mut Exposition, name: &str, connector: &ConnectorSnapshot) {
    for restarts in &connector.restarts {
        let number = restarts.task.map(|task| task.to_string());
        let (part, mut labels) = ("connector", vec![("connector", name)]);
        let part = number.as_deref().map_or(part, |number| {
            labels.push(("task", number));
            "task"
        });
        let row = |what: &str| format!("couplet_{part}_automatic_restarts_{what}");
        out.row("Automatic restarts since the worker began", &row("total"), &labels, restarts.total as f64);
        let attempts = f64::from(restarts.attempts);
        out.row("Automatic restarts since it last ran well for a while", &row("in_a_row"), &labels, attempts);
    }
}
