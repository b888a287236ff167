//! Prometheus's text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Rows by metric name: the format wants all rows of a name together.
#[derive(Default)]
pub(super) struct Exposition(BTreeMap<String, Metric>);

struct Metric {
    help: &'static str,
    rows: String,
}

impl Exposition {
    /// Adds a row. Names may have hyphens, which become underscores.
    pub(super) fn row(&mut self, help: &'static str, name: &str, labels: &[(&str, &str)], value: f64) {
        let name = name.replace('-', "_");
        let metric = self.0.entry(name.clone()).or_insert_with(|| Metric { help, rows: String::new() });
        let rows = &mut metric.rows;
        rows.push_str(&name);
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
        let _ = writeln!(rows, "{close} {value}");
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        let mut text = String::new();
        for (name, Metric { help, rows }) in self.0 {
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{rows}");
        }
        text
    }
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
