//! Incremental and blocking snapshots beside a stream of changes.

mod bench;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bench::{Bench, context, plugin};
use couplet_api::config::Props;
use couplet_api::connector::SourcePlugin;
use couplet_api::data::OffsetMap;
use couplet_api::source::SourceTaskContext;
use couplet_testkit::incremental::{self, Source};

struct Postgres(Bench);

#[async_trait]
impl Source for Postgres {
    async fn run(&self, statements: &[&str]) {
        self.0.run(&format!("BEGIN; {}; COMMIT", statements.join("; "))).await;
    }

    async fn rows(&self) -> BTreeMap<i64, String> {
        let rows = self.0.sql.query("SELECT id::bigint, v FROM t", &[]).await.expect("rows");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    fn plugin(&self) -> Arc<dyn SourcePlugin> {
        plugin()
    }

    fn props(&self) -> Props {
        self.0.props(&[
            ("snapshot.mode", "no_data"),
            ("signal.data.collection", "public.signals"),
            ("incremental.snapshot.chunk.size", "7"),
            ("notification.enabled.channels", "sink"),
            ("notification.sink.topic.name", "notices"),
        ])
    }

    fn context(&self, stored: Option<OffsetMap>) -> SourceTaskContext {
        context(stored)
    }

    fn table(&self) -> String {
        "public.t".to_owned()
    }
}

async fn source(name: &str) -> Option<Postgres> {
    let bench = Bench::new(name).await?;
    bench.run("CREATE TABLE signals(id text PRIMARY KEY, type text, data text)").await;
    bench.run("CREATE PUBLICATION dbz_publication FOR ALL TABLES").await;
    bench.run(&format!("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", bench.database)).await;
    Some(Postgres(bench))
}

async fn nothing_is_lost(name: &str, more: &[(&str, &str)]) {
    let Some(source) = source(name).await else { return };
    incremental::nothing_is_lost(&source, more).await;
    source.0.drop().await;
    let Some(source) = self::source(name).await else { return };
    incremental::rows_never_go_back(&source, more).await;
    source.0.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_in_the_signal_table_lose_nothing() {
    nothing_is_lost("marks", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_that_are_deleted_lose_nothing() {
    nothing_is_lost("deleted", &[("incremental.snapshot.watermarking.strategy", "insert_delete")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_in_the_log_lose_nothing() {
    nothing_is_lost("readonly", &[("read.only", "true")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_paused_resumed_and_stopped() {
    let Some(source) = source("pause").await else { return };
    incremental::paused_resumed_and_stopped(&source).await;
    source.0.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_can_ask_for_a_blocking_snapshot() {
    let Some(source) = source("file").await else { return };
    let path = std::env::temp_dir().join(format!("couplet-{}", source.0.database));
    let select = "SELECT id, v FROM public.t WHERE id > 17";
    incremental::a_file_can_ask_for_a_blocking_snapshot(&source, &path, select).await;
    source.0.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_of_a_topic_are_done_once() {
    let Some(source) = source("topic").await else { return };
    incremental::signals_of_a_topic_are_done_once(&source).await;
    source.0.drop().await;
}
