//! Plays recorded scenarios against the source task itself: a database of its own per scenario, the task in this
//! process, records through the converters of the recording. What `replay.py` does through a worker's REST and Kafka.

mod database;
mod normalise;
mod run;

use std::collections::HashMap;
use std::sync::Arc;

use couplet_testkit::golden::{self, Differences};
use regex::Regex;
use serde_json::Value;
use tokio::sync::Semaphore;

pub use database::Server;

/// Scenarios at once: each is mostly waiting.
const AT_ONCE: u32 = 3;

/// A scenario that differs is played again alone, at most this often in all: recordings hold what depends on time (whether a
/// row is seen by the snapshot or the stream, what else moves the log), and a loaded machine can miss it. What is wrong stays
/// wrong.
const ATTEMPTS: usize = 3;

/// Plays every scenario of `cdc/postgres/<file>.jsonl` that `not_played.txt` does not name, and compares records.
///
/// # Panics
/// When a scenario differs, or without a server when one is required.
#[allow(clippy::print_stdout, reason = "a test says what it leaves out")]
pub fn play(file: &str) {
    let Some(server) = Server::from_env() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let path = format!("cdc/postgres/{file}.jsonl");
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
    let results = runtime.block_on(async {
        let (server, gate) = (Arc::new(server), Arc::new(Semaphore::new(AT_ONCE as usize)));
        let mut running = tokio::task::JoinSet::new();
        for scenario in scenarios {
            let (server, gate, file) = (server.clone(), gate.clone(), path.clone());
            running.spawn(async move {
                let turn = gate.acquire().await.expect("an open gate");
                let mut differences = compare(&file, &scenario, Box::pin(run::run(&server, &scenario)).await);
                drop(turn);
                for _ in 1..ATTEMPTS {
                    if !differences.is_empty() {
                        let _alone = gate.acquire_many(AT_ONCE).await.expect("an open gate");
                        differences = compare(&file, &scenario, Box::pin(run::run(&server, &scenario)).await);
                    }
                }
                differences
            });
        }
        running.join_all().await
    });
    let mut differences = Differences::new(path);
    results.into_iter().for_each(|of_scenario| differences.absorb(of_scenario));
    differences.finish();
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
    for part in ["create", "state", "trace", "offset"] {
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
