//! What the figures were measured on.

use std::fs;
use std::process::Command;

use anyhow::Result;
use couplet_harness::provision::{cache, debian, jars};

use super::Bench;

/// What a page on whole workers says about them: [`facts`], services and sizes, one a line.
pub fn describe(bench: &Bench, repeat: usize) -> Result<Vec<String>> {
    let mut lines = facts()?;
    let sizes = format!("Sizes: {} lines of 200 bytes, {} bank rows, {repeat} runs (median)", bench.lines, bench.rows);
    lines.extend([services(), sizes]);
    Ok(lines)
}

/// Broker and database.
pub fn services() -> String {
    let postgres = debian::postgres_bin().map(|bin| bin.join("postgres").display().to_string()).unwrap_or_default();
    format!(
        "Broker: Kafka {} (one node, KRaft); database: {}; both share the machine with the worker",
        jars::KAFKA_VERSION,
        said(&postgres, &["--version"])
    )
}

/// Date, machine and versions, one a line.
pub fn facts() -> Result<Vec<String>> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map_or("unknown processor", |l| l.trim_start_matches([':', '\t', ' ']));
    let cores = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let total_kib: u64 = memory.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    Ok(vec![
        format!("Date: {}", jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC")),
        format!("Machine: {cores} cores, {model}, {} MiB", total_kib / 1024),
        format!("Load average at the end: {}", load()?),
        format!("Couplet: release build of {}", said("git", &["describe", "--always", "--dirty"])),
        format!("JVM: Kafka Connect {}, Debezium {}, {}", jars::KAFKA_VERSION, jars::DEBEZIUM_VERSION, java()),
    ])
}

/// The load averages of one, five and fifteen minutes.
pub fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

fn said(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).current_dir(cache::repository()).output();
    done.map_or_else(|_| "unknown".to_owned(), |d| String::from_utf8_lossy(&d.stdout).trim().to_owned())
}

/// `java -version` speaks on standard error.
fn java() -> String {
    let done = Command::new("java").arg("-version").output();
    let text = done.map_or_else(|_| String::new(), |d| String::from_utf8_lossy(&d.stderr).into_owned());
    text.lines().next().unwrap_or("unknown Java").to_owned()
}
