//! Everything the demo plays on: broker, database, S3, worker, connectors.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use couplet_harness::clients::{Kafka, ObjectStore, postgres};
use couplet_harness::services::{PostgresCluster, PostgresSettings, S3Service, S3Settings};
use couplet_harness::worker::Engine;
use couplet_harness::{Deadline, eventually, shared};
use serde_json::Value;
use tempfile::TempDir;
use tokio_postgres::Client;

use super::check::{Event, StoredObject, Tables, Topics};
use super::host::Host;
use super::{DemoArgs, DemoEngine, SETTLE_SECS, connectors};
use crate::{binary, mybank_schema};

/// Transactions booked before the connectors come, so that there is something to snapshot.
const BOOKED_BEFORE: i64 = 500;
const BUCKET: &str = "mybank";

/// One table: its columns as the events write them.
const TABLES: [(&str, &str); 2] = [
    (
        "public.accounts",
        "select id, json_build_object('id', id, 'owner', owner, 'iban', iban, 'balance', balance::text,
         'opened_at', to_char(opened_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))::text from accounts",
    ),
    (
        "public.bank_transactions",
        "select id, json_build_object('id', id, 'account_id', account_id, 'amount', amount::text, 'currency', currency,
         'status', status, 'description', description,
         'created_at', to_char(created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
         'updated_at', to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))::text
         from bank_transactions",
    ),
];

/// What is running. Dropping it stops everything.
pub struct Stage {
    host: Host,
    prefix: String,
    group: String,
    postgres: PostgresCluster,
    s3: Option<S3Service>,
    sink_config: Option<Value>,
    is_external: bool,
    killable: bool,
    _folder: TempDir,
}

impl Stage {
    /// Starts it all. With `--kafka` on that broker; else on the embedded one, which gets a process of its own when the worker
    /// is going to be killed, or needs settings of its own.
    pub async fn set(args: &DemoArgs) -> Result<Self> {
        let (kafka, on_jvm) = (args.kafka.as_deref(), args.engine == DemoEngine::Jvm);
        let (killable, exactly_once) = (args.kill > 0, args.exactly_once);
        let engine = if on_jvm { Engine::Jvm } else { binary::build()? };
        println!("starting PostgreSQL, S3, {} and a worker ...", kafka.unwrap_or("the embedded broker"));
        let postgres = PostgresCluster::start(PostgresSettings::default()).await?;
        open_bank(&postgres).await?;
        let s3 = if on_jvm { None } else { Some(S3Service::start(S3Settings::default()).await?) };
        if let Some(s3) = &s3 {
            s3.client().create_bucket(BUCKET).await?;
        }
        let folder = tempfile::Builder::new().prefix("couplet-demo").tempdir()?;
        let group = shared::unique("mybank");
        let host = match (kafka, &engine) {
            (Some(address), _) => Host::external(address, engine, &group, exactly_once).await?,
            (None, Engine::Couplet(binary)) if killable || exactly_once => {
                Host::two_processes(binary, &group, folder.path(), exactly_once).await?
            }
            (None, Engine::Couplet(binary)) => Host::one_process(binary, folder.path()).await?,
            (None, Engine::Jvm) => bail!("--engine jvm needs --kafka: it is there to compare workers on a real broker"),
        };
        let (sink_config, is_external) = (None, kafka.is_some());
        let prefix = if is_external { group.clone() } else { "mybank".to_owned() };
        Ok(Self { host, prefix, group, postgres, s3, sink_config, is_external, killable, _folder: folder })
    }

    /// A client of the broker.
    pub fn kafka(&self) -> &Kafka {
        &self.host.kafka
    }

    /// URL of the demo's database.
    pub fn database_url(&self) -> String {
        self.postgres.url(mybank_schema::DATABASE)
    }

    /// A new connection to it.
    pub async fn database(&self) -> Result<Client> {
        postgres(&self.database_url()).await
    }

    /// Rows that the snapshot is going to find.
    pub async fn rows_before(&self) -> Result<usize> {
        let query = "select (select count(*) from accounts) + (select count(*) from bank_transactions)";
        let count: i64 = self.database().await?.query_one(query, &[]).await?.get(0);
        Ok(usize::try_from(count)?)
    }

    /// Topics in the order of [`TABLES`].
    pub fn topics(&self) -> Vec<String> {
        TABLES.iter().map(|(table, _)| format!("{}.{table}", self.prefix)).collect()
    }

    /// Whether objects are written.
    pub fn has_sink(&self) -> bool {
        self.s3.is_some()
    }

    /// Creates the source, waits until it streams, then the sink.
    pub async fn create_connectors(&mut self) -> Result<()> {
        let source = connectors::source(self.postgres.port, &self.prefix)?;
        let name = source["name"].as_str().unwrap_or_default().to_owned();
        self.host.rest.create(&source).await?;
        self.host.rest.await_running(&name, Deadline::after_secs(SETTLE_SECS)).await?;
        let (database, rest) = (self.database().await?, &self.host.rest);
        eventually("the source to stream", Deadline::after_secs(SETTLE_SECS), || async {
            rest.await_running(&name, Deadline::after_secs(SETTLE_SECS)).await?;
            let query = "select 1 from pg_replication_slots s join pg_stat_replication r on r.pid = s.active_pid
                         where s.plugin = 'pgoutput' and r.state = 'streaming'";
            Ok(database.query_opt(query, &[]).await?.map(drop))
        })
        .await?;
        for topic in self.topics() {
            let kafka = &self.host.kafka;
            eventually(&format!("the topic {topic}"), Deadline::after_secs(SETTLE_SECS), || async {
                Ok((kafka.count(&topic).await.unwrap_or(0) > 0).then_some(()))
            })
            .await?;
        }
        if let Some(s3) = &self.s3 {
            let sink = connectors::sink(&s3.endpoint, BUCKET, &self.topics(), self.killable)?;
            self.host.rest.create(&sink).await?;
            let name = sink["name"].as_str().unwrap_or_default();
            self.host.rest.await_running(name, Deadline::after_secs(SETTLE_SECS)).await?;
            self.sink_config = Some(sink);
        }
        Ok(())
    }

    /// SIGKILL, and a new worker in its place.
    pub async fn kill_and_restart(&mut self) -> Result<()> {
        self.host.kill_and_restart().await
    }

    /// How many objects there are.
    pub async fn object_count(&self) -> Result<usize> {
        Ok(match &self.s3 {
            Some(s3) => s3.client().keys(BUCKET, "topics/").await?.len(),
            None => 0,
        })
    }

    /// During the play only full files are written, because only those are the same after a crash. Now that nobody is going to
    /// kill the worker, the sink also writes the begun ones.
    pub async fn flush_sink(&mut self) -> Result<()> {
        let Some(sink) = &self.sink_config else { return Ok(()) };
        self.full_files_committed(sink).await?;
        let mut config = sink["config"].clone();
        config["rotate.schedule.interval.ms"] = Value::from("1000");
        let path = format!("/connectors/{}/config", sink["name"].as_str().unwrap_or_default());
        let (status, body) = self.host.rest.call(reqwest::Method::PUT, &path, Some(&config)).await?;
        anyhow::ensure!(status.is_success(), "PUT {path} answered {status}: {body}");
        let records: usize = self.read_topics().await?.values().map(Vec::len).sum();
        let deadline = Deadline::after_secs(SETTLE_SECS);
        loop {
            let lines: usize = self.read_objects().await?.iter().flatten().map(|o| o.lines.len()).sum();
            if lines >= records {
                return Ok(());
            }
            if deadline.is_over() {
                // Not an error here: the check says exactly which records are missing.
                println!("the sink wrote {lines} of {records} records and then nothing for too long");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits until the offsets of all full files are committed: fewer records than fill one lie behind them. A file whose offsets are not would be written again, and after
    /// the change to files that the clock closes with another end: its records would be there twice.
    async fn full_files_committed(&self, sink: &Value) -> Result<()> {
        let flush_size: usize = sink["config"]["flush.size"].as_str().context("flush.size")?.parse()?;
        let path = format!("/connectors/{}/offsets", sink["name"].as_str().unwrap_or_default());
        for topic in self.topics() {
            let (kafka, rest) = (&self.host.kafka, &self.host.rest);
            eventually(&format!("offsets of full files of {topic}"), Deadline::after_secs(SETTLE_SECS), || async {
                let answer = rest.get(&path).await?;
                let committed = answer["offsets"].as_array().into_iter().flatten();
                let committed = committed
                    .filter(|entry| entry["partition"]["kafka_topic"] == topic.as_str())
                    .find_map(|entry| entry["offset"]["kafka_offset"].as_i64());
                let committed = committed.unwrap_or(0);
                // Not all offsets are records: transactions end with markers.
                let records = kafka.read_topic(&topic).await?;
                let behind = records.iter().filter(|record| record.offset >= committed).count();
                Ok((behind < flush_size).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Asks the worker to stop as a service manager would.
    pub async fn stop_worker(&mut self) -> Result<()> {
        self.host.stop_worker().await
    }

    /// All change events.
    pub async fn read_topics(&self) -> Result<Topics> {
        let mut topics = Topics::new();
        for ((table, _), topic) in TABLES.iter().zip(self.topics()) {
            let messages = self.host.kafka.read_topic(&topic).await?;
            let events = messages.iter().map(|m| {
                let (key, value) = (m.key.as_deref().unwrap_or_default(), m.value.as_deref().unwrap_or_default());
                Event::parse(m.offset, key, value)
                    .with_context(|| format!("{topic} offset {}: not a change event", m.offset))
            });
            topics.insert((*table).to_owned(), events.collect::<Result<_>>()?);
        }
        Ok(topics)
    }

    /// All rows as they are now.
    pub async fn read_tables(&self) -> Result<Tables> {
        let client = self.database().await?;
        let mut tables = Tables::new();
        for (table, query) in TABLES {
            let rows = client.query(query, &[]).await?;
            let rows = rows.iter().map(|row| Ok((row.get(0), serde_json::from_str(row.get(1))?)));
            tables.insert(table.to_owned(), rows.collect::<Result<_>>()?);
        }
        Ok(tables)
    }

    /// All objects, or `None` when there is no sink.
    pub async fn read_objects(&self) -> Result<Option<Vec<StoredObject>>> {
        let Some(s3) = &self.s3 else { return Ok(None) };
        let store = s3.client();
        let mut objects = Vec::new();
        for key in store.keys(BUCKET, "topics/").await? {
            objects.push(self.read_object(&store, key).await?);
        }
        Ok(Some(objects))
    }

    /// Keys are `topics/TOPIC/partition=0/TOPIC+0+OFFSET.json`.
    async fn read_object(&self, store: &ObjectStore, key: String) -> Result<StoredObject> {
        let name = key.rsplit('/').next().unwrap_or(&key);
        let parts: Vec<&str> = name.trim_end_matches(".json").split('+').collect();
        let [topic, "0", offset] = parts[..] else { bail!("unexpected object {key}") };
        let table =
            topic.strip_prefix(&format!("{}.", self.prefix)).with_context(|| format!("unexpected object {key}"))?;
        let (table, start_offset) = (table.to_owned(), offset.parse()?);
        let text = String::from_utf8(store.get(BUCKET, &key).await?)?;
        let lines = text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<_>>();
        Ok(StoredObject { table, start_offset, lines: lines.with_context(|| key.clone())?, key })
    }

    /// What the worker said last.
    pub fn worker_log_tail(&self) -> String {
        self.host.log_tail()
    }

    /// Leaves nothing on a broker that is not ours.
    pub async fn clear(mut self) -> Result<()> {
        if self.is_external {
            self.host.abandon_worker();
            let all = self.host.kafka.topics().await?;
            let ours: Vec<&str> =
                all.iter().map(|(name, _)| name.as_str()).filter(|n| n.starts_with(&self.group)).collect();
            if !ours.is_empty() {
                self.host.kafka.delete_topics(&ours).await?;
            }
        }
        Ok(())
    }
}

/// A database with accounts and some history.
async fn open_bank(cluster: &PostgresCluster) -> Result<()> {
    let admin = postgres(&cluster.url("postgres")).await?;
    admin.batch_execute(&format!("create database {}", mybank_schema::DATABASE)).await?;
    let client = postgres(&cluster.url(mybank_schema::DATABASE)).await?;
    mybank_schema::create(&client, i64::try_from(mybank_schema::ACCOUNTS)?).await?;
    let insert = "insert into bank_transactions(id, account_id, amount, description)
        select i, 1 + i % $2, (i * 37 % 100000) / 100.0, 'opening balance ' || i from generate_series(1::bigint, $1) i";
    client.execute(insert, &[&BOOKED_BEFORE, &i64::try_from(mybank_schema::ACCOUNTS)?]).await?;
    Ok(())
}
