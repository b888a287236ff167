//! The connector against recordings of the original: its definitions, its validation, and scenarios of a task against a
//! real S3 server. The README beside the scenarios says what their members mean.

mod scenario;
mod support;

use couplet_api::config::{Default, Props, Setting};
use couplet_testkit::golden::{self, Differences};
use scenario::{comparable_events, comparable_objects};
use serde_json::{Value, json};

const CONFIG_DEF: &str = include_str!("recorded/config-def.jsonl");
const VALIDATE: &str = include_str!("recorded/validate.jsonl");

fn lines(recorded: &str) -> Vec<Value> {
    recorded.lines().map(|line| serde_json::from_str(line).expect("recorded JSON")).collect()
}

/// All keys with everything user interfaces show, in the original's order. Texts of documentation are our own.
#[test]
fn golden_config_def() {
    let def = support::plugin().config_def();
    let mut differences = Differences::new("config-def.jsonl");
    let want = lines(CONFIG_DEF);
    let names = |keys: &[Value]| Value::Array(keys.iter().map(|k| k["name"].clone()).collect());
    let got: Vec<Value> = def.keys().iter().map(|key| json!({ "name": key.name })).collect();
    differences.check("order", &names(&want), &names(&got));
    for want in &want {
        let name = want["name"].as_str().expect("a name");
        let Some(key) = def.key(name) else { continue };
        let default = match (&key.default, want["default"].as_str()) {
            // The recording prints an empty list and an empty secret as Java does.
            (Default::Text(_), Some(text)) if text == "[]" || text == "[hidden]" => json!(text),
            (Default::Text(text), _) => json!(text),
            _ => Value::Null,
        };
        let mut got = json!({
            "name": name,
            "type": key.kind.name(),
            "required": key.default == Default::Required,
            "default": default,
            "importance": key.importance.name(),
            "group": key.group,
            "order": key.order,
            "width": key.width.name(),
            "displayName": key.label(),
            "dependents": key.dependents,
        });
        let mut want = want.clone();
        let members = want.as_object_mut().expect("an object");
        // How a check prints itself is not part of any answer; keys marked internal are in all answers.
        members.remove("validator");
        members.remove("internal");
        if members.contains_key("recommended") {
            got["recommended"] = json!(key.recommended);
        }
        differences.check(name, &want, &got);
        assert!(!key.doc.is_empty(), "{name} has no documentation");
    }
    differences.finish();
}

#[tokio::test]
async fn golden_validate() {
    let mut differences = Differences::new("validate.jsonl");
    for case in lines(VALIDATE) {
        let name = case["name"].as_str().expect("a name");
        let config = case["config"].as_object().expect("settings");
        let props: Props = config.iter().map(|(k, v)| (k.as_str(), v.as_str().expect("text"))).collect();
        let values = support::plugin().validate(&props).await;
        assert_eq!(values.len(), case["values"].as_array().map_or(0, Vec::len), "{name}: one value per key");
        for want in case["values"].as_array().expect("values") {
            let key = want["name"].as_str().expect("a name");
            let got = values.iter().find(|value| value.name == key).expect("a value of each key");
            let text = if got.value == Setting::Null { Value::Null } else { json!(got.value.to_text()) };
            let got = json!({ "name": key, "value": text, "errors": got.errors, "visible": got.visible });
            differences.check(&format!("{name} {key}"), want, &got);
        }
    }
    differences.finish();
}

/// Every scenario in the folder, whatever its name.
#[tokio::test]
async fn golden_scenarios() {
    let mut differences = Differences::new("sinks/s3-*.json");
    let mut skipped = Vec::new();
    for file in golden::names("sinks", ".json").into_iter().filter(|name| name.starts_with("s3-")) {
        let scenario = golden::json(&format!("sinks/{file}"));
        if let Some(reason) = scenario::unsupported(&scenario).await {
            skipped.push(format!("{file}: {reason}"));
            continue;
        }
        let Some(server) = support::Server::with_bucket("golden").await else { return };
        let played = Box::pin(scenario::play(&scenario, &server, &[])).await;
        let expected = &scenario["expected"];
        let mut check = |what: &str, want: Value, got: Value| differences.check(&format!("{file} {what}"), &want, &got);
        check("events", comparable_events(&expected["events"]), comparable_events(&played.events));
        check("errantRecords", or_empty(&expected["errantRecords"]), played.errant);
        check("objects", comparable_objects(&expected["objects"]), comparable_objects(&played.objects));
        server.remove().await;
    }
    skipped.iter().for_each(|skip| println!("skipped {skip}"));
    differences.finish();
}

/// When files close does not depend on their format: scenarios recorded with Avro, played with JSON.
#[tokio::test]
async fn golden_rotation_of_avro_scenarios() {
    const AVRO: &str = "io.confluent.connect.s3.format.avro.AvroFormat";
    const JSON: &str = "io.confluent.connect.s3.format.json.JsonFormat";
    let formats = [("format.class", JSON), ("keys.format.class", JSON), ("headers.format.class", JSON)];
    let mut differences = Differences::new("sinks/s3-*.json");
    for file in golden::names("sinks", ".json").into_iter().filter(|name| name.starts_with("s3-")) {
        let scenario = golden::json(&format!("sinks/{file}"));
        if scenario["config"]["format.class"] != AVRO {
            continue;
        }
        let Some(server) = support::Server::with_bucket("rotation").await else { return };
        let played = Box::pin(scenario::play(&scenario, &server, &formats)).await;
        let expected = &scenario["expected"];
        let want = comparable_events(&expected["events"]);
        differences.check(&format!("{file} events"), &want, &comparable_events(&played.events));
        differences.check(&format!("{file} files"), &shapes(&expected["objects"]), &shapes(&played.objects));
        server.remove().await;
    }
    differences.finish();
}

/// Names of objects without extension, and how many records each holds.
fn shapes(objects: &Value) -> Value {
    let shape = |object: &Value| {
        let key = object["key"].as_str().expect("a key");
        let rows = object["rows"].as_array().map(Vec::len);
        let lines = object["text"].as_str().map(|text| text.lines().count());
        json!({ "stem": key.rsplit_once('.').map(|(stem, _)| stem), "records": rows.or(lines) })
    };
    objects.as_array().into_iter().flatten().map(shape).collect()
}

fn or_empty(list: &Value) -> Value {
    if list.is_null() { json!([]) } else { list.clone() }
}
