//! The promises of the task traits, kept by the file connectors.

use std::path::PathBuf;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::data::{Datum, Record, Schema, SinkRecord, TimestampType, TopicPartition};
use couplet_file::{FileStreamSink, FileStreamSource};
use couplet_testkit::conformance::{
    SinkExpectations, SourceExpectations, Target, sink_conformance, source_conformance,
};

#[tokio::test]
async fn source_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("in.txt");
    let lines: String = (0..100).map(|n| format!("line {n}\n")).collect();
    std::fs::write(&file, lines).expect("a file");
    let props = Props::from_iter([("file", file.display().to_string()), ("topic", "lines".to_owned())]);
    let mut expect = SourceExpectations::new(100);
    expect.broken = Some(Props::from_iter([("file", "in.txt")]));
    source_conformance(&FileStreamSource, &props, &expect).await;
}

struct OutputFile(PathBuf);

#[async_trait]
impl Target for OutputFile {
    async fn delivered(&self) -> Option<Vec<String>> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        Some(text.lines().map(str::to_owned).collect())
    }
}

#[tokio::test]
async fn sink_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = OutputFile(folder.path().join("out.txt"));
    let record = |offset: i64| SinkRecord {
        record: Record::new("lines", Datum::NULL, Datum::new(Schema::string(), format!("line {offset}").as_str())),
        original: TopicPartition::new("lines", 0),
        original_offset: offset,
        timestamp_type: TimestampType::CreateTime,
    };
    let expect = SinkExpectations {
        records: (0..10).map(record).collect(),
        identity: |r| r.record.value.value.as_str().unwrap_or_default().to_owned(),
        broken: Some(Props::from_iter([("file", folder.path().join("no/such/out.txt").display().to_string())])),
        target: &target,
    };
    let props = Props::from_iter([("file", target.0.display().to_string())]);
    sink_conformance(&FileStreamSink, &props, &expect).await;
}
