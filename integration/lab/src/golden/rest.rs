//! REST cases: `connect/rest/replay.py` starts our binary as often as a suite needs and compares the answers.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use couplet_harness::provision::{jars, python};
use couplet_harness::services::{BrokerSettings, KafkaBroker, free_port};
use couplet_harness::worker::Engine;
use serde_json::Value;
use tokio::process::Command;

use super::suites::{RestRules, RestSuite};
use super::{Outcomes, judge, root, scripts};
use crate::tally::Tally;

/// Plays one suite on a broker of its own: the names of consumer groups are those of the recorded connectors, and a group
/// that another run left would be seen.
pub(super) async fn play(suite: &RestSuite, rules: &RestRules) -> Result<Tally> {
    let recordings = root().join("connect/rest");
    let file = recordings.join(format!("{}.jsonl", suite.suite));
    if !file.is_file() {
        println!("golden {}: not in {}, skipped", suite.name(), root().display());
        return Ok(Tally::default());
    }
    let Engine::Couplet(binary) = Engine::couplet()? else { unreachable!("asked for our own binary") };
    let started = std::time::Instant::now();
    let broker = KafkaBroker::start(BrokerSettings::default()).await?;
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
            &broker.bootstrap,
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
    println!("{} played in {} s", suite.name(), started.elapsed().as_secs());
    let outcomes = outcomes(&fs::read_to_string(&file)?, &fs::read_to_string(&report)?, rules)?;
    Ok(judge(&suite.name(), &outcomes, &suite.deviations))
}

/// Compared cases are those with an answer that is not marked volatile; the report has a line for each that differs.
fn outcomes(recording: &str, report: &str, rules: &RestRules) -> Result<Outcomes> {
    let mut outcomes: Outcomes = BTreeMap::new();
    for line in recording.lines().filter(|l| !l.trim().is_empty()) {
        let case: Value = serde_json::from_str(line)?;
        if !case["response"].is_null() && case["volatile"].as_bool() != Some(true) {
            outcomes.insert(case["name"].as_str().unwrap_or_default().to_owned(), None);
        }
    }
    for line in report.lines() {
        let case: Value = serde_json::from_str(line)?;
        let differences: Vec<&str> = case["diff"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let of_contract = of_contract(&differences, rules);
        if !of_contract.is_empty() {
            let text = of_contract.iter().map(|d| format!("    {}\n", shorten(d))).collect();
            outcomes.insert(case["case"].as_str().unwrap_or_default().to_owned(), Some(text));
        }
    }
    Ok(outcomes)
}

/// The differences that are left when texts that are not contract are set aside.
fn of_contract<'a>(differences: &[&'a str], rules: &RestRules) -> Vec<&'a str> {
    let is_library_text =
        |d: &&str| d.starts_with("body") && rules.library_texts.iter().any(|text| expected(d).contains(text));
    let only_status = differences.iter().any(is_library_text);
    let is_contract = |d: &&&str| d.starts_with("status") || !(only_status || is_equal_but_for(d, &rules.own_members));
    differences.iter().filter(is_contract).copied().collect()
}

/// The recorded half of `body: expected ... got ...`.
fn expected(difference: &str) -> &str {
    difference.split("\n        got ").next().unwrap_or(difference)
}

/// Whether two JSON bodies are the same once members whose text is ours are taken out.
fn is_equal_but_for(difference: &str, members: &[String]) -> bool {
    let halves = difference.strip_prefix("body: expected ").and_then(|d| d.split_once("\n        got "));
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    let Some((Some(mut want), Some(mut got))) = halves.map(|(want, got)| (parse(want), parse(got))) else {
        return false;
    };
    remove(&mut want, members);
    remove(&mut got, members);
    want == got
}

fn remove(value: &mut Value, members: &[String]) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !members.contains(name));
            object.values_mut().for_each(|v| remove(v, members));
        }
        Value::Array(list) => list.iter_mut().for_each(|v| remove(v, members)),
        _ => {}
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(600).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> RestRules {
        RestRules { own_members: vec!["documentation".into()], library_texts: vec!["Source: REDACTED".into()] }
    }

    #[test]
    fn cases_without_an_answer_are_not_counted() {
        let recording = r#"{"name": "a", "response": {"status": 200}}
{"name": "b"}
{"name": "c", "response": {"status": 200}, "volatile": true}
{"name": "d", "response": {"status": 404}}"#;
        let report = r#"{"suite": "main", "case": "d", "diff": ["status: expected 404 got 200"]}"#;
        let got = outcomes(recording, report, &rules()).unwrap();
        assert_eq!(got.len(), 2);
        assert_eq!(got["a"], None);
        assert!(got["d"].as_deref().unwrap().contains("expected 404"));
    }

    #[test]
    fn only_what_is_contract_counts() {
        let status = "status: expected 500 got 400";
        let header = "header content-type: expected 'a' got 'b'";
        let documentation = r#"body: expected [{"documentation": "x", "name": "n"}]
        got [{"documentation": "y", "name": "n"}]"#;
        let name = r#"body: expected [{"documentation": "x", "name": "n"}]
        got [{"documentation": "y", "name": "m"}]"#;
        let library = "body: expected {\"message\": \"at [Source: REDACTED\"}\n        got {\"message\": \"clear\"}";
        let rows: &[(&[&str], &[&str])] = &[
            (&[documentation], &[]),
            (&[name], &[name]),
            (&[library], &[]),
            (&[status, header, library], &[status]),
            (&[header, documentation], &[header]),
        ];
        for (differences, want) in rows {
            assert_eq!(of_contract(differences, &rules()), *want);
        }
    }
}
