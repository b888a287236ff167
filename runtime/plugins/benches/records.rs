//! Converters and transforms, one record at a time, on the vectors that `integration/bench/java` measures the JVM's on.
//! `cargo x bench converters` runs both and writes the comparison.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::Plugin;
use couplet_api::config::Props;
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Record};
use couplet_api::transform::Transform;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::Value as Json;

/// The worker's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOPIC: &str = "bench.records";
/// 2024-05-05T08:11:12.123Z.
const TIMESTAMP_MS: i64 = 1_714_896_672_123;

fn file(name: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integration/bench").join(name);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("no text {key} in {json}"))
}

fn settings(case: &Json) -> Props {
    let entries = case["settings"].as_object().expect("settings");
    entries.iter().map(|(key, value)| (key.as_str(), value.as_str().expect("text"))).collect()
}

fn converter(class: &str, props: &Props) -> Arc<dyn Converter> {
    let made = couplet_plugins::plugins().iter().find_map(|plugin| match plugin {
        Plugin::Converter(factory) if factory.class == class => Some((factory.create)(props, false)),
        _ => None,
    });
    made.unwrap_or_else(|| panic!("no class {class}")).expect("right settings")
}

fn transform(class: &str, props: &Props) -> Arc<dyn Transform> {
    let made = couplet_plugins::plugins().iter().find_map(|plugin| match plugin {
        Plugin::Transform(factory) if factory.class == class => Some((factory.create)(props)),
        _ => None,
    });
    made.unwrap_or_else(|| panic!("no class {class}")).expect("right settings")
}

/// The record of a vector: its parts are envelopes of the JSON converter.
fn record(vector: &Json) -> Record {
    let json = converter("org.apache.kafka.connect.json.JsonConverter", &Props::new());
    let read = |part: &str| json.to_connect(TOPIC, Some(&Bytes::from(vector[part].to_string()))).expect("an envelope");
    let mut record = Record::new(TOPIC, read("key"), read("value"));
    record.timestamp = Some(TIMESTAMP_MS);
    record
}

fn converters(criterion: &mut Criterion, cases: &Json, vectors: &Json) {
    for case in cases["converters"].as_array().expect("a list") {
        let converter = converter(text(case, "class"), &settings(case));
        for vector in case["vectors"].as_array().expect("a list") {
            let vector = vector.as_str().expect("a name");
            let datum = record(&vectors[vector]).value;
            // As the worker does it: one buffer, out of which each record's bytes are cut.
            let mut out = BytesMut::new();
            let mut write = |datum: &Datum| {
                converter.from_connect(TOPIC, &[], datum, &mut out).expect("written");
                out.split().freeze()
            };
            let bytes = write(&datum);
            let name = text(case, "name");
            criterion.bench_function(&format!("{name}/{vector}/write"), |b| b.iter(|| black_box(write(&datum))));
            let read = || converter.to_connect(TOPIC, Some(&bytes)).expect("read");
            criterion.bench_function(&format!("{name}/{vector}/read"), |b| b.iter(|| black_box(read())));
        }
    }
}

fn transforms(criterion: &mut Criterion, cases: &Json, vectors: &Json) {
    for case in cases["transforms"].as_array().expect("a list") {
        let (name, vector) = (text(case, "name"), text(case, "vector"));
        let transform = transform(text(case, "class"), &settings(case));
        let record = record(&vectors[vector]);
        // The worker hands its record over and so do we; what comes out is dropped within the measurement.
        let apply = |record| transform.apply(record).expect("transformed");
        assert!(apply(record.clone()).is_some(), "{name} drops its record");
        criterion.bench_function(&format!("{name}/{vector}/apply"), |b| {
            b.iter_batched(|| record.clone(), |record| drop(black_box(apply(record))), BatchSize::SmallInput);
        });
    }
}

fn all(criterion: &mut Criterion) {
    let (cases, vectors) = (file("cases.json"), file("vectors.json"));
    converters(criterion, &cases, &vectors);
    transforms(criterion, &cases, &vectors);
}

criterion_group!(records, all);
criterion_main!(records);
