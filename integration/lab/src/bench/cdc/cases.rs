//! Rows that were there before the connector, and rows that were committed while nobody read.

use anyhow::{Result, ensure};
use couplet_harness::worker::{Engine, Worker};
use couplet_harness::{Deadline, eventually, shared};
use reqwest::Method;

use super::Named;
use super::bank::Bank;
use crate::bench::Bench;
use crate::bench::postgres::{BATCH, DEADLINE_SECS, finish};

/// From the connector's creation to the last record, and the floors on the same rows.
pub async fn snapshot<B: Bank>(bench: &Bench, engine: &Engine, case: &str) -> Result<Vec<Named>> {
    let (bank, rows, prefix) = (B::open().await?, bench.rows * 2, shared::unique("bench"));
    bank.book(rows, rows).await?;
    bank.settle().await?;
    let mut samples = bank.table_floors(case, rows).await?;
    let mut worker = Worker::start(&bank.settings(bench, engine)?).await?;
    let (request, topic) = bank.connector(bench, &prefix);
    let meter = bench.meter(&worker)?;
    worker.rest.create(&request).await?;
    bench.kafka.await_count(&topic, rows, Deadline::after_secs(DEADLINE_SECS)).await?;
    samples.push((engine.name(), meter.stop(case, rows).await?));
    finish(bench, &mut worker, &prefix, &topic).await?;
    Ok(samples)
}

/// From the connector's resumption to the last record, and the floor on the same rows.
pub async fn backlog<B: Bank>(bench: &Bench, engine: &Engine, case: &str) -> Result<Vec<Named>> {
    let (mut bank, prefix) = (B::open().await?, shared::unique("bench"));
    let mut worker = Worker::start(&bank.settings(bench, engine)?).await?;
    let (request, topic) = bank.connector(bench, &prefix);
    worker.rest.create(&request).await?;
    bank.await_streaming(&worker.rest, &prefix).await?;
    // It stands behind a transaction of its own, so that there is an offset to go on from.
    bank.book(BATCH, BATCH).await?;
    let deadline = || Deadline::after_secs(DEADLINE_SECS);
    bench.kafka.await_count(&topic, BATCH, deadline()).await?;
    put(&worker, &prefix, "stop").await?;
    eventually("the connector to stop", Deadline::after_secs(60), || async {
        let status = worker.rest.get(&format!("/connectors/{prefix}/status")).await?;
        Ok((status["connector"]["state"] == "STOPPED" && bank.is_released().await?).then_some(()))
    })
    .await?;
    bank.mark().await?;
    bank.book(bench.rows, BATCH).await?;
    let mut samples = vec![bank.log_floor(case, bench.rows).await?];
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
