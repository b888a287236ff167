//! The figures of a cluster, their goals, and the table.

use std::fmt::{self, Write};

/// Names of the figures, as in the table's first column.
pub mod name {
    pub const FIRST_ANSWER: &str = "exec to first answer of GET /, ms";
    pub const FIRST_LIST: &str = "exec to first answer of GET /connectors, ms";
    pub const IDLE_RSS: &str = "idle, RSS MiB";
    pub const TASKS_READY: &str = "idle tasks: exec to all running, s";
    pub const TASKS_RSS: &str = "idle tasks: RSS MiB";
    pub const TASKS_THREADS: &str = "idle tasks: threads";
    pub const TASKS_CPU: &str = "idle tasks: CPU s per minute";
    pub const HUNG_RATE: &str = "GETs with a hung start: answered per s";
    pub const HUNG_P50: &str = "GETs with a hung start: p50 ms";
    pub const HUNG_P99: &str = "GETs with a hung start: p99 ms";
    pub const ROLLING_P50: &str = "rolling restart: gap of a task, p50 ms";
    pub const ROLLING_P99: &str = "rolling restart: gap of a task, p99 ms";
    pub const ROLLING_MAX: &str = "rolling restart: gap of a task, max ms";
    pub const ROLLING_SECONDS: &str = "rolling restart: of all workers, s";
}

/// Goals of ours, as upper limits.
const GOALS: [(&str, f64); 6] = [
    (name::FIRST_ANSWER, 50.0),
    (name::IDLE_RSS, 25.0),
    (name::TASKS_RSS, 100.0),
    (name::TASKS_THREADS, 100.0),
    (name::HUNG_P99, 5.0),
    (name::ROLLING_P99, 500.0),
];

/// One measured figure.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    name: &'static str,
    value: f64,
}

impl Figure {
    /// `name` is one of [`name`].
    pub fn new(name: &'static str, value: f64) -> Self {
        Self { name, value }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.1}", self.name, self.value)
    }
}

/// Bytes as the table shows them.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// The value below which `part` of the sorted values lie; not a number without values.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// All figures by worker.
#[derive(Default)]
pub struct Figures(Vec<(&'static str, Figure)>);

impl Figures {
    /// Adds one.
    pub fn add(&mut self, engine: &'static str, figure: Figure) {
        self.0.push((engine, figure));
    }

    /// A Markdown table: the median of the runs, one row a figure.
    pub fn table(&self) -> String {
        let mut table = String::from(
            "| figure | JVM | Couplet | ratio | goal | met |\n| --- | ---: | ---: | ---: | ---: | --- |\n",
        );
        let mut names: Vec<&'static str> = Vec::new();
        for (_, figure) in &self.0 {
            if !names.contains(&figure.name) {
                names.push(figure.name);
            }
        }
        for name in names {
            let (jvm, ours) = (self.median("jvm", name), self.median("couplet", name));
            let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.1}"));
            let more_is_better = name == name::HUNG_RATE;
            let ratio = jvm.zip(ours).map(|(jvm, ours)| if more_is_better { ours / jvm } else { jvm / ours });
            let ratio = ratio.filter(|r| r.is_finite()).map_or_else(|| "-".to_owned(), |r| format!("{r:.1}x"));
            let goal = GOALS.iter().find(|(of, _)| *of == name).map(|(_, goal)| *goal);
            let met = goal.zip(ours).map_or("", |(goal, ours)| if ours < goal { "yes" } else { "NO" });
            let goal = goal.map_or_else(String::new, |goal| format!("< {goal}"));
            // Writing to a string cannot fail.
            let _ = writeln!(table, "| {name} | {} | {} | {ratio} | {goal} | {met} |", show(jvm), show(ours));
        }
        table
    }

    fn median(&self, engine: &str, name: &str) -> Option<f64> {
        let own = self.0.iter().filter(|(of, figure)| *of == engine && figure.name == name);
        let mut values: Vec<f64> = own.map(|(_, figure)| figure.value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_which_goals_are_met() {
        let mut figures = Figures::default();
        for value in [700.0, 500.0, 600.0] {
            figures.add("jvm", Figure::new(name::IDLE_RSS, value));
        }
        figures.add("couplet", Figure::new(name::IDLE_RSS, 24.0));
        figures.add("couplet", Figure::new(name::TASKS_THREADS, 100.0));
        figures.add("jvm", Figure::new(name::HUNG_RATE, 500.0));
        figures.add("couplet", Figure::new(name::HUNG_RATE, 1000.0));
        let table = figures.table();
        assert!(table.contains("| idle, RSS MiB | 600.0 | 24.0 | 25.0x | < 25 | yes |"), "{table}");
        assert!(table.contains("| idle tasks: threads | - | 100.0 | - | < 100 | NO |"), "{table}");
        assert!(table.contains("| 500.0 | 1000.0 | 2.0x |  |  |"), "more is better:\n{table}");
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.99), quantile(&values, 1.0)), (100.0, 198.0, 200.0));
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
