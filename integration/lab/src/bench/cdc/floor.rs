//! What the database's own clients take for the same rows when they throw them away.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use couplet_harness::provision::debian;
use couplet_harness::provision::process::Launch;
use couplet_harness::provision::process_stat::children_cpu_seconds;

use super::Named;
use crate::bench::measure::Sample;
use crate::bench::postgres::Bank;

const COPY_TEXT: &str = "psql \\copy, text";
const COPY_BINARY: &str = "psql \\copy, binary";
const LOGICAL: &str = "pg_recvlogical";

/// The floors, as the tables call them.
pub const FLOORS: [&str; 3] = [COPY_TEXT, COPY_BINARY, LOGICAL];

/// The slot that waits for [`logical`].
const SLOT: &str = "bench_floor";

/// The whole table in both formats.
pub async fn copy(bank: &Bank, case: &str, rows: i64) -> Result<Vec<Named>> {
    let mut samples = Vec::new();
    for (name, format) in [(COPY_TEXT, "text"), (COPY_BINARY, "binary")] {
        let command = format!("\\copy (select * from bank_transactions) to '/dev/null' with (format {format})");
        let arguments = ["-X", "-q", "-d", &bank.cluster.url("postgres"), "-c", &command];
        samples.push((name, run("psql", arguments.map(str::to_owned).to_vec(), case, rows).await?));
    }
    Ok(samples)
}

/// Makes the slot: what is committed from here on waits for [`logical`].
pub async fn make_slot(bank: &Bank) -> Result<()> {
    bank.client.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", &[&SLOT]).await?;
    Ok(())
}

/// All that waits in the slot, through `publication`.
pub async fn logical(bank: &Bank, publication: &str, case: &str, rows: i64) -> Result<Named> {
    // A message at the end, so that the client sees that it has passed the rows.
    let end: String = bank.client.query_one("select pg_current_wal_insert_lsn()::text", &[]).await?.get(0);
    bank.client.execute("select pg_logical_emit_message(false, 'bench', 'end')", &[]).await?;
    let arguments =
        ["-d", &bank.cluster.url("postgres"), "--slot", SLOT, "--start", "--no-loop", "--file", "/dev/null"];
    let mut arguments = arguments.map(str::to_owned).to_vec();
    arguments.push(format!("--endpos={end}"));
    for option in ["proto_version=1", &format!("publication_names={publication}"), "messages=true"] {
        arguments.extend(["-o".to_owned(), option.to_owned()]);
    }
    let sample = run("pg_recvlogical", arguments, case, rows).await?;
    bank.client.execute("select pg_drop_replication_slot($1)", &[&SLOT]).await?;
    Ok((LOGICAL, sample))
}

/// Runs a client of PostgreSQL to its end. Its memory is not of interest.
async fn run(program: &str, arguments: Vec<String>, case: &str, rows: i64) -> Result<Sample> {
    let program = debian::postgres_bin().context("no PostgreSQL")?.join(program);
    let (name, case) = (program.display().to_string(), case.to_owned());
    tokio::task::spawn_blocking(move || {
        let log = tempfile::Builder::new().prefix("couplet-floor").tempdir()?;
        let launch = Launch::new(&name, &program, log.path().join("log")).args(arguments).folder(Path::new("/"));
        let (started, cpu_before) = (Instant::now(), children_cpu_seconds()?);
        launch.run()?;
        let (seconds, cpu_seconds) = (started.elapsed().as_secs_f64(), children_cpu_seconds()? - cpu_before);
        Ok(Sample { case, seconds, cpu_seconds, rss_bytes: 0, records: Some(rows), latency_ms: None })
    })
    .await?
}
