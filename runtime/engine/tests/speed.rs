//! CPU time of a million records through a source and a sink. Needs a broker in another process:
//! `COUPLET_TEST_BOOTSTRAP=… cargo test --release -p couplet-engine --test speed -- --ignored --nocapture`.

mod support;

use std::time::Instant;

use couplet_engine::worker::TargetState;
use support::Bench;
use support::broker::unique;
use support::plugins::traces;

const RECORDS: i64 = 1_000_000;

/// CPU seconds of this process, user and system.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|i| fields[*i].parse::<f64>().expect("a number")).sum();
    ticks / 100.0
}

#[allow(clippy::print_stdout, reason = "the measurement is the result")]
fn report(label: &str, begun: (Instant, f64)) {
    let (wall, cpu) = (begun.0.elapsed().as_secs_f64(), cpu_seconds() - begun.1);
    println!("{label}: {RECORDS} records, {cpu:.2} CPU-s, {wall:.2} s, {:.0} records/s", RECORDS as f64 / wall);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a check"]
async fn a_million_records() {
    let bootstrap = std::env::var("COUPLET_TEST_BOOTSTRAP").expect("a broker in another process");
    let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
    let (source, sink, topic) = (unique("source"), unique("sink"), unique("topic"));
    let lines = [
        ("connector.class", "test.CountingSourceConnector"),
        ("topic", topic.as_str()),
        ("count", "1000000"),
        (
            "line",
            "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
        ),
    ];
    let begun = (Instant::now(), cpu_seconds());
    bench.start(&source, &lines, TargetState::Started);
    traces(&source).wait("all", |t| t.committed.lock().unwrap().last() == Some(&RECORDS)).await;
    report("source", begun);
    bench.stop(&source).await;

    let begun = (Instant::now(), cpu_seconds());
    let settings = [("connector.class", "test.MemorySinkConnector"), ("topics", topic.as_str()), ("count.only", "yes")];
    bench.start(&sink, &settings, TargetState::Started);
    traces(&sink).wait("all", |t| t.committed.lock().unwrap().last() == Some(&RECORDS)).await;
    report("sink", begun);
    bench.worker.shutdown().await;
}
