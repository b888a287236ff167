//! Bank transactions out of PostgreSQL: rows that are there, and rows that come.

use anyhow::{Context, Result};
use couplet_harness::clients::postgres;
use couplet_harness::services::{PostgresCluster, PostgresSettings};
use couplet_harness::worker::{Engine, Worker};
use couplet_harness::{Deadline, eventually, shared};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::Bench;
use super::measure::{Meter, Sample};

const DEADLINE_SECS: u64 = 900;
/// Rows of one transaction while streaming.
const BATCH: i64 = 1000;

const NAME: &str = "public.bank_transactions";

const TABLE: &str = "create table bank_transactions(
    id bigserial primary key, account_id bigint not null, user_id bigint not null, amount numeric(12,2) not null,
    currency char(3) not null default 'EUR', created_at timestamptz not null default clock_timestamp(), description text)";

const INSERT: &str = "insert into bank_transactions(account_id, user_id, amount, currency, description)
    select 1000 + i % 9973, 50 + i % 997, ((i * 37) % 1000000) / 100.0, (array['EUR','USD','GBP'])[1 + i % 3],
           'payment number ' || i || ' for order ' || (i * 7)
    from generate_series($1::bigint, $2::bigint) i";

/// A database cluster with the table.
struct Bank {
    cluster: PostgresCluster,
    client: Client,
}

impl Bank {
    async fn open() -> Result<Self> {
        let cluster = PostgresCluster::start(PostgresSettings::default()).await?;
        let client = postgres(&cluster.url("postgres")).await?;
        client.batch_execute(TABLE).await?;
        Ok(Self { cluster, client })
    }

    async fn book(&self, rows: i64, batch: i64) -> Result<()> {
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
pub async fn await_streaming(database: &Client, worker: &Worker, name: &str) -> Result<()> {
    let query = "select 1 from pg_stat_replication where state = 'streaming'";
    worker.rest.await_running(name, Deadline::after_secs(60)).await?;
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
    let bank = Bank::open().await?;
    bank.book(bench.rows, bench.rows).await?;
    for statement in ["vacuum analyze bank_transactions", "checkpoint"] {
        bank.client.batch_execute(statement).await?;
    }
    let prefix = shared::unique("bench");
    let mut worker = Worker::start(&bench.settings(engine)).await?;
    let meter = Meter::start(worker.pid().context("the worker runs")?)?;
    worker.rest.create(&connector(bank.cluster.port, &prefix, NAME, schemas)).await?;
    let topic = format!("{prefix}.{NAME}");
    bench.kafka.await_count(&topic, bench.rows, Deadline::after_secs(DEADLINE_SECS)).await?;
    finish(bench, worker.rest.clone(), meter.stop(case, bench.rows)?, &prefix, &topic).await.inspect(|_| worker.kill())
}

/// Rows inserted while it streams, 1000 to a transaction: from the first insert to the last record.
pub async fn stream(bench: &Bench, engine: &Engine, case: &str, schemas: bool) -> Result<Sample> {
    let bank = Bank::open().await?;
    let prefix = shared::unique("bench");
    let mut worker = Worker::start(&bench.settings(engine)).await?;
    worker.rest.create(&connector(bank.cluster.port, &prefix, NAME, schemas)).await?;
    await_streaming(&bank.client, &worker, &prefix).await?;
    let topic = format!("{prefix}.{NAME}");
    let meter = Meter::start(worker.pid().context("the worker runs")?)?;
    let (booked, counted) = tokio::join!(
        bank.book(bench.rows, BATCH),
        bench.kafka.await_count(&topic, bench.rows, Deadline::after_secs(DEADLINE_SECS))
    );
    booked.and(counted)?;
    finish(bench, worker.rest.clone(), meter.stop(case, bench.rows)?, &prefix, &topic).await.inspect(|_| worker.kill())
}

async fn finish(
    bench: &Bench,
    rest: couplet_harness::clients::ConnectRest,
    sample: Sample,
    name: &str,
    topic: &str,
) -> Result<Sample> {
    rest.delete(name).await?;
    bench.kafka.delete_topics(&[topic]).await?;
    Ok(sample)
}
