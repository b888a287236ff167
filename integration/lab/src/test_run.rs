//! `cargo x test` after the static checks: services, cargo's tests, replays, scenarios, one count.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use couplet_harness::provision::cache;
use couplet_harness::worker::Engine;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::shared_services::SharedServices;
use crate::tally::Tally;
use crate::{binary, demo, golden, third_party};

/// What to run.
#[derive(Args)]
pub struct TestArgs {
    /// `golden`, `demo`, `client`, a crate (`s3`), or a part of test names; everything when missing
    filter: Option<String>,
    /// Checks that passed before this was started
    #[arg(long, default_value_t = 0, hide = true)]
    passed_before: u64,
    /// Checks that failed before this was started
    #[arg(long, default_value_t = 0, hide = true)]
    failed_before: u64,
}

/// Runs it all and prints the closing line.
///
/// # Errors
/// When anything failed or nothing was run.
pub async fn run(args: &TestArgs) -> Result<()> {
    let mut tally = Tally { passed: args.passed_before, failed: args.failed_before };
    // Scenarios start the binary: built once, before any test, with the profile of the tests.
    let engine = binary::build()?;
    let started = Instant::now();
    let services = SharedServices::start().await?;
    println!("services ready in {:.1} s", started.elapsed().as_secs_f64());
    if args.filter.as_deref() != Some("client") {
        tally.add(cargo_test(&services, &engine, args.filter.as_deref()).await?);
    }
    match args.filter.as_deref() {
        None => {
            tally.add(replays(&services, "").await);
            tally.add(scenarios(&services).await);
            tally.add(other_clients(&services).await);
        }
        Some("golden") => tally.add(replays(&services, "").await),
        Some("demo") => tally.add(scenarios(&services).await),
        Some("client") => tally.add(other_clients(&services).await),
        Some(filter) => tally.add(replays(&services, filter).await),
    }
    drop(services);
    println!("{tally}");
    if tally.failed > 0 || tally.passed == 0 {
        bail!("tests failed");
    }
    Ok(())
}

async fn replays(services: &SharedServices, filter: &str) -> Tally {
    golden::play(services, filter).await.unwrap_or_else(|error| {
        println!("FAILED golden replays: {error:#}");
        Tally { passed: 0, failed: 1 }
    })
}

/// The default demo as a test: on the embedded broker with kills, and on the real one.
async fn scenarios(services: &SharedServices) -> Tally {
    let mut tally = Tally::default();
    let embedded = demo::run(&demo::DemoArgs::for_test(None, 2)).await;
    tally.check("demo mybank on the embedded broker, worker killed twice", &embedded);
    let real = demo::run(&demo::DemoArgs::for_test(Some(services.bootstrap.clone()), 1)).await;
    tally.check("demo mybank on Kafka, worker killed once", &real);
    tally
}

/// What others wrote for Kafka Connect, on the JVM's worker and on ours.
async fn other_clients(services: &SharedServices) -> Tally {
    let mut tally = Tally::default();
    let compared = third_party::compare(&services.bootstrap).await;
    tally.check("kc, a client of others, says the same of the JVM's worker and of ours", &compared);
    tally
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

async fn cargo_test(services: &SharedServices, engine: &Engine, filter: Option<&str>) -> Result<Tally> {
    let arguments = selection(filter).await?;
    let Engine::Couplet(binary) = engine else { bail!("the tests are about our own binary") };
    let mut child = Command::new("cargo")
        .args(["test", "--quiet", "--no-fail-fast"])
        .args(arguments)
        .envs(services.environment())
        .env("COUPLET_BIN", binary)
        .current_dir(cache::repository())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output of cargo")?).lines();
    let mut tally = Tally::default();
    while let Some(line) = lines.next_line().await? {
        println!("{line}");
        tally.add_cargo_line(&line);
    }
    if !child.wait().await?.success() && tally.failed == 0 {
        // Something did not compile or was killed: no line says so.
        println!("FAILED cargo test");
        tally.failed += 1;
    }
    Ok(tally)
}
