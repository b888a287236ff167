//! cargo's own tests: built by cargo, started by us, so that those that wait for services wait side by side.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use couplet_harness::provision::cache;
use couplet_harness::worker::Engine;
use futures::{StreamExt, stream};
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

use crate::second_look::FAILURES_MAX;
use crate::shared_services::SharedServices;
use crate::tally::Tally;

/// Longest run of one program: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// Runs the tests of `filter` (all when missing), told where `services` and the worker's binary are.
///
/// # Errors
/// When the tests do not compile.
pub async fn run(services: &SharedServices, engine: &Engine, filter: Option<&str>) -> Result<Tally> {
    let Engine::Couplet(binary) = engine else { bail!("the tests are about our own binary") };
    let mut environment: Vec<(&str, &OsStr)> =
        services.environment().into_iter().map(|(name, value)| (name, OsStr::new(value))).collect();
    environment.push(("COUPLET_BIN", binary.as_os_str()));
    let selection = Selection::of(filter).await?;
    let programs = build(&selection.targets).await?;
    let names: Vec<String> = selection.names.clone().into_iter().collect();
    let at_once = available_parallelism().map_or(1, usize::from);
    let mut seen: Vec<(&Program, Seen)> = stream::iter(&programs)
        .map(async |program| (program, program.run(&environment, &names).await))
        .buffer_unordered(at_once)
        .collect()
        .await;
    let failures: u64 = seen.iter().map(|(_, seen)| seen.tally.failed).sum();
    if failures <= FAILURES_MAX {
        for (program, seen) in &mut seen {
            program.look_again(&environment, seen).await;
        }
    }
    let mut tally = doc_tests(&selection).await?;
    seen.into_iter().for_each(|(_, seen)| tally.add(seen.tally));
    Ok(tally)
}

/// What of the tests is run.
struct Selection {
    /// cargo's arguments that name packages and targets.
    targets: Vec<String>,
    /// Part of the names of tests.
    names: Option<String>,
}

impl Selection {
    /// A crate of that name, golden tests, or names of tests.
    async fn of(filter: Option<&str>) -> Result<Self> {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let Some(filter) = filter else { return Ok(Selection { targets: words(&["--workspace"]), names: None }) };
        if filter == "golden" {
            return Ok(Selection { targets: words(&["--workspace", "--test", "golden"]), names: None });
        }
        let mut list = Command::new("cargo");
        list.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(cache::repository());
        let metadata: serde_json::Value = serde_json::from_slice(&list.output().await?.stdout)?;
        let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
        let mut named = packages.iter().filter_map(|p| p["name"].as_str());
        let package = named.find(|name| *name == filter || name.strip_prefix("couplet-") == Some(filter));
        Ok(match package {
            Some(package) => Selection { targets: words(&["-p", package]), names: None },
            None => Selection { targets: words(&["--workspace"]), names: Some(filter.to_owned()) },
        })
    }
}

/// A line of `cargo build --message-format=json`, as far as it is about test programs (the Cargo book, "External tools").
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// A program with tests.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    /// `PACKAGE-FOLDER/TARGET`.
    name: String,
    executable: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
    /// Tests a crate from outside: mostly against services.
    outside: bool,
}

impl Program {
    fn of_line(line: &str) -> Option<Self> {
        let message: Message = serde_json::from_str(line).ok()?;
        let test = message.reason == "compiler-artifact" && message.profile?.test;
        let (executable, target) = (message.executable.filter(|_| test)?, message.target?);
        let folder = message.manifest_path?.parent()?.to_owned();
        let name = format!("{}/{}", folder.file_name()?.to_string_lossy(), target.name);
        Some(Program { name, executable, folder, outside: target.kind.iter().any(|kind| kind == "test") })
    }

    /// Runs it and says what it said.
    async fn run(&self, environment: &[(&str, &OsStr)], arguments: &[String]) -> Seen {
        let mut command = Command::new(&self.executable);
        command.arg("--quiet").args(arguments).current_dir(&self.folder).kill_on_drop(true);
        command.envs(environment.iter().copied()).env("CARGO_MANIFEST_DIR", &self.folder).stdin(Stdio::null());
        let mut seen = Seen::default();
        let ended = match timeout(PATIENCE, command.output()).await {
            Err(_) => Some(format!("no end after {PATIENCE:?}")),
            Ok(Ok(done)) => {
                let said =
                    [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
                said.lines().for_each(|line| seen.add(line));
                println!("{}:{}", self.name, said.trim_end());
                if done.status.success() { None } else { Some(done.status.to_string()) }
            }
            Ok(Err(error)) => Some(error.to_string()),
        };
        if let Some(end) = ended.filter(|_| seen.tally.failed == 0) {
            // It was killed or could not start: no line says so.
            println!("FAILED {}: {end}", self.name);
            seen.tally.failed += 1;
        }
        seen
    }

    /// Runs again what failed; see [`crate::second_look`].
    async fn look_again(&self, environment: &[(&str, &OsStr)], seen: &mut Seen) {
        let failed = seen.failures.len() as u64;
        if failed == 0 || failed != seen.tally.failed {
            return;
        }
        println!("AGAIN {}: {failed} failed", self.name);
        let mut arguments = ["--exact", "--test-threads=1"].map(str::to_owned).to_vec();
        arguments.extend(seen.failures.iter().cloned());
        let again = self.run(environment, &arguments).await;
        if again.tally.failed == 0 && again.tally.passed == failed {
            seen.tally.failed = 0;
            seen.tally.passed += failed;
            seen.tally.flaky.extend(seen.failures.iter().map(|test| format!("{} {test}", self.name)));
        }
    }
}

/// Builds the test programs; those that wait for services come first.
async fn build(targets: &[String]) -> Result<Vec<Program>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--quiet", "--no-run", "--message-format=json-render-diagnostics"]).args(targets);
    let done = cargo.current_dir(cache::repository()).stdin(Stdio::null()).stderr(Stdio::inherit()).output().await?;
    ensure!(done.status.success(), "the tests do not compile");
    let mut programs: Vec<_> = String::from_utf8(done.stdout)?.lines().filter_map(Program::of_line).collect();
    programs.sort_by_key(|program| !program.outside);
    Ok(programs)
}

/// The examples in documentation, which only cargo can run.
async fn doc_tests(selection: &Selection) -> Result<Tally> {
    if selection.targets.iter().any(|argument| argument == "--test") {
        return Ok(Tally::default());
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--quiet", "--doc"]).args(&selection.targets).args(&selection.names);
    let done = cargo.current_dir(cache::repository()).stdin(Stdio::null()).stderr(Stdio::inherit()).output().await?;
    let mut seen = Seen::default();
    let said = String::from_utf8_lossy(&done.stdout);
    said.lines().for_each(|line| seen.add(line));
    println!("documentation:{}", said.trim_end());
    if !done.status.success() && seen.tally.failed == 0 {
        println!("FAILED documentation: {}", done.status);
        seen.tally.failed += 1;
    }
    Ok(seen.tally)
}

/// What a test program said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    tally: Tally,
    /// Names of failed tests.
    failures: BTreeSet<String>,
}

impl Seen {
    fn add(&mut self, line: &str) {
        self.tally.add_cargo_line(line);
        if let Some(name) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----")) {
            self.failures.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_tests_are_found() {
        let mut seen = Seen::default();
        for line in [
            "golden_pg_stream --- FAILED",
            "---- golden_pg_stream stdout ----",
            "    golden_pg_stream",
            "test result: FAILED. 8 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 53.64s",
        ] {
            seen.add(line);
        }
        let tally = Tally { passed: 8, failed: 1, ..Tally::default() };
        assert_eq!(seen, Seen { tally, failures: ["golden_pg_stream".to_owned()].into() });
    }

    #[test]
    fn only_test_programs_are_started() {
        let line = |reason: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"{reason}","manifest_path":"/r/connectors/s3/Cargo.toml","target":{{"kind":["test"],"name":"golden"}},
                   "profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let program = Program {
            name: "s3/golden".to_owned(),
            executable: "/t/golden-1".into(),
            folder: "/r/connectors/s3".into(),
            outside: true,
        };
        assert_eq!(Program::of_line(&line("compiler-artifact", true, r#""/t/golden-1""#)), Some(program));
        for other in [
            line("compiler-artifact", false, r#""/t/golden-1""#),
            line("compiler-artifact", true, "null"),
            line("build-script-executed", true, r#""/t/golden-1""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ] {
            assert_eq!(Program::of_line(&other), None, "{other}");
        }
    }
}
