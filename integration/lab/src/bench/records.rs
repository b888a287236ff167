//! `cargo x bench converters`: converters and transforms without a worker around them, ours and the JVM's on the same
//! records, one after the other.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use couplet_harness::provision::{cache, jars};
use serde_json::Value;

use super::{machine, page};

/// Nanoseconds for one record, by `name/record/operation`.
type Figures = BTreeMap<String, f64>;

/// Measures, prints the table, and writes it to docs/benchmarks.md unless it is only for trying out.
pub fn run(quick: bool) -> Result<()> {
    println!("the JVM's, a few minutes ...");
    let (order, jvm) = jvm()?;
    println!("ours ...");
    let ours = ours(quick)?;
    let table = table(&order, &jvm, &ours);
    println!("\n{table}");
    if !quick {
        let facts: String = machine::facts()?.iter().map(|fact| format!("- {fact}\n")).collect();
        page::write(page::Part::Records, &format!("{facts}\n{table}\n{HOW}\n"))?;
    }
    Ok(())
}

const HOW: &str = "Nanoseconds for one record on one thread, the median: of the samples of Criterion on our side (allocator of the \
worker, release build), of nine rounds after three seconds of warm-up on the JVM's. Both process the same objects again and again, \
so caches of schemas are warm. `flat` is a record of 20 fields with its schema, `event` a change event of Debezium with a row of 20 \
columns before and after. Records and settings: `integration/bench`. Ratios above 1 are in favour of Couplet. Converters with a \
schema registry have no figure of the JVM: Confluent's jars are not on Maven Central.";

fn folder() -> PathBuf {
    cache::repository().join("integration/bench")
}

/// The originals' figures, and the order they came in.
fn jvm() -> Result<(Vec<String>, Figures)> {
    let debezium = jars::plugin_path_debezium()?.join("debezium-postgres");
    let class_path = format!("{}:{}/*", jars::kafka_class_path()?, debezium.display());
    let logging = cache::repository().join("integration/jvm/log4j2.properties");
    let done = Command::new("java")
        .args(["-Xms512m", "-Xmx2g", "-XX:+UseG1GC"])
        .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
        .args(["-cp", &class_path])
        .args(["java/RecordBench.java", "cases.json", "vectors.json"])
        .current_dir(folder())
        .output()
        .context("cannot start java")?;
    ensure!(done.status.success(), "RecordBench failed: {}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout)?;
    let mut order = Vec::new();
    let mut figures = Figures::new();
    for (name, figure) in text.lines().filter_map(|line| line.split_once('\t')) {
        order.push(name.to_owned());
        figures.insert(name.to_owned(), figure.parse().with_context(|| format!("the figure of {name}"))?);
    }
    Ok((order, figures))
}

/// Our figures, by Criterion.
fn ours(quick: bool) -> Result<Figures> {
    let seconds = if quick { "0.5" } else { "3" };
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache::repository().join("target"), PathBuf::from);
    let results = target.join("criterion");
    // What is there is of other days, and maybe of other cases.
    if results.is_dir() {
        std::fs::remove_dir_all(&results).with_context(|| results.display().to_string())?;
    }
    for (package, bench) in [("couplet-plugins", "records"), ("couplet-registry", "registry_records")] {
        let done = Command::new("cargo")
            .args(["bench", "--quiet", "-p", package, "--bench", bench, "--"])
            .args(["--noplot", "--warm-up-time", seconds, "--measurement-time", seconds])
            .current_dir(cache::repository())
            .output()
            .context("cannot start cargo")?;
        ensure!(done.status.success(), "the benchmark failed: {}", String::from_utf8_lossy(&done.stderr));
    }
    let mut figures = Figures::new();
    collect(&results, &mut figures)?;
    Ok(figures)
}

/// Criterion keeps each result in a folder `new` somewhere below `folder`.
fn collect(folder: &Path, figures: &mut Figures) -> Result<()> {
    let json = |file: PathBuf| -> Result<Value> { Ok(serde_json::from_slice(&std::fs::read(file)?)?) };
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.join("estimates.json").is_file() && path.ends_with("new") {
            let name = json(path.join("benchmark.json"))?["full_id"].as_str().unwrap_or_default().to_owned();
            let median = json(path.join("estimates.json"))?["median"]["point_estimate"].as_f64();
            figures.insert(name, median.context("a result without median")?);
        } else if path.is_dir() {
            collect(&path, figures)?;
        }
    }
    Ok(())
}

fn table(order: &[String], jvm: &Figures, ours: &Figures) -> String {
    let mut table = String::from(
        "| class | record | operation | JVM ns | Couplet ns | ratio |\n| --- | --- | --- | ---: | ---: | ---: |\n",
    );
    // What the JVM was not measured on comes last.
    let alone = ours.keys().filter(|name| !jvm.contains_key(*name));
    for name in order.iter().chain(alone) {
        let mut parts = name.split('/');
        let mut part = || parts.next().unwrap_or_default();
        let (class, record, operation) = (part(), part(), part());
        let Some(ours) = ours.get(name) else { continue };
        let (jvm, ratio) = match jvm.get(name) {
            Some(jvm) => (format!("{jvm:.0}"), format!("{:.1}x", jvm / ours)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {class} | {record} | {operation} | {jvm} | {ours:.0} | {ratio} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_compares_what_both_measured_or_stands_alone() {
        let of = |rows: &[(&str, f64)]| rows.iter().map(|(name, ns)| ((*name).to_owned(), *ns)).collect::<Figures>();
        let order = ["A/flat/read".to_owned(), "B/flat/read".to_owned()];
        let ours = of(&[("A/flat/read", 100.0), ("C/flat/read", 7.0)]);
        let table = table(&order, &of(&[("A/flat/read", 300.4), ("B/flat/read", 1.0)]), &ours);
        let want = "| A | flat | read | 300 | 100 | 3.0x |\n| C | flat | read | - | 7 | - |\n";
        assert!(table.ends_with(want), "{table}");
    }

    #[test]
    fn the_same_cases_have_records() {
        let json =
            |name: &str| -> Value { serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap() };
        let (cases, vectors) = (json("cases.json"), json("vectors.json"));
        let of_converters =
            cases["converters"].as_array().unwrap().iter().flat_map(|c| c["vectors"].as_array().unwrap());
        let of_transforms = cases["transforms"].as_array().unwrap().iter().map(|c| &c["vector"]);
        let mut named = 0;
        for name in of_converters.chain(of_transforms) {
            named += 1;
            assert!(vectors[name.as_str().unwrap()].is_object(), "{name}");
        }
        assert!(named > 10, "{named} cases");
    }
}
