//! Compressed logs, and MariaDB's own types: the same values from a snapshot, from the stream, and taken up in the midst.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use couplet_api::config::Props;
use couplet_api::data::{OffsetMap, SourceRecord};
use couplet_api::source::{SourceBatch, SourceTask};
use couplet_mysql_wire::{Connection, TextRow};

use crate::player::{Server, execute, server_in_turn};
use crate::task::{context, plugin};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const DATABASE: &str = "g_packed";
/// Rows that the snapshot has; the transaction adds as many three times.
const ROWS: usize = 40;

const UUIDS: [&str; 4] = [
    "123e4567-e89b-12d3-a456-426655440000",
    "018f3a5b-7c1d-7e2f-9a3b-4c5d6e7f8000",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];
const INET4: [&str; 4] = ["10.0.0.0", "192.168.1.32", "0.0.0.0", "255.255.255.255"];
const INET6: [&str; 4] = ["::", "2001:db8::ff00:42:8329", "::ffff:192.0.2.128", "1:2:3:0:5:6:7:8"];

fn props(server: &Server, history: &Path) -> Props {
    let [host, port, user, password] = server.variables.each_ref().map(|(_, value)| value.as_str());
    Props::from_iter([
        ("topic.prefix", "c"),
        ("database.hostname", host),
        ("database.port", port),
        ("database.user", user),
        ("database.password", password),
        ("database.server.id", "7743"),
        ("database.include.list", DATABASE),
        ("include.schema.changes", "false"),
        ("schema.history.internal", "io.debezium.storage.file.history.FileSchemaHistory"),
        ("schema.history.internal.file.filename", history.to_str().expect("a path")),
    ])
}

/// The next `count` records of tables.
async fn records(task: &mut dyn SourceTask, count: usize) -> Vec<SourceRecord> {
    let (mut seen, mut batch) = (Vec::new(), SourceBatch::new(1000, 1 << 20));
    while seen.len() < count {
        tokio::time::timeout(PATIENCE, task.poll(&mut batch)).await.expect("in time").expect("records");
        seen.extend(batch.drain().filter(|record| &*record.record.topic != "c"));
    }
    assert_eq!(seen.len(), count, "no more than that");
    seen
}

/// Columns of the row after the change; the first one is the key.
fn row(record: &SourceRecord) -> (i64, Vec<String>) {
    let after = record.record.value.value.as_struct().and_then(|value| value.get("after").cloned());
    let after = after.as_ref().and_then(|after| after.as_struct()).expect("a row");
    let id = after.get("id").and_then(couplet_api::data::Value::as_i64).expect("a number");
    let texts = after.schema().fields()[1..].iter().map(|field| after.get(field.name()).expect("a column").clone());
    (id, texts.map(|value| value.as_str().expect("text").to_owned()).collect())
}

/// Whether the log has a compressed event behind `begin`.
async fn is_packed(sql: &mut Connection, begin: &TextRow) -> bool {
    let (file, position) = (begin.text(0).expect("a file"), begin.text(1).expect("a position"));
    let events = sql.all(&format!("SHOW BINLOG EVENTS IN '{file}' FROM {position}")).await.expect("events");
    let mut kinds = events.iter().filter_map(|event| event.text(2));
    kinds.any(|kind| kind == "Transaction_payload" || kind.contains("_compressed"))
}

/// Compressed changes of the server of `folder`, read by the connector `class`.
pub fn play(folder: &str, class: &str) {
    let Some((server, _turn)) = server_in_turn(folder) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(Box::pin(compressed_changes_come_once(&server, class, folder == "mariadb")));
}

async fn compressed_changes_come_once(server: &Server, class: &str, mariadb: bool) {
    server.create(DATABASE).await.expect("a database");
    let mut sql = server.connect(DATABASE).await.expect("a connection");
    let own = if mariadb { "u UUID, a INET4, b INET6, " } else { "u TEXT, a TEXT, b TEXT, " };
    execute(&mut sql, &format!("CREATE TABLE t(id INT PRIMARY KEY, {own}v TEXT)")).await.expect("a table");
    let rows: Vec<String> = (0..ROWS)
        .map(|i| {
            let (u, a, b) = (UUIDS[i % 4], INET4[i / 4 % 4], INET6[i / 16 % 4]);
            format!("({i}, '{u}', '{a}', '{b}', '{}')", "long text ".repeat(30))
        })
        .collect();
    execute(&mut sql, &format!("INSERT INTO t VALUES {}", rows.join(", "))).await.expect("rows");

    let folder = std::env::temp_dir().join(format!("couplet-packed-{mariadb}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let props = props(server, &folder.join("history"));
    let mut task = plugin(class).task();
    task.start(&props, context(None)).await.expect("the task starts");
    let mut seen = records(&mut *task, ROWS).await;

    let (on, off) = if mariadb {
        ("SET GLOBAL log_bin_compress=ON", "SET GLOBAL log_bin_compress=OFF")
    } else {
        ("SET SESSION binlog_transaction_compression=ON", "SET SESSION binlog_transaction_compression=OFF")
    };
    execute(&mut sql, on).await.expect("compression");
    let begin = sql.all("SHOW MASTER STATUS").await.expect("the log's end");
    execute(&mut sql, "BEGIN").await.expect("a transaction");
    for part in 1..=3 {
        let copy = format!("INSERT INTO t SELECT id + {}, u, a, b, v FROM t WHERE id < {ROWS}", part * 100);
        execute(&mut sql, &copy).await.expect("rows");
    }
    execute(&mut sql, "COMMIT").await.expect("committed");
    execute(&mut sql, off).await.expect("no compression");
    assert!(is_packed(&mut sql, &begin[0]).await, "the server has compressed the transaction");
    seen.extend(records(&mut *task, 3 * ROWS).await);
    task.stop().await.expect("the task stops");

    let table = sql.all("SELECT * FROM t").await.expect("rows");
    let texts = |row: &TextRow| (1..5).filter_map(|i| row.text(i)).collect();
    let table: BTreeMap<i64, Vec<String>> =
        table.iter().map(|row| (row.text(0).expect("an id").parse().expect("a number"), texts(row))).collect();
    assert_eq!(seen.iter().map(row).collect::<BTreeMap<_, _>>(), table, "the values that SELECT shows");

    // In front of the transaction, within its second statement, behind its last row.
    for taken in [ROWS, ROWS + ROWS + 7, 4 * ROWS - 1] {
        let stored: OffsetMap = seen[taken - 1].source_offset.to_map();
        let mut task = plugin(class).task();
        task.start(&props, context(Some(stored))).await.expect("the task starts");
        let rest = records(&mut *task, seen.len() - taken).await;
        let ids = |records: &[SourceRecord]| records.iter().map(|record| row(record).0).collect::<Vec<_>>();
        assert_eq!(ids(&rest), ids(&seen[taken..]), "taken up behind record {taken}");
        task.stop().await.expect("the task stops");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
    server.drop(DATABASE).await.expect("dropped");
}
