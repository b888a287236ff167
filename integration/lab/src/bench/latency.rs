//! From commit to topic at a steady rate that no worker finds hard: what is measured is waiting, not work.

use std::time::Duration;

use anyhow::Result;
use couplet_harness::clients::postgres;
use couplet_harness::services::{PostgresCluster, PostgresSettings};
use couplet_harness::shared;
use couplet_harness::worker::{Engine, Worker};

use super::Bench;
use super::measure::Sample;
use super::postgres::{await_streaming, connector};
use crate::demo::follower::Follower;
use crate::demo::generator::Generator;
use crate::mybank_schema;

/// Transactions a second.
const RATE: u32 = 1000;
const WARM_UP: Duration = Duration::from_secs(5);

/// The connector's defaults, or `poll_ms` for `poll.interval.ms`: on the JVM most of the latency is that wait.
pub async fn measure(bench: &Bench, engine: &Engine, case: &str, poll_ms: Option<u32>) -> Result<Sample> {
    let cluster = PostgresCluster::start(PostgresSettings::default()).await?;
    let database = postgres(&cluster.url("postgres")).await?;
    mybank_schema::create(&database, i64::try_from(mybank_schema::ACCOUNTS)?).await?;
    let prefix = shared::unique("bench");
    let tables = ["accounts", "bank_transactions"].map(|table| format!("public.{table}"));
    let topics = tables.clone().map(|table| format!("{prefix}.{table}"));
    for topic in &topics {
        bench.kafka.create_topic(topic, 1, &[]).await?;
    }
    let mut worker = Worker::start(&bench.settings(engine)).await?;
    let mut request = connector(cluster.port, &prefix, &tables.join(","), false);
    if let Some(poll_ms) = poll_ms {
        request["config"]["poll.interval.ms"] = poll_ms.to_string().into();
    }
    worker.rest.create(&request).await?;
    await_streaming(&database, &worker.rest, &prefix).await?;
    let mut follower = Follower::start(&bench.kafka, &topics)?;
    let generator = Generator::start(&cluster.url("postgres"), 1, RATE).await?;
    tokio::time::sleep(WARM_UP).await;
    follower.forget_latency();
    let (meter, before) = (bench.meter(&worker)?, follower.received());
    // Not a wait for something: this is the time that is measured.
    tokio::time::sleep(Duration::from_secs(bench.idle_secs)).await;
    generator.check()?;
    let mut sample = meter.stop(case, i64::try_from(follower.received() - before)?).await?;
    sample.latency_ms = Some([0.5, 0.99].map(|quantile| follower.latency_ms(quantile)));
    generator.stop().await?;
    follower.stop()?;
    worker.rest.delete(&prefix).await?;
    worker.kill();
    bench.kafka.delete_topics(&topics.each_ref().map(String::as_str)).await?;
    Ok(sample)
}
