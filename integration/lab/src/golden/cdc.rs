//! Change-data-capture scenarios: `cdc/replay.py` scripts the database and compares the topic.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use couplet_harness::provision::python;
use couplet_harness::shared;
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use serde_json::json;
use tokio::process::Command;

use super::suites::CdcSuite;
use super::{Outcomes, broken, judge, root, scripts};
use crate::second_look::second_look;
use crate::shared_services::SharedServices;
use crate::tally::Tally;

/// Scenarios that run at the same time: each waits most of its time.
const JOBS: &str = "4";

/// Plays the named scenarios of suites against one worker: one suite after another, the servers side by side.
pub(super) async fn play(services: &SharedServices, suites: &[(&CdcSuite, &str)]) -> Result<Tally> {
    let group = shared::unique("golden");
    // As when the recordings were made: JSON with schemas, offsets soon.
    let settings = WorkerSettings::distributed(Engine::couplet()?, &services.bootstrap, &group)
        .with("key.converter.schemas.enable", "true")
        .with("value.converter.schemas.enable", "true")
        .with("offset.flush.interval.ms", "1000");
    let mut worker = Worker::start(&settings).await?;
    let folder = tempfile::tempdir()?;
    let env = folder.path().join("env.json");
    let mut environment = json!({
        "connect": worker.rest.base, "kafka": services.bootstrap, "offset_topic": format!("{group}-offsets"),
    });
    for (server, (host, port)) in services.database_addresses()? {
        environment[server] = json!({"host": host, "port": port});
    }
    fs::write(&env, environment.to_string())?;
    let player = Player { python: python::environment()?, env };
    let servers: BTreeSet<_> = suites.iter().map(|(suite, _)| suite.server()).collect();
    let played = servers.into_iter().map(async |server| {
        let mut tally = Tally::default();
        for (suite, scenarios) in suites.iter().filter(|(suite, _)| suite.server() == server) {
            let play = async || player.play(suite, scenarios).await.unwrap_or_else(|error| broken(&suite.file, &error));
            tally.add(second_look(&suite.file, play().await, play).await);
        }
        tally
    });
    let mut tally = Tally::default();
    futures::future::join_all(played).await.into_iter().for_each(|part| tally.add(part));
    worker.stop().await?;
    Ok(tally)
}

/// The script and what it plays against.
struct Player {
    python: PathBuf,
    env: PathBuf,
}

impl Player {
    /// Plays the scenarios of a suite whose names match.
    async fn play(&self, suite: &CdcSuite, scenarios: &str) -> Result<Tally> {
        let file = root().join(&suite.file);
        if !file.is_file() {
            println!("golden {}: not in {}, skipped", suite.file, root().display());
            return Ok(Tally::default());
        }
        let started = Instant::now();
        let mut command = Command::new(&self.python);
        command.arg(scripts().join("cdc/replay.py")).arg("replay").arg(&file).arg("--env").arg(&self.env);
        command.args(["--only", scenarios, "--jobs", JOBS, "--offsets", "--status", "--max", "6"]);
        let done =
            command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("cannot start cdc/replay.py")?;
        let (said, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        if errors.contains("done 0 scenarios") {
            println!("golden {}: none of {scenarios}, skipped", suite.file);
            return Ok(Tally::default());
        }
        let mut outcomes = outcomes(&said, &errors);
        ensure!(!outcomes.is_empty(), "cdc/replay.py compared nothing in {}:\n{errors}", suite.file);
        outcomes.retain(|scenario, _| !suite.varying.contains_key(scenario));
        println!("{} played in {} s", suite.file, started.elapsed().as_secs());
        Ok(judge(&suite.file, &outcomes, &suite.deviations))
    }
}

/// Standard output has `PASS name`, or `FAIL name` and indented differences. A scenario that could not be played shows
/// only in the log: `hh:mm:ss name ERROR cause`.
fn outcomes(said: &str, errors: &str) -> Outcomes {
    let mut outcomes: Outcomes = BTreeMap::new();
    let mut current = None;
    for line in said.lines() {
        if let Some(name) = line.strip_prefix("PASS ") {
            outcomes.insert(name.trim().to_owned(), None);
            current = None;
        } else if let Some(name) = line.strip_prefix("FAIL ") {
            outcomes.insert(name.trim().to_owned(), Some(String::new()));
            current = Some(name.trim().to_owned());
        } else if let Some(Some(difference)) = current.as_ref().and_then(|name| outcomes.get_mut(name)) {
            difference.push_str(line);
            difference.push('\n');
        }
    }
    for line in errors.lines() {
        let mut words = line.splitn(4, ' ');
        if let (Some(_), Some(name), Some("ERROR"), Some(cause)) =
            (words.next(), words.next(), words.next(), words.next())
        {
            outcomes.insert(name.to_owned(), Some(format!("  not played: {cause}\n")));
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_the_script_is_understood() {
        let said = "PASS pg_a\nFAIL pg_b\n   one\n   two\nPASS pg_c\n";
        let errors = "10:00:00 pg_d ERROR RuntimeError('did not stream')\n10:00:01 pg_a 3 events tasks\nTraceback\n";
        let got = outcomes(said, errors);
        assert_eq!(got["pg_a"], None);
        assert_eq!(got["pg_b"].as_deref(), Some("   one\n   two\n"));
        assert!(got["pg_d"].as_deref().unwrap().contains("did not stream"));
        assert_eq!(got.len(), 4);
    }
}
