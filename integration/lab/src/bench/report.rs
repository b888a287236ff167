//! The table.

use std::fmt::Write;

use super::measure::Sample;

/// All samples by worker.
#[derive(Default)]
pub struct Report {
    samples: Vec<(&'static str, Sample)>,
}

impl Report {
    /// Adds one sample.
    pub fn add(&mut self, engine: &'static str, sample: Sample) {
        self.samples.push((engine, sample));
    }

    /// A Markdown table: one row a case and figure, the ratio in favour of ours.
    pub fn table(&self) -> String {
        let mut table = String::from("| case | figure | JVM | Couplet | ratio |\n| --- | --- | ---: | ---: | ---: |\n");
        for case in self.cases() {
            for figure in FIGURES {
                let (jvm, ours) = (self.median("jvm", case, figure.read), self.median("couplet", case, figure.read));
                if jvm.is_none() && ours.is_none() {
                    continue;
                }
                let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| (figure.show)(v));
                let ratio =
                    jvm.zip(ours).map(|(jvm, ours)| if figure.more_is_better { ours / jvm } else { jvm / ours });
                // Below the resolution of the figure a ratio says nothing.
                let is_exact = |value: Option<f64>| value.is_some_and(|v| v >= figure.least);
                let ratio = ratio
                    .filter(|_| is_exact(jvm) && is_exact(ours))
                    .map_or_else(|| "-".to_owned(), |r| format!("{r:.1}x"));
                // Writing to a string cannot fail.
                let _ = writeln!(table, "| {case} | {} | {} | {} | {ratio} |", figure.name, show(jvm), show(ours));
            }
        }
        table
    }

    /// Names of the cases in the order they were measured in.
    pub fn cases(&self) -> Vec<&str> {
        let mut cases: Vec<&str> = Vec::new();
        for (_, sample) in &self.samples {
            if !cases.contains(&sample.case.as_str()) {
                cases.push(&sample.case);
            }
        }
        cases
    }

    /// The middle one of the runs.
    pub fn median(&self, engine: &str, case: &str, read: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let of_case = self.samples.iter().filter(|(name, sample)| *name == engine && sample.case == case);
        let mut values: Vec<f64> = of_case.filter_map(|(_, sample)| read(sample)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

struct Figure {
    name: &'static str,
    more_is_better: bool,
    /// The smallest value that means something.
    least: f64,
    read: fn(&Sample) -> Option<f64>,
    show: fn(f64) -> String,
}

const FIGURES: &[Figure] = &[
    Figure {
        name: "ms",
        more_is_better: false,
        least: f64::MIN_POSITIVE,
        read: |s| (s.records.is_none() && !s.case.starts_with("idle")).then_some(s.seconds * 1000.0),
        show: |v| format!("{v:.0}"),
    },
    Figure {
        name: "records/s",
        more_is_better: true,
        least: f64::MIN_POSITIVE,
        read: |s| s.records.filter(|_| s.latency_ms.is_none()).map(|r| r as f64 / s.seconds),
        show: |v| format!("{v:.0}"),
    },
    Figure {
        name: "p50 ms",
        more_is_better: false,
        least: f64::MIN_POSITIVE,
        read: |s| s.latency_ms.map(|[p50, _]| p50),
        show: |v| format!("{v:.1}"),
    },
    Figure {
        name: "p99 ms",
        more_is_better: false,
        least: f64::MIN_POSITIVE,
        read: |s| s.latency_ms.map(|[_, p99]| p99),
        show: |v| format!("{v:.1}"),
    },
    Figure {
        name: "CPU µs/record",
        more_is_better: false,
        least: f64::MIN_POSITIVE,
        read: |s| s.records.map(|r| s.cpu_seconds * 1e6 / r as f64),
        show: |v| format!("{v:.2}"),
    },
    Figure {
        name: "CPU s since start",
        more_is_better: false,
        least: 0.1,
        read: |s| s.records.is_none().then_some(s.cpu_seconds),
        show: |v| format!("{v:.2}"),
    },
    Figure {
        name: "RSS MiB",
        more_is_better: false,
        least: f64::MIN_POSITIVE,
        read: |s| Some(s.rss_bytes as f64 / 1_048_576.0),
        show: |v| format!("{v:.1}"),
    },
];

/// The page in `docs/`.
pub fn document(table: &str, facts: &[String]) -> String {
    let facts: String = facts.iter().map(|fact| format!("- {fact}\n")).collect();
    format!(
        "# Benchmarks\n\nWritten by `cargo x bench`: both workers one after the other on the same broker in one run, a fresh \
         worker for every case.\n\n{facts}\n{table}\n\
         Records/s: from the connector's creation (file, snapshot) or the first insert (stream) to the last record in the topic \
         or file. CPU: user and system time of the worker process. RSS: peak during the case (sampled), or at its end for start \
         and idle. Start: second start of a worker whose internal topics exist. Snapshot and stream use the connector's \
         defaults; the stream comes as 1000 rows to a transaction. Latency: from commit to a consumer of the topic, at 1000 \
         transactions (about 2000 changes) a second. Ratios above 1 are in favour of Couplet.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(case: &str, seconds: f64, records: Option<i64>) -> Sample {
        Sample {
            case: case.into(),
            seconds,
            cpu_seconds: seconds / 2.0,
            rss_bytes: 10 << 20,
            records,
            latency_ms: None,
        }
    }

    #[test]
    fn ratios_favour_the_better_whatever_the_figure() {
        let mut report = Report::default();
        for seconds in [9.0, 4.0, 5.0] {
            report.add("jvm", sample("copy", seconds, Some(1000)));
        }
        report.add("couplet", sample("copy", 1.0, Some(1000)));
        report.add("couplet", sample("start", 0.05, None));
        let table = report.table();
        assert!(table.contains("| copy | records/s | 200 | 1000 | 5.0x |"), "median of three:\n{table}");
        assert!(table.contains("| copy | CPU µs/record | 2500.00 | 500.00 | 5.0x |"), "{table}");
        assert!(table.contains("| start | ms | - | 50 | - |"), "{table}");
    }
}
