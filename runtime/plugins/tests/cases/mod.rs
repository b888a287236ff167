//! How each kind of recorded case is played.

mod converter;
mod recorded;
mod settings;
mod transform;

pub use converter::check_converters;
pub use recorded::{check_header_to_value, check_outbox, check_router};
pub use settings::{check_config_defs, check_plugin_list};
pub use transform::check_transforms;

use couplet_api::config::Props;
use couplet_api::{Error, Plugin};
use serde_json::{Value as Json, json};

/// The plugin of `class` that `is_kind` accepts.
fn plugin(class: &str, is_kind: impl Fn(&Plugin) -> bool) -> Option<Plugin> {
    couplet_plugins::plugins().into_iter().find(|p| p.class() == class && is_kind(p))
}

/// The settings of a case.
fn props(config: &Json) -> Props {
    let mut props = Props::new();
    for (key, value) in config.as_object().into_iter().flatten() {
        let text = match value {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        props.set_nullable(key, text);
    }
    props
}

/// What is compared of an error: where it came up, its class and message, and its cause where Connect made it up.
fn error(stage: &str, error: &Error) -> Json {
    let mut json = json!({ "stage": stage, "class": error.class(), "message": error.message() });
    if let Some(cause) = error.cause() {
        json["cause_class"] = json!(cause.class());
        json["cause_message"] = json!(cause.message());
    }
    json
}

/// The error with one name for all classes of which the data model has one: which map or buffer a text names was up to
/// the recording's harness, which made the values.
fn one_class(error: &Json) -> Json {
    let mut error = error.clone();
    for text in error.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        if let Json::String(text) = text {
            *text = text.replace("java.util.LinkedHashMap", "java.util.HashMap");
            *text = text.replace("java.nio.HeapByteBuffer", "[B");
        }
    }
    error
}

/// A recorded error and ours, without what comes from the JVM or its libraries rather than from Connect: messages of
/// the JSON parser, and of exceptions that mean a mistake in Connect's code.
fn comparable_error(want: &Json, got: &Json) -> (Json, Json) {
    let (mut want, mut got) = (one_class(want), one_class(got));
    let foreign = |text: &Json| text.as_str().is_some_and(|t| t.contains("com.fasterxml"));
    let number = |text: &Json| text.as_str().is_some_and(|t| t.contains("can not be deserialized as"));
    if foreign(&want["cause_message"]) || foreign(&want["cause_class"]) || number(&want["cause_message"]) {
        for side in [&mut want, &mut got] {
            side.as_object_mut().map(|members| members.remove("cause_message"));
        }
    }
    // Java prints some objects by their address; what stands in its place is ours to say.
    if let Some(at) = want["message"].as_str().and_then(|text| text.find("InsertField$InsertionSpec@")) {
        let length = want["message"].as_str().map_or(0, |text| text[..at].rfind(' ').unwrap_or(at));
        for side in [&mut want, &mut got] {
            let text = side["message"].as_str().unwrap_or_default();
            side["message"] = json!(text.get(..length).unwrap_or(text));
        }
    }
    (want, got)
}
