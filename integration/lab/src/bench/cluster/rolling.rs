//! Three workers, restarted one after the other while all their tasks work.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use couplet_harness::Deadline;
use couplet_harness::clients::Message;
use couplet_harness::worker::{Engine, Worker};

use super::figures::{Figure, name, quantile};
use super::seeded::{self, Seeded, file_of};
use super::{Bench, Scale};

const WORKERS: usize = 3;
/// Time between two lines of a file.
const PACE: Duration = Duration::from_millis(100);
/// How long tasks run undisturbed before, between and after restarts.
const CALM: Duration = Duration::from_secs(3);

/// Of all workers of both kinds. With the defaults of Kafka Connect the work of a worker that stops waits five minutes for
/// its return, and each worker hears of a rebalance after up to three seconds: gaps would tell of these two settings only.
const SETTINGS: [(&str, &str); 2] = [("scheduled.rebalance.max.delay.ms", "0"), ("heartbeat.interval.ms", "100")];

/// How long each task did not run during the restarts.
pub async fn measure(bench: &Bench, engine: &Engine, scale: Scale) -> Result<Vec<Figure>> {
    let settings = SETTINGS.iter().fold(bench.settings(engine), |settings, (key, value)| settings.with(key, value));
    let (folder, topic) = (tempfile::tempdir()?, format!("{}-lines", settings.group));
    let connectors: Vec<Seeded> =
        (0..scale.tasks).map(|number| Seeded::file_source(number, folder.path(), &topic)).collect();
    let writer = Writer::start(folder.path(), scale.tasks)?;
    bench.kafka.create_topic(&topic, 1, &[]).await?;
    seeded::write(&bench.kafka, &settings.group, &connectors).await?;
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(Worker::start(&settings).await?);
    }
    for worker in &workers {
        await_share(worker, scale.tasks).await?;
    }
    tokio::time::sleep(CALM).await;
    let (began_ms, began) = (now_ms()?, Instant::now());
    for worker in &mut workers {
        worker.stop().await?;
        worker.restart().await?;
        await_share(worker, scale.tasks).await?;
        tokio::time::sleep(CALM).await;
    }
    let (ended_ms, seconds) = (now_ms()?, began.elapsed().as_secs_f64());
    let lines = writer.stop()?;
    let written = i64::try_from(lines * scale.tasks as u64)?;
    bench.kafka.await_count(&topic, written, Deadline::after_secs(120)).await?;
    for worker in &mut workers {
        worker.stop().await?;
    }
    let records = bench.kafka.read_topic(&topic).await?;
    bench.kafka.delete_topics(&[&topic]).await?;
    let gaps = gaps(&records, scale.tasks, lines, began_ms..ended_ms)?;
    Ok(vec![
        Figure::new(name::ROLLING_P50, quantile(&gaps, 0.5)),
        Figure::new(name::ROLLING_P99, quantile(&gaps, 0.99)),
        Figure::new(name::ROLLING_MAX, quantile(&gaps, 1.0)),
        Figure::new(name::ROLLING_SECONDS, seconds),
    ])
}

/// Waits until all tasks run and the worker has its share of them.
async fn await_share(worker: &Worker, tasks: usize) -> Result<()> {
    let own = worker.rest.base.trim_start_matches("http://").to_owned();
    seeded::await_tasks(&worker.rest, tasks, |owners| {
        let mine = owners.iter().filter(|owner| **owner == own).count();
        // Connectors are balanced too, so a worker may be a few tasks short.
        mine + 2 >= tasks / WORKERS
    })
    .await
}

fn now_ms() -> Result<i64> {
    Ok(i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?)
}

/// The longest gap of every task in milliseconds, sorted; and all lines are there.
fn gaps(records: &[Message], tasks: usize, lines: u64, during: std::ops::Range<i64>) -> Result<Vec<f64>> {
    let mut times: HashMap<usize, Vec<i64>> = HashMap::new();
    let mut seen: HashSet<(usize, u64)> = HashSet::new();
    for record in records {
        let text = std::str::from_utf8(record.value.as_deref().unwrap_or_default())?;
        let (task, line) = text.split_once(' ').with_context(|| format!("a line of ours, not {text}"))?;
        let task = task.parse()?;
        seen.insert((task, line.parse()?));
        times.entry(task).or_default().push(record.timestamp_ms);
    }
    let written = tasks * usize::try_from(lines)?;
    ensure!(seen.len() == written, "{} of {written} lines were lost", written - seen.len());
    let mut gaps = Vec::with_capacity(tasks);
    for (task, mut times) in times {
        times.sort_unstable();
        let of_restarts = times.windows(2).filter(|pair| pair[1] >= during.start && pair[0] <= during.end);
        let longest = of_restarts.map(|pair| pair[1] - pair[0]).max();
        gaps.push(longest.with_context(|| format!("task {task} wrote nothing"))? as f64);
    }
    gaps.sort_by(f64::total_cmp);
    Ok(gaps)
}

/// Appends a line to every file at a steady pace.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<u64>>>,
}

impl Writer {
    fn start(folder: &Path, tasks: usize) -> Result<Self> {
        let open = |number| File::create(file_of(folder, number)).map(|file| (number, file));
        let mut files = (0..tasks).map(open).collect::<std::io::Result<Vec<_>>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let (began, mut line) = (Instant::now(), 0u32);
            while !told.load(Ordering::Relaxed) {
                for (number, file) in &mut files {
                    file.write_all(format!("{number} {line}\n").as_bytes())?;
                }
                line += 1;
                std::thread::sleep((PACE * line).saturating_sub(began.elapsed()));
            }
            Ok(u64::from(line))
        });
        Ok(Self { stop, thread: Some(thread) })
    }

    /// How many lines each file has.
    fn stop(mut self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("the writer runs")?;
        thread.join().map_err(|_| anyhow!("the writer panicked"))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &str, timestamp_ms: i64) -> Message {
        Message {
            topic: "lines".into(),
            partition: 0,
            offset: 0,
            timestamp_ms,
            key: None,
            value: Some(value.into()),
            headers: Vec::new(),
        }
    }

    #[test]
    fn a_gap_is_the_longest_of_its_task_during_the_restarts() {
        let records = [
            record("0 0", 0),
            record("1 0", 0),
            record("0 1", 5000),
            record("1 1", 6000),
            // Again: nothing was lost, and the task ran.
            record("1 1", 6200),
            record("0 2", 5100),
            record("1 2", 6500),
        ];
        // One that began before the restarts and ended in them counts.
        assert_eq!(gaps(&records, 2, 3, 5050..7000).expect("complete"), [100.0, 6000.0]);
        assert_eq!(gaps(&records, 2, 3, 0..7000).expect("complete"), [5000.0, 6000.0]);
        let lost = gaps(&records[..6], 2, 3, 0..7000).expect_err("a line is missing");
        assert_eq!(lost.to_string(), "1 of 6 lines were lost");
    }
}
