//! One scenario: set-up, task, steps, what came out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_api::converter::{Converter, HeaderConverter};
use couplet_api::data::{Datum, OffsetMap, SourceRecord};
use couplet_api::error::Disposition;
use couplet_api::source::{Durable, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::testing::{MemoryMetrics, MemoryOffsets, MemoryTopics};
use couplet_api::{Error, Plugin};
use couplet_testkit::golden;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::database::{Server, execute};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing may come before a scenario counts as finished.
const QUIET: Duration = Duration::from_millis(400);

/// What came out so far.
#[derive(Default)]
struct Seen {
    events: Vec<Value>,
    failed: Option<Error>,
    last: Option<Instant>,
}

type Shared = Arc<Mutex<Seen>>;

fn lock(seen: &Shared) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The task while it runs.
struct Player<'a> {
    scenario: &'a Value,
    database: String,
    props: Props,
    offsets: Arc<MemoryOffsets>,
    topics: Arc<MemoryTopics>,
    seen: Shared,
    running: Option<(CancellationToken, JoinHandle<()>)>,
    sql: Client,
    server: &'a Server,
}

/// Plays `scenario` and returns a recording of the same form.
pub async fn run(server: &Server, scenario: &Value) -> Result<Value, String> {
    let name = scenario["scenario"].as_str().unwrap_or_default();
    let database = format!("g_{name}").chars().take(60).collect::<String>();
    server.create(&database).await?;
    let sql = server.connect(&database).await?;
    let mut player = Player {
        scenario,
        props: Props::new(),
        offsets: Arc::default(),
        topics: Arc::default(),
        seen: Shared::default(),
        running: None,
        sql,
        server,
        database,
    };
    let result = Box::pin(player.play()).await;
    player.stop().await;
    let Player { sql, database, .. } = player;
    drop(sql);
    server.drop(&database).await?;
    result
}

impl Player<'_> {
    async fn play(&mut self) -> Result<Value, String> {
        golden::make_topics(&self.topics, self.scenario, |text| self.filled(text)).await?;
        for statement in texts(&self.scenario["setup"]) {
            execute(&self.sql, &self.filled(&statement)).await?;
        }
        self.props = self.config(&json!({}));
        let problems = self.validate().await;
        if !problems.is_empty() {
            return Ok(json!({ "create": { "status": 400 }, "problems": problems }));
        }
        self.start();
        if self.scenario["streaming"].as_bool().unwrap_or(true) {
            self.wait_streaming().await?;
        }
        self.wait_quiet(QUIET).await;
        for step in self.scenario["steps"].as_array().into_iter().flatten() {
            self.step(step).await?;
        }
        self.wait_for_all().await;
        Ok(self.recording())
    }

    async fn step(&mut self, step: &Value) -> Result<(), String> {
        for statement in texts(&step["sql"]) {
            execute(&self.sql, &self.filled(&statement)).await?;
        }
        let transaction = texts(&step["tx"]);
        if !transaction.is_empty() {
            let own = self.server.connect(&self.database).await?;
            execute(&own, "BEGIN").await?;
            for statement in &transaction {
                execute(&own, &self.filled(statement)).await?;
            }
            execute(&own, "COMMIT").await?;
        }
        if let Some(seconds) = step["sleep"].as_f64() {
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        if step.get("wait_quiet").is_some() {
            self.wait_quiet(Duration::from_secs(1)).await;
        }
        if step["wait_streaming"].as_bool() == Some(true) {
            self.wait_streaming().await?;
        }
        if step.get("produce").is_some() {
            self.produce(&step["produce"]).await?;
        }
        if let Some(path) = step["rest"]["path"].as_str() {
            self.rest(step["rest"]["method"].as_str().unwrap_or_default(), path).await?;
        }
        if step.get("config").is_some() {
            self.stop().await;
            self.props = self.config(&step["config"]);
            self.start();
        }
        Ok(())
    }

    /// Writes a record, which is seen like those of the task when its topic belongs to the scenario.
    async fn produce(&self, record: &Value) -> Result<(), String> {
        let event = golden::produce(&self.topics, self.scenario, record, |text| self.filled(text)).await?;
        let mut seen = lock(&self.seen);
        seen.last = Some(Instant::now());
        seen.events.extend(event);
        Ok(())
    }

    /// What a REST request means for the task.
    async fn rest(&mut self, method: &str, path: &str) -> Result<(), String> {
        match (method, path.rsplit('/').next().unwrap_or_default()) {
            ("PUT", "stop") => self.stop().await,
            ("PUT", "resume") => self.start(),
            ("POST", "restart") | ("POST", "restart?includeTasks=true") => {
                self.stop().await;
                self.start();
            }
            ("DELETE", "offsets") => self.offsets.0.lock().unwrap_or_else(PoisonError::into_inner).clear(),
            (method, end) => return Err(format!("the player does not know {method} {end}")),
        }
        Ok(())
    }

    fn config(&self, changes: &Value) -> Props {
        let mut props = Props::new();
        // Others fill the log of the same server: an offset that is stored because of them is none that was recorded.
        props.set("status.update.interval.ms", "60000");
        for part in [&self.scenario["connector_config"], changes] {
            for (key, value) in part.as_object().into_iter().flatten() {
                match value.as_str() {
                    Some(text) => props.set(self.filled(key), self.filled(text)),
                    None => {
                        props.remove(key);
                    }
                }
            }
        }
        props
    }

    fn filled(&self, text: &str) -> String {
        let name = self.scenario["scenario"].as_str().unwrap_or_default();
        let mut text = text.replace("${DB}", &self.database).replace("${S}", name);
        for (variable, value) in &self.server.access {
            text = text.replace(&format!("${{{variable}}}"), value);
        }
        text
    }

    async fn validate(&self) -> Vec<String> {
        let Some(Plugin::Source(plugin)) = couplet_postgres::plugins().into_iter().next() else { return Vec::new() };
        plugin.validate(&self.props).await.into_iter().flat_map(|value| value.errors).collect()
    }

    fn start(&mut self) {
        let (seen, offsets, topics) = (self.seen.clone(), self.offsets.clone(), self.topics.clone());
        lock(&seen).failed = None;
        let (props, stop) = (self.props.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let handle = spawn(TaskKind::Task, async move {
            let Some(Plugin::Source(plugin)) = couplet_postgres::plugins().into_iter().next() else { return };
            let mut task = plugin.task();
            let outcome = Box::pin(work(&mut *task, &props, (offsets, topics), &seen, &stopped)).await;
            if let Err(error) = outcome {
                lock(&seen).failed = Some(error);
            }
            let _ = task.stop().await;
        });
        self.running = Some((stop, handle));
    }

    async fn stop(&mut self) {
        if let Some((stop, handle)) = self.running.take() {
            stop.cancel();
            let _ = handle.await;
        }
    }

    async fn wait_streaming(&self) -> Result<(), String> {
        let slot = self.props.get("slot.name").unwrap_or_default().to_owned();
        let query = "SELECT 1 FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid \
                     WHERE s.slot_name = $1 AND r.state = 'streaming'";
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if lock(&self.seen).failed.is_some() {
                return Ok(());
            }
            if !self.sql.query(query, &[&slot]).await.map_err(|e| e.to_string())?.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("did not reach streaming".to_owned())
    }

    async fn wait_quiet(&self, quiet: Duration) {
        let start = Instant::now();
        loop {
            let last = lock(&self.seen).last.unwrap_or(start).max(start);
            if last.elapsed() >= quiet || start.elapsed() > PATIENCE {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for as many records as were recorded, and a little for more.
    async fn wait_for_all(&self) {
        let counts =
            |event: &&Value| !event["topic"].as_str().is_some_and(|t| t.contains("heartbeat") || t.ends_with(".hb"));
        let wanted = self.scenario["events"].as_array().into_iter().flatten().filter(counts).count();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let done = {
                let seen = lock(&self.seen);
                seen.failed.is_some() || seen.events.iter().filter(counts).count() >= wanted
            };
            if done {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.wait_quiet(QUIET).await;
    }

    fn recording(&self) -> Value {
        let seen = lock(&self.seen);
        let mut events = seen.events.clone();
        events.sort_by_key(|event| event["topic"].as_str().unwrap_or_default().to_owned());
        let mut task = json!({ "id": 0, "state": "RUNNING" });
        if let Some(error) = &seen.failed {
            let trace: Vec<String> = error.trace().lines().map(str::to_owned).collect();
            task = json!({ "id": 0, "state": "FAILED", "trace": trace });
        }
        let offsets = self.offsets.0.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = offsets.last().map(|(_, offset)| json_of(offset));
        json!({
            "create": { "status": 201 },
            "status": { "tasks": [task] },
            "offsets_rest": { "offsets": offset.map(|o| json!({ "offset": o })).into_iter().collect::<Vec<_>>() },
            "events": events,
        })
    }
}

/// What the engine does with a task, in short.
async fn work(
    task: &mut dyn SourceTask,
    props: &Props,
    (offsets, topics): (Arc<MemoryOffsets>, Arc<MemoryTopics>),
    seen: &Shared,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let converters = Converters::new(props)?;
    let context = SourceTaskContext {
        connector: "test".into(),
        task: 0,
        offsets: offsets.clone(),
        topics,
        metrics: Arc::new(MemoryMetrics::default()),
        clock: Arc::new(SystemClock),
        defines_transactions: false,
    };
    task.start(props, context).await?;
    let mut batch = SourceBatch::new(500, 1 << 20);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            polled = task.poll(&mut batch) => match polled {
                Err(error) if error.kind().disposition() == Disposition::Retry => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                other => other?,
            },
        }
        let mut durable: Option<Durable> = None;
        for record in batch.drain() {
            let event = converters.event(&record)?;
            let mut seen = lock(seen);
            seen.events.push(event);
            seen.last = Some(Instant::now());
            durable = Some(Durable { partition: record.source_partition, offset: record.source_offset });
        }
        if let Some(durable) = batch.take_offset().or(durable) {
            let entry = (durable.partition.clone(), durable.offset.to_map());
            offsets.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
            task.commit(&[durable]).await?;
        }
    }
}

struct Converters {
    key: Arc<dyn Converter>,
    value: Arc<dyn Converter>,
    headers: Arc<dyn HeaderConverter>,
}

impl Converters {
    fn new(props: &Props) -> Result<Self, Error> {
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let converter = |kind: &str| {
            let class = props.get(&format!("{kind}.converter")).unwrap_or(json).to_owned();
            let factory = couplet_plugins::plugins().into_iter().find_map(|plugin| match plugin {
                Plugin::Converter(factory) if factory.class == class => Some(factory),
                _ => None,
            });
            let factory = factory.ok_or_else(|| Error::config(format!("no converter {class}")))?;
            (factory.create)(&props.with_prefix(&format!("{kind}.converter.")), kind == "key")
        };
        let simple = couplet_plugins::plugins().into_iter().find_map(|plugin| match plugin {
            Plugin::HeaderConverter(factory) if factory.class.ends_with(".SimpleHeaderConverter") => Some(factory),
            _ => None,
        });
        let simple = simple.ok_or_else(|| Error::config("no header converter"))?;
        Ok(Converters { key: converter("key")?, value: converter("value")?, headers: (simple.create)(&Props::new())? })
    }

    fn event(&self, record: &SourceRecord) -> Result<Value, Error> {
        let record = &record.record;
        let convert = |converter: &Arc<dyn Converter>, data: &Datum| -> Result<Value, Error> {
            let mut out = BytesMut::new();
            let written = converter.from_connect(&record.topic, &record.headers, data, &mut out)?;
            Ok(if written { wire(&out) } else { Value::Null })
        };
        let mut headers = Vec::new();
        for header in &record.headers {
            let bytes = self.headers.from_connect_header(&record.topic, &header.key, &header.value)?;
            headers.push(json!({ "key": &*header.key, "value": bytes.map_or(Value::Null, |b| wire(&b)) }));
        }
        Ok(json!({
            "topic": &*record.topic,
            "key": convert(&self.key, &record.key)?,
            "value": convert(&self.value, &record.value)?,
            "headers": headers,
        }))
    }
}

/// Texts of a JSON list.
pub fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// JSON as it is, other text under `__text`, as recordings hold them.
fn wire(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| json!({ "__text": String::from_utf8_lossy(bytes) }))
}

fn json_of(offset: &OffsetMap) -> Value {
    let member = |(key, value): &(couplet_api::data::Value, couplet_api::data::Value)| {
        let json = match value {
            couplet_api::data::Value::Bool(b) => json!(b),
            other => other.as_i64().map_or_else(|| json!(other.as_str()), |n| json!(n)),
        };
        (key.as_str().unwrap_or_default().to_owned(), json)
    };
    Value::Object(offset.entries().iter().map(member).collect())
}
