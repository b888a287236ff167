//! `cargo x demo mybank`: database changes through Kafka to S3, and the proof that none was lost, repeated in S3 or reordered.
//!
//! A generator books transactions on a private PostgreSQL cluster. What truly happened there is read from a second logical
//! replication slot, decoded by PostgreSQL itself ([`truth`]), and compared with the topics and the objects ([`check`]).

mod check;
mod connectors;
pub mod follower;
pub mod generator;
mod host;
mod stage;
mod truth;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use couplet_harness::{Deadline, eventually};

use check::Findings;
use follower::Follower;
use generator::Generator;
use stage::Stage;
use truth::Truth;

/// Deadline for the pipeline to catch up after the last change, and for every step of the set-up.
const SETTLE_SECS: u64 = 180;

/// What to play.
#[derive(Args)]
pub struct DemoArgs {
    /// The story to play
    #[arg(default_value = "mybank")]
    scenario: Scenario,
    /// How long changes are made, as in `30s` or `2m`; until Ctrl-C when missing
    #[arg(long = "for", value_parser = duration)]
    length: Option<Duration>,
    /// Kill the worker with SIGKILL this many times meanwhile, and start it again
    #[arg(long, default_value_t = 0)]
    kill: u32,
    /// Use this broker instead of the embedded one
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Seed of the generator
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Transactions a second; 0 is as fast as the database can
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Worker to play it on. The JVM's has no S3 connector, so with it only the topics are checked; it needs --kafka
    #[arg(long, value_enum, default_value = "couplet")]
    engine: DemoEngine,
    /// Exactly-once sources: no change may be in the topics twice, however often the worker is killed
    #[arg(long)]
    exactly_once: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// Accounts and bank transactions: PostgreSQL to Kafka to S3
    Mybank,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DemoEngine {
    Couplet,
    Jvm,
}

impl DemoArgs {
    /// A short run for the test suite.
    pub fn for_test(kafka: Option<String>, kill: u32) -> Self {
        let (scenario, engine, exactly_once) = (Scenario::Mybank, DemoEngine::Couplet, false);
        Self {
            scenario,
            length: Some(Duration::from_secs(12)),
            kill,
            kafka,
            seed: 42,
            rate: 1000,
            engine,
            exactly_once,
        }
    }
}

/// `30s`, `2m` or plain seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, factor) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text} is not a duration such as 30s or 2m"))?;
    Ok(Duration::from_secs(number * factor))
}

/// Plays the demo and checks it.
///
/// # Errors
/// When database, topics and objects do not agree in the end, or something could not be started.
pub async fn run(args: &DemoArgs) -> Result<()> {
    let Scenario::Mybank = args.scenario;
    let mut stage = Stage::set(args).await?;
    let played = play(&mut stage, args).await;
    if played.is_err() {
        println!("--- the worker's last words ---\n{}", stage.worker_log_tail());
    }
    stage.clear().await?;
    played
}

async fn play(stage: &mut Stage, args: &DemoArgs) -> Result<()> {
    let mut truth = Truth::begin(stage.database().await?).await?;
    let snapshot_rows = stage.rows_before().await?;
    stage.create_connectors().await?;
    let mut follower = Follower::start(stage.kafka(), &stage.topics())?;
    // A consumer takes half a second to start: not the pipeline's time.
    let caught_up = eventually("the snapshot in the topics", Deadline::after_secs(SETTLE_SECS), || {
        let seen = follower.received();
        async move { Ok((seen >= snapshot_rows).then_some(())) }
    });
    caught_up.await?;
    println!("connectors run; booking transactions with seed {} ...", args.seed);
    let generator = Generator::start(&stage.database_url(), args.seed, args.rate).await?;
    perform(stage, args, &generator, &mut truth, &follower).await?;
    let transactions = generator.stop().await?;
    truth.drain().await?;

    let expected = snapshot_rows + truth.changes().len();
    println!(
        "{transactions} transactions made {} changes; waiting for the pipeline to settle ...",
        truth.changes().len()
    );
    let settled = eventually("all changes in the topics", Deadline::after_secs(SETTLE_SECS), || {
        let seen = follower.distinct();
        async move { Ok((seen >= expected).then_some(())) }
    });
    settled.await.with_context(|| format!("{} of {expected} changes are in the topics", follower.distinct()))?;
    println!("latency from commit to topic: {}", follower.latency());
    follower.stop()?;
    conclude(stage, args, &truth, snapshot_rows, transactions).await
}

/// Time passes: counts are printed, the worker is killed at even distances.
async fn perform(
    stage: &mut Stage,
    args: &DemoArgs,
    generator: &Generator,
    truth: &mut Truth,
    follower: &Follower,
) -> Result<()> {
    let started = Instant::now();
    let mut kills = 0;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    tick.tick().await;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            stopped = tokio::signal::ctrl_c() => { stopped?; return Ok(()); }
        }
        let passed = started.elapsed();
        if args.length.is_some_and(|length| passed >= length) {
            return Ok(());
        }
        generator.check()?;
        truth.drain().await?;
        println!(
            "{:>4} s  transactions {:>7}  changes {:>7}  in topics {:>7}  objects {:>4}  {}",
            passed.as_secs(),
            generator.transactions(),
            truth.changes().len(),
            follower.received(),
            stage.object_count().await?,
            follower.latency()
        );
        if kills < args.kill && passed >= args.length.unwrap_or(Duration::from_secs(30)) * (kills + 1) / (args.kill + 1)
        {
            kills += 1;
            println!("       kill -9 of the worker ({kills} of {})", args.kill);
            stage.kill_and_restart().await?;
        }
    }
}

async fn conclude(
    stage: &mut Stage,
    args: &DemoArgs,
    truth: &Truth,
    snapshot_rows: usize,
    transactions: u64,
) -> Result<()> {
    stage.flush_sink().await?;
    stage.stop_worker().await?;
    let topics = stage.read_topics().await?;
    let mut findings = Findings::default();
    check::changes(truth.changes(), &topics, &mut findings);
    check::state(&topics, &stage.read_tables().await?, &mut findings);
    if args.exactly_once && findings.repeats > 0 {
        findings.problems.push(format!("{} changes are repeated in the topics", findings.repeats));
    }
    let records: usize = topics.values().map(Vec::len).sum();
    if let Some(objects) = stage.read_objects().await? {
        let lines = check::objects(&topics, &objects, &mut findings);
        println!("S3: {} objects with {lines} lines for {records} records in the topics", objects.len());
    }
    println!(
        "PostgreSQL: {transactions} transactions, {snapshot_rows} rows before, {} changes ({})",
        truth.changes().len(),
        truth.summary()
    );
    println!("topics: {records} records, {} of them repeats by source position", findings.repeats);
    if findings.problems.is_empty() {
        println!(
            "equal: every change is in the topics in order per key, the fold of the topics is the table, {}",
            if stage.has_sink() { "and the objects hold each record once" } else { "objects were not checked" }
        );
        return Ok(());
    }
    for problem in findings.problems.iter().take(20) {
        println!("PROBLEM {problem}");
    }
    bail!("{} problems: database, topics and objects do not agree", findings.problems.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let rows = [("30s", Some(30)), ("2m", Some(120)), ("45", Some(45)), ("soon", None), ("", None)];
        for (text, want) in rows {
            assert_eq!(duration(text).ok().map(|d| d.as_secs()), want, "{text}");
        }
    }
}
