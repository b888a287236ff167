//! Lines of a file to a topic, and back into a file.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use couplet_harness::worker::{Engine, Worker};
use couplet_harness::{Deadline, eventually, shared};
use serde_json::{Value, json};

use super::Bench;
use super::measure::Sample;

/// Characters of a line, its end included.
const LINE_BYTES: usize = 200;
const DEADLINE_SECS: u64 = 900;

/// File to topic.
pub async fn source(bench: &Bench, engine: &Engine) -> Result<Sample> {
    let (folder, topic) = (tempfile::tempdir()?, shared::unique("bench-lines"));
    let file = folder.path().join("lines");
    write_lines(&file, bench.lines)?;
    bench.kafka.create_topic(&topic, 1, &[]).await?;
    let mut worker = Worker::start(&bench.settings(engine)).await?;
    let meter = bench.meter(&worker)?;
    worker.rest.create(&connector("Source", &json!({"file": file, "topic": topic}))).await?;
    bench.kafka.await_count(&topic, bench.lines, Deadline::after_secs(DEADLINE_SECS)).await?;
    let sample = meter.stop("FileStream source", bench.lines).await?;
    worker.stop().await?;
    bench.kafka.delete_topics(&[&topic]).await?;
    Ok(sample)
}

/// Topic to file.
pub async fn sink(bench: &Bench, engine: &Engine) -> Result<Sample> {
    let (folder, topic) = (tempfile::tempdir()?, shared::unique("bench-lines"));
    bench.kafka.create_topic(&topic, 1, &[]).await?;
    let lines: Vec<String> = (0..bench.lines).map(line).collect();
    let records: Vec<_> = lines.iter().map(|l| (None, Some(l.as_bytes()))).collect();
    for part in records.chunks(50_000) {
        bench.kafka.produce(&topic, part).await?;
    }
    let file = folder.path().join("lines");
    let mut worker = Worker::start(&bench.settings(engine)).await?;
    let meter = bench.meter(&worker)?;
    worker.rest.create(&connector("Sink", &json!({"file": file, "topics": topic}))).await?;
    let want = u64::try_from(bench.lines)? * LINE_BYTES as u64;
    eventually("all lines in the file", Deadline::after_secs(DEADLINE_SECS), || async {
        Ok((fs::metadata(&file).map_or(0, |m| m.len()) >= want).then_some(()))
    })
    .await?;
    let sample = meter.stop("FileStream sink", bench.lines).await?;
    worker.stop().await?;
    bench.kafka.delete_topics(&[&topic]).await?;
    Ok(sample)
}

fn connector(direction: &str, keys: &Value) -> Value {
    let mut config = json!({
        "connector.class": format!("org.apache.kafka.connect.file.FileStream{direction}Connector"),
        "tasks.max": "1",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    for (key, value) in keys.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    json!({"name": shared::unique("bench-file"), "config": config})
}

fn write_lines(path: &Path, count: i64) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for number in 0..count {
        writeln!(file, "{}", line(number))?;
    }
    Ok(file.flush()?)
}

fn line(number: i64) -> String {
    let head = format!("line {number:>9} ");
    let filler = "abcdefghijklmnopqrstuvwxyz0123456789 ".chars().cycle();
    head.chars().chain(filler).take(LINE_BYTES - 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_length() {
        assert_eq!(line(0).len() + 1, LINE_BYTES);
        assert_eq!(line(999_999_999).len() + 1, LINE_BYTES);
    }
}
