//! Snapshots over several connections, what they measure, and how they are slowed down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use couplet_api::config::Props;
use couplet_api::data::{SourceRecord, Value};
use couplet_api::source::{SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::testing::MemoryMetrics;
use couplet_mysql_wire::Connection;
use tokio_util::sync::CancellationToken;

use crate::player::{Server, execute, server_in_turn};
use crate::task::{context, plugin};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const DATABASE: &str = "g_snapshots";
/// Accounts in each of two tables, and what they hold together.
const ACCOUNTS: i64 = 200;
const TOTAL: i64 = 2 * ACCOUNTS * 100;

/// The settings of a connector that reads [`DATABASE`].
fn props(server: &Server, more: &[(&str, &str)]) -> Props {
    let [host, port, user, password] = server.variables.each_ref().map(|(_, value)| value.as_str());
    let mut props = Props::from_iter([
        ("topic.prefix", "c"),
        ("database.hostname", host),
        ("database.port", port),
        ("database.user", user),
        ("database.password", password),
        ("database.server.id", "7742"),
        ("database.include.list", DATABASE),
        ("schema.history.internal", "io.debezium.relational.history.MemorySchemaHistory"),
    ]);
    more.iter().for_each(|(key, value)| props.set(*key, *value));
    props
}

/// The records of tables until the one that is marked as the last.
async fn snapshot(task: &mut dyn SourceTask) -> Vec<SourceRecord> {
    let (mut seen, mut batch) = (Vec::new(), SourceBatch::new(1000, 1 << 20));
    while seen.last().is_none_or(|record| mark(record) != "last") {
        tokio::time::timeout(PATIENCE, task.poll(&mut batch)).await.expect("in time").expect("records");
        // Definitions go to the topic of the server.
        seen.extend(batch.drain().filter(|record| &*record.record.topic != "c"));
    }
    seen
}

fn mark(record: &SourceRecord) -> String {
    let source = record.record.value.value.as_struct().and_then(|value| value.get("source").cloned());
    let mark = source.and_then(|source| source.as_struct()?.get("snapshot").cloned());
    mark.and_then(|mark| mark.as_str().map(str::to_owned)).unwrap_or_default()
}

fn number(record: &SourceRecord, column: &str) -> i64 {
    let after = record.record.value.value.as_struct().and_then(|value| value.get("after").cloned());
    let cell = after.and_then(|after| after.as_struct()?.get(column).cloned());
    cell.as_ref().and_then(Value::as_i64).expect("a number")
}

/// A snapshot of the server of `folder` by the connector `class`, over three connections, while others write.
pub fn play(folder: &str, class: &str) {
    let Some((server, _turn)) = server_in_turn(folder) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(Box::pin(several_connections_see_one_moment(&server, class)));
}

async fn several_connections_see_one_moment(server: &Server, class: &str) {
    server.create(DATABASE).await.expect("a database");
    let mut sql = server.connect(DATABASE).await.expect("a connection");
    let rows = |count: i64, row: &dyn Fn(i64) -> String| (1..=count).map(row).collect::<Vec<_>>().join(", ");
    // Keys far enough apart that the first table is cut.
    let wide = rows(ACCOUNTS, &|id| format!("({}, 100)", id * 1000));
    let narrow = rows(ACCOUNTS, &|id| format!("({id}, 100)"));
    for statement in [
        "CREATE TABLE wide(id BIGINT UNSIGNED PRIMARY KEY, held BIGINT NOT NULL)",
        "CREATE TABLE narrow(id INT PRIMARY KEY, held BIGINT NOT NULL)",
        "CREATE TABLE none(id INT PRIMARY KEY)",
        &format!("INSERT INTO wide VALUES {wide}"),
        &format!("INSERT INTO narrow VALUES {narrow}"),
    ] {
        execute(&mut sql, statement).await.expect("set up");
    }
    let stop = CancellationToken::new();
    let transfers = transfer(&mut sql, &stop);
    let snapshots = async {
        for lock in ["minimal", "extended"] {
            let props = props(server, &[("snapshot.max.threads", "3"), ("snapshot.locking.mode", lock)]);
            let metrics = Arc::new(MemoryMetrics::default());
            let mut task = plugin(class).task();
            let context = SourceTaskContext { metrics: metrics.clone(), ..context(None) };
            task.start(&props, context).await.expect("the task starts");
            let records = snapshot(&mut *task).await;
            task.stop().await.expect("the task stops");
            check(&records, lock);
            for (name, tag, want) in [
                ("RowsScanned", "g_snapshots.wide", 200.0),
                ("RowsScanned", "g_snapshots.none", 0.0),
                ("TotalTableCount", "c", 3.0),
                ("RemainingTableCount", "c", 0.0),
                ("SnapshotCompleted", "c", 1.0),
            ] {
                assert_eq!(metrics.value(name, tag), Some(want), "{name} of {tag}");
            }
        }
        stop.cancel();
    };
    tokio::join!(transfers, snapshots);
    for threads in ["1", "3"] {
        let limit = ("couplet.snapshot.max.rows.per.second", "300");
        let props = props(server, &[limit, ("snapshot.max.threads", threads)]);
        let (mut task, begun) = (plugin(class).task(), Instant::now());
        task.start(&props, context(None)).await.expect("the task starts");
        snapshot(&mut *task).await;
        assert!(begun.elapsed() > Duration::from_millis(1000), "{threads} connections took {:?}", begun.elapsed());
        task.stop().await.expect("the task stops");
    }
    server.drop(DATABASE).await.expect("dropped");
}

/// Moves from one table to the other, until told to stop.
async fn transfer(sql: &mut Connection, stop: &CancellationToken) {
    let mut number = 0;
    while !stop.is_cancelled() {
        let id = number % ACCOUNTS + 1;
        number += 1;
        for statement in [
            "BEGIN".to_owned(),
            format!("UPDATE wide SET held = held - 1 WHERE id = {}", id * 1000),
            format!("UPDATE narrow SET held = held + 1 WHERE id = {id}"),
            "COMMIT".to_owned(),
        ] {
            execute(sql, &statement).await.expect("a transfer");
        }
    }
}

fn check(records: &[SourceRecord], lock: &str) {
    let rows: BTreeSet<(String, i64)> =
        records.iter().map(|record| (record.record.topic.to_string(), number(record, "id"))).collect();
    assert_eq!((records.len(), rows.len()), (400, 400), "{lock}: each row once");
    let held: i64 = records.iter().map(|record| number(record, "held")).sum();
    assert_eq!(held, TOTAL, "{lock}: both tables as of one moment");
    let mut marks = BTreeMap::new();
    for record in records {
        *marks.entry(mark(record)).or_insert(0) += 1;
    }
    let want = [("first_in_data_collection", 2), ("last", 1), ("last_in_data_collection", 1), ("true", 396)];
    assert_eq!(marks, want.map(|(mark, count)| (mark.to_owned(), count)).into(), "{lock}");
}
