//! `cargo x bench cdc`: change data capture against its goals, ours and the JVM's one after the other on the same broker in
//! one run.
//!
//! Beside both stands a floor: the same rows read from the same database by its own client and thrown away. Where a goal is
//! missed, the case runs once more under `perf` and the page says where the time goes.

mod bank;
mod cases;
mod floor;
mod mysql;
mod postgres;
mod table;

use anyhow::Result;
use couplet_harness::services::{BrokerSettings, KafkaBroker};
use couplet_harness::worker::Engine;

use super::measure::Sample;
use super::profile::{self, Profiler};
use super::report::Report;
use super::{Bench, BenchArgs, Engines, engines, latency, machine, page};
use crate::bench::postgres::Bank as PostgresBank;
use crate::binary::Symbols;
use mysql::MySqlBank;

/// A sample and who it is of: a worker, or a client that is a floor.
type Named = (&'static str, Sample);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Snapshot { mysql: bool },
    Backlog { mysql: bool },
    Paced,
}

const CASES: [Case; 5] = [
    Case::Snapshot { mysql: false },
    Case::Backlog { mysql: false },
    Case::Paced,
    Case::Snapshot { mysql: true },
    Case::Backlog { mysql: true },
];

impl Case {
    const fn name(self) -> &'static str {
        match self {
            Self::Snapshot { mysql: false } => "PostgreSQL snapshot",
            Self::Snapshot { mysql: true } => "MySQL snapshot",
            Self::Backlog { mysql: false } => "PostgreSQL backlog",
            Self::Backlog { mysql: true } => "MySQL backlog",
            Self::Paced => "PostgreSQL, 1000 transactions/s",
        }
    }

    async fn measure(self, bench: &Bench, engine: &Engine) -> Result<Vec<Named>> {
        let name = self.name();
        match self {
            Self::Snapshot { mysql: false } => cases::snapshot::<PostgresBank>(bench, engine, name).await,
            Self::Snapshot { mysql: true } => cases::snapshot::<MySqlBank>(bench, engine, name).await,
            Self::Backlog { mysql: false } => cases::backlog::<PostgresBank>(bench, engine, name).await,
            Self::Backlog { mysql: true } => cases::backlog::<MySqlBank>(bench, engine, name).await,
            Self::Paced => Ok(vec![(engine.name(), latency::measure(bench, engine, name, None).await?)]),
        }
    }
}

/// Measures, prints the tables, and writes them to docs/benchmarks.md when all of it was measured on both workers.
pub async fn run(args: &BenchArgs) -> Result<()> {
    let engines = engines(args.engine, Symbols::Kept)?;
    let broker = KafkaBroker::start(BrokerSettings { for_measurement: true, ..BrokerSettings::default() }).await?;
    let scale = if args.quick { 10 } else { 1 };
    let idle_secs = 30 / u64::try_from(scale)?;
    let mut bench = Bench { kafka: broker.client()?, rows: args.rows / scale, lines: 0, idle_secs, profile: None };
    let load_before = machine::load()?;
    println!("load average at the beginning: {load_before}");
    let cases: Vec<Case> = CASES.into_iter().filter(|case| case.name().contains(&args.only)).collect();
    let mut report = Report::default();
    for case in &cases {
        for repetition in 0..args.repeat.max(1) {
            for engine in &engines {
                println!("{} on {}, run {} of {} ...", case.name(), engine.name(), repetition + 1, args.repeat.max(1));
                for (name, sample) in case.measure(&bench, engine).await? {
                    println!("    {name}: {sample}");
                    report.add(name, sample);
                }
            }
        }
    }
    let mut text = table::tables(&report);
    println!("\nload average: {load_before} at the beginning, {} at the end\n\n{text}", machine::load()?);
    let missed: Vec<Case> = cases.into_iter().filter(|case| table::is_missed(&report, case.name())).collect();
    let ours = engines.iter().find(|engine| matches!(engine, Engine::Couplet(_)));
    if let Some(engine) = ours {
        text.push_str(&profiles(&mut bench, engine, &missed).await?);
    }
    if !args.quick && args.engine == Engines::Both && args.only.is_empty() {
        let (rows, runs) = (bench.rows, args.repeat.max(1));
        let mut facts = machine::facts()?;
        facts.push(format!("Load average at the beginning: {load_before}"));
        facts.push(format!("{}; MySQL 8.0.31", machine::services()));
        facts.push(format!("Sizes: snapshot of {} bank rows, backlog of {rows}, {runs} runs (median)", rows * 2));
        let facts: String = facts.iter().map(|fact| format!("- {fact}\n")).collect();
        page::write(page::Part::Cdc, &format!("{facts}\n{text}\n{HOW}\n"))?;
    }
    Ok(())
}

/// Runs each case once more under `perf`; Markdown.
async fn profiles(bench: &mut Bench, engine: &Engine, cases: &[Case]) -> Result<String> {
    if !Profiler::is_here() {
        return Ok("There is no `perf` on this machine, so there is no profile.\n".to_owned());
    }
    let mut text = String::new();
    for case in cases {
        println!("{} on {} once more, for its profile ...", case.name(), engine.name());
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("perf.data");
        bench.profile = Some(file.clone());
        let measured = case.measure(bench, engine).await;
        bench.profile = None;
        measured?;
        let section = table::profile(case.name(), &profile::functions(file).await?);
        println!("{section}");
        text.push_str(&section);
    }
    Ok(text)
}

const HOW: &str = "Snapshot: from the connector's creation to the last record in the topic, of a table that was vacuumed. \
Backlog: the connector streams, is stopped (`PUT /connectors/NAME/stop`), the rows are committed, 1000 to a transaction, and the \
time runs from `PUT /connectors/NAME/resume` to the last record in the topic. 1000 transactions/s: about 2000 changes a second, \
from commit to a consumer of the topic. Every worker is a fresh process, every run has a database cluster of its own, connectors \
have the original's defaults; JSON without schemas. CPU: user and system time of the worker's process, or of the \
floor's client, not of database and broker. The floors are PostgreSQL's own clients, right before the worker and on the same \
rows, with the output thrown away and no Kafka: `psql` with `\\copy` in both formats, `pg_recvlogical` with a slot of its own \
and the connector's publication. MySQL's are a client of ours (`connectors/shared/mysql-wire/examples`), since `mysqlbinlog` does \
not come with the server: the rows of a query, and the bare dump of the log. Time over floor: the worker's time divided by that of the fastest floor. Profiles are of \
another run than the figures, in percent of the samples, by whose code runs and by function, both without callees. Ratios above 1 are in favour of Couplet, but for those \
over the floor.";
