//! Many tasks with nothing to do.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use couplet_harness::provision::process_stat::{cpu_seconds, rss_bytes, threads};
use couplet_harness::worker::{Engine, Worker};

use super::figures::{Figure, mib, name};
use super::seeded::{self, Seeded, file_of};
use super::{Bench, Scale};

/// Memory, threads and CPU time of a worker whose sources have one line each behind them and get no more.
pub async fn measure(bench: &Bench, engine: &Engine, scale: Scale) -> Result<Vec<Figure>> {
    let settings = bench.settings(engine);
    let (folder, topic) = (tempfile::tempdir()?, format!("{}-lines", settings.group));
    let connectors: Vec<Seeded> =
        (0..scale.tasks).map(|number| Seeded::file_source(number, folder.path(), &topic)).collect();
    for number in 0..scale.tasks {
        fs::write(file_of(folder.path(), number), "a line\n")?;
    }
    bench.kafka.create_topic(&topic, 1, &[]).await?;
    seeded::write(&bench.kafka, &settings.group, &connectors).await?;
    let mut worker = Worker::prepare(&settings)?;
    let started = Instant::now();
    let pid = worker.launch()?;
    worker.await_ready().await?;
    seeded::await_tasks(&worker.rest, scale.tasks, |_| true).await?;
    let ready = started.elapsed();
    let lines = i64::try_from(scale.tasks)?;
    bench.kafka.await_count(&topic, lines, couplet_harness::Deadline::after_secs(120)).await?;
    let cpu_before = cpu_seconds(pid)?;
    // Not a wait for something: this is the time whose cost is measured.
    tokio::time::sleep(Duration::from_secs(scale.idle_secs)).await;
    let cpu = (cpu_seconds(pid)? - cpu_before) * 60.0 / scale.idle_secs as f64;
    let figures = vec![
        Figure::new(name::TASKS_READY, ready.as_secs_f64()),
        Figure::new(name::TASKS_RSS, mib(rss_bytes(pid)?)),
        Figure::new(name::TASKS_THREADS, threads(pid)? as f64),
        Figure::new(name::TASKS_CPU, cpu),
    ];
    worker.stop().await?;
    bench.kafka.delete_topics(&[&topic]).await?;
    Ok(figures)
}
