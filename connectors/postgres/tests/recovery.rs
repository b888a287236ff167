//! What a task does about failures of the server: it goes on by itself without a gap or a repeat where it can, and says what
//! to do where it cannot.

mod bench;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bench::{Bench, context, plugin};
use couplet_api::config::Props;
use couplet_api::data::{OffsetMap, SourceRecord, Value};
use couplet_api::error::{Disposition, Error};
use couplet_api::source::{Durable, SourceBatch, SourceTask};
use couplet_api::spawn::{TaskKind, spawn};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way to the server that can be cut.
struct Proxy {
    port: u16,
    /// Number of the connections' generation; 0: none are let through.
    generation: Arc<watch::Sender<u32>>,
}

impl Proxy {
    async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let generation = Arc::new(watch::channel(1).0);
        let current = generation.clone();
        spawn(TaskKind::Client, async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut changes = current.subscribe();
                if *changes.borrow_and_update() == 0 {
                    continue;
                }
                let server = server.clone();
                spawn(TaskKind::Client, async move {
                    let Ok(mut far) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = changes.changed() => {}
                    }
                });
            }
        });
        Proxy { port, generation }
    }

    fn cut(&self) {
        self.generation.send_replace(0);
    }

    fn mend(&self, generation: u32) {
        self.generation.send_replace(generation);
    }
}

/// Polls as the worker does: errors that waiting can mend are tried again, records count as durable.
async fn poll(task: &mut dyn SourceTask) -> Result<Vec<SourceRecord>, Error> {
    let mut batch = SourceBatch::new(50, 1 << 20);
    loop {
        match task.poll(&mut batch).await {
            Err(error) if error.kind().disposition() == Disposition::Retry => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            other => other?,
        }
        let records: Vec<SourceRecord> = batch.drain().collect();
        let last = records.last().map(|r| (r.source_partition.clone(), r.source_offset.clone()));
        let last = last.map(|(partition, offset)| Durable { partition, offset });
        if let Some(durable) = batch.take_offset().or(last) {
            task.commit(&[durable]).await?;
        }
        if !records.is_empty() {
            return Ok(records);
        }
    }
}

fn id(record: &SourceRecord) -> i64 {
    record.record.key.value.as_struct().and_then(|key| key.values()[0].as_i64()).expect("a key")
}

/// Polls until the row `last` came, and returns how often each row did.
async fn count(task: &mut dyn SourceTask, last: i64) -> BTreeMap<i64, u32> {
    let mut rows = BTreeMap::new();
    let polls = async {
        while !rows.contains_key(&last) {
            for record in poll(task).await.expect("records") {
                *rows.entry(id(&record)).or_insert(0) += 1;
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, polls).await.is_ok();
    assert!(in_time, "row {last} never came; {} did", rows.len());
    rows
}

async fn prepared(name: &str) -> Option<Bench> {
    let bench = Bench::new(name).await?;
    bench.run("CREATE PUBLICATION dbz_publication FOR ALL TABLES").await;
    bench.run(&format!("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", bench.database)).await;
    Some(bench)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_costs_nothing() {
    let Some(bench) = prepared("cut").await else { return };
    let mut props = bench.props(&[("snapshot.mode", "no_data")]);
    let server = format!(
        "{}:{}",
        props.get("database.hostname").unwrap_or_default(),
        props.get("database.port").unwrap_or_default()
    );
    let proxy = Proxy::start(server).await;
    props.set("database.hostname", "127.0.0.1");
    props.set("database.port", proxy.port.to_string());
    let mut task = plugin().task();
    task.start(&props, context(None)).await.expect("the task starts");
    let (mut rows, mut next) = (BTreeMap::new(), 1);
    for round in 1..=6_u32 {
        // Transactions of several rows, some of which are cut in the middle.
        bench
            .run(&format!("INSERT INTO t SELECT i, repeat('x', 300) FROM generate_series({next}, {}) i", next + 99))
            .await;
        if round % 2 == 0 {
            proxy.cut();
            bench
                .run(&format!("INSERT INTO t SELECT i, 'down' FROM generate_series({}, {}) i", next + 100, next + 149))
                .await;
            proxy.mend(round);
        } else {
            bench
                .run(
                    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
                     WHERE database = current_database() AND active_pid IS NOT NULL",
                )
                .await;
            bench
                .run(&format!("INSERT INTO t SELECT i, 'cut' FROM generate_series({}, {}) i", next + 100, next + 149))
                .await;
        }
        next += 150;
        for (row, times) in count(&mut *task, next - 1).await {
            *rows.entry(row).or_insert(0) += times;
        }
    }
    let want: BTreeMap<i64, u32> = (1..next).map(|row| (row, 1)).collect();
    assert_eq!(rows, want, "each row once");
    task.stop().await.expect("the task stops");
    bench.drop().await;
}

/// Streams a row and returns the offset behind it.
async fn streamed(bench: &Bench, props: &Props) -> OffsetMap {
    let mut task = plugin().task();
    task.start(props, context(None)).await.expect("the task starts");
    bench.run("INSERT INTO t VALUES (1, 'a')").await;
    let records = tokio::time::timeout(PATIENCE, poll(&mut *task)).await.expect("in time").expect("records");
    task.stop().await.expect("the task stops");
    bench
        .wait_for(&format!(
            "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{}' AND NOT active",
            bench.database
        ))
        .await;
    records[0].source_offset.to_map()
}

/// Starts at `stored` and returns what comes first: the marks of the records up to row `last`, or the error.
async fn outcome(props: &Props, stored: OffsetMap, last: i64) -> Result<Vec<String>, Error> {
    let mut task = plugin().task();
    task.start(props, context(Some(stored))).await?;
    let mut marks = Vec::new();
    let read = async {
        loop {
            for record in poll(&mut *task).await? {
                let value = record.record.value.value.as_struct().expect("an envelope").clone();
                marks.push(value.get("op").and_then(Value::as_str).unwrap_or_default().to_owned());
                if id(&record) == last {
                    return Ok(());
                }
            }
        }
    };
    let result = tokio::time::timeout(PATIENCE, read).await.expect("in time");
    task.stop().await.expect("the task stops");
    result.map(|()| marks)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_slot_is_an_error_or_a_new_snapshot() {
    let Some(bench) = prepared("lost").await else { return };
    let initial = bench.props(&[("snapshot.mode", "initial")]);
    let needed = bench.props(&[("snapshot.mode", "when_needed")]);
    let stored = streamed(&bench, &bench.props(&[("snapshot.mode", "no_data")])).await;
    bench.run(&format!("SELECT pg_drop_replication_slot('{}')", bench.database)).await;
    bench.run("INSERT INTO t VALUES (2, 'missed')").await;
    let error = outcome(&initial, stored.clone(), 2).await.expect_err("a gap");
    assert!(
        error.trace().contains("Reconfigure the connector to use a snapshot mode when needed"),
        "{}",
        error.trace()
    );
    assert_eq!(outcome(&needed, stored, 2).await.expect("a new snapshot"), ["r", "r"]);
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_publication_is_an_error_or_a_new_snapshot() {
    let Some(bench) = prepared("dropped").await else { return };
    let initial = bench.props(&[("snapshot.mode", "initial")]);
    let needed = bench.props(&[("snapshot.mode", "when_needed")]);
    let stored = streamed(&bench, &bench.props(&[("snapshot.mode", "no_data")])).await;
    bench.run("DROP PUBLICATION dbz_publication").await;
    // The server can never decode this change again, not even with a publication of the same name.
    bench.run("INSERT INTO t VALUES (2, 'missed')").await;
    let error = outcome(&initial, stored.clone(), 2).await.expect_err("a gap");
    assert!(error.trace().contains("was dropped"), "{}", error.trace());
    assert_eq!(outcome(&needed, stored, 2).await.expect("a new snapshot"), ["r", "r"]);
    bench.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_database_beside_a_busy_one_keeps_little_log() {
    let Some(bench) = prepared("idle").await else { return };
    let Some(busy) = Bench::new("busy").await else { return };
    let props = bench.props(&[("snapshot.mode", "no_data"), ("status.update.interval.ms", "50")]);
    let mut task = plugin().task();
    task.start(&props, context(None)).await.expect("the task starts");
    let retained = "SELECT (pg_current_wal_lsn() - restart_lsn)::bigint FROM pg_replication_slots \
                    WHERE database = current_database()";
    // Three segments of 16 MiB.
    for _ in 0..6 {
        busy.run("INSERT INTO t SELECT i, repeat('x', 8000) FROM generate_series(1, 1000) i; DELETE FROM t").await;
    }
    let small = async {
        let mut batch = SourceBatch::new(50, 1 << 20);
        loop {
            // What a slot needs moves with the server's own notes of running transactions, and with checkpoints.
            busy.run("CHECKPOINT").await;
            let polled = tokio::time::timeout(Duration::from_millis(200), task.poll(&mut batch)).await;
            polled.unwrap_or(Ok(())).expect("nothing fails");
            assert!(batch.is_empty(), "nothing was captured");
            if let Some(durable) = batch.take_offset() {
                task.commit(&[durable]).await.expect("the task takes a commit");
            }
            if bench.number(retained).await < 2 * (16 << 20) {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, small).await.is_ok();
    assert!(in_time, "the slot still keeps {} bytes", bench.number(retained).await);
    task.stop().await.expect("the task stops");
    bench.drop().await;
    busy.drop().await;
}
