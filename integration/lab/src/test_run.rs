//! `cargo x test` after the static checks: services, cargo's tests, replays, scenarios, one count.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::second_look::second_look;
use crate::shared_services::SharedServices;
use crate::tally::Tally;
use crate::{binary, cargo_tests, demo, golden, third_party};

/// What to run.
#[derive(Args)]
pub struct TestArgs {
    /// `golden`, `cdc-golden`, `demo`, `client`, a crate (`s3`), or a part of test names; everything when missing
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
    let mut tally = Tally { passed: args.passed_before, failed: args.failed_before, flaky: Vec::new() };
    // Scenarios start the binary: built once, before any test, with the profile of the tests.
    let engine = binary::build()?;
    let started = Instant::now();
    let services = SharedServices::start().await?;
    println!("services ready in {:.1} s", started.elapsed().as_secs_f64());
    if !matches!(args.filter.as_deref(), Some("client" | golden::CDC_FULL)) {
        tally.add(cargo_tests::run(&services, &engine, args.filter.as_deref()).await?);
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
    for name in &tally.flaky {
        println!("FLAKY {name}: failed at first, passed when run again alone");
    }
    println!("{tally}");
    if tally.failed > 0 || tally.passed == 0 {
        bail!("tests failed");
    }
    Ok(())
}

async fn replays(services: &SharedServices, filter: &str) -> Tally {
    golden::play(services, filter).await.unwrap_or_else(|error| {
        println!("FAILED golden replays: {error:#}");
        Tally { failed: 1, ..Tally::default() }
    })
}

/// The default demo as a test: on the embedded broker with kills, and on the real one.
async fn scenarios(services: &SharedServices) -> Tally {
    let embedded = async || {
        let outcome = demo::run(&demo::DemoArgs::for_test(None, 2)).await;
        Tally::of_check("demo mybank on the embedded broker, worker killed twice", &outcome)
    };
    let real = async || {
        let outcome = demo::run(&demo::DemoArgs::for_test(Some(services.bootstrap.clone()), 1)).await;
        Tally::of_check("demo mybank on Kafka, worker killed once", &outcome)
    };
    let mut tally = second_look("demo mybank on the embedded broker", embedded().await, embedded).await;
    tally.add(second_look("demo mybank on Kafka", real().await, real).await);
    tally
}

/// What others wrote for Kafka Connect, on the JVM's worker and on ours.
async fn other_clients(services: &SharedServices) -> Tally {
    let compare = async || {
        let outcome = third_party::compare(&services.bootstrap).await;
        Tally::of_check("kc, a client of others, says the same of the JVM's worker and of ours", &outcome)
    };
    second_look("kc", compare().await, compare).await
}
