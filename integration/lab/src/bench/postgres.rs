//! Bank transactions out of PostgreSQL: rows that are there, and rows that come.

use anyhow::Result;
use couplet_harness::clients::{ConnectRest, postgres};
use couplet_harness::services::{PostgresCluster, PostgresSettings};
use couplet_harness::worker::{Engine, Worker};
use couplet_harness::{Deadline, eventually, shared};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::Bench;
use super::measure::Sample;

/// How long a case may take.
pub const DEADLINE_SECS: u64 = 900;
/// Rows of one transaction while streaming.
pub const BATCH: i64 = 1000;

/// The table.
pub const NAME: &str = "public.bank_transactions";

const TABLE: &str = "create table bank_transactions(
    id bigserial primary key, account_id bigint not null, user_id bigint not null, amount numeric(12,2) not null,
    currency char(3) not null default 'EUR', created_at timestamptz not null default clock_timestamp(), description text)";

const INSERT: &str = "insert into bank_transactions(account_id, user_id, amount, currency, description)
    select 1000 + i % 9973, 50 + i % 997, ((i * 37) % 1000000) / 100.0, (array['EUR','USD','GBP'])[1 + i % 3],
           'payment number ' || i || ' for order ' || (i * 7)
    from generate_series($1::bigint, $2::bigint) i";

/// A database cluster with the table.
pub struct Bank {
    pub cluster: PostgresCluster,
    pub client: Client,
}

impl Bank {
    /// A new cluster; the table is empty.
    pub async fn open() -> Result<Self> {
        let cluster = PostgresCluster::start(PostgresSettings::default()).await?;
        let client = postgres(&cluster.url("postgres")).await?;
        client.batch_execute(TABLE).await?;
        Ok(Self { cluster, client })
    }

    /// The table has been there for a while.
    pub async fn settle(&self) -> Result<()> {
        for statement in ["vacuum analyze bank_transactions", "checkpoint"] {
            self.client.batch_execute(statement).await?;
        }
        Ok(())
    }

    /// Books `rows` rows, `batch` to a transaction.
    pub async fn book(&self, rows: i64, batch: i64) -> Result<()> {
        let insert = self.client.prepare(INSERT).await?;
        let mut first = 1;
        while first <= rows {
            let last = (first + batch - 1).min(rows);
            self.client.execute(&insert, &[&first, &last]).await?;
            first = last + 1;
        }
        Ok(())
    }
}

/// Waits until the only connector of the cluster streams.
pub async fn await_streaming(database: &Client, rest: &ConnectRest, name: &str) -> Result<()> {
    let query = "select 1 from pg_stat_replication where state = 'streaming'";
    rest.await_running(name, Deadline::after_secs(60)).await?;
    eventually("the connector to stream", Deadline::after_secs(60), || async {
        Ok(database.query_opt(query, &[]).await?.map(drop))
    })
    .await
}

/// A connector with the original's defaults.
pub fn connector(port: u16, prefix: &str, tables: &str, schemas: bool) -> Value {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let schemas = schemas.to_string();
    json!({"name": prefix, "config": {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(),
        "database.user": "dbz", "database.password": "dbz", "database.dbname": "postgres",
        "topic.prefix": prefix, "plugin.name": "pgoutput", "table.include.list": tables,
        "key.converter": json, "value.converter": json,
        "key.converter.schemas.enable": schemas, "value.converter.schemas.enable": schemas,
    }})
}

/// Rows that were there before the connector: from its creation to the last record.
pub async fn snapshot(bench: &Bench, engine: &Engine, case: &str, schemas: bool) -> Result<Sample> {
    let (bank, rows) = (Bank::open().await?, bench.rows);
    bank.book(rows, rows).await?;
    bank.settle().await?;
    let prefix = shared::unique("bench");
    let mut worker = Worker::start(&bench.settings(engine)).await?;
    let meter = bench.meter(&worker)?;
    worker.rest.create(&connector(bank.cluster.port, &prefix, NAME, schemas)).await?;
    let topic = format!("{prefix}.{NAME}");
    bench.kafka.await_count(&topic, rows, Deadline::after_secs(DEADLINE_SECS)).await?;
    let sample = meter.stop(case, rows).await?;
    finish(bench, &mut worker, &prefix, &topic).await?;
    Ok(sample)
}

/// Rows inserted while it streams, 1000 to a transaction: from the first insert to the last record.
pub async fn stream(bench: &Bench, engine: &Engine, case: &str, schemas: bool) -> Result<Sample> {
    let bank = Bank::open().await?;
    let prefix = shared::unique("bench");
    let mut worker = Worker::start(&bench.settings(engine)).await?;
    worker.rest.create(&connector(bank.cluster.port, &prefix, NAME, schemas)).await?;
    await_streaming(&bank.client, &worker.rest, &prefix).await?;
    let topic = format!("{prefix}.{NAME}");
    let meter = bench.meter(&worker)?;
    let (booked, counted) = tokio::join!(
        bank.book(bench.rows, BATCH),
        bench.kafka.await_count(&topic, bench.rows, Deadline::after_secs(DEADLINE_SECS))
    );
    booked.and(counted)?;
    let sample = meter.stop(case, bench.rows).await?;
    finish(bench, &mut worker, &prefix, &topic).await?;
    Ok(sample)
}

/// Removes connector, worker and topic.
pub async fn finish(bench: &Bench, worker: &mut Worker, name: &str, topic: &str) -> Result<()> {
    worker.rest.delete(name).await?;
    worker.kill();
    bench.kafka.delete_topics(&[topic]).await
}
