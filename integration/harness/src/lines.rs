//! Numbered lines in a file for a source that reads it, and the look at what became of them in a topic.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use couplet_provision::{Deadline, eventually};

use crate::clients::Kafka;

/// How many deviations an error names.
const NAMED_MAX: usize = 5;

/// The text of a line.
pub fn line(number: usize) -> String {
    format!("line {number}")
}

/// Writes a file of `count` lines.
pub fn write(file: &Path, count: usize) -> Result<()> {
    let mut text = String::new();
    for number in 0..count {
        writeln!(text, "{}", line(number))?;
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// A file that grows until it is told to stop.
#[derive(Debug)]
pub struct GrowingFile {
    stop: Arc<AtomicBool>,
    writer: JoinHandle<Result<usize>>,
}

impl GrowingFile {
    /// Begins to write, a line after each `pause`.
    pub fn begin(file: PathBuf, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let writer = std::thread::spawn(move || {
            let mut out = fs::OpenOptions::new().create(true).append(true).open(file)?;
            let mut written = 0;
            while !told.load(Ordering::Relaxed) {
                writeln!(out, "{}", line(written))?;
                written += 1;
                std::thread::sleep(pause);
            }
            Ok(written)
        });
        Self { stop, writer }
    }

    /// Writes no more, and says how many lines there are.
    pub fn end(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.writer.join().map_err(|_| anyhow!("the writer of a file panicked"))?
    }
}

/// The lines of a topic that are committed, in its order. Its values are texts as they are, or as JSON.
pub async fn committed(kafka: &Kafka, topic: &str) -> Result<Vec<String>> {
    let text = |value: Vec<u8>| {
        let text = String::from_utf8(value)?;
        Ok(serde_json::from_str(&text).unwrap_or(text))
    };
    let messages = kafka.read_topic(topic).await?;
    messages.into_iter().map(|message| text(message.value.unwrap_or_default())).collect()
}

/// Waits until the last of `count` lines is committed.
pub async fn await_last(kafka: &Kafka, topic: &str, count: usize, deadline: Deadline) -> Result<()> {
    let last = line(count.saturating_sub(1));
    kafka.await_count(topic, i64::try_from(count)?, deadline).await?;
    eventually(&format!("{last} in {topic}"), deadline, || async {
        // A transaction that is open at the end of the topic is an error of reading: it will be over soon.
        let lines = committed(kafka, topic).await.unwrap_or_default();
        Ok(lines.contains(&last).then_some(()))
    })
    .await
}

/// Checks that each of `count` lines is committed, once, and in the order of the file. Nobody may write any more.
///
/// # Errors
/// One that names some of the lines that are missing, repeated, or out of order.
pub async fn check_each_once(kafka: &Kafka, topic: &str, count: usize) -> Result<()> {
    compare(&committed(kafka, topic).await?, count).with_context(|| format!("lines in {topic}"))
}

/// Checks that each of `count` lines is there at least once.
///
/// # Errors
/// One that names some of the missing lines.
pub fn check_none_lost(lines: &[String], count: usize) -> Result<()> {
    let seen: std::collections::HashSet<&str> = lines.iter().map(String::as_str).collect();
    let lost: Vec<String> = (0..count).map(line).filter(|line| !seen.contains(line.as_str())).collect();
    let named = &lost[..lost.len().min(NAMED_MAX)];
    ensure!(lost.is_empty(), "{} of {count} lines are lost, such as {named:?}", lost.len());
    Ok(())
}

fn compare(lines: &[String], count: usize) -> Result<()> {
    check_none_lost(lines, count)?;
    let mut seen = std::collections::HashSet::new();
    let repeated: Vec<&String> = lines.iter().filter(|line| !seen.insert(line.as_str())).collect();
    let named = &repeated[..repeated.len().min(NAMED_MAX)];
    ensure!(repeated.is_empty(), "{} lines are repeated, such as {named:?}", repeated.len());
    ensure!(lines.len() == count, "{} lines are not of the file", lines.len() - count);
    match lines.iter().enumerate().find(|(number, text)| **text != line(*number)) {
        Some((number, text)) => bail!("{text:?} is where {:?} should be", line(number)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let rows: [(&[usize], &str); 5] = [
            (&[0, 1, 2], ""),
            (&[0, 2], "1 of 3 lines are lost, such as [\"line 1\"]"),
            (&[0, 1, 1, 2], "1 lines are repeated, such as [\"line 1\"]"),
            (&[0, 2, 1], "\"line 2\" is where \"line 1\" should be"),
            (&[0, 1, 2, 3], "1 lines are not of the file"),
        ];
        for (numbers, want) in rows {
            let lines: Vec<String> = numbers.iter().map(|number| line(*number)).collect();
            assert_eq!(compare(&lines, 3).err().map(|e| e.to_string()).unwrap_or_default(), want, "{numbers:?}");
        }
    }
}
