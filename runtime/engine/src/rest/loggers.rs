//! Levels of loggers at run time (KIP-495, KIP-976).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use couplet_api::clock::{Clock, SystemClock};
use http::StatusCode;
use serde::Serialize;

use super::body;
use super::dispatch::Call;
use super::path::query_values;
use super::respond::{self, Answer, Failure};

const ROOT: &str = "root";
const LEVELS: [&str; 8] = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"];

/// Names users know from the JVM, and the part of this worker that stands for them.
const TARGETS: &[(&str, &str)] = &[
    ("org.apache.kafka.connect", "couplet_engine"),
    ("org.apache.kafka.connect.json", "couplet_plugins"),
    ("org.apache.kafka.connect.transforms", "couplet_plugins"),
    ("org.apache.kafka.connect.file", "couplet_file"),
    ("org.apache.kafka.clients", "couplet_kafka"),
    ("io.debezium", "couplet_postgres"),
    ("io.confluent.connect.s3", "couplet_s3"),
];

/// A logger as `GET /admin/loggers/{l}` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct LoggerLevel {
    level: &'static str,
    last_modified: Option<i64>,
}

/// The loggers and their levels. A change is handed on as filter directives in the syntax of `tracing_subscriber`.
pub struct Loggers {
    levels: Mutex<BTreeMap<String, LoggerLevel>>,
    apply: Box<dyn Fn(&str) + Send + Sync>,
}

impl Loggers {
    /// All loggers at INFO. `apply` gets the directives after each change, for example `info,couplet_engine=debug`.
    pub fn new(apply: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let names = std::iter::once(ROOT).chain(TARGETS.iter().map(|(name, _)| *name));
        let level = LoggerLevel { level: "INFO", last_modified: None };
        let levels = names.map(|name| (name.to_owned(), level.clone())).collect();
        Loggers { levels: Mutex::new(levels), apply: Box::new(apply) }
    }

    /// Sets the level that was asked for on all workers. A name that is no level is passed over.
    pub fn set_everywhere(&self, namespace: &str, level: &str) {
        if let Some(level) = LEVELS.iter().find(|known| known.eq_ignore_ascii_case(level)) {
            self.set(namespace, level, SystemClock.now_ms());
        }
    }

    fn all(&self) -> BTreeMap<String, LoggerLevel> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the level of every logger whose name begins with `namespace`, and of `namespace` itself, which becomes a
    /// logger. Returns those that had another level before.
    fn set(&self, namespace: &str, level: &'static str, now_ms: i64) -> Vec<String> {
        let (changed, directives) = {
            let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
            let is_root = namespace.eq_ignore_ascii_case(ROOT);
            if !is_root && !levels.contains_key(namespace) {
                let inherited = inherited(&levels, namespace);
                levels.insert(namespace.to_owned(), LoggerLevel { level: inherited, last_modified: None });
            }
            let mut changed = Vec::new();
            for (name, known) in levels.iter_mut() {
                let affected = is_root || (name.starts_with(namespace) && name != ROOT);
                if affected && known.level != level {
                    *known = LoggerLevel { level, last_modified: Some(now_ms) };
                    changed.push(name.clone());
                }
            }
            (changed, directives(&levels))
        };
        if !changed.is_empty() {
            (self.apply)(&directives);
        }
        changed
    }
}

/// The level of the nearest logger above `name`.
fn inherited(levels: &BTreeMap<String, LoggerLevel>, name: &str) -> &'static str {
    let mut above = name;
    while let Some((parent, _)) = above.rsplit_once('.') {
        if let Some(known) = levels.get(parent) {
            return known.level;
        }
        above = parent;
    }
    levels.get(ROOT).map_or("INFO", |root| root.level)
}

/// Directives for the loggers that were changed; longer names, which come later, win over shorter ones.
fn directives(levels: &BTreeMap<String, LoggerLevel>) -> String {
    let mut text = filter_level(levels.get(ROOT).map_or("INFO", |root| root.level)).to_owned();
    for (name, known) in levels.iter().filter(|(name, known)| name.as_str() != ROOT && known.last_modified.is_some()) {
        let target = TARGETS.iter().find(|(java, _)| java == name).map(|(_, target)| (*target).to_owned());
        let target = target.unwrap_or_else(|| name.replace('.', "::"));
        let is_target = target.chars().all(|c| c.is_ascii_alphanumeric() || "_:-".contains(c));
        if is_target && !target.is_empty() {
            text.push_str(&format!(",{target}={}", filter_level(known.level)));
        }
    }
    text
}

fn filter_level(level: &str) -> &'static str {
    match level {
        "OFF" => "off",
        "FATAL" | "ERROR" => "error",
        "WARN" => "warn",
        "DEBUG" => "debug",
        "TRACE" | "ALL" => "trace",
        _ => "info",
    }
}

/// All loggers.
pub(super) fn list(call: &Call<'_>) -> Answer {
    respond::ok(&call.state.loggers.all())
}

/// One logger.
pub(super) fn get(call: &Call<'_>, name: &str) -> Answer {
    match call.state.loggers.all().get(name) {
        Some(logger) => respond::ok(logger),
        None => Err(Failure::not_found(format!("Logger {name} not found."))),
    }
}

/// Sets a level, on this worker or on all.
pub(super) async fn set(call: &Call<'_>, name: &str) -> Answer {
    let settings = body::object(&call.body, "an object with a level")?.into_props()?;
    let Some(given) = settings.get("level") else {
        return Err(Failure::bad_request("Desired 'level' parameter was not specified in request."));
    };
    if given.trim().is_empty() {
        return Err(Failure::internal("Illegal null or empty Level name."));
    }
    let level = LEVELS.iter().find(|level| level.eq_ignore_ascii_case(given.trim()));
    let level = level.ok_or_else(|| Failure::not_found(format!("invalid log level '{given}'.")))?;
    let scope = query_values(call.query, "scope").into_iter().next().unwrap_or_default();
    if scope.eq_ignore_ascii_case("cluster") {
        // Every worker, this one too, sets the level when it reads of it.
        call.within_limit(call.state.herder.set_logger_level(name, level)).await?;
        return Ok(respond::empty(StatusCode::NO_CONTENT));
    }
    respond::ok(&call.state.loggers.set(name, level, SystemClock.now_ms()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn levels_are_set_for_whole_namespaces() {
        let applied = Arc::new(Mutex::new(String::new()));
        let seen = applied.clone();
        let loggers = Loggers::new(move |text| text.clone_into(&mut seen.lock().expect("one thread")));
        let rows: &[(&str, &'static str, &[&str])] = &[
            ("org.example.a", "DEBUG", &["org.example.a"]),
            ("org.example.a", "DEBUG", &[]),
            // A new logger begins with the level of its parent.
            ("org.example.a.b", "DEBUG", &[]),
            ("fresh", "INFO", &[]),
            ("org.example", "ERROR", &["org.example", "org.example.a", "org.example.a.b"]),
            ("org.apache.kafka.clients", "TRACE", &["org.apache.kafka.clients"]),
        ];
        for (name, level, want) in rows {
            assert_eq!(loggers.set(name, level, 7), *want, "{name} {level}");
        }
        let text = applied.lock().expect("one thread").clone();
        assert!(text.starts_with("info,") && text.contains(",couplet_kafka=trace"), "{text}");
        assert!(loggers.set("ROOT", "WARN", 8).contains(&"fresh".to_owned()));
        assert_eq!(loggers.all()["fresh"], LoggerLevel { level: "WARN", last_modified: Some(8) });
    }
}
