//! What one run of one case cost.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use couplet_harness::provision::process_stat::{cpu_seconds, rss_bytes};

use super::profile::Profiler;

/// One measured figure, with what it cost.
#[derive(Debug, Clone)]
pub struct Sample {
    /// As in the table's first column.
    pub case: String,
    /// Seconds on the clock.
    pub seconds: f64,
    /// User and system time of the worker.
    pub cpu_seconds: f64,
    /// Most resident memory seen during the case, or at its end.
    pub rss_bytes: u64,
    /// Records moved; `None` when the case moves none.
    pub records: Option<i64>,
    /// Median and 99th percentile from commit to topic, where that is what the case is about.
    pub latency_ms: Option<[f64; 2]>,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.rss_bytes as f64 / 1_048_576.0;
        write!(f, "{}: {:.3} s, {:.2} CPU s, {mib:.1} MiB", self.case, self.seconds, self.cpu_seconds)?;
        if let Some([p50, p99]) = self.latency_ms {
            write!(f, ", p50 {p50:.1} ms, p99 {p99:.1} ms")?;
        }
        match self.records {
            Some(records) => write!(f, ", {:.0} records/s", records as f64 / self.seconds),
            None => Ok(()),
        }
    }
}

/// Clock, CPU time and memory of a process from now on.
pub struct Meter {
    pid: u32,
    started: Instant,
    cpu_before: f64,
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    sampler: Option<JoinHandle<()>>,
    profiler: Option<Profiler>,
}

impl Meter {
    /// Starts to measure; memory is sampled every 50 ms, and where the time goes is written to `profile`.
    pub fn start(pid: u32, profile: Option<&Path>) -> Result<Self> {
        let profiler = profile.map(|file| Profiler::start(pid, file)).transpose()?;
        let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (peak2, stop2) = (Arc::clone(&peak), Arc::clone(&stop));
        let sampler = std::thread::spawn(move || {
            while !stop2.load(Ordering::Relaxed) {
                peak2.fetch_max(rss_bytes(pid).unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Ok(Self {
            pid,
            started: Instant::now(),
            cpu_before: cpu_seconds(pid)?,
            peak,
            stop,
            sampler: Some(sampler),
            profiler,
        })
    }

    /// Ends the measurement.
    pub async fn stop(mut self, case: &str, records: i64) -> Result<Sample> {
        let (seconds, cpu) = (self.started.elapsed().as_secs_f64(), cpu_seconds(self.pid)? - self.cpu_before);
        self.end_sampler();
        let peak = self.peak.load(Ordering::Relaxed).max(rss_bytes(self.pid)?);
        if let Some(profiler) = self.profiler.take() {
            profiler.stop().await?;
        }
        Ok(Sample {
            case: case.to_owned(),
            seconds,
            cpu_seconds: cpu,
            rss_bytes: peak,
            records: Some(records),
            latency_ms: None,
        })
    }

    fn end_sampler(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(sampler) = self.sampler.take() {
            // It only loops; it has nothing to panic about.
            let _ = sampler.join();
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.end_sampler();
    }
}
