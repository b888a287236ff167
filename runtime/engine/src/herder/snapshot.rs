//! What reads are answered from.

use std::collections::BTreeMap;
use std::sync::Arc;

use couplet_api::config::Props;

use super::state::HerderState;
use super::{ClusterSnapshot, ConnectorSnapshot, ConnectorState, ConnectorStatus, ConnectorType};
use crate::plugins::{ConnectorKind, Plugins};
use crate::storage::status_store::{StoredStatus, Subject};
use crate::worker::TaskId;

/// The connector's kind, by its class.
pub fn kind_of(plugins: &Plugins, config: &Props) -> ConnectorType {
    match config.get("connector.class").and_then(|class| plugins.connector(class)) {
        Some(ConnectorKind::Source(_)) => ConnectorType::Source,
        Some(ConnectorKind::Sink(_)) => ConnectorType::Sink,
        None => ConnectorType::Unknown,
    }
}

/// The snapshot after `before`, with what `state` has touched since made anew.
pub fn next(before: &ClusterSnapshot, state: &mut HerderState, plugins: &Plugins) -> Option<ClusterSnapshot> {
    let touched = state.take_touched();
    let (ready, group) = (state.is_ready(), state.group_view());
    if touched.is_empty() && before.ready == ready && before.group == group {
        return None;
    }
    let mut connectors = before.connectors.clone();
    for name in touched {
        match one(state, plugins, &name) {
            Some(snapshot) => connectors.insert(name, Arc::new(snapshot)),
            None => connectors.remove(&name),
        };
    }
    Some(ClusterSnapshot { connectors, ready, group, ..before.clone() })
}

fn one(state: &HerderState, plugins: &Plugins, name: &str) -> Option<ConnectorSnapshot> {
    let config = state.cluster().config(name)?;
    let subject = Subject::Connector(name.to_owned());
    let shown = |subject: &Subject, stored: &StoredStatus| match state.is_to_restart(subject) {
        true => {
            let worker_id = stored.status.worker_id.clone();
            ConnectorStatus { state: ConnectorState::Restarting, worker_id, trace: None, version: None }
        }
        false => stored.status.clone(),
    };
    let task_status: BTreeMap<_, _> = state
        .statuses()
        .tasks(name)
        .map(|(task, stored)| (task, shown(&Subject::Task(TaskId { connector: name.into(), task }), stored)))
        .collect();
    Some(ConnectorSnapshot {
        config: config.clone(),
        kind: kind_of(plugins, config),
        tasks: state.cluster().task_configs(name),
        target: state.cluster().target(name),
        status: state.statuses().get(&subject).map(|stored| shown(&subject, stored)),
        task_status,
        active_topics: state.statuses().topics(name).map(str::to_owned).collect(),
        restarts: state.restarts.counts(name),
    })
}
