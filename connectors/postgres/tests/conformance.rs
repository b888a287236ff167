//! The promises of the source task trait, kept by snapshot and stream; and no schedule of restarts leaves a gap.

mod bench;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::{Bench, context, identity, plugin, read, row_identity};
use couplet_api::data::{SourceRecord, Value};
use couplet_api::source::{Durable, SourceBatch, SourceTaskContext};
use couplet_api::testing::MemoryMetrics;
use couplet_testkit::conformance::{SourceExpectations, source_conformance};

/// Number of records `change_rows` makes, the unrelated table's included.
const CHANGES: usize = 1 + 7 + 6 + (1 + 3 + 2) + 7 + 1 + 1;

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_keep_the_contract() {
    let Some(bench) = Bench::new("snapshot").await else { return };
    bench.run("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 40) i").await;
    let mut expect = SourceExpectations::new(40);
    expect.identity = row_identity;
    expect.broken = Some(bench.props(&[("snapshot.mode", "never")]));
    source_conformance(&*plugin(), &bench.props(&[]), &expect).await;
    bench.drop().await;
}

/// Several connections read each row once, in one snapshot, and mark first and last of each table and of all.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_over_several_connections_is_complete() {
    const LARGE: usize = 6000;
    let Some(bench) = Bench::new("parallel").await else { return };
    bench.run("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 40) i; CREATE TABLE none(id int)").await;
    // More pages than are read as a whole.
    bench.run("CREATE TABLE large(id int PRIMARY KEY, v text)").await;
    bench.run(&format!("INSERT INTO large SELECT i, repeat('x', 1900) FROM generate_series(1, {LARGE}) i")).await;
    for mode in ["initial", "initial_only"] {
        let mut task = plugin().task();
        let props = bench.props(&[("snapshot.mode", mode), ("snapshot.max.threads", "3")]);
        let metrics = Arc::new(MemoryMetrics::default());
        let context = SourceTaskContext { metrics: metrics.clone(), ..context(None) };
        task.start(&props, context).await.expect("the task starts");
        let records = read(&mut *task, 40 + LARGE).await;
        task.stop().await.expect("the task stops");
        for (name, tag, want) in [
            ("RowsScanned", "public.t", 40.0),
            ("RowsScanned", "public.large", LARGE as f64),
            ("RowsScanned", "public.none", 0.0),
            ("TotalTableCount", "postgres", 3.0),
            ("RemainingTableCount", "postgres", 0.0),
            ("SnapshotRunning", "postgres", 0.0),
            ("SnapshotCompleted", "postgres", 1.0),
        ] {
            assert_eq!(metrics.value(name, tag), Some(want), "{mode}: {name} of {tag}");
        }
        let rows: BTreeSet<String> = records.iter().map(row_identity).collect();
        assert_eq!(rows.len(), 40 + LARGE, "{mode}: each row once");
        let mark = |record: &SourceRecord| {
            let source = record.record.value.value.as_struct().and_then(|value| value.get("source").cloned());
            let mark = source.and_then(|source| source.as_struct()?.get("snapshot").cloned());
            mark.and_then(|mark| mark.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let mut marks: Vec<String> = records.iter().map(mark).filter(|mark| mark != "true").collect();
        assert_eq!(marks.last().map(String::as_str), Some("last"));
        marks.sort();
        let want = ["first_in_data_collection", "first_in_data_collection", "last", "last_in_data_collection"];
        assert_eq!(marks, want, "{mode}");
    }
    bench.drop().await;
}

/// Fewer rows each second than a limit allows take longer, over one connection and over several.
#[tokio::test(flavor = "multi_thread")]
async fn snapshots_can_be_slowed_down() {
    let Some(bench) = Bench::new("slow").await else { return };
    bench.run("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 60) i").await;
    for threads in ["1", "2"] {
        let limit = ("couplet.snapshot.max.rows.per.second", "30");
        let props = bench.props(&[limit, ("snapshot.max.threads", threads)]);
        let (mut task, begun) = (plugin().task(), Instant::now());
        task.start(&props, context(None)).await.expect("the task starts");
        read(&mut *task, 60).await;
        assert!(begun.elapsed() > Duration::from_millis(1700), "{threads} connections took {:?}", begun.elapsed());
        task.stop().await.expect("the task stops");
    }
    let props = bench.props(&[("couplet.snapshot.max.rows.per.second", "many")]);
    let problem = plugin().task().start(&props, context(None)).await.expect_err("refused");
    assert!(problem.message().contains("couplet.snapshot.max.rows.per.second"), "{problem}");
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_keep_the_contract() {
    let Some(bench) = Bench::new("stream").await else { return };
    bench.change_rows().await;
    let mut expect = SourceExpectations::new(CHANGES);
    expect.identity = identity;
    // The slot must stay where it is, since the suite reads the same changes again and again.
    let props =
        bench.props(&[("snapshot.mode", "no_data"), ("flush.lsn.source", "false"), ("skipped.operations", "none")]);
    source_conformance(&*plugin(), &props, &expect).await;
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_behind_any_record_leaves_out_none() {
    let Some(bench) = Bench::new("restart").await else { return };
    bench.change_rows().await;
    let props =
        bench.props(&[("snapshot.mode", "no_data"), ("flush.lsn.source", "false"), ("skipped.operations", "none")]);
    let mut task = plugin().task();
    task.start(&props, context(None)).await.expect("the task starts");
    let reference = read(&mut *task, CHANGES).await;
    task.stop().await.expect("the task stops");
    for (cut, last) in reference.iter().enumerate().take(CHANGES - 1) {
        let mut task = plugin().task();
        task.start(&props, context(Some(last.source_offset.to_map()))).await.expect("the task starts");
        // Repeats are allowed, where one change makes several records; a gap is not.
        let mut wanted = reference[cut + 1..].iter().map(identity).peekable();
        while let Some(next) = wanted.peek().cloned() {
            let record = read(&mut *task, 1).await.remove(0);
            let repeated = reference[..=cut].iter().any(|earlier| identity(earlier) == identity(&record));
            assert!(identity(&record) == next || repeated, "behind record {cut}: {next} is missing");
            wanted.next_if(|want| *want == identity(&record));
        }
        task.stop().await.expect("the task stops");
    }
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slot_follows_what_is_durable_and_moves_when_idle() {
    let Some(bench) = Bench::new("slot").await else { return };
    let props = bench.props(&[
        ("snapshot.mode", "no_data"),
        ("table.include.list", "public.t"),
        ("status.update.interval.ms", "100"),
    ]);
    let mut task = plugin().task();
    task.start(&props, context(None)).await.expect("the task starts");
    bench
        .wait_for(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND pid IN \
         (SELECT active_pid FROM pg_replication_slots WHERE database = current_database())",
        )
        .await;
    bench.run("INSERT INTO t VALUES (1, 'a')").await;
    let record = read(&mut *task, 1).await.remove(0);
    let position = record.source_offset.to_map().get("lsn").and_then(Value::as_i64).expect("a position");
    let confirmed =
        "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE database = current_database()";
    assert!(bench.number(confirmed).await <= position, "nothing is confirmed before it is durable");
    let durable = Durable { partition: record.source_partition, offset: record.source_offset };
    task.commit(&[durable]).await.expect("the task takes a commit");
    bench.wait_for(&format!("SELECT count(*) FROM ({confirmed}) s(lsn) WHERE lsn >= {position}")).await;

    // Log of no interest: an offset without a record, and the slot behind it once that is stored.
    bench.run("CREATE TABLE other(id int); INSERT INTO other SELECT generate_series(1, 10000)").await;
    // The last few bytes of a log are not worth an offset of their own.
    let end = bench.number("SELECT (pg_current_wal_lsn() - '0/0')::bigint - 4096").await;
    let mut batch = SourceBatch::new(5, 1 << 20);
    let idle = async {
        loop {
            task.poll(&mut batch).await.expect("a poll");
            assert!(batch.is_empty(), "no record is of interest");
            let Some(durable) = batch.take_offset() else { continue };
            let at = durable.offset.to_map().get("lsn_commit").and_then(Value::as_i64).expect("a position");
            task.commit(std::slice::from_ref(&durable)).await.expect("the task takes a commit");
            if at >= end {
                return durable.offset.to_map();
            }
        }
    };
    let stored = tokio::time::timeout(Duration::from_secs(20), idle).await.expect("the slot moves when idle");
    bench.wait_for(&format!("SELECT count(*) FROM ({confirmed}) s(lsn) WHERE lsn >= {end}")).await;
    task.stop().await.expect("the task stops");

    // Taking up from there finds the next change and no gap.
    bench.run("INSERT INTO t VALUES (2, 'b')").await;
    let mut task = plugin().task();
    task.start(&props, context(Some(stored))).await.expect("the task starts");
    let next = read(&mut *task, 1).await.remove(0);
    assert!(format!("{:?}", next.record.key.value).contains('2'), "{:?}", next.record.key);
    task.stop().await.expect("the task stops");
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_between_slot_and_offset_is_refused() {
    let Some(bench) = Bench::new("gap").await else { return };
    bench.change_rows().await;
    let props = bench.props(&[("snapshot.mode", "no_data"), ("skipped.operations", "none")]);
    let mut task = plugin().task();
    task.start(&props, context(None)).await.expect("the task starts");
    let stored = read(&mut *task, CHANGES).await.pop().expect("records").source_offset.to_map();
    task.stop().await.expect("the task stops");
    let slot = &bench.database;
    bench
        .wait_for(&format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active"))
        .await;
    bench.run(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
    for remade in [false, true] {
        if remade {
            bench.run("INSERT INTO t VALUES (77, 'lost')").await;
            bench.run(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await;
        }
        let mut task = plugin().task();
        task.start(&props, context(Some(stored.clone()))).await.expect("the task starts");
        let mut batch = SourceBatch::new(5, 1 << 20);
        let error = task.poll(&mut batch).await.expect_err("a gap");
        assert!(error.message().contains("no longer available on the server"), "slot remade {remade}: {error}");
        task.stop().await.expect("the task stops");
    }
    bench.drop().await;
}
