//! Connectors named on the command line of a standalone worker.

use std::path::Path;

use couplet_api::config::Props;
use couplet_api::{Error, Result};
use couplet_engine::herder::NewConnector;
use couplet_engine::java_properties;
use couplet_engine::worker::TargetState;
use serde_json::{Map, Value};

/// Reads a connector from `path`: a `.properties` file, or JSON in the shape of `POST /connectors` or of its config alone.
///
/// # Errors
/// `Kind::Config` that names the file and what is wrong with it.
pub fn load(path: &Path) -> Result<NewConnector> {
    let refuse = |why: &str| Error::config(format!("{}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| refuse(&format!("cannot read the file: {error}")))?;
    let is_json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let parsed: serde_json::Result<Value> = serde_json::from_slice(&text);
    let (config, name, initial_state) = match parsed {
        Ok(Value::Object(object)) => from_json(&object).map_err(|why| refuse(&why))?,
        Ok(_) => return Err(refuse("expected a JSON object")),
        Err(error) if is_json => return Err(refuse(&format!("not JSON: {error}"))),
        Err(_) => (java_properties::load(path)?, None, None),
    };
    let own = config.get("name").map(str::to_owned);
    let name = match (name, own) {
        (Some(given), Some(own)) if given != own => {
            return Err(refuse(&format!("the name {given} differs from name={own} in the config")));
        }
        (given, own) => given.or(own),
    };
    let name = name
        .filter(|name| !name.trim().is_empty())
        .ok_or_else(|| refuse("name is missing; set name=<connector name>"))?;
    let mut config = config;
    if config.get("name").is_none() {
        config.set("name", name.clone());
    }
    Ok(NewConnector { name, config, initial_state, replace: true })
}

type Parts = (Props, Option<String>, Option<TargetState>);

fn from_json(object: &Map<String, Value>) -> Result<Parts, String> {
    let Some(Value::Object(config)) = object.get("config") else { return Ok((props(object)?, None, None)) };
    let name = object.get("name").and_then(Value::as_str).map(str::to_owned);
    let state = match object.get("initial_state").map(|state| state.as_str().unwrap_or_default().to_ascii_uppercase()) {
        None => None,
        Some(state) => Some(match state.as_str() {
            "RUNNING" => TargetState::Started,
            "PAUSED" => TargetState::Paused,
            "STOPPED" => TargetState::Stopped,
            other => return Err(format!("initial_state {other} is none of RUNNING, PAUSED, STOPPED")),
        }),
    };
    Ok((props(config)?, name, state))
}

fn props(object: &Map<String, Value>) -> Result<Props, String> {
    let mut props = Props::new();
    for (key, value) in object {
        match value {
            Value::String(text) => props.set(key, text),
            Value::Number(_) | Value::Bool(_) => props.set(key, value.to_string()),
            Value::Null => props.set_nullable(key, None),
            Value::Array(_) | Value::Object(_) => return Err(format!("the value of {key} must be text")),
        }
    }
    Ok(props)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(file: &str, text: &str) -> Result<NewConnector> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(file);
        std::fs::write(&path, text).expect("a file");
        load(&path)
    }

    #[test]
    fn all_three_shapes_are_read() {
        let rows = [
            ("c.properties", "name=c\nfile=f\n", None),
            ("c.json", r#"{"name":"c","file":"f"}"#, None),
            ("c.json", r#"{"name":"c","config":{"file":"f"}}"#, None),
            ("c.txt", r#"{"name":"c","config":{"file":"f"},"initial_state":"paused"}"#, Some(TargetState::Paused)),
        ];
        for (file, text, state) in rows {
            let connector = loaded(file, text).expect("reads");
            assert_eq!((connector.name.as_str(), connector.config.get("file")), ("c", Some("f")), "{text}");
            assert_eq!((connector.config.get("name"), connector.initial_state), (Some("c"), state), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let rows = [
            ("c.properties", "file=f\n", "name is missing"),
            ("c.json", "{", "not JSON"),
            ("c.json", "[]", "expected a JSON object"),
            ("c.json", r#"{"name":"a","config":{"name":"b"}}"#, "differs"),
            ("c.json", r#"{"name":"a","config":{"x":{}}}"#, "the value of x must be text"),
            ("c.json", r#"{"name":"a","config":{},"initial_state":"ASLEEP"}"#, "ASLEEP"),
        ];
        for (file, text, want) in rows {
            let error = loaded(file, text).expect_err("a mistake");
            assert!(error.message().contains(want) && error.message().contains(file), "{error}");
        }
    }
}
