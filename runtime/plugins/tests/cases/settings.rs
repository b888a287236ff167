use couplet_api::Plugin;
use couplet_api::config::{ConfigKey, Default};
use couplet_testkit::golden;
use serde_json::{Value as Json, json};

use super::plugin;

/// Compares the settings of each plugin that has a recording.
pub fn check_config_defs(folder: &str) {
    let mut differences = golden::Differences::new(folder);
    let of_this_crate = ["converters", "json", "storage", "transforms"];
    for file in golden::names(folder, ".json") {
        let Some(class) = file.strip_suffix(".json").filter(|c| c.starts_with("org.apache.kafka.connect.")) else {
            continue;
        };
        if !of_this_crate.contains(&class.split('.').nth(4).unwrap_or_default()) {
            continue;
        }
        let want = golden::json(&format!("{folder}/{file}"));
        match plugin(class, |_| true) {
            Some(plugin) => {
                let keys: Json = plugin.config_def().keys().iter().filter(|k| !k.internal).map(key_json).collect();
                differences.check(class, &want, &keys);
                for key in plugin.config_def().keys() {
                    if key.doc.trim().is_empty() {
                        differences.note(class, &format!("{} has no documentation", key.name));
                    }
                }
            }
            None => differences.note(class, "no such plugin"),
        }
    }
    differences.finish();
}

fn key_json(key: &ConfigKey) -> Json {
    let default = match &key.default {
        Default::Text(_) => key.default_setting().to_text(),
        Default::Required | Default::Null => None,
    };
    json!({
        "name": key.name,
        "type": key.kind.name(),
        "required": key.default == Default::Required,
        "default_value": default,
        "importance": key.importance.name(),
        "group": key.group,
        "width": key.width.name(),
        "display_name": key.label(),
        "dependents": key.dependents,
        "order": key.order,
    })
}

/// Compares class, type and version of all plugins that come with Kafka Connect, connectors excepted, and their order.
pub fn check_plugin_list(file: &str) {
    let mut differences = golden::Differences::new(file);
    let is_connector = |p: &&Json| p["type"] == "source" || p["type"] == "sink";
    let want = golden::json(file);
    let want: Json = want.as_array().expect("a list").iter().filter(|p| !is_connector(p)).cloned().collect();
    let got = couplet_plugins::plugins();
    let got = got.iter().filter(|p| p.class().starts_with("org.apache.kafka.")).map(plugin_json);
    differences.check("plugins", &want, &got.collect());
    differences.finish();
}

fn plugin_json(plugin: &Plugin) -> Json {
    let kind = match plugin {
        Plugin::Source(_) => "source",
        Plugin::Sink(_) => "sink",
        Plugin::Converter(_) => "converter",
        Plugin::HeaderConverter(_) => "header_converter",
        Plugin::Transform(_) => "transformation",
        Plugin::Predicate(_) => "predicate",
    };
    json!({ "class": plugin.class(), "type": kind, "version": plugin.version() })
}
