//! `cargo x bench`: the JVM worker and ours, one after the other, on the same broker and database in one run.
//!
//! Every case runs on a fresh worker. End offsets are polled and nothing is consumed meanwhile; CPU is user and system time of
//! the worker's process alone. `cargo x bench converters` measures converters and transforms without a worker, `cargo x bench
//! cluster` what many tasks and restarts cost, `cargo x bench cdc` change data capture against its goals.

mod cdc;
mod cluster;
mod filestream;
mod latency;
mod machine;
mod measure;
mod page;
mod postgres;
mod profile;
mod records;
mod report;
mod startup;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use couplet_harness::clients::Kafka;
use couplet_harness::services::{BrokerSettings, KafkaBroker};
use couplet_harness::shared;
use couplet_harness::worker::{Engine, Worker, WorkerSettings};

use crate::binary::{self, Symbols};
use measure::{Meter, Sample};
use report::Report;

/// What to measure, and how much of it.
#[derive(Args)]
pub struct BenchArgs {
    /// What is measured
    #[arg(value_enum, default_value = "workers")]
    what: What,
    /// Rows of the PostgreSQL cases; a snapshot of `cdc` has twice as many
    #[arg(long, default_value_t = 500_000)]
    rows: i64,
    /// Lines of the FileStream cases
    #[arg(long, default_value_t = 1_000_000)]
    lines: i64,
    /// A tenth of everything, for trying it out; docs/benchmarks.md is left alone
    #[arg(long)]
    quick: bool,
    /// Runs of every case; the median is reported
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// Tasks of the cluster's cases
    #[arg(long, default_value_t = 300)]
    tasks: usize,
    /// Only cases whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Workers to measure
    #[arg(long, value_enum, default_value = "both")]
    engine: Engines,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Whole workers
    Workers,
    /// Converters and transforms, record by record
    Converters,
    /// Starts, many tasks, hung starts, rolling restarts
    Cluster,
    /// Change data capture: snapshot, backlog, paced, with floors and goals
    Cdc,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engines {
    Both,
    Jvm,
    Couplet,
}

/// What every case needs.
struct Bench {
    kafka: Kafka,
    rows: i64,
    lines: i64,
    /// How long an idle worker, or a steady stream, is watched.
    idle_secs: u64,
    /// Where the worker spends its time is written here.
    profile: Option<PathBuf>,
}

impl Bench {
    /// A distributed worker with a group of its own and Connect's default settings.
    fn settings(&self, engine: &Engine) -> WorkerSettings {
        WorkerSettings::distributed(engine.clone(), &self.kafka.bootstrap, &shared::unique("bench"))
    }

    /// Measures a worker from now on.
    fn meter(&self, worker: &Worker) -> Result<Meter> {
        Meter::start(worker.pid().context("the worker runs")?, self.profile.as_deref())
    }
}

/// One thing that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Start,
    FileSource,
    FileSink,
    Snapshot { schemas: bool },
    Stream { schemas: bool },
    Latency { poll_ms: Option<u32> },
}

const CASES: [Case; 9] = [
    Case::Start,
    Case::FileSource,
    Case::FileSink,
    Case::Snapshot { schemas: false },
    Case::Stream { schemas: false },
    Case::Snapshot { schemas: true },
    Case::Stream { schemas: true },
    Case::Latency { poll_ms: None },
    Case::Latency { poll_ms: Some(10) },
];

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::FileSource => "FileStream source",
            Self::FileSink => "FileStream sink",
            Self::Snapshot { schemas: false } => "PostgreSQL snapshot, JSON",
            Self::Snapshot { schemas: true } => "PostgreSQL snapshot, JSON with schemas",
            Self::Stream { schemas: false } => "PostgreSQL stream, JSON",
            Self::Stream { schemas: true } => "PostgreSQL stream, JSON with schemas",
            Self::Latency { poll_ms: None } => "PostgreSQL latency",
            Self::Latency { poll_ms: Some(_) } => "PostgreSQL latency, poll.interval.ms=10",
        }
    }

    async fn measure(self, bench: &Bench, engine: &Engine) -> Result<Vec<Sample>> {
        match self {
            Self::Start => startup::measure(bench, engine).await,
            Self::FileSource => filestream::source(bench, engine).await.map(|s| vec![s]),
            Self::FileSink => filestream::sink(bench, engine).await.map(|s| vec![s]),
            Self::Snapshot { schemas } => {
                postgres::snapshot(bench, engine, self.name(), schemas).await.map(|s| vec![s])
            }
            Self::Latency { poll_ms } => latency::measure(bench, engine, self.name(), poll_ms).await.map(|s| vec![s]),
            Self::Stream { schemas } => postgres::stream(bench, engine, self.name(), schemas).await.map(|s| vec![s]),
        }
    }
}

/// Measures, prints the table, and writes it to docs/benchmarks.md.
pub async fn run(args: &BenchArgs) -> Result<()> {
    match args.what {
        What::Converters => return records::run(args.quick),
        What::Cluster => return cluster::run(args).await,
        What::Cdc => return cdc::run(args).await,
        What::Workers => {}
    }
    let engines = engines(args.engine, Symbols::Stripped)?;
    let broker = KafkaBroker::start(BrokerSettings { for_measurement: true, ..BrokerSettings::default() }).await?;
    let scale = if args.quick { 10 } else { 1 };
    let kafka = broker.client()?;
    let bench = Bench {
        kafka,
        rows: args.rows / scale,
        lines: args.lines / scale,
        idle_secs: 20 / u64::try_from(scale)?,
        profile: None,
    };
    let mut report = Report::default();
    for case in CASES.into_iter().filter(|c| c.name().contains(&args.only)) {
        for repetition in 0..args.repeat.max(1) {
            for engine in &engines {
                println!("{} on {}, run {} of {} ...", case.name(), engine.name(), repetition + 1, args.repeat.max(1));
                for sample in case.measure(&bench, engine).await? {
                    println!("    {sample}");
                    report.add(engine.name(), sample);
                }
            }
        }
    }
    let table = report.table();
    println!("\n{table}");
    if !args.quick && args.engine == Engines::Both && args.only.is_empty() {
        let text = report::document(&table, &machine::describe(&bench, args.repeat.max(1))?);
        page::write(page::Part::Workers, &text)?;
    }
    Ok(())
}

/// The workers to measure, ours as it is shipped.
fn engines(wanted: Engines, symbols: Symbols) -> Result<Vec<Engine>> {
    let mut engines = Vec::new();
    if wanted != Engines::Couplet {
        engines.push(Engine::Jvm);
    }
    if wanted != Engines::Jvm {
        println!("building the release binary ...");
        engines.push(binary::build_release(symbols)?);
    }
    Ok(engines)
}
