//! Where a process spends its time, as `perf` (Linux) sees it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use couplet_harness::provision::debian;
use couplet_harness::provision::process::{Launch, Process};
use couplet_harness::provision::{Deadline, eventually};

/// Samples a second.
const FREQUENCY: &str = "997";

/// A running `perf record`.
pub struct Profiler(Process);

impl Profiler {
    /// Whether this machine has `perf`.
    pub fn is_here() -> bool {
        debian::has("perf")
    }

    /// Starts to write the profile of a process to `file`.
    pub fn start(pid: u32, file: &Path) -> Result<Self> {
        let launch = Launch::new("perf record", "perf", file.with_extension("log"))
            .args(["record", "-q", "-F", FREQUENCY, "-g", "-p"])
            .args([pid.to_string(), "-o".to_owned(), file.display().to_string()]);
        Ok(Self(launch.spawn()?))
    }

    /// Ends it; the file is complete afterwards.
    pub async fn stop(mut self) -> Result<()> {
        self.0.interrupt(60).await.map(drop)
    }
}

/// A function and its part of the time, in percent, without what it calls.
#[derive(Debug, PartialEq)]
pub struct Share {
    pub percent: f64,
    pub symbol: String,
}

/// The functions with the largest parts of the profile in `file`, at most `count`.
pub async fn top(file: PathBuf, count: usize) -> Result<Vec<Share>> {
    eventually("the profile", Deadline::after_secs(60), || {
        let file = file.clone();
        async move { Ok(file.is_file().then_some(())) }
    })
    .await?;
    tokio::task::spawn_blocking(move || {
        let mut report = Command::new("perf");
        report.args(["report", "--stdio", "--no-children", "-g", "none", "--sort", "symbol", "-i"]).arg(file);
        let done = report.output().context("cannot start perf report")?;
        ensure!(done.status.success(), "perf report: {}", String::from_utf8_lossy(&done.stderr));
        Ok(shares(&String::from_utf8_lossy(&done.stdout), count))
    })
    .await?
}

/// Lines as `  12.34%  [.] name`, the largest first; what else is on them stands behind several blanks.
fn shares(report: &str, count: usize) -> Vec<Share> {
    let line = |line: &str| {
        let (percent, symbol) = line.trim().split_once('%')?;
        let (mark, name) = symbol.trim().split_once(' ')?;
        let name = name.trim().split("  ").next()?;
        let whose = if mark == "[k]" { "kernel: " } else { "" };
        Some(Share { percent: percent.parse().ok()?, symbol: format!("{whose}{}", name.trim_end()) })
    };
    report.lines().filter(|l| !l.starts_with('#')).filter_map(line).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_from_the_report() {
        let report = "# Samples: 3K of event 'cpu-clock'\n#\n    12.50%  [.] <couplet::Row as core::Clone>::clone   -      -\n     \
                      9.00%  [k] copy_user_generic\n\n     1.00%  [.] memcpy\n";
        let share = |percent, symbol: &str| Share { percent, symbol: symbol.to_owned() };
        let want = [share(12.5, "<couplet::Row as core::Clone>::clone"), share(9.0, "kernel: copy_user_generic")];
        assert_eq!(shares(report, 2), want);
    }
}
