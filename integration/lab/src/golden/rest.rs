//! REST cases: `connect/rest/replay.py` starts our binary as often as a suite needs and compares the answers.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use couplet_harness::provision::{jars, python};
use couplet_harness::services::free_port;
use couplet_harness::worker::Engine;
use serde_json::Value;
use tokio::process::Command;

use super::suites::RestSuite;
use super::{Outcomes, judge, root, scripts};
use crate::shared_services::SharedServices;
use crate::tally::Tally;

/// Plays one suite.
pub(super) async fn play(services: &SharedServices, suite: &RestSuite) -> Result<Tally> {
    let recordings = root().join("connect/rest");
    let file = recordings.join(format!("{}.jsonl", suite.suite));
    if !file.is_file() {
        println!("golden {}: not in {}, skipped", suite.name(), root().display());
        return Ok(Tally::default());
    }
    let Engine::Couplet(binary) = Engine::couplet()? else { unreachable!("asked for our own binary") };
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report.jsonl");
    let ports: Vec<String> = (0..4).map(|_| free_port().map(|p| p.to_string())).collect::<Result<_>>()?;
    // The script puts Distributed or Standalone where {mode} stands; our commands are lower case.
    let start = format!("sh -c \"exec '{}' $(echo {{mode}} | tr DS ds) '{{props}}'\"", binary.display());
    let done = Command::new(python::environment()?)
        .arg(scripts().join("connect/rest/replay.py"))
        .args([
            "--suite",
            &suite.suite,
            "--bootstrap",
            &services.bootstrap,
            "--ports",
            &ports.join(","),
            "--start-cmd",
            &start,
        ])
        .arg("--plugin-path")
        .arg(jars::plugin_path_file()?)
        .arg("--dir")
        .arg(&recordings)
        .arg("--report")
        .arg(&report)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start connect/rest/replay.py")?;
    let said = String::from_utf8_lossy(&done.stdout);
    let ended = said.lines().last().is_some_and(|line| line.contains(" passed, "));
    ensure!(
        ended,
        "connect/rest/replay.py stopped in {}:\n{said}\n{}",
        suite.name(),
        String::from_utf8_lossy(&done.stderr)
    );
    let outcomes = outcomes(&fs::read_to_string(&file)?, &fs::read_to_string(&report)?)?;
    Ok(judge(&suite.name(), &outcomes, &suite.deviations))
}

/// Compared cases are those with an answer that is not marked volatile; the report has a line for each that differs.
fn outcomes(recording: &str, report: &str) -> Result<Outcomes> {
    let mut outcomes: Outcomes = BTreeMap::new();
    for line in recording.lines().filter(|l| !l.trim().is_empty()) {
        let case: Value = serde_json::from_str(line)?;
        if !case["response"].is_null() && case["volatile"].as_bool() != Some(true) {
            outcomes.insert(case["name"].as_str().unwrap_or_default().to_owned(), None);
        }
    }
    for line in report.lines() {
        let case: Value = serde_json::from_str(line)?;
        let differences = case["diff"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let text = differences.map(|d| format!("    {}\n", shorten(d))).collect();
        outcomes.insert(case["case"].as_str().unwrap_or_default().to_owned(), Some(text));
    }
    Ok(outcomes)
}

fn shorten(text: &str) -> String {
    text.chars().take(600).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_without_an_answer_are_not_counted() {
        let recording = r#"{"name": "a", "response": {"status": 200}}
{"name": "b"}
{"name": "c", "response": {"status": 200}, "volatile": true}
{"name": "d", "response": {"status": 404}}"#;
        let got =
            outcomes(recording, r#"{"suite": "main", "case": "d", "diff": ["status: expected 404 got 200"]}"#).unwrap();
        assert_eq!(got.len(), 2);
        assert_eq!(got["a"], None);
        assert!(got["d"].as_deref().unwrap().contains("expected 404"));
    }
}
