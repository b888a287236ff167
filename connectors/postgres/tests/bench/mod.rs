//! A database of its own for a test, and the task on it.

#![allow(dead_code, reason = "each test program uses a part of it")]

#[path = "../player/database.rs"]
mod database;

use std::sync::Arc;
use std::time::Duration;

use couplet_api::Plugin;
use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_api::connector::SourcePlugin;
use couplet_api::data::{OffsetMap, SourceRecord, Value};
use couplet_api::source::{SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::testing::{MemoryMetrics, MemoryOffsets, MemoryTopics};
use database::{Server, execute};
use tokio_postgres::Client;

/// A database of its own with one captured table, dropped at the end.
pub struct Bench {
    pub server: Server,
    pub database: String,
    pub sql: Client,
}

impl Bench {
    pub async fn new(name: &str) -> Option<Self> {
        let server = Server::from_env()?;
        let database = format!("couplet_conformance_{name}");
        server.create(&database).await.expect("a database");
        let sql = server.connect(&database).await.expect("a connection");
        let bench = Bench { server, database, sql };
        bench.run("CREATE TABLE t(id int PRIMARY KEY, v text); ALTER TABLE t REPLICA IDENTITY FULL").await;
        Some(bench)
    }

    pub async fn run(&self, statements: &str) {
        execute(&self.sql, statements).await.expect("valid statements");
    }

    pub fn props(&self, more: &[(&str, &str)]) -> Props {
        let access = |key: &str| {
            let found = self.server.access.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let mut props = Props::from_iter([
            ("topic.prefix", "c".to_owned()),
            ("database.hostname", access("HOST")),
            ("database.port", access("PORT")),
            ("database.user", access("USER")),
            ("database.password", access("PASSWORD")),
            ("database.dbname", self.database.clone()),
            ("slot.name", self.database.clone()),
            ("plugin.name", "pgoutput".to_owned()),
        ]);
        for (key, value) in more {
            props.set(*key, *value);
        }
        props
    }

    /// Makes publication and slot, and then changes that only the slot knows: single rows, rows that share an LSN,
    /// key changes, deletes, truncation, an unrelated transaction.
    pub async fn change_rows(&self) {
        self.run("CREATE PUBLICATION dbz_publication FOR ALL TABLES").await;
        self.run(&format!("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", self.database)).await;
        self.run("INSERT INTO t VALUES (1, 'a')").await;
        // COPY writes rows of one page as one log record.
        self.run("CREATE TABLE source AS SELECT i AS id, 'copied' || i AS v FROM generate_series(100, 106) i").await;
        self.copy().await;
        self.run("BEGIN; INSERT INTO t VALUES (2, 'b'); UPDATE t SET id = 3 WHERE id = 2; DELETE FROM t WHERE id = 1; COMMIT")
            .await;
        self.run("UPDATE t SET v = v || '!'").await;
        self.run("TRUNCATE t").await;
        self.run("INSERT INTO t VALUES (4, 'd')").await;
    }

    async fn copy(&self) {
        use futures::SinkExt;
        let sink = self.sql.copy_in::<_, bytes::Bytes>("COPY t FROM STDIN").await.expect("COPY");
        let mut sink = Box::pin(sink);
        for id in 200..206 {
            sink.send(format!("{id}\tcopied{id}\n").into()).await.expect("a row");
        }
        sink.close().await.expect("the end of COPY");
    }

    pub async fn drop(self) {
        let Bench { server, database, sql } = self;
        drop(sql);
        server.drop(&database).await.expect("the database is dropped");
    }
}

pub fn plugin() -> Arc<dyn SourcePlugin> {
    match couplet_postgres::plugins().into_iter().next() {
        Some(Plugin::Source(plugin)) => plugin,
        _ => panic!("the crate has a source plugin"),
    }
}

/// What a record says, without clock readings.
pub fn identity(record: &SourceRecord) -> String {
    let value = record.record.value.value.as_struct().map(|envelope| {
        let field = |name: &str| envelope.get(name).cloned().unwrap_or_default();
        let lsn = field("source").as_struct().and_then(|source| source.get("lsn").cloned());
        format!("{:?} {:?} {:?} {lsn:?}", field("op"), field("before"), field("after"))
    });
    format!("{} {:?} {value:?}", record.record.topic, record.record.key.value)
}

/// The same for snapshots, whose position is another in each.
pub fn row_identity(record: &SourceRecord) -> String {
    let value = record.record.value.value.as_struct().and_then(|envelope| envelope.get("after").cloned());
    format!("{} {value:?}", record.record.topic)
}

pub fn context(stored: Option<OffsetMap>) -> SourceTaskContext {
    let offsets = MemoryOffsets::default();
    let partition = OffsetMap::new([("server", Value::str("c"))]);
    offsets.0.lock().expect("not poisoned").extend(stored.map(|offset| (partition, offset)));
    SourceTaskContext {
        connector: "c".into(),
        task: 0,
        offsets: Arc::new(offsets),
        topics: Arc::new(MemoryTopics::default()),
        metrics: Arc::new(MemoryMetrics::default()),
        clock: Arc::new(SystemClock),
        defines_transactions: false,
    }
}

/// Polls until `count` records came.
pub async fn read(task: &mut dyn SourceTask, count: usize) -> Vec<SourceRecord> {
    // No batch holds more than is asked for.
    let mut batch = SourceBatch::new(count.min(5), 1 << 20);
    let mut records = Vec::new();
    let polls = async {
        while records.len() < count {
            task.poll(&mut batch).await.expect("records");
            records.extend(batch.drain());
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), polls).await;
    assert!(in_time.is_ok(), "only {} of {count} records came", records.len());
    records
}

impl Bench {
    pub async fn number(&self, query: &str) -> i64 {
        self.sql.query_one(query, &[]).await.expect("a number").get(0)
    }

    /// Waits until the number `query` returns is above 0.
    pub async fn wait_for(&self, query: &str) {
        for _ in 0..3000 {
            if self.number(query).await > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never true: {query}");
    }
}
