//! `/connectors` and what is below, but for offsets and calls between workers.

use std::sync::Arc;

use couplet_api::config::Props;
use http::StatusCode;
use http::header::LOCATION;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::dispatch::Call;
use super::path::{query_flag, query_values};
use super::respond::{self, Answer, Failure};
use super::views::{self, InfoView, SettingsView, TaskIdView, TaskView};
use super::{body, offsets};
use crate::hash_map_order;
use crate::herder::{ConnectorInfo, ConnectorSnapshot, NewConnector, RestartRequest};
use crate::worker::{TargetState, TaskId};
use crate::worker_config::ModeConfig;

/// The names, or with `expand` what is known about each.
pub(super) fn list(call: &Call<'_>) -> Answer {
    let snapshot = call.state.herder.snapshot();
    let mut connectors: Vec<(&String, &Arc<ConnectorSnapshot>)> = snapshot.connectors.iter().collect();
    hash_map_order::sort_copy(&mut connectors, |(name, _)| name);
    let expansions = query_values(call.query, "expand");
    if expansions.is_empty() {
        return respond::ok(&connectors.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
    let mut expanded = Map::new();
    for (name, connector) in connectors {
        let mut known = Map::new();
        for expansion in &expansions {
            let value = match expansion.as_str() {
                "status" => match views::status(name, connector) {
                    Some(status) => serde_json::to_value(status),
                    None => continue,
                },
                "info" => serde_json::to_value(info_view(call, name, connector)),
                _ => continue,
            };
            if let Ok(value) = value {
                known.insert(expansion.clone(), value);
            }
        }
        expanded.insert(name.clone(), Value::Object(known));
    }
    respond::ok(&expanded)
}

/// Creates a connector.
pub(super) async fn create(call: &Call<'_>) -> Answer {
    let request = body::object(&call.body, "a request to create a connector")?;
    request.only_known(&["name", "config", "initial_state", "initial_offsets"])?;
    let name = request.get("name").map(|name| body::text(name, "name")).transpose()?.flatten().unwrap_or_default();
    let name = trimmed(&name).to_owned();
    let initial_state = request.get("initial_state").map(initial_state).transpose()?;
    let config = request.get("config").ok_or_else(|| Failure::internal("The request has no config"))?;
    let config = body::as_object(config, "an object as config")?.into_props()?;
    let config = named(config, &name)?;
    let mut offsets_status = None;
    if let Some(given) = request.get("initial_offsets") {
        let given = offsets::initial(given)?;
        offsets_status = Some(call.within_limit(call.state.herder.set_initial_offsets(&name, &config, given)).await?);
    }
    put(call, NewConnector { name, config, initial_state, replace: false }, offsets_status).await
}

fn initial_state(value: &RawValue) -> Result<TargetState, Failure> {
    let text = body::text(value, "initial_state")?.unwrap_or_default();
    match text.to_ascii_uppercase().as_str() {
        "RUNNING" => Ok(TargetState::Started),
        "PAUSED" => Ok(TargetState::Paused),
        "STOPPED" => Ok(TargetState::Stopped),
        _ => Err(Failure::internal(format!("The initial_state {text:?} is none of RUNNING, PAUSED, STOPPED"))),
    }
}

/// Creates or replaces a connector's config.
pub(super) async fn put_config(call: &Call<'_>, name: &str) -> Answer {
    let config = named(body::object(&call.body, "a connector's config")?.into_props()?, name)?;
    put(call, NewConnector { name: name.to_owned(), config, initial_state: None, replace: true }, None).await
}

async fn put(call: &Call<'_>, new: NewConnector, offsets_status: Option<String>) -> Answer {
    let (created, info) = call.within_limit(call.state.herder.put_connector(new)).await?;
    if !created {
        return respond::ok(&written_view(&info));
    }
    let mut response = respond::json(StatusCode::CREATED, &InfoView { offsets_status, ..written_view(&info) });
    if let Some(location) = call.location(&info.name) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// `config` with its name, at the end unless it has one.
fn named(mut config: Props, name: &str) -> Result<Props, Failure> {
    match config.get("name") {
        Some(given) if given != name => Err(Failure::bad_request(format!(
            "Connector name configuration ({given}) doesn't match connector name in the URL ({name})"
        ))),
        _ => {
            config.set("name", name);
            Ok(config)
        }
    }
}

/// `String.trim`.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// Changes some settings; null removes one.
pub(super) async fn patch_config(call: &Call<'_>, name: &str) -> Answer {
    let what = "an object of settings to change";
    let Some(patch) = body::parse(&call.body)? else {
        found(call, name)?;
        return Err(Failure::internal(format!("The body must be {what}, but there is none")));
    };
    let patch = body::as_object(&patch, what)?.into_props()?;
    let info = call.within_limit(call.state.herder.patch_connector(name, patch)).await?;
    respond::ok(&InfoView { config: SettingsView::as_read_back(&info.config), ..written_view(&info) })
}

/// Deletes a connector.
pub(super) async fn delete(call: &Call<'_>, name: &str) -> Answer {
    call.within_limit(call.state.herder.delete_connector(name)).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

/// Config, tasks and kind.
pub(super) fn info(call: &Call<'_>, name: &str) -> Answer {
    respond::ok(&info_view(call, name, &*found(call, name)?))
}

/// The config.
pub(super) fn config(call: &Call<'_>, name: &str) -> Answer {
    respond::ok(&config_view(call, &found(call, name)?.config))
}

/// State of connector and tasks.
pub(super) fn status(call: &Call<'_>, name: &str) -> Answer {
    let snapshot = call.state.herder.snapshot();
    match snapshot.connectors.get(name).and_then(|connector| views::status(name, connector)) {
        Some(status) => respond::ok(&status),
        None => Err(Failure::not_found(format!("No status found for connector {name}"))),
    }
}

/// The tasks and their configs.
pub(super) fn tasks(call: &Call<'_>, name: &str) -> Answer {
    let view = |(task, config): (usize, &Props)| TaskView {
        id: TaskIdView { connector: name.to_owned(), task: task as u32 },
        config: SettingsView::as_read_back(config),
    };
    respond::ok(&found(call, name)?.tasks.iter().enumerate().map(view).collect::<Vec<_>>())
}

/// State of one task.
pub(super) fn task_status(call: &Call<'_>, name: &str, task: &str) -> Answer {
    let task = task_number(task)?;
    let snapshot = call.state.herder.snapshot();
    let status = snapshot.connectors.get(name).and_then(|connector| {
        let id = u32::try_from(task).ok()?;
        connector.task_status.get(&id).map(|status| views::task_state(id, status))
    });
    match status {
        Some(status) => respond::ok(&status),
        None => Err(Failure::not_found(format!("No status found for task {name}-{task}"))),
    }
}

/// A path parameter of Java's type `int`.
fn task_number(text: &str) -> Result<i32, Failure> {
    text.parse().map_err(|_| Failure::plain(StatusCode::NOT_FOUND))
}

/// Restarts the connector, and its tasks if asked to.
pub(super) async fn restart(call: &Call<'_>, name: &str) -> Answer {
    let request = RestartRequest {
        include_tasks: query_flag(call.query, "includeTasks", false),
        only_failed: query_flag(call.query, "onlyFailed", false),
    };
    let restarting = call.within_limit(call.state.herder.restart_connector(name, request)).await?;
    if request == RestartRequest::default() {
        return Ok(respond::empty(StatusCode::NO_CONTENT));
    }
    match views::status(name, &restarting) {
        Some(status) => Ok(respond::json(StatusCode::ACCEPTED, &status)),
        None => Err(Failure::not_found(format!("Status for connector {name} not found"))),
    }
}

/// Restarts one task.
pub(super) async fn restart_task(call: &Call<'_>, name: &str, task: &str) -> Answer {
    let task = task_number(task)?;
    let Ok(number) = u32::try_from(task) else {
        found_or(call, name, || format!("Unknown connector: {name}"))?;
        return Err(Failure::not_found(format!("Unknown task: {name}-{task}")));
    };
    let id = TaskId { connector: name.into(), task: number };
    call.within_limit(call.state.herder.restart_task(&id)).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

/// Lets connector and tasks rest.
pub(super) async fn pause(call: &Call<'_>, name: &str) -> Answer {
    target(call, name, TargetState::Paused, StatusCode::ACCEPTED).await
}

/// Lets connector and tasks run.
pub(super) async fn resume(call: &Call<'_>, name: &str) -> Answer {
    target(call, name, TargetState::Started, StatusCode::ACCEPTED).await
}

/// Ends the tasks; the config stays.
pub(super) async fn stop(call: &Call<'_>, name: &str) -> Answer {
    target(call, name, TargetState::Stopped, StatusCode::NO_CONTENT).await
}

async fn target(call: &Call<'_>, name: &str, target: TargetState, status: StatusCode) -> Answer {
    call.within_limit(call.state.herder.set_target_state(name, target)).await?;
    Ok(respond::empty(status))
}

/// Topics the connector used (KIP-558).
pub(super) fn topics(call: &Call<'_>, name: &str) -> Answer {
    if !call.state.config.common.topic_tracking_enable {
        return Err(Failure::new(StatusCode::FORBIDDEN, "Topic tracking is disabled."));
    }
    let snapshot = call.state.herder.snapshot();
    let mut topics: Vec<&String> =
        snapshot.connectors.get(name).map_or_else(Vec::new, |c| c.active_topics.iter().collect());
    hash_map_order::sort(&mut topics, |topic| topic);
    respond::ok(&serde_json::json!({ name: { "topics": topics } }))
}

/// Forgets the topics the connector used.
pub(super) async fn reset_topics(call: &Call<'_>, name: &str) -> Answer {
    let common = &call.state.config.common;
    if !common.topic_tracking_enable {
        return Err(Failure::new(StatusCode::FORBIDDEN, "Topic tracking is disabled."));
    }
    if !common.topic_tracking_allow_reset {
        return Err(Failure::new(StatusCode::FORBIDDEN, "Topic tracking reset is disabled."));
    }
    call.within_limit(call.state.herder.reset_active_topics(name)).await?;
    Ok(respond::empty(StatusCode::ACCEPTED))
}

/// The connector `name`, or the usual 404.
pub(super) fn found(call: &Call<'_>, name: &str) -> Result<Arc<ConnectorSnapshot>, Failure> {
    found_or(call, name, || format!("Connector {name} not found"))
}

fn found_or(call: &Call<'_>, name: &str, message: impl FnOnce() -> String) -> Result<Arc<ConnectorSnapshot>, Failure> {
    let snapshot = call.state.herder.snapshot();
    snapshot.connectors.get(name).cloned().ok_or_else(|| Failure::not_found(message()))
}

fn info_view(call: &Call<'_>, name: &str, connector: &ConnectorSnapshot) -> InfoView {
    InfoView {
        name: name.to_owned(),
        config: config_view(call, &connector.config),
        tasks: views::task_ids(name, connector.tasks.len()),
        kind: views::kind_name(connector.kind),
        offsets_status: None,
    }
}

/// A config that was read back from the config topic has lost its order; a standalone worker keeps it.
fn config_view(call: &Call<'_>, config: &Props) -> SettingsView {
    match call.state.config.mode {
        ModeConfig::Distributed(_) => SettingsView::as_read_back(config),
        ModeConfig::Standalone(_) => SettingsView::as_given(config),
    }
}

/// A connector just written, its config in the order of the request.
fn written_view(info: &ConnectorInfo) -> InfoView {
    InfoView {
        name: info.name.clone(),
        config: SettingsView::as_given(&info.config),
        tasks: info.tasks.iter().map(|id| TaskIdView { connector: id.connector.to_string(), task: id.task }).collect(),
        kind: views::kind_name(info.kind),
        offsets_status: None,
    }
}
