//! The connectors' settings as the JVM worker lists them.

use couplet_api::config::{ConfigKey, Default};
use couplet_api::connector::ConnectorPlugin;
use couplet_file::{FileStreamSink, FileStreamSource};
use couplet_testkit::golden::{Differences, json};
use serde_json::{Value, json};

fn shown(key: &ConfigKey) -> Value {
    let default = match &key.default {
        Default::Text(text) => Value::from(text.as_ref()),
        Default::Required | Default::Null => Value::Null,
    };
    json!({
        "name": key.name, "type": key.kind.name(), "required": key.default == Default::Required,
        "default_value": default, "importance": key.importance.name(), "group": key.group.as_deref(),
        "width": key.width.name(), "display_name": key.label(), "dependents": key.dependents, "order": key.order,
    })
}

#[test]
fn settings_match_the_recordings() {
    let plugins: [&dyn ConnectorPlugin; 2] = [&FileStreamSource, &FileStreamSink];
    for plugin in plugins {
        let file = format!("connect/validate-nodoc/{}.json", plugin.class());
        let recorded = json(&file);
        let mut differences = Differences::new(&file);
        for (at, key) in plugin.config_def().keys().iter().enumerate() {
            differences.check(&key.name, &recorded[at], &shown(key));
        }
        differences.finish();
    }
}
