//! Validation of connectors as the JVM recorded it: `connect/rest/*.jsonl` and `connect/validate-nodoc`.

use std::collections::BTreeMap;

use couplet_api::Plugin;
use couplet_api::config::Props;
use couplet_engine::plugins::Plugins;
use couplet_engine::validate;
use couplet_engine::worker_config::{Mode, WorkerConfig};
use couplet_testkit::golden::{self, Differences};
use serde_json::{Map, Value};

/// What ran when the recordings were made, but for the MirrorMaker connectors, which are not part of this project.
fn recorded_plugins() -> Plugins {
    let all = couplet_file::plugins().into_iter().chain(couplet_plugins::plugins());
    Plugins::new(all.filter(|plugin| plugin.class().starts_with("org.apache.kafka.")).collect())
}

/// The worker of a suite; its placeholders stand for themselves.
fn worker(suite: &str) -> WorkerConfig {
    let text = golden::text(&format!("connect/rest/profiles/{suite}.properties"));
    let props: Props = text.lines().filter_map(|line| line.split_once('=')).collect();
    let mode = if suite == "standalone" { Mode::Standalone } else { Mode::Distributed };
    let (listeners, port) = ("listeners", "http://127.0.0.1:0");
    let props = props.iter().map(|(k, v)| (k, if k == listeners { port } else { v.unwrap_or_default() })).collect();
    WorkerConfig::parse(mode, props).expect("the profile of a recorded worker")
}

/// Whether a recorded answer is about plugins that are not part of this project.
fn left_out(case: &str, text: &str) -> bool {
    case.contains("heartbeat") || text.contains("available connectors are")
}

fn props(body: &Map<String, Value>) -> Props {
    let mut props = Props::new();
    for (key, value) in body {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        props.set_nullable(key.clone(), text);
    }
    props
}

/// Everything but the documentation: those sentences are Kafka's, ours are our own.
fn without_documentation(mut infos: Value) -> Value {
    for config in infos["configs"].as_array_mut().into_iter().flatten() {
        if let Some(definition) = config["definition"].as_object_mut() {
            definition.shift_remove("documentation");
        }
    }
    infos
}

fn object(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

#[tokio::test]
async fn validation_answers_match_the_jvm() {
    let plugins = recorded_plugins();
    for suite in ["main", "cors-any", "standalone"] {
        let worker = worker(suite);
        let mut differences = Differences::new(format!("connect/rest/{suite}.jsonl"));
        for case in golden::cases(&format!("connect/rest/{suite}.jsonl")) {
            let (request, response) = (&case["request"], &case["response"]);
            let name = case["name"].as_str().unwrap_or_default();
            let is_validation = request["path"].as_str().is_some_and(|path| path.ends_with("/config/validate"));
            let body = request["body"].as_str().and_then(object);
            let Some(body) = body.filter(|_| is_validation && response["status"] == 200 && !left_out(name, "")) else {
                continue;
            };
            let got = validate::validate_connector(&plugins, &worker, &props(&body)).await;
            let got = got.map_or_else(
                |refused| Value::from(refused.message()),
                |infos| without_documentation(serde_json::to_value(infos).expect("plain data")),
            );
            differences.check(name, &without_documentation(response["json"].clone()), &got);
        }
        differences.finish();
    }
}

#[tokio::test]
async fn refusals_of_new_connectors_match_the_jvm() {
    let plugins = recorded_plugins();
    for suite in ["main", "cors-any", "admin-split"] {
        let worker = worker(suite);
        let mut differences = Differences::new(format!("connect/rest/{suite}.jsonl"));
        for case in golden::cases(&format!("connect/rest/{suite}.jsonl")) {
            let (request, response) = (&case["request"], &case["response"]);
            let name = case["name"].as_str().unwrap_or_default();
            let message = response["json"]["message"].as_str().unwrap_or_default();
            let is_refusal = message.starts_with("Connector configuration is invalid") && !left_out(name, message);
            let body = request["body"].as_str().and_then(object);
            let is_create = request["method"] == "POST" && request["path"] == "/connectors";
            let Some(body) = body.filter(|_| is_create && is_refusal) else { continue };
            let mut config = body["config"].as_object().cloned().unwrap_or_default();
            let name_given = body.get("name").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
            config.insert("name".to_owned(), name_given.into());
            let got = validate::check(&plugins, &worker, &props(&config)).await.err().unwrap_or_default();
            differences.check(name, &message.into(), &got.into());
        }
        differences.finish();
    }
}

#[tokio::test]
async fn plugin_listing_and_settings_match_the_jvm() {
    let plugins = recorded_plugins();
    let mut differences = Differences::new("connect/validate-nodoc");
    let listed: Vec<Value> = plugins
        .all()
        .iter()
        .map(|p| serde_json::json!({"class": p.class(), "type": couplet_engine::plugins::type_name(p), "version": p.version()}))
        .collect();
    let mut want = golden::json("connect/validate-nodoc/_plugins.json");
    let is_ours = |entry: &Value| !entry["class"].as_str().is_some_and(|class| class.contains(".mirror."));
    want.as_array_mut().expect("a list").retain(is_ours);
    differences.check("_plugins", &want, &listed.into());

    let by_class: BTreeMap<&str, &Plugin> = plugins.all().iter().map(|plugin| (plugin.class(), plugin)).collect();
    for (class, plugin) in by_class {
        let keys = match plugins.connector(class) {
            Some(connector) => validate::plugin_config(&connector),
            None => plugin.config_def().keys().iter().map(|key| validate::KeyInfo::new(key, "")).collect(),
        };
        let mut got = serde_json::to_value(keys).expect("plain data");
        for key in got.as_array_mut().into_iter().flatten() {
            key.as_object_mut().map(|key| key.shift_remove("documentation"));
        }
        differences.check(class, &golden::json(&format!("connect/validate-nodoc/{class}.json")), &got);
    }
    differences.finish();
}
