//! cargo's own tests, with a second look at the few that fail.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use couplet_harness::provision::cache;
use couplet_harness::worker::Engine;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::second_look::FAILURES_MAX;
use crate::shared_services::SharedServices;
use crate::tally::Tally;

/// Runs the tests of `filter` (all when missing).
///
/// # Errors
/// When cargo cannot be started.
pub async fn run(services: &SharedServices, engine: &Engine, filter: Option<&str>) -> Result<Tally> {
    let Engine::Couplet(binary) = engine else { bail!("the tests are about our own binary") };
    let cargo = |arguments: &[String]| {
        let mut command = Command::new("cargo");
        command.args(["test", "--quiet", "--no-fail-fast"]).args(arguments);
        command.envs(services.environment()).env("COUPLET_BIN", binary).current_dir(cache::repository());
        command
    };
    let first = Seen::of(cargo(&selection(filter).await?)).await?;
    let failed = first.failures.len() as u64;
    // When names and counts differ, something did not compile or was killed.
    if failed == 0 || failed > FAILURES_MAX || failed != first.tally.failed {
        return Ok(first.tally);
    }
    let mut again = Tally::default();
    for target in &first.targets {
        println!("AGAIN {target}: {}", first.failures.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        let mut arguments: Vec<String> = target.split_whitespace().map(str::to_owned).collect();
        arguments.extend(["--", "--exact", "--test-threads=1"].map(str::to_owned));
        arguments.extend(first.failures.iter().cloned());
        again.add(Seen::of(cargo(&arguments)).await?.tally);
    }
    if again.failed > 0 || again.passed < failed {
        return Ok(first.tally);
    }
    let passed = first.tally.passed + failed;
    Ok(Tally { passed, failed: 0, flaky: first.failures.into_iter().collect() })
}

/// What cargo said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    tally: Tally,
    /// Names of failed tests.
    failures: BTreeSet<String>,
    /// Arguments that name the targets they are in, as cargo gives them "to rerun".
    targets: BTreeSet<String>,
}

impl Seen {
    /// Runs `cargo` to its end, passing on what it says.
    async fn of(mut cargo: Command) -> Result<Self> {
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = cargo.spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no output of cargo")?).lines();
        let mut errors = BufReader::new(child.stderr.take().context("no errors of cargo")?).lines();
        let (mut seen, mut open) = (Seen::default(), (true, true));
        while open.0 || open.1 {
            let line = tokio::select! {
                line = output.next_line(), if open.0 => line?.or_else(|| { open.0 = false; None }),
                line = errors.next_line(), if open.1 => line?.or_else(|| { open.1 = false; None }),
            };
            if let Some(line) = line {
                println!("{line}");
                seen.add(&line);
            }
        }
        if !child.wait().await?.success() && seen.tally.failed == 0 {
            // Something did not compile or was killed: no line says so.
            println!("FAILED cargo test");
            seen.tally.failed += 1;
        }
        Ok(seen)
    }

    fn add(&mut self, line: &str) {
        self.tally.add_cargo_line(line);
        if let Some(name) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----")) {
            self.failures.insert(name.to_owned());
        }
        if let Some((_, target)) = line.split_once("to rerun pass `") {
            self.targets.insert(target.trim_end_matches('`').to_owned());
        }
    }
}

/// cargo's own arguments for a filter: a crate of that name, golden tests, or test names.
async fn selection(filter: Option<&str>) -> Result<Vec<String>> {
    let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let Some(filter) = filter else { return Ok(words(&["--workspace"])) };
    if filter == "golden" {
        return Ok(words(&["--workspace", "--test", "golden"]));
    }
    let mut list = Command::new("cargo");
    list.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(cache::repository());
    let metadata: serde_json::Value = serde_json::from_slice(&list.output().await?.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let named = packages.iter().filter_map(|p| p["name"].as_str());
    let package = named.into_iter().find(|name| *name == filter || name.strip_prefix("couplet-") == Some(filter));
    Ok(match package {
        Some(package) => words(&["-p", package]),
        None => words(&["--workspace", filter]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_tests_and_their_targets_are_found() {
        let mut seen = Seen::default();
        for line in [
            "golden_pg_stream --- FAILED",
            "---- golden_pg_stream stdout ----",
            "    golden_pg_stream",
            "test result: FAILED. 8 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 53.64s",
            "error: test failed, to rerun pass `-p couplet-postgres --test golden`",
            "error: 1 target failed:",
            "    `-p couplet-postgres --test golden`",
        ] {
            seen.add(line);
        }
        let wanted = Seen {
            tally: Tally { passed: 8, failed: 1, ..Tally::default() },
            failures: ["golden_pg_stream".to_owned()].into(),
            targets: ["-p couplet-postgres --test golden".to_owned()].into(),
        };
        assert_eq!(seen, wanted);
    }
}
