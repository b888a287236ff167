//! What clients take for the same rows that throw them away.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use couplet_harness::provision::process::Launch;
use couplet_harness::provision::process_stat::children_cpu_seconds;

use crate::bench::measure::Sample;

/// PostgreSQL's `psql` in its own format.
pub const COPY_TEXT: &str = "psql \\copy, text";
/// PostgreSQL's `psql` in its binary format.
pub const COPY_BINARY: &str = "psql \\copy, binary";
/// PostgreSQL's reader of slots.
pub const LOGICAL: &str = "pg_recvlogical";
/// Rows of a query.
pub const ROWS: &str = "mysql_client rows";
/// The bare dump of the log.
pub const BINLOG: &str = "mysql_client binlog";

/// All of them, as the tables call them.
pub const FLOORS: [&str; 5] = [COPY_TEXT, COPY_BINARY, LOGICAL, ROWS, BINLOG];

/// Runs a client to its end. Its memory is not of interest.
pub async fn run(program: PathBuf, arguments: Vec<String>, case: &str, rows: i64) -> Result<Sample> {
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
