//! Which plugins a task uses, with their versions (KIP-891's metrics).

use couplet_api::config::Props;

use super::task::PluginUse;
use crate::connector_config::{ConnectorConfig, PREDICATES, TRANSFORMS};
use crate::plugins::Plugins;

/// The plugins of a task of the connector `connector` with `task` as its own config; what cannot be found is left out.
pub(crate) fn plugins_of(plugins: &Plugins, worker: &Props, connector: &Props, task: &Props) -> Vec<PluginUse> {
    let mut uses = Vec::new();
    let mut add = |role, alias: &str, class: &str, version: Option<String>| {
        let version = version.unwrap_or_default();
        uses.push(PluginUse { role, alias: alias.to_owned(), class: class.to_owned(), version });
    };
    let class = connector.get("connector.class").unwrap_or_default().trim();
    if let Some(kind) = plugins.connector(class) {
        let version = Some(kind.plugin().version().to_owned());
        add("connector", "", kind.plugin().class(), version.clone());
        let task = task.get("task.class").map_or_else(|| kind.plugin().task_class(), str::to_owned);
        add("task", "", &task, version);
    }
    let given = |key: &str| connector.get(key).or_else(|| worker.get(key)).map(str::trim).map(str::to_owned);
    for (role, key) in [("key-converter", "key.converter"), ("value-converter", "value.converter")] {
        if let Some(factory) = given(key).and_then(|class| plugins.converter(&class)) {
            add(role, "", factory.class, Some(factory.version.to_owned()));
        }
    }
    let header = given("header.converter").unwrap_or_else(|| "SimpleHeaderConverter".to_owned());
    if let Some(factory) = plugins.header_converter(&header) {
        add("header-converter", "", factory.class, Some(factory.version.to_owned()));
    }
    let Ok(config) = ConnectorConfig::parse(connector) else { return uses };
    let class_of = |kind: &str, alias: &str| connector.get(&format!("{kind}.{alias}.type")).map(str::trim);
    for alias in &config.transforms {
        if let Some(factory) = class_of(TRANSFORMS, alias).and_then(|class| plugins.transform(class)) {
            add("transform", alias, factory.class, Some(factory.version.to_owned()));
        }
    }
    for alias in &config.predicates {
        if let Some(factory) = class_of(PREDICATES, alias).and_then(|class| plugins.predicate(class)) {
            add("predicate", alias, factory.class, Some(factory.version.to_owned()));
        }
    }
    uses
}
