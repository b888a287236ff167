//! Notifications of snapshots, as records of a topic between those of the tables.

use std::time::Duration;

use couplet_api::config::Props;
use couplet_api::data::{OffsetMap, SourceRecord, Value};
use couplet_api::source::{SourceBatch, SourceTask};

use crate::player::{Server, execute, server_in_turn};
use crate::task::{context, plugin};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

async fn started(class: &str, props: &Props, stored: Option<OffsetMap>) -> Box<dyn SourceTask> {
    let mut task = plugin(class).task();
    task.start(props, context(stored)).await.expect("the task starts");
    task
}

/// What a notification says: its type and the particulars, in order of their names.
fn notice(record: &SourceRecord) -> Option<String> {
    let value = record.record.value.value.as_struct().filter(|_| &*record.record.topic == "notices")?;
    let Value::Map(data) = value.get("additional_data")? else { return None };
    let mut data: Vec<String> = data
        .iter()
        .map(|(key, value)| format!("{}={}", key.as_str().unwrap_or_default(), value.as_str().unwrap_or_default()))
        .collect();
    data.sort();
    Some(format!("{} {}", value.get("type")?.as_str()?, data.join(" ")))
}

/// Polls until the notification called `last`; the texts of notifications and topics of other records, and the last offset.
async fn until(task: &mut dyn SourceTask, last: &str) -> (Vec<String>, OffsetMap) {
    let (mut seen, mut batch) = (Vec::new(), SourceBatch::new(100, 1 << 20));
    loop {
        tokio::time::timeout(PATIENCE, task.poll(&mut batch)).await.expect("in time").expect("records");
        for record in batch.drain() {
            let text = notice(&record);
            let done = text.as_ref().is_some_and(|text| text.starts_with(last));
            seen.push(text.unwrap_or_else(|| record.record.topic.to_string()));
            if done {
                return (seen, record.source_offset.to_map());
            }
        }
    }
}

/// A snapshot of the server of `folder` by the connector `class`, and a start without one.
pub fn play(folder: &str, class: &str) {
    let Some((server, _turn)) = server_in_turn(folder) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(Box::pin(a_snapshot_is_told(&server, class)));
}

async fn a_snapshot_is_told(server: &Server, class: &str) {
    const DATABASE: &str = "g_notifications";
    server.create(DATABASE).await.expect("a database");
    let mut sql = server.connect(DATABASE).await.expect("a connection");
    for statement in ["CREATE TABLE t(id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)"] {
        execute(&mut sql, statement).await.expect(statement);
    }
    let [host, port, user, password] = server.variables.each_ref().map(|(_, value)| value.as_str());
    let props = Props::from_iter([
        ("topic.prefix", "c"),
        ("database.hostname", host),
        ("database.port", port),
        ("database.user", user),
        ("database.password", password),
        ("database.server.id", "7741"),
        ("database.include.list", DATABASE),
        ("include.schema.changes", "false"),
        ("schema.history.internal", "io.debezium.relational.history.MemorySchemaHistory"),
        ("notification.enabled.channels", "sink, log, jmx"),
        ("notification.sink.topic.name", "notices"),
    ]);
    let mut task = started(class, &props, None).await;
    let (seen, stored) = until(&mut *task, "COMPLETED").await;
    task.stop().await.expect("the task stops");
    let table = "g_notifications.t";
    let want = [
        "STARTED connector_name=c".to_owned(),
        format!("IN_PROGRESS connector_name=c current_collection_in_progress={table} data_collections={table}"),
        "c.g_notifications.t".to_owned(),
        format!(
            "TABLE_SCAN_COMPLETED connector_name=c data_collections={table} scanned_collection={table} \
             status=SUCCEEDED total_rows_scanned=2"
        ),
        "c.g_notifications.t".to_owned(),
        "COMPLETED connector_name=c".to_owned(),
    ];
    assert_eq!(seen, want, "the last row waits until it is known to be the last");
    // The offset of the last one is that of a completed snapshot. The history is gone, and not missed in this mode.
    let mut props = props;
    props.set("snapshot.mode", "never");
    let mut task = started(class, &props, Some(stored.clone())).await;
    let (seen, again) = until(&mut *task, "SKIPPED").await;
    task.stop().await.expect("the task stops");
    assert_eq!(seen, ["SKIPPED connector_name=c"]);
    let place = |offset: &OffsetMap| offset.get("pos").cloned();
    assert_eq!(place(&again), place(&stored));
    server.drop(DATABASE).await.expect("dropped");
}
