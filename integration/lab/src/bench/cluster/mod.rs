//! `cargo x bench cluster`: what a worker costs and how it behaves when it has much to look after, ours and the JVM's one
//! after the other on the same broker in one run.
//!
//! Connectors are not created by REST but written to the config topic before a worker starts, in the form both read: what is
//! measured is the worker, not 300 requests and as many rebalances.

mod figures;
mod hung;
mod idle_tasks;
mod rolling;
mod seeded;

use anyhow::Result;
use couplet_harness::services::{BrokerSettings, KafkaBroker};
use couplet_harness::worker::Engine;

use super::{Bench, BenchArgs, engines, machine, page, startup};
use crate::binary::Symbols;
use figures::{Figure, Figures, name};

/// How much of everything.
#[derive(Debug, Clone, Copy)]
struct Scale {
    tasks: usize,
    /// Seconds that requests are sent for.
    request_secs: u64,
    idle_secs: u64,
}

#[derive(Clone, Copy)]
enum Case {
    Start,
    IdleTasks,
    Hung,
    Rolling,
}

const CASES: [(&str, Case); 4] = [
    ("start", Case::Start),
    ("idle tasks", Case::IdleTasks),
    ("hung start", Case::Hung),
    ("rolling restart", Case::Rolling),
];

/// Measures, prints the table, and writes it to docs/benchmarks.md when all of it was measured on both workers.
pub async fn run(args: &BenchArgs) -> Result<()> {
    let engines = engines(args.engine, Symbols::Stripped)?;
    let scale = match args.quick {
        true => Scale { tasks: args.tasks.min(30), request_secs: 3, idle_secs: 2 },
        false => Scale { tasks: args.tasks, request_secs: 15, idle_secs: 20 },
    };
    let broker = KafkaBroker::start(BrokerSettings { for_measurement: true, ..BrokerSettings::default() }).await?;
    let bench = Bench { kafka: broker.client()?, rows: 0, lines: 0, idle_secs: scale.idle_secs, profile: None };
    let load_before = machine::load()?;
    println!("load average at the beginning: {load_before}");
    let mut figures = Figures::default();
    for (case_name, case) in CASES.into_iter().filter(|(name, _)| name.contains(&args.only)) {
        for repetition in 0..args.repeat.max(1) {
            for engine in &engines {
                println!("{case_name} on {}, run {} of {} ...", engine.name(), repetition + 1, args.repeat.max(1));
                for figure in case.measure(&bench, engine, scale).await? {
                    println!("    {figure}");
                    figures.add(engine.name(), figure);
                }
            }
        }
    }
    let table = figures.table();
    println!("\nload average: {load_before} at the beginning, {} at the end\n\n{table}", machine::load()?);
    if !args.quick && engines.len() == 2 && args.only.is_empty() {
        let facts: String = machine::facts()?.iter().map(|fact| format!("- {fact}\n")).collect();
        page::write(
            page::Part::Cluster,
            &format!("{facts}- Load average at the beginning: {load_before}\n\n{table}\n{HOW}\n"),
        )?;
    }
    Ok(())
}

impl Case {
    async fn measure(self, bench: &Bench, engine: &Engine, scale: Scale) -> Result<Vec<Figure>> {
        match self {
            Self::Start => start(bench, engine).await,
            Self::IdleTasks => idle_tasks::measure(bench, engine, scale).await,
            Self::Hung => hung::measure(bench, engine, scale).await,
            Self::Rolling => rolling::measure(bench, engine, scale).await,
        }
    }
}

/// From exec to the first answer, and memory afterwards, without any connector.
async fn start(bench: &Bench, engine: &Engine) -> Result<Vec<Figure>> {
    let samples = startup::measure(bench, engine).await?;
    let [first, ready, idle] = &samples[..] else { anyhow::bail!("three samples, not {}", samples.len()) };
    Ok(vec![
        Figure::new(name::FIRST_ANSWER, first.seconds * 1000.0),
        Figure::new(name::FIRST_LIST, ready.seconds * 1000.0),
        Figure::new(name::IDLE_RSS, figures::mib(idle.rss_bytes)),
    ])
}

const HOW: &str = "First answer: from exec to the first 200, second start of a worker whose internal topics exist. Idle tasks: \
FileStream sources whose files do not grow, all in one worker, none of them in its first seconds. Hung start: GETs at a fixed \
rate over 16 connections while the tasks of four PostgreSQL connectors start, and requests to create a fifth are validated, \
against a server that accepts connections and never answers; a request's time begins when it is due, not when it is sent. \
Rolling restart: three workers with \
`scheduled.rebalance.max.delay.ms=0` and `heartbeat.interval.ms=100` are stopped (SIGTERM) and started again one after the other while every task's file gets a line \
each 100 ms; a task's gap is the longest time between two of its records by their timestamps, which the task takes when it reads, \
so 100 ms are no gap at all. Every line was in the topic afterwards. Ratios above 1 are in favour of Couplet.";
