//! The tables: figures with their goals, floors, profiles.

use std::fmt::Write;

use super::floor::FLOORS;
use crate::bench::measure::Sample;
use crate::bench::profile::{Share, by_owner};
use crate::bench::report::Report;

/// What ours should reach.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// A fraction of the JVM's.
    Part(f64),
    /// A value below this.
    Below(f64),
}

struct Figure {
    name: &'static str,
    more_is_better: bool,
    read: fn(&Sample) -> Option<f64>,
    goal: Option<Goal>,
}

const FIGURES: &[Figure] = &[
    Figure { name: "records/s", more_is_better: true, read: rate, goal: None },
    Figure { name: "p50 ms", more_is_better: false, read: |s| s.latency_ms.map(|[p50, _]| p50), goal: None },
    Figure {
        name: "p99 ms",
        more_is_better: false,
        read: |s| s.latency_ms.map(|[_, p99]| p99),
        goal: Some(Goal::Below(10.0)),
    },
    Figure { name: "CPU s", more_is_better: false, read: |s| Some(s.cpu_seconds), goal: Some(Goal::Part(20.0)) },
    Figure {
        name: "CPU µs/record",
        more_is_better: false,
        read: |s| s.records.map(|records| s.cpu_seconds * 1e6 / records as f64),
        goal: None,
    },
    Figure {
        name: "peak MiB",
        more_is_better: false,
        read: |s| Some(s.rss_bytes as f64 / 1_048_576.0),
        goal: Some(Goal::Part(10.0)),
    },
];

/// How much longer than the floor ours may take: of the cases whose name contains the text.
const OVER_FLOOR: [(&str, f64); 2] = [("snapshot", 1.25), ("backlog", 1.15)];

/// One line of the table.
struct Row {
    figure: &'static str,
    jvm: Option<f64>,
    ours: Option<f64>,
    ratio: Option<f64>,
    goal: Option<Goal>,
}

impl Row {
    /// `None` without goal, or when what it needs was not measured.
    fn is_met(&self) -> Option<bool> {
        match self.goal? {
            Goal::Part(part) => self.ratio.map(|ratio| ratio >= part),
            Goal::Below(limit) => self.ours.map(|ours| ours < limit),
        }
    }
}

/// A steady stream has no rate of its own.
fn rate(sample: &Sample) -> Option<f64> {
    sample.records.filter(|_| sample.latency_ms.is_none()).map(|records| records as f64 / sample.seconds)
}

/// The records/s of the fastest floor.
fn floor(report: &Report, case: &str) -> Option<f64> {
    FLOORS.iter().filter_map(|floor| report.median(floor, case, rate)).max_by(f64::total_cmp)
}

fn rows(report: &Report, case: &str) -> Vec<Row> {
    let row = |figure: &Figure| {
        let (jvm, ours) = (report.median("jvm", case, figure.read), report.median("couplet", case, figure.read));
        let ratio = jvm.zip(ours).map(|(jvm, ours)| if figure.more_is_better { ours / jvm } else { jvm / ours });
        (jvm.is_some() || ours.is_some()).then_some(Row { figure: figure.name, jvm, ours, ratio, goal: figure.goal })
    };
    let mut rows: Vec<Row> = FIGURES.iter().filter_map(row).collect();
    if let Some(floor) = floor(report, case) {
        let over = |engine| report.median(engine, case, rate).map(|rate| floor / rate);
        let (jvm, ours) = (over("jvm"), over("couplet"));
        let limit = OVER_FLOOR.iter().find(|(part, _)| case.contains(part)).map(|(_, limit)| Goal::Below(*limit));
        let ratio = jvm.zip(ours).map(|(jvm, ours)| jvm / ours);
        rows.push(Row { figure: "time over floor", jvm, ours, ratio, goal: limit });
    }
    rows
}

/// Whether ours misses a goal of the case.
pub fn is_missed(report: &Report, case: &str) -> bool {
    rows(report, case).iter().any(|row| row.is_met() == Some(false))
}

/// Figures and floors; Markdown.
pub fn tables(report: &Report) -> String {
    let mut text = String::from(
        "| case | figure | JVM | Couplet | ratio | goal | met |\n| --- | --- | ---: | ---: | ---: | ---: | --- |\n",
    );
    let show = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if value >= 1000.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.2}"),
    };
    // Writing to a string cannot fail.
    for case in report.cases() {
        for row in rows(report, case) {
            let goal = match row.goal {
                None => String::new(),
                Some(Goal::Part(part)) => format!("{part}x"),
                Some(Goal::Below(limit)) => format!("< {limit}"),
            };
            let met = row.is_met().map_or("", |met| if met { "yes" } else { "NO" });
            let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}x"));
            let (jvm, ours) = (show(row.jvm), show(row.ours));
            let _ = writeln!(text, "| {case} | {} | {jvm} | {ours} | {ratio} | {goal} | {met} |", row.figure);
        }
    }
    text.push_str("\n| case | floor | records/s | CPU µs/record |\n| --- | --- | ---: | ---: |\n");
    for case in report.cases() {
        for floor in FLOORS {
            let cpu = report.median(floor, case, |s| s.records.map(|records| s.cpu_seconds * 1e6 / records as f64));
            if let Some(rate) = report.median(floor, case, rate) {
                let _ = writeln!(text, "| {case} | `{floor}` | {rate:.0} | {} |", show(cpu));
            }
        }
    }
    text
}

/// Lines of a profile's table.
const SHOWN: usize = 12;

/// A profile: whose code, and which functions; Markdown.
pub fn profile(case: &str, functions: &[Share]) -> String {
    let mut text = format!("\n{case}, Couplet, where the time goes:\n\n");
    text.push_str("| % | whose code | % | function |\n| ---: | --- | ---: | --- |\n");
    let show = |share: Option<&Share>| {
        share.map_or_else(|| " | ".to_owned(), |s| format!("{:.1} | `{}`", s.percent, s.symbol.replace('|', "\\|")))
    };
    let owners = by_owner(functions);
    for line in 0..SHOWN.min(functions.len()) {
        let _ = writeln!(text, "| {} | {} |", show(owners.get(line)), show(functions.get(line)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(case: &str, seconds: f64, cpu_seconds: f64, mib: u64, latency_ms: Option<[f64; 2]>) -> Sample {
        Sample { case: case.into(), seconds, cpu_seconds, rss_bytes: mib << 20, records: Some(1000), latency_ms }
    }

    #[test]
    fn goals_are_parts_of_the_jvm_times_of_the_floor_or_limits() {
        let mut report = Report::default();
        let (backlog, paced) = ("a backlog", "paced");
        report.add("jvm", sample(backlog, 10.0, 30.0, 1000, None));
        report.add("couplet", sample(backlog, 1.1, 2.0, 100, None));
        report.add(FLOORS[0], sample(backlog, 1.0, 0.5, 0, None));
        report.add(FLOORS[1], sample(backlog, 2.0, 0.5, 0, None));
        report.add("jvm", sample(paced, 10.0, 20.0, 1000, Some([300.0, 900.0])));
        report.add("couplet", sample(paced, 10.0, 1.0, 10, Some([1.0, 9.9])));
        let table = tables(&report);
        for line in [
            "| a backlog | records/s | 100.00 | 909.09 | 9.1x |  |  |",
            "| a backlog | CPU s | 30.00 | 2.00 | 15.0x | 20x | NO |",
            "| a backlog | peak MiB | 1000 | 100.00 | 10.0x | 10x | yes |",
            "| a backlog | time over floor | 10.00 | 1.10 | 9.1x | < 1.15 | yes |",
            "| paced | p99 ms | 900.00 | 9.90 | 90.9x | < 10 | yes |",
        ] {
            assert!(table.contains(line), "{line} is not in\n{table}");
        }
        assert!(!table.contains("| paced | records/s"), "{table}");
        assert_eq!((is_missed(&report, backlog), is_missed(&report, paced)), (true, false));
    }
}
