//! The whole of a connector's settings, key by key.

use couplet_api::config::{ConfigDef, ConfigKey, ConfigValue, Default, Props, Setting};
use couplet_api::connector::{ExactlyOnceSupport, SourcePlugin};
use couplet_plugins::JavaRegex;

use super::client_keys::Client;
use super::client_overrides;
use super::config_infos::{ConfigInfo, ConfigInfos, KeyInfo};
use super::converters::{self, Role};
use super::record_plugins::RecordPlugin;
use super::version_range::VersionRange;
use crate::config_provider::Resolved;
use crate::connector_config::{
    DLQ_TOPIC, RESTART_PREFIX, RestartConfig, TOPIC_CREATION_PREFIX, sink_config_def, source_config_def,
};
use crate::hash_map_order;
use crate::plugins::{ConnectorKind, Plugins};
use crate::secrets;
use crate::worker_config::{ModeConfig, WorkerConfig};

/// Why nothing could be validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No class, an unknown class, or a version that cannot be read.
    Class(String),
    /// An override of a client's setting that does not have the setting's type.
    Override(String),
    /// A config provider that does not give its values.
    Provider(String),
}

impl Refused {
    /// The message.
    pub fn message(&self) -> &str {
        match self {
            Refused::Class(message) | Refused::Override(message) | Refused::Provider(message) => message,
        }
    }

    fn redacted(self) -> Self {
        let masked = |message: String| secrets::redact(&message).into_owned();
        match self {
            Refused::Class(message) => Refused::Class(masked(message)),
            Refused::Override(message) => Refused::Override(masked(message)),
            Refused::Provider(message) => Refused::Provider(masked(message)),
        }
    }

    /// The message behind the class of the exception it stands for, as validation answers show it.
    pub fn nested(&self) -> String {
        match self {
            Refused::Class(message) => {
                format!("org.apache.kafka.connect.runtime.rest.errors.BadRequestException: {message}")
            }
            Refused::Override(message) | Refused::Provider(message) => {
                format!("org.apache.kafka.common.config.ConfigException: {message}")
            }
        }
    }
}

/// Asks whether `props` may become a connector's config.
///
/// # Errors
/// The text of the 400 answer: what is wrong with which key.
pub async fn check(plugins: &Plugins, config: &WorkerConfig, props: &Props) -> Result<(), String> {
    match validate_connector(plugins, config, props).await {
        Ok(infos) => infos.refusal().map_or(Ok(()), Err),
        Err(refused) => Err(refused.message().to_owned()),
    }
}

/// Checks the settings of a connector, with their placeholders resolved. The answer has all secrets masked, also where a
/// JVM worker shows what a provider gave.
///
/// # Errors
/// When there is nothing to check the settings against, or a placeholder cannot be resolved.
pub async fn validate_connector(
    plugins: &Plugins,
    config: &WorkerConfig,
    given: &Props,
) -> Result<ConfigInfos, Refused> {
    let resolved = config.providers.resolve(given);
    let Resolved { props, values, .. } = resolved.map_err(|error| Refused::Provider(error.message().to_owned()))?;
    let values = values.into_iter().map(|looked| looked.value);
    let _held = secrets::hold(values.chain(secrets::in_connector(plugins, &props)));
    let mut infos = validate_resolved(plugins, config, &props).await.map_err(Refused::redacted)?;
    infos.redact(|key| given.get(key) != props.get(key));
    Ok(infos)
}

/// Checks every setting of a connector: its own (which may talk to the external system), those common to all connectors,
/// and those of its transforms, predicates, converters and clients.
///
/// # Errors
/// When there is nothing to check the settings against.
async fn validate_resolved(plugins: &Plugins, config: &WorkerConfig, props: &Props) -> Result<ConfigInfos, Refused> {
    let Some(given_class) = props.get("connector.class") else {
        let shown = java_map_text(props);
        return Err(Refused::Class(format!("Connector config {shown} contains no connector type")));
    };
    let connector =
        plugins.connector(given_class.trim()).ok_or_else(|| Refused::Class(unknown_class(plugins, given_class)))?;
    let range = props.get("connector.plugin.version").map_or(Ok(None), VersionRange::parse).map_err(Refused::Class)?;
    if range.is_some_and(|range| !range.contains(connector.plugin().version())) {
        return Ok(wrong_version(plugins, given_class, &connector, props));
    }
    let (mut keys, mut values) = common(plugins, config, &connector, props);
    match &connector {
        ConnectorKind::Source(plugin) => check_source(plugin.as_ref(), config, props, &mut values),
        ConnectorKind::Sink(_) => check_sink(config, props, &mut values),
    }
    refuse_nulls(props, &mut values);
    // The JVM takes them out of a hash map; those without a key show it.
    hash_map_order::sort(&mut values, |value| &value.name);
    let common_values = values.clone();
    let own = connector.plugin().config_def();
    let mut groups = groups_of(&keys);
    for group in own.groups() {
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    values.extend(connector.plugin().validate(props).await);
    override_keys(&mut keys, &own);
    let mut infos = result(given_class, &keys, values, groups);
    for client in clients(&connector, props) {
        let overrides = client_overrides::validate(client, props, &config.override_policy);
        infos.merge(overrides.map_err(Refused::Override)?);
    }
    for role in [Role::Header, Role::Key, Role::Value] {
        infos.merge(converters::validate(role, plugins, props, &common_values));
    }
    Ok(infos)
}

/// The settings of the plugin `connector` and of all connectors of its kind, as `GET /connector-plugins/{p}/config` lists
/// them: the plugin's own first.
pub fn plugin_config(connector: &ConnectorKind) -> Vec<KeyInfo> {
    let mut keys: Vec<ConfigKey> = connector.plugin().config_def().keys().to_vec();
    let version = connector.plugin().version();
    for key in kind_config_def(connector).keys() {
        if !keys.iter().any(|known| known.name == key.name) {
            keys.push(with_version(key.clone(), version));
        }
    }
    keys.iter().filter(|key| !key.internal).map(|key| KeyInfo::new(key, "")).collect()
}

fn kind_config_def(connector: &ConnectorKind) -> ConfigDef {
    match connector {
        ConnectorKind::Source(_) => source_config_def(),
        ConnectorKind::Sink(_) => sink_config_def(),
    }
}

fn with_version(mut key: ConfigKey, version: &'static str) -> ConfigKey {
    if key.name == "connector.plugin.version" {
        key.default = Default::Text(version.into());
    }
    key
}

/// The keys that do not depend on the connector's class, and their values.
fn common(
    plugins: &Plugins,
    config: &WorkerConfig,
    connector: &ConnectorKind,
    props: &Props,
) -> (Vec<ConfigKey>, Vec<ConfigValue>) {
    let version = connector.plugin().version();
    let restarts = if props.iter().any(|(key, _)| key.starts_with(RESTART_PREFIX)) {
        RestartConfig::config_def()
    } else {
        ConfigDef::new()
    };
    let def = kind_config_def(connector)
        .keys()
        .iter()
        .chain(restarts.keys())
        .fold(ConfigDef::new(), |def, key| def.define(with_version(key.clone(), version)));
    let (mut keys, mut values) = (def.keys().to_vec(), def.validate(props));
    if let Some(value) = values.iter_mut().find(|value| value.name == "connector.plugin.version") {
        value.recommended = vec![version.to_owned()];
    }
    for role in Role::ALL {
        converters::resolve(
            role,
            plugins,
            Some(config.converter_class(role.class_key())),
            props,
            &mut keys,
            &mut values,
        );
    }
    for kind in [RecordPlugin::Transform, RecordPlugin::Predicate] {
        let (more_keys, more_values) = kind.keys_and_values(plugins, props);
        keys.extend(more_keys);
        values.extend(more_values);
    }
    (keys, values)
}

/// What is left to say about a connector of which no version in the wanted range is there.
fn wrong_version(plugins: &Plugins, given_class: &str, connector: &ConnectorKind, props: &Props) -> ConfigInfos {
    let plugin = connector.plugin();
    let range = props.get("connector.plugin.version").unwrap_or_default();
    let sentence = converters::unavailable(plugins, plugin.class(), range);
    let mut def = ConfigDef::new();
    for key in crate::connector_config::ConnectorConfig::config_def().keys() {
        def.add(with_version(key.clone(), plugin.version()));
    }
    let (mut keys, mut values) = (def.keys().to_vec(), def.validate(props));
    for role in Role::ALL {
        let class = props.get(role.class_key()).and_then(|name| plugins.class(name));
        converters::resolve(role, plugins, class, &Props::new(), &mut keys, &mut values);
    }
    for value in &mut values {
        if value.name == "connector.plugin.version" {
            value.recommended = vec![plugin.version().to_owned()];
        }
        if matches!(value.name.as_str(), "connector.class" | "connector.plugin.version") {
            value.errors.extend(sentence.clone());
        }
        if Role::ALL.iter().any(|role| value.name == role.class_key()) {
            value.recommended.clear();
        }
    }
    let groups = groups_of(&keys);
    result(given_class, &keys, values, groups)
}

fn groups_of(keys: &[ConfigKey]) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for group in keys.iter().filter_map(|key| key.group.as_deref()) {
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    groups
}

/// Checks of sinks that concern several keys.
fn check_sink(config: &WorkerConfig, props: &Props, values: &mut Vec<ConfigValue>) {
    let text = |key: &str| props.get(key).map(str::trim).filter(|text| !text.is_empty());
    let (topics, regex, dlq) = (text("topics"), text("topics.regex"), text(DLQ_TOPIC));
    let both = match (topics, regex) {
        (Some(_), Some(_)) => Some("topics and topics.regex are mutually exclusive options, but both are set."),
        (None, None) => Some("Must configure one of topics or topics.regex"),
        _ => None,
    };
    for key in ["topics", "topics.regex"] {
        both.into_iter().for_each(|sentence| add_error(values, key, sentence));
    }
    if let (Some(topics), Some(dlq)) = (topics, dlq) {
        let mut listed: Vec<&str> = Vec::new();
        for topic in topics.split(',').map(str::trim).filter(|topic| !topic.is_empty()) {
            if !listed.contains(&topic) {
                listed.push(topic);
            }
        }
        if listed.contains(&dlq) {
            add_error(
                values,
                "topics",
                &format!(
                    "The DLQ topic '{dlq}' may not be included in the list of topics ('topics=[{}]') consumed by the connector",
                    listed.join(", ")
                ),
            );
        }
    }
    if let (Some(regex), Some(dlq)) = (props.get("topics.regex").filter(|_| regex.is_some()), dlq)
        && JavaRegex::new(regex).is_ok_and(|pattern| pattern.matches(dlq).unwrap_or(false))
    {
        add_error(
            values,
            "topics.regex",
            &format!(
                "The DLQ topic '{dlq}' may not be matched by the regex for the topics ('topics.regex={regex}') consumed by the connector"
            ),
        );
    }
    if let ModeConfig::Distributed(distributed) = &config.mode {
        check_consumer_group(&distributed.group_id, props, values);
    }
}

/// A sink's consumer group must not be the group of the workers.
fn check_consumer_group(worker_group: &str, props: &Props, values: &mut Vec<ConfigValue>) {
    let key = "consumer.override.group.id";
    if let Some(group) = props.get_nullable(key) {
        let value = group.map_or(Setting::Null, |group| Setting::Str(group.to_owned()));
        values.push(ConfigValue {
            name: key.to_owned(),
            value,
            recommended: Vec::new(),
            errors: Vec::new(),
            visible: true,
        });
        if group == Some(worker_group) {
            add_error(
                values,
                key,
                &format!("Consumer group {worker_group} conflicts with Connect worker group {worker_group}"),
            );
        }
    } else if let Some(name) = props.get("name").map(str::trim)
        && format!("connect-{name}") == worker_group
    {
        add_error(
            values,
            "name",
            &format!(
                "Consumer group for sink connector named {name} conflicts with Connect worker group {worker_group}"
            ),
        );
    }
}

/// Checks of sources against what worker and connector can do; a standalone worker makes none.
fn check_source(plugin: &dyn SourcePlugin, config: &WorkerConfig, props: &Props, values: &mut [ConfigValue]) {
    let ModeConfig::Distributed(distributed) = &config.mode else { return };
    let wants = |values: &[ConfigValue], key: &str, word: &str| {
        let value = values.iter().find(|value| value.name == key);
        value.is_some_and(|v| {
            v.errors.is_empty() && matches!(&v.value, Setting::Str(text) if text.eq_ignore_ascii_case(word))
        })
    };
    if wants(values, "exactly.once.support", "required") {
        if !distributed.exactly_once_source_support.eq_ignore_ascii_case("enabled") {
            add_error(values, "exactly.once.support", "This worker does not have exactly-once source support enabled.");
        }
        match plugin.exactly_once_support(props) {
            Some(ExactlyOnceSupport::Supported) => {}
            Some(ExactlyOnceSupport::Unsupported) => add_error(
                values,
                "exactly.once.support",
                "The connector does not support exactly-once semantics with the provided configuration.",
            ),
            None => add_error(
                values,
                "exactly.once.support",
                "The connector does not implement the API required for preflight validation of exactly-once source support. \
                 Please consult the documentation for the connector to determine whether it supports exactly-once semantics, \
                 and then consider reconfiguring the connector to use the value \"requested\" for this property (which will \
                 disable this preflight check and allow the connector to be created).",
            ),
        }
    }
    if wants(values, "transaction.boundary", "connector") && !plugin.can_define_transaction_boundaries(props) {
        add_error(
            values,
            "transaction.boundary",
            "The connector does not support connector-defined transaction boundaries with the given configuration. \
             Please reconfigure it to use a different transaction boundary definition.",
        );
    }
}

fn add_error(values: &mut [ConfigValue], key: &str, sentence: &str) {
    if let Some(value) = values.iter_mut().rev().find(|value| value.name == key) {
        value.add_error(sentence);
    }
}

/// Notes every null. Keys that the connector itself defines are spared: its own answer replaces what is noted here.
fn refuse_nulls(props: &Props, values: &mut Vec<ConfigValue>) {
    for (name, _) in props.iter().filter(|(_, value)| value.is_none()) {
        if !values.iter().any(|value| value.name == name) {
            let (name, recommended, errors) = (name.to_owned(), Vec::new(), Vec::new());
            values.push(ConfigValue { name, value: Setting::Null, recommended, errors, visible: true });
        }
        add_error(values, name, "Null value can not be supplied as the configuration value.");
    }
}

/// Puts the connector's keys over the common ones: a key that both define is the connector's, in its old place.
fn override_keys(keys: &mut Vec<ConfigKey>, own: &ConfigDef) {
    for key in own.keys() {
        match keys.iter_mut().find(|known| known.name == key.name) {
            Some(known) => *known = key.clone(),
            None => keys.push(key.clone()),
        }
    }
}

/// Pairs keys with values; the last value of a key counts. Values without a key come first.
fn result(given_class: &str, keys: &[ConfigKey], values: Vec<ConfigValue>, groups: Vec<String>) -> ConfigInfos {
    let mut infos = ConfigInfos { name: given_class.to_owned(), error_count: 0, groups, configs: Vec::new() };
    let (known, unknown): (Vec<_>, Vec<_>) =
        values.into_iter().partition(|value| keys.iter().any(|key| key.name == value.name));
    for value in unknown {
        infos.error_count += value.errors.len();
        infos.configs.push(ConfigInfo { definition: None, value: Some(value.into()) });
    }
    for key in keys.iter().filter(|key| !key.internal) {
        let value = known.iter().rev().find(|value| value.name == key.name).cloned();
        infos.error_count += value.as_ref().map_or(0, |value| value.errors.len());
        infos.configs.push(ConfigInfo { definition: Some(KeyInfo::new(key, "")), value: value.map(Into::into) });
    }
    infos
}

/// The clients that tasks of the connector have.
fn clients(connector: &ConnectorKind, props: &Props) -> Vec<Client> {
    let has_dlq = props.get(DLQ_TOPIC).is_some_and(|topic| !topic.trim().is_empty());
    let creates_topics = props.iter().any(|(key, _)| key.starts_with(TOPIC_CREATION_PREFIX));
    match connector {
        ConnectorKind::Source(_) if creates_topics => vec![Client::Producer, Client::Admin],
        ConnectorKind::Source(_) => vec![Client::Producer],
        ConnectorKind::Sink(_) if has_dlq => vec![Client::Producer, Client::Consumer, Client::Admin],
        ConnectorKind::Sink(_) => vec![Client::Consumer],
    }
}

/// `Plugins.newConnector`'s sentence; clients look for its beginning.
fn unknown_class(plugins: &Plugins, class: &str) -> String {
    let mut available: Vec<ConnectorKind> = plugins.all().iter().filter_map(|p| plugins.connector(p.class())).collect();
    available.sort_by_key(|connector| connector.plugin().class());
    let describe = |connector: &ConnectorKind| {
        let kind = match connector {
            ConnectorKind::Source(_) => "source",
            ConnectorKind::Sink(_) => "sink",
        };
        let (class, version) = (connector.plugin().class(), connector.plugin().version());
        format!(
            "PluginDesc{{klass=class {class}, name='{class}', version='{version}', encodedVersion={version}, \
             type={kind}, typeName='{kind}', location='built-in'}}"
        )
    };
    let list: Vec<String> = available.iter().map(describe).collect();
    format!(
        "Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}",
        list.join(", ")
    )
}

/// `HashMap.toString` of a copy of the settings.
fn java_map_text(props: &Props) -> String {
    let mut entries: Vec<(&str, Option<&str>)> = props.iter().collect();
    hash_map_order::sort_copy(&mut entries, |(key, _)| key);
    let entries: Vec<String> =
        entries.iter().map(|(key, value)| format!("{key}={}", value.unwrap_or("null"))).collect();
    format!("{{{}}}", entries.join(", "))
}
