//! PostgreSQL and its own clients.

use anyhow::{Context, Result};
use couplet_harness::clients::ConnectRest;
use couplet_harness::provision::debian;
use couplet_harness::worker::{Engine, WorkerSettings};
use serde_json::Value;

use super::bank::Bank;
use super::floor::{self, COPY_BINARY, COPY_TEXT, LOGICAL};
use super::{Named, Sample};
use crate::bench::Bench;
use crate::bench::postgres::{self, NAME};

/// The slot that waits for the floor.
const SLOT: &str = "bench_floor";
/// The connector's default.
const PUBLICATION: &str = "dbz_publication";

impl Bank for postgres::Bank {
    async fn open() -> Result<Self> {
        postgres::Bank::open().await
    }

    fn settings(&self, bench: &Bench, engine: &Engine) -> Result<WorkerSettings> {
        Ok(bench.settings(engine))
    }

    fn connector(&self, _bench: &Bench, prefix: &str) -> (Value, String) {
        (postgres::connector(self.cluster.port, prefix, NAME, false), format!("{prefix}.{NAME}"))
    }

    async fn book(&self, rows: i64, batch: i64) -> Result<()> {
        postgres::Bank::book(self, rows, batch).await
    }

    async fn settle(&self) -> Result<()> {
        postgres::Bank::settle(self).await
    }

    async fn await_streaming(&self, rest: &ConnectRest, name: &str) -> Result<()> {
        postgres::await_streaming(&self.client, rest, name).await
    }

    async fn is_released(&self) -> Result<bool> {
        let query = "select 1 from pg_replication_slots having not bool_or(active)";
        Ok(self.client.query_opt(query, &[]).await?.is_some())
    }

    async fn mark(&mut self) -> Result<()> {
        self.client.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", &[&SLOT]).await?;
        Ok(())
    }

    async fn log_floor(&self, case: &str, rows: i64) -> Result<Named> {
        let end: String = self.client.query_one("select pg_current_wal_insert_lsn()::text", &[]).await?.get(0);
        // So that the client sees that it has passed the rows.
        self.client.execute("select pg_logical_emit_message(false, 'bench', 'end')", &[]).await?;
        let url = self.cluster.url("postgres");
        let arguments = ["-d", &url, "--slot", SLOT, "--start", "--no-loop", "--file", "/dev/null", "--endpos", &end];
        let options = ["proto_version=1", &format!("publication_names={PUBLICATION}"), "messages=true"];
        let options = options.iter().flat_map(|option| ["-o", option]);
        let arguments = arguments.into_iter().chain(options).map(str::to_owned).collect();
        let sample = client(LOGICAL, arguments, case, rows).await?;
        self.client.execute("select pg_drop_replication_slot($1)", &[&SLOT]).await?;
        Ok((LOGICAL, sample))
    }

    async fn table_floors(&self, case: &str, rows: i64) -> Result<Vec<Named>> {
        let mut samples = Vec::new();
        for (name, format) in [(COPY_TEXT, "text"), (COPY_BINARY, "binary")] {
            let command = format!("\\copy (select * from bank_transactions) to '/dev/null' with (format {format})");
            let arguments = ["-X", "-q", "-d", &self.cluster.url("postgres"), "-c", &command];
            samples.push((name, client("psql", arguments.map(str::to_owned).to_vec(), case, rows).await?));
        }
        Ok(samples)
    }
}

/// Runs a program that comes with the server.
async fn client(program: &str, arguments: Vec<String>, case: &str, rows: i64) -> Result<Sample> {
    let program = debian::postgres_bin().context("no PostgreSQL")?.join(program);
    floor::run(program, arguments, case, rows).await
}
