//! Incremental and blocking snapshots beside a stream of changes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::connector::SourcePlugin;
use couplet_api::data::OffsetMap;
use couplet_api::source::SourceTaskContext;
use couplet_testkit::incremental::{self, Source};

use crate::player::{Server, execute, server_in_turn};
use crate::task::{context, plugin};

const DATABASE: &str = "g_incremental";

struct Database<'a> {
    server: &'a Server,
    class: &'a str,
    history: PathBuf,
}

#[async_trait]
impl Source for Database<'_> {
    async fn run(&self, statements: &[&str]) {
        let mut sql = self.server.connect(DATABASE).await.expect("a connection");
        for statement in ["BEGIN"].iter().chain(statements).chain(&["COMMIT"]) {
            execute(&mut sql, statement).await.expect("a valid statement");
        }
    }

    async fn rows(&self) -> BTreeMap<i64, String> {
        let mut sql = self.server.connect(DATABASE).await.expect("a connection");
        let rows = sql.all("SELECT id, v FROM t").await.expect("rows");
        let pair = |i| rows.iter().filter_map(move |row: &couplet_mysql_wire::TextRow| row.text(i));
        pair(0).map(|id| id.parse().expect("a number")).zip(pair(1)).collect()
    }

    fn plugin(&self) -> Arc<dyn SourcePlugin> {
        plugin(self.class)
    }

    fn props(&self) -> Props {
        let [host, port, user, password] = self.server.variables.each_ref().map(|(_, value)| value.as_str());
        let history = self.history.to_str().expect("a path");
        Props::from_iter([
            ("topic.prefix", "c"),
            ("database.hostname", host),
            ("database.port", port),
            ("database.user", user),
            ("database.password", password),
            ("database.server.id", "7742"),
            ("database.include.list", DATABASE),
            ("include.schema.changes", "false"),
            ("schema.history.internal", "io.debezium.storage.file.history.FileSchemaHistory"),
            ("schema.history.internal.file.filename", history),
            ("snapshot.mode", "no_data"),
            ("signal.data.collection", "g_incremental.signals"),
            ("incremental.snapshot.chunk.size", "7"),
            ("notification.enabled.channels", "sink"),
            ("notification.sink.topic.name", "notices"),
        ])
    }

    fn context(&self, stored: Option<OffsetMap>) -> SourceTaskContext {
        context(stored)
    }

    fn table(&self) -> String {
        format!("{DATABASE}.t")
    }
}

/// Every part of the suite, one after another, on the server of `folder` with the connector `class`.
pub fn play(folder: &str, class: &str) {
    let Some((server, _turn)) = server_in_turn(folder) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let files = std::env::temp_dir().join(format!("couplet-incremental-{folder}-{}", std::process::id()));
    std::fs::create_dir_all(&files).expect("a folder");
    const WAYS: [&[(&str, &str)]; 3] =
        [&[], &[("incremental.snapshot.watermarking.strategy", "insert_delete")], &[("read.only", "true")]];
    let mut number = 0;
    let mut fresh = || {
        number += 1;
        runtime.block_on(make(&server));
        Database { server: &server, class, history: files.join(format!("history-{number}")) }
    };
    for way in WAYS {
        runtime.block_on(Box::pin(incremental::nothing_is_lost(&fresh(), way)));
        runtime.block_on(Box::pin(incremental::rows_never_go_back(&fresh(), way)));
    }
    runtime.block_on(Box::pin(incremental::paused_resumed_and_stopped(&fresh())));
    runtime.block_on(Box::pin(incremental::signals_of_a_topic_are_done_once(&fresh())));
    let (path, select) = (files.join("signals"), format!("SELECT id, v FROM {DATABASE}.t WHERE id > 17"));
    runtime.block_on(Box::pin(incremental::a_file_can_ask_for_a_blocking_snapshot(&fresh(), &path, &select)));
    runtime.block_on(server.drop(DATABASE)).expect("dropped");
    std::fs::remove_dir_all(&files).expect("removed");
}

async fn make(server: &Server) {
    server.create(DATABASE).await.expect("a database");
    let mut sql = server.connect(DATABASE).await.expect("a connection");
    for statement in [
        "CREATE TABLE t(id INT PRIMARY KEY, v TEXT)",
        "CREATE TABLE signals(id VARCHAR(64) PRIMARY KEY, type VARCHAR(32), data VARCHAR(2048))",
    ] {
        execute(&mut sql, statement).await.expect(statement);
    }
}
