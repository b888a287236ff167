//! Where a process spends its time, as `perf` (Linux) sees it.

use std::collections::BTreeMap;
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

/// All functions of the profile in `file`, those with the largest parts first.
pub async fn functions(file: PathBuf) -> Result<Vec<Share>> {
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
        Ok(shares(&String::from_utf8_lossy(&done.stdout)))
    })
    .await?
}

/// Marks functions of the kernel.
const KERNEL: &str = "kernel: ";

/// Libraries written in C by what their functions are called.
const LIBRARIES: [(&str, &[&str]); 5] = [
    ("kernel", &[KERNEL]),
    ("librdkafka", &["rd_", "rdk"]),
    ("allocator", &["mi_", "_mi_", "malloc", "_int_malloc", "_int_free", "cfree", "calloc", "realloc", "unlink_chunk"]),
    ("memory copies", &["__mem", "mem"]),
    ("locks", &["pthread_", "__pthread_", "__GI___pthread_", "mtx_", "cnd_", "rwlock_", "__futex"]),
];

/// The profile by whose code it is: a Rust crate, a library, the kernel.
pub fn by_owner(functions: &[Share]) -> Vec<Share> {
    let mut owners: BTreeMap<String, f64> = BTreeMap::new();
    for function in functions {
        *owners.entry(owner(&function.symbol)).or_default() += function.percent;
    }
    let mut owners: Vec<Share> = owners.into_iter().map(|(symbol, percent)| Share { percent, symbol }).collect();
    owners.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    owners
}

fn owner(symbol: &str) -> String {
    let library = LIBRARIES.iter().find(|(_, begins)| begins.iter().any(|begin| symbol.starts_with(begin)));
    if let Some((library, _)) = library {
        return (*library).to_owned();
    }
    // `drop_in_place<crate::Type>` is of the type's crate, `<crate::Type as core::Trait>::method` of the type's too.
    let path = symbol.trim_start_matches("core::ptr::drop_in_place").trim_start_matches(['<', '&']);
    match path.split_once("::") {
        Some((name, _)) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => name.to_owned(),
        _ => "other".to_owned(),
    }
}

/// Lines as `  12.34%  [.] name`, the largest first; what else is on them stands behind several blanks.
fn shares(report: &str) -> Vec<Share> {
    let line = |line: &str| {
        let (percent, symbol) = line.trim().split_once('%')?;
        let (mark, name) = symbol.trim().split_once(' ')?;
        let name = name.trim().split("  ").next()?;
        let whose = if mark == "[k]" { KERNEL } else { "" };
        Some(Share { percent: percent.parse().ok()?, symbol: format!("{whose}{}", name.trim_end()) })
    };
    report.lines().filter(|l| !l.starts_with('#')).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_from_the_report() {
        let report = "# Samples: 3K of event 'cpu-clock'\n#\n    12.50%  [.] <couplet::Row as core::Clone>::clone   -      -\n     \
                      9.00%  [k] copy_user_generic\n\n     1.00%  [.] memcpy\n";
        let share = |percent, symbol: &str| Share { percent, symbol: symbol.to_owned() };
        let functions = shares(report);
        let want = [
            share(12.5, "<couplet::Row as core::Clone>::clone"),
            share(9.0, "kernel: copy_user_generic"),
            share(1.0, "memcpy"),
        ];
        assert_eq!(functions, want);
        assert_eq!(by_owner(&functions), [share(12.5, "couplet"), share(9.0, "kernel"), share(1.0, "memory copies")]);
        assert_eq!(owner("core::ptr::drop_in_place<couplet_api::data::Struct>"), "couplet_api");
        assert_eq!(owner("0x0000000002168520"), "other");
    }
}
