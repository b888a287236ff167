//! From exec to the first answers, and what an idle worker holds.

use std::time::{Duration, Instant};

use anyhow::Result;
use couplet_harness::provision::process_stat::{cpu_seconds, rss_bytes};
use couplet_harness::worker::{Engine, Worker};

use super::Bench;
use super::measure::Sample;

/// A second start, when the internal topics are there, as after any upgrade or crash.
pub async fn measure(bench: &Bench, engine: &Engine) -> Result<Vec<Sample>> {
    let settings = bench.settings(engine);
    Worker::start(&settings).await?.stop().await?;
    let mut worker = Worker::prepare(&settings)?;
    let started = Instant::now();
    let pid = worker.launch()?;
    worker.await_answer("/").await?;
    let first = sample("start to first 200 on GET /", started, pid)?;
    worker.await_answer("/connectors").await?;
    let ready = sample("start to first 200 on GET /connectors", started, pid)?;
    // Not a wait for something: this is the time whose cost is measured.
    tokio::time::sleep(Duration::from_secs(bench.idle_secs)).await;
    let idle = sample(&format!("idle for {} s", bench.idle_secs), started, pid)?;
    worker.stop().await?;
    Ok(vec![first, ready, idle])
}

fn sample(case: &str, started: Instant, pid: u32) -> Result<Sample> {
    let seconds = started.elapsed().as_secs_f64();
    let (cpu_seconds, rss_bytes) = (cpu_seconds(pid)?, rss_bytes(pid)?);
    Ok(Sample { case: case.to_owned(), seconds, cpu_seconds, rss_bytes, records: None, latency_ms: None })
}
