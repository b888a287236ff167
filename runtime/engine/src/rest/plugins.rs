//! `/connector-plugins`: what is there, its settings, and whether given settings are right.

use couplet_api::Plugin;
use couplet_api::clock::{Clock, SystemClock};
use http::StatusCode;
use serde::Serialize;

use super::body;
use super::dispatch::Call;
use super::java_text::instant;
use super::path::{query_flag, query_values};
use super::respond::{self, Answer, Failure};
use crate::plugins::type_name;
use crate::validate::{KeyInfo, VersionRange, plugin_config, validate_connector};

/// Plugins of Kafka that have no settings to show here.
const OTHER_PLUGINS: &[&str] = &[
    "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
    "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    "org.apache.kafka.common.config.provider.FileConfigProvider",
    "org.apache.kafka.connect.connector.policy.AllConnectorClientConfigOverridePolicy",
    "org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy",
    "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy",
    "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
];

/// The connectors, or with `connectorsOnly=false` all plugins.
pub(super) fn list(call: &Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct PluginInfo {
        class: &'static str,
        #[serde(rename = "type")]
        kind: &'static str,
        version: &'static str,
    }
    let connectors_only = query_flag(call.query, "connectorsOnly", true);
    let listed = |plugin: &&Plugin| !connectors_only || matches!(plugin, Plugin::Sink(_) | Plugin::Source(_));
    let info =
        |plugin: &Plugin| PluginInfo { class: plugin.class(), kind: type_name(plugin), version: plugin.version() };
    respond::ok(&call.state.plugins.all().iter().filter(listed).map(info).collect::<Vec<_>>())
}

/// The settings of one plugin.
pub(super) fn config(call: &Call<'_>, name: &str) -> Answer {
    let plugins = &call.state.plugins;
    let Some(plugin) = plugins.find(name, |plugin| Some(plugin.clone())) else {
        let other = OTHER_PLUGINS.iter().any(|class| *class == name || class.rsplit('.').next() == Some(name));
        let inner = format!("{name}$");
        if plugins.all().iter().any(|plugin| plugin.class().starts_with(&inner)) {
            return Err(Failure::internal("Instantiation error"));
        }
        return Err(match other {
            true => Failure::bad_request(format!(
                "Invalid plugin class {name}. Valid types are sink, source, converter, header_converter, transformation, \
                 predicate."
            )),
            false => Failure::not_found(format!("Unknown plugin {name}.")),
        });
    };
    if let Some(wanted) = query_values(call.query, "version").first() {
        let range = VersionRange::parse(wanted)
            .map_err(|_| Failure::bad_request(format!("Invalid version specification: {wanted}")))?;
        if let Some(range) = range.filter(|range| !range.contains(plugin.version())) {
            return Err(Failure::bad_request(format!(
                "Plugin {} not found that matches the version range {range}, available versions: [{}]",
                plugin.class(),
                plugin.version()
            )));
        }
    }
    let keys: Vec<KeyInfo> = match plugins.connector(name) {
        Some(connector) => plugin_config(&connector),
        None => plugin.config_def().keys().iter().map(|key| KeyInfo::new(key, "")).collect(),
    };
    respond::ok(&keys)
}

/// Checks the settings in the body.
pub(super) async fn validate(call: &Call<'_>, name: &str) -> Answer {
    let props = body::object(&call.body, "a connector's config")?.into_props()?;
    if let Some(class) = props.get("connector.class")
        && !without_suffix(class).ends_with(without_suffix(name))
    {
        return Err(Failure::bad_request(format!(
            "Included connector type {class} does not match request type {name}"
        )));
    }
    let began_ms = SystemClock.now_ms();
    let state = call.state;
    let validation = validate_connector(&state.plugins, &state.config, &props);
    match tokio::time::timeout(call.limits.request, validation).await {
        Ok(Ok(infos)) => Ok(respond::json(StatusCode::OK, &infos)),
        Ok(Err(refused)) => Err(Failure::internal(refused.nested())),
        Err(_) => Err(Failure::internal(format!(
            "Request timed out. The worker is currently performing multi-property validation for the connector, \
             which began at {}.",
            instant(began_ms)
        ))),
    }
}

fn without_suffix(class: &str) -> &str {
    class.strip_suffix("Connector").filter(|rest| !rest.is_empty()).unwrap_or(class)
}
