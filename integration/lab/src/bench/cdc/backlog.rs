//! Rows that were committed while nobody read.

use anyhow::{Result, ensure};
use couplet_harness::worker::{Engine, Worker};
use couplet_harness::{Deadline, eventually, shared};
use reqwest::Method;

use super::{Named, floor};
use crate::bench::Bench;
use crate::bench::postgres::{BATCH, Bank, DEADLINE_SECS, NAME, await_streaming, connector, finish};

/// The connector's default.
const PUBLICATION: &str = "dbz_publication";

/// From the connector's resumption to the last record, and the floor on the same rows.
pub async fn measure(bench: &Bench, engine: &Engine, case: &str, schemas: bool) -> Result<Vec<Named>> {
    let bank = Bank::open().await?;
    let prefix = shared::unique("bench");
    let mut worker = Worker::start(&bench.settings(engine)).await?;
    worker.rest.create(&connector(bank.cluster.port, &prefix, NAME, schemas)).await?;
    await_streaming(&bank.client, &worker, &prefix).await?;
    let topic = format!("{prefix}.{NAME}");
    // It stands behind a transaction of its own, so that there is an offset to go on from.
    bank.book(BATCH, BATCH).await?;
    let deadline = || Deadline::after_secs(DEADLINE_SECS);
    bench.kafka.await_count(&topic, BATCH, deadline()).await?;
    put(&worker, &prefix, "stop").await?;
    eventually("the connector to stop", Deadline::after_secs(60), || async {
        let status = worker.rest.get(&format!("/connectors/{prefix}/status")).await?;
        let idle = "select 1 from pg_replication_slots having not bool_or(active)";
        let idle = bank.client.query_opt(idle, &[]).await?.is_some();
        Ok((status["connector"]["state"] == "STOPPED" && idle).then_some(()))
    })
    .await?;
    floor::make_slot(&bank).await?;
    bank.book(bench.rows, BATCH).await?;
    bank.client.batch_execute("checkpoint").await?;
    let mut samples = vec![floor::logical(&bank, PUBLICATION, case, bench.rows).await?];
    let meter = bench.meter(&worker)?;
    put(&worker, &prefix, "resume").await?;
    bench.kafka.await_count(&topic, BATCH + bench.rows, deadline()).await?;
    samples.push((engine.name(), meter.stop(case, bench.rows).await?));
    let count = bench.kafka.count(&topic).await?;
    ensure!(count == BATCH + bench.rows, "{count} records of {} rows", BATCH + bench.rows);
    finish(bench, &mut worker, &prefix, &topic).await?;
    Ok(samples)
}

async fn put(worker: &Worker, name: &str, action: &str) -> Result<()> {
    let (status, body) = worker.rest.call(Method::PUT, &format!("/connectors/{name}/{action}"), None).await?;
    ensure!(status.is_success(), "{action} of {name} answered {status}: {body}");
    Ok(())
}
