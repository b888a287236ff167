//! What a process costs, read from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// User and system time that the process has used so far, in seconds.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = cpu_ticks(&stat, 11).with_context(|| format!("unexpected /proc/{pid}/stat"))?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// As [`cpu_seconds`], of the children of this process that have ended.
pub fn children_cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let ticks = cpu_ticks(&stat, 13).context("unexpected /proc/self/stat")?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// User and system time at this field and the next. The name in the second field may hold anything, so fields are counted from
/// its closing parenthesis.
fn cpu_ticks(stat: &str, field: usize) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: u64 = fields.nth(field)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// When the process started, in clock ticks after boot: together with the id it names one process for good.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Resident memory now, in bytes.
pub fn rss_bytes(pid: u32) -> Result<u64> {
    status(pid, "VmRSS:").map(|kib| kib * 1024)
}

/// The most resident memory so far, in bytes.
pub fn peak_rss_bytes(pid: u32) -> Result<u64> {
    status(pid, "VmHWM:").map(|kib| kib * 1024)
}

/// Threads that the process has now.
pub fn threads(pid: u32) -> Result<u64> {
    status(pid, "Threads:")
}

/// The number behind `key`.
fn status(pid: u32, key: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix(key));
    let value =
        line.and_then(|l| l.split_whitespace().next()).with_context(|| format!("no {key} for process {pid}"))?;
    Ok(value.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields_behind_an_odd_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 17 5 3 4 20 0 1 0 777 1 1";
        assert_eq!((cpu_ticks(stat, 11), cpu_ticks(stat, 13)), (Some(22), Some(7)));
    }

    #[test]
    fn this_process_has_a_cost() {
        let pid = std::process::id();
        assert!(rss_bytes(pid).unwrap() > 100_000);
        assert!(peak_rss_bytes(pid).unwrap() >= rss_bytes(pid).unwrap() / 2);
        assert!(start_ticks(pid).is_some());
        assert!(threads(pid).unwrap() >= 1);
        assert!(cpu_seconds(pid).unwrap() >= 0.0);
    }
}
