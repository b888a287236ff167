//! Prometheus's text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Rows by metric name: the format wants all rows of a name together.
#[derive(Default)]
pub(super) struct Exposition(BTreeMap<String, Metric>);

struct Metric {
    help: &'static str,
    is_summary: bool,
    rows: String,
}

impl Exposition {
    /// Adds a row. Names may have hyphens, which become underscores.
    pub(super) fn row(&mut self, help: &'static str, name: &str, labels: &[(&str, &str)], value: f64) {
        let name = name.replace('-', "_");
        let metric = Metric { help, is_summary: false, rows: String::new() };
        write_row(&mut self.0.entry(name.clone()).or_insert(metric).rows, &name, labels, value);
    }

    /// Adds the rows of a summary: quantiles by their labels, then sum and count of all values.
    pub(super) fn summary(
        &mut self,
        help: &'static str,
        name: &str,
        labels: &[(&str, &str)],
        quantiles: &[(&str, f64)],
        (sum, count): (f64, u64),
    ) {
        let metric = Metric { help, is_summary: true, rows: String::new() };
        let rows = &mut self.0.entry(name.to_owned()).or_insert(metric).rows;
        for (quantile, value) in quantiles {
            let labels: Vec<_> = labels.iter().copied().chain([("quantile", *quantile)]).collect();
            write_row(rows, name, &labels, *value);
        }
        write_row(rows, &format!("{name}_sum"), labels, sum);
        write_row(rows, &format!("{name}_count"), labels, count as f64);
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        let mut text = String::new();
        for (name, Metric { help, is_summary, rows }) in self.0 {
            let kind = match is_summary {
                true => "summary",
                false if name.ends_with("_total") => "counter",
                false => "gauge",
            };
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{rows}");
        }
        text
    }
}

fn write_row(rows: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    rows.push_str(name);
    for (at, (label, text)) in labels.iter().enumerate() {
        rows.push(if at == 0 { '{' } else { ',' });
        rows.push_str(&label.replace('-', "_"));
        rows.push_str("=\"");
        escape(text, rows);
        rows.push('"');
    }
    let close = if labels.is_empty() { "" } else { "}" };
    let value = match value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value.is_infinite() => if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        value => value.to_string(),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(rows, "{close} {value}");
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_quantiles_sum_and_count() {
        let mut exposition = Exposition::default();
        exposition.summary("s", "s_seconds", &[("task", "0")], &[("0.5", 0.25), ("0.99", 2.0)], (3.5, 7));
        assert_eq!(
            exposition.finish(),
            "# HELP s_seconds s\n# TYPE s_seconds summary\ns_seconds{task=\"0\",quantile=\"0.5\"} 0.25\n\
             s_seconds{task=\"0\",quantile=\"0.99\"} 2\ns_seconds_sum{task=\"0\"} 3.5\ns_seconds_count{task=\"0\"} 7\n"
        );
    }

    #[test]
    fn rows_of_a_name_stand_together_under_help_and_type() {
        let mut exposition = Exposition::default();
        exposition.row("b", "b-total", &[("connector", "a\"\\\n"), ("task", "0")], 3.0);
        exposition.row("a", "a", &[], f64::NAN);
        exposition.row("b", "b-total", &[], 0.5);
        assert_eq!(
            exposition.finish(),
            "# HELP a a\n# TYPE a gauge\na NaN\n\
             # HELP b_total b\n# TYPE b_total counter\nb_total{connector=\"a\\\"\\\\\\n\",task=\"0\"} 3\nb_total 0.5\n"
        );
    }
}
