//! Plays recorded scenarios against the source task itself: one after another, since they share the binary log and the
//! history shows all databases; the task in this process, records through the converters of the recording. What `replay.py`
//! does through a worker's REST and Kafka.

mod database;
mod normalise;
mod run;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use couplet_testkit::golden::{self, Differences};
use regex::Regex;
use serde_json::Value;

pub use database::{Server, execute};

/// A scenario that differs is played again, at most this often in all: recordings hold what depends on time (whether a
/// row is seen by the snapshot or the stream, what else moves the log), and a loaded machine can miss it. What is wrong stays
/// wrong.
const ATTEMPTS: usize = 3;

/// The server of `folder` (`mysql`, `mariadb`), for one test at a time; `None` without one.
///
/// # Panics
/// Without a server when one is required.
pub fn server_in_turn(folder: &str) -> Option<(Server, MutexGuard<'static, ()>)> {
    static TURNS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
    let mariadb = folder == "mariadb";
    let server = Server::from_env(if mariadb { "COUPLET_TEST_MARIADB" } else { "COUPLET_TEST_MYSQL" })?;
    Some((server, TURNS[usize::from(mariadb)].lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Plays every scenario of `cdc/<folder>/<file>.jsonl` that `not_played.txt` does not name, and compares records.
///
/// # Panics
/// When a scenario differs, or without a server when one is required.
#[allow(clippy::print_stdout, reason = "a test says what it leaves out")]
pub fn play(folder: &str, file: &str) {
    let Some((server, _turn)) = server_in_turn(folder) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let path = format!("cdc/{folder}/{file}.jsonl");
    let only = std::env::var("COUPLET_SCENARIO").unwrap_or_default();
    let skipped = not_played();
    let mut scenarios = golden::cases(&path);
    scenarios.retain(|s| {
        let name = s["scenario"].as_str().unwrap_or_default();
        if let Some(reason) = skipped.get(name) {
            println!("not played: {name}: {reason}");
        }
        !skipped.contains_key(name) && name.contains(&only)
    });
    let mut all = Differences::new(path.clone());
    for scenario in scenarios {
        let mut differences = Differences::new(path.clone());
        for _ in 0..ATTEMPTS {
            let got = runtime.block_on(Box::pin(run::run(&server, &scenario)));
            differences = compare(&path, &scenario, got);
            if differences.is_empty() {
                break;
            }
        }
        all.absorb(differences);
    }
    all.finish();
}

fn compare(file: &str, scenario: &Value, got: Result<Value, String>) -> Differences {
    let mut differences = Differences::new(file);
    let name = scenario["scenario"].as_str().unwrap_or_default().to_owned();
    let got = match got {
        Ok(got) => got,
        Err(problem) => {
            differences.note(&name, &problem);
            return differences;
        }
    };
    let patterns: Vec<Regex> = run::texts(&scenario["loose"])
        .iter()
        .map(|pattern| Regex::new(&pattern.replace("${S}", &name)).expect("patterns of recordings"))
        .collect();
    let loose = !patterns.is_empty();
    let (want, got) = (normalise::recording(scenario, loose), normalise::recording(&got, loose));
    // A heartbeat takes the offset along, whenever it comes.
    let beats = scenario["config"].get("heartbeat.interval.ms").is_some();
    for part in ["create", "state", "trace", "offset"].into_iter().filter(|part| !beats || *part != "offset") {
        differences.check(&format!("{name} {part}"), &want[part], &got[part]);
    }
    for (topic, wanted) in want["topics"].as_object().into_iter().flatten() {
        let none = Vec::new();
        let wanted = wanted.as_array().unwrap_or(&none);
        let seen = got["topics"][topic].as_array().unwrap_or(&none);
        let common = patterns.iter().any(|p| p.is_match(topic)) && !seen.is_empty();
        if wanted.len() != seen.len() && !common {
            differences.note(&name, &format!("topic {topic}: {} records expected, {} seen", wanted.len(), seen.len()));
        }
        for (number, (want, got)) in wanted.iter().zip(seen).enumerate() {
            for part in ["key", "value", "headers"] {
                differences.check(&format!("{name} {topic} #{number} {part}"), &want[part], &got[part]);
            }
        }
    }
    for topic in got["topics"].as_object().into_iter().flatten().map(|(topic, _)| topic) {
        if want["topics"].get(topic).is_none() {
            differences.note(&name, &format!("unexpected topic {topic}"));
        }
    }
    differences
}

/// `scenario: reason` by line.
fn not_played() -> HashMap<&'static str, &'static str> {
    let lines = include_str!("../not_played.txt").lines();
    lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": ")).collect()
}
