//! The source task on real files: following, resuming, waiting.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_api::connector::{ConnectorPlugin, ExactlyOnceSupport, SourcePlugin};
use couplet_api::data::{OffsetMap, Value};
use couplet_api::source::{SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::testing::{MemoryMetrics, MemoryOffsets, MemoryTopics};
use couplet_file::FileStreamSource;

const PATIENCE: Duration = Duration::from_secs(20);

fn props(file: &Path) -> Props {
    Props::from_iter([("file", file.display().to_string()), ("topic", "lines".to_owned())])
}

async fn started(file: &Path, position: Option<i64>) -> Box<dyn SourceTask> {
    let offsets = MemoryOffsets::default();
    if let Some(position) = position {
        let partition = OffsetMap::new([("filename", Value::from(file.display().to_string()))]);
        let offset = OffsetMap::new([("position", Value::Int64(position))]);
        offsets.0.lock().expect("not poisoned").push((partition, offset));
    }
    let context = SourceTaskContext {
        connector: "c".into(),
        task: 0,
        offsets: Arc::new(offsets),
        topics: Arc::new(MemoryTopics::default()),
        metrics: Arc::new(MemoryMetrics::default()),
        clock: Arc::new(SystemClock),
        defines_transactions: false,
    };
    let mut task = FileStreamSource.task();
    task.start(&props(file), context).await.expect("starts");
    task
}

/// The lines of one batch and the position behind the last of them.
async fn poll(task: &mut dyn SourceTask) -> (Vec<String>, i64) {
    let mut batch = SourceBatch::new(1000, 1 << 20);
    tokio::time::timeout(PATIENCE, task.poll(&mut batch)).await.expect("in time").expect("polls");
    let last = batch.records().last().expect("a record");
    let position = last.source_offset.to_map().get("position").and_then(Value::as_i64).expect("a position");
    let text = |r: &couplet_api::data::SourceRecord| r.record.value.value.as_str().unwrap_or_default().to_owned();
    (batch.records().iter().map(text).collect(), position)
}

fn append(file: &Path, text: &str) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).expect("opens");
    file.write_all(text.as_bytes()).expect("writes");
}

#[tokio::test]
async fn follows_a_file_that_appears_and_grows() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("in.txt");
    let mut task = started(&file, None).await;
    let mut batch = SourceBatch::new(10, 1 << 20);
    let early = tokio::time::timeout(Duration::from_millis(50), task.poll(&mut batch)).await;
    assert!(early.is_err() && batch.is_empty(), "waits for the file");
    append(&file, "one\ntwo\nthr");
    assert_eq!(poll(&mut *task).await, (vec!["one".to_owned(), "two".to_owned()], 8));
    append(&file, "ee\nfünf\n");
    assert_eq!(poll(&mut *task).await, (vec!["three".to_owned(), "fünf".to_owned()], 19));
}

/// The position counts characters, the resuming task skips bytes: the recorded quirk (`lifecycle-main`, step update-config).
#[tokio::test]
async fn resumes_at_a_byte_position() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("in.txt");
    append(&file, "one\ntwo\nthree\nfour\nfünf\n");
    let (lines, position) = poll(&mut *started(&file, None).await).await;
    assert_eq!((lines.len(), position), (5, 24));
    assert_eq!(poll(&mut *started(&file, Some(position)).await).await, (vec![String::new()], 25));
}

#[tokio::test]
async fn a_position_behind_the_end_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("in.txt");
    append(&file, "one\n");
    let mut task = started(&file, Some(6)).await;
    let mut batch = SourceBatch::new(10, 1 << 20);
    assert!(tokio::time::timeout(Duration::from_millis(50), task.poll(&mut batch)).await.is_err());
    append(&file, "..two\n");
    assert_eq!(poll(&mut *task).await, (vec!["two".to_owned()], 10));
}

#[tokio::test]
async fn offsets_are_checked_in_the_words_of_the_original() {
    let file = Props::from_iter([("file", "f")]);
    let partition = |key: &str| OffsetMap::new([(key, Value::str("f"))]);
    let offset = |key: &str, value: Value| Some(OffsetMap::new([(key, value)]));
    let rows: [(&Props, OffsetMap, Option<OffsetMap>, Option<&str>); 8] = [
        (&file, partition("filename"), None, None),
        (&file, partition("filename"), offset("position", Value::Int64(0)), None),
        (&file, partition("name"), None, Some("Partition objects should contain the key 'filename'")),
        (
            &file,
            partition("filename"),
            offset("at", Value::Int64(0)),
            Some("Offset objects should either be null or contain the key 'position'"),
        ),
        (
            &file,
            partition("filename"),
            offset("position", Value::str("4")),
            Some("The value for the 'position' key in the offset is expected to be a Long value"),
        ),
        (
            &file,
            partition("filename"),
            offset("position", Value::Null),
            Some("The value for the 'position' key in the offset is expected to be a Long value"),
        ),
        (
            &file,
            partition("filename"),
            offset("position", Value::Int64(-1)),
            Some("The value for the 'position' key in the offset should be a non-negative value"),
        ),
        (
            &Props::new(),
            partition("filename"),
            None,
            Some(
                "Offsets cannot be modified if the 'file' configuration is unspecified. \
                 This is because stdin is used for input and offsets are not tracked.",
            ),
        ),
    ];
    for (props, partition, offset, want) in rows {
        let got = FileStreamSource.alter_offsets(props, &[(partition, offset)]).await;
        assert_eq!(got.as_ref().err().map(couplet_api::Error::message), want);
    }
}

#[test]
fn exactly_once_needs_a_file() {
    let rows =
        [(Props::from_iter([("file", "f")]), true), (Props::from_iter([("file", "")]), false), (Props::new(), false)];
    for (props, supported) in rows {
        let want = if supported { ExactlyOnceSupport::Supported } else { ExactlyOnceSupport::Unsupported };
        assert_eq!(FileStreamSource.exactly_once_support(&props), Some(want), "{props:?}");
    }
    assert_eq!(FileStreamSource.task_class(), "org.apache.kafka.connect.file.FileStreamSourceTask");
}
