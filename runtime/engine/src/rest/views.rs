//! Connectors, tasks and statuses as answers show them.

use couplet_api::config::Props;
use serde::{Serialize, Serializer};

use crate::hash_map_order;
use crate::herder::{ConnectorSnapshot, ConnectorStatus, ConnectorType};

/// Settings as a JSON object, in order.
pub(super) struct SettingsView(Vec<(String, Option<String>)>);

impl SettingsView {
    /// In the order they have.
    pub(super) fn as_given(props: &Props) -> Self {
        SettingsView(props.iter().map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).collect())
    }

    /// In the order of Java's `HashMap`: how the JVM shows settings that it has read back from a topic.
    pub(super) fn as_read_back(props: &Props) -> Self {
        let SettingsView(mut entries) = Self::as_given(props);
        hash_map_order::sort(&mut entries, |(key, _)| key);
        SettingsView(entries)
    }
}

impl Serialize for SettingsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// `GET /connectors/{c}`.
#[derive(Serialize)]
pub(super) struct InfoView {
    pub(super) name: String,
    pub(super) config: SettingsView,
    pub(super) tasks: Vec<TaskIdView>,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// What became of `initial_offsets`, where they were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offsets_status: Option<String>,
}

/// A task's id.
#[derive(Serialize)]
pub(super) struct TaskIdView {
    pub(super) connector: String,
    pub(super) task: u32,
}

/// One entry of `GET /connectors/{c}/tasks`.
#[derive(Serialize)]
pub(super) struct TaskView {
    pub(super) id: TaskIdView,
    pub(super) config: SettingsView,
}

/// `GET /connectors/{c}/status`.
#[derive(Serialize)]
pub(super) struct StatusView {
    name: String,
    connector: StateView,
    tasks: Vec<TaskStateView>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct StateView {
    state: &'static str,
    worker_id: String,
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

/// `GET /connectors/{c}/tasks/{t}/status`.
#[derive(Serialize)]
pub(super) struct TaskStateView {
    id: u32,
    #[serde(flatten)]
    state: StateView,
}

/// The name of a kind.
pub(super) const fn kind_name(kind: ConnectorType) -> &'static str {
    match kind {
        ConnectorType::Source => "source",
        ConnectorType::Sink => "sink",
        ConnectorType::Unknown => "unknown",
    }
}

/// `count` tasks of `connector`.
pub(super) fn task_ids(connector: &str, count: usize) -> Vec<TaskIdView> {
    (0..count as u32).map(|task| TaskIdView { connector: connector.to_owned(), task }).collect()
}

/// A task's status.
pub(super) fn task_state(id: u32, status: &ConnectorStatus) -> TaskStateView {
    TaskStateView { id, state: state(status) }
}

/// A connector's status; none while it has none.
pub(super) fn status(name: &str, connector: &ConnectorSnapshot) -> Option<StatusView> {
    Some(StatusView {
        name: name.to_owned(),
        connector: state(connector.status.as_ref()?),
        tasks: connector.task_status.iter().map(|(id, status)| task_state(*id, status)).collect(),
        kind: kind_name(connector.kind),
    })
}

fn state(status: &ConnectorStatus) -> StateView {
    StateView {
        state: status.state.name(),
        worker_id: status.worker_id.clone(),
        version: status.version.clone(),
        trace: status.trace.clone(),
    }
}
