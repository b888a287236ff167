//! One scenario: set-up, task, steps, what came out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_api::connector::SourcePlugin;
use couplet_api::converter::{Converter, HeaderConverter};
use couplet_api::data::{Datum, OffsetMap, SourceRecord};
use couplet_api::error::Disposition;
use couplet_api::own_topic::{Follower, OnOwnRecord, OwnTopic, OwnTopics, TopicClients, TopicState};
use couplet_api::source::{Durable, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::testing::{MemoryMetrics, MemoryOffsets, MemoryTopics};
use couplet_api::{Error, Plugin};
use couplet_mysql_wire::Connection;
use couplet_testkit::golden;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::database::{Server, execute};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing may come before a scenario counts as finished.
const QUIET: Duration = Duration::from_millis(400);

/// What came out so far.
#[derive(Debug, Default)]
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
    seen: Shared,
    running: Option<(CancellationToken, JoinHandle<()>)>,
    sql: Connection,
    topics: Arc<MemoryTopics>,
    server: &'a Server,
    server_id: String,
    /// Sessions with the log that were there before the task.
    earlier_dumps: Vec<String>,
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
        seen: Shared::default(),
        running: None,
        sql,
        topics: Arc::default(),
        server,
        server_id: (10_000 + std::process::id() % 50_000).to_string(),
        earlier_dumps: server.dumps().await?,
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
            let statement = self.filled(&statement);
            execute(&mut self.sql, &statement).await?;
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
            let statement = self.filled(&statement);
            execute(&mut self.sql, &statement).await?;
        }
        let transaction = texts(&step["tx"]);
        if !transaction.is_empty() {
            let mut own = self.server.connect(&self.database).await?;
            execute(&mut own, "BEGIN").await?;
            for statement in &transaction {
                execute(&mut own, &self.filled(statement)).await?;
            }
            execute(&mut own, "COMMIT").await?;
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
        let mut text = text
            .replace("${DB}", &self.database)
            .replace("${S}", name)
            .replace("${SERVER_ID}", &self.server_id)
            .replace("${KAFKA}", "127.0.0.1:1");
        for (variable, value) in &self.server.variables {
            text = text.replace(&format!("${{{variable}}}"), value);
        }
        text
    }

    async fn validate(&self) -> Vec<String> {
        let Some(plugin) = self.plugin() else { return Vec::new() };
        plugin.validate(&self.props).await.into_iter().flat_map(|value| value.errors).collect()
    }

    fn plugin(&self) -> Option<Arc<dyn SourcePlugin>> {
        let class = self.scenario["connector_config"]["connector.class"].as_str()?;
        couplet_mysql::plugins().into_iter().find_map(|plugin| match plugin {
            Plugin::Source(plugin) if plugin.class() == class => Some(plugin),
            _ => None,
        })
    }

    fn start(&mut self) {
        let (seen, offsets) = (self.seen.clone(), self.offsets.clone());
        lock(&seen).failed = None;
        let (props, stop) = (self.props.clone(), CancellationToken::new());
        let (stopped, plugin) = (stop.clone(), self.plugin());
        let topics = Arc::new(Recorder { kept: self.topics.clone(), seen: self.seen.clone() });
        let handle = spawn(TaskKind::Task, async move {
            let Some(plugin) = plugin else { return };
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

    async fn wait_streaming(&mut self) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if lock(&self.seen).failed.is_some() {
                return Ok(());
            }
            let dumps = self.server.dumps().await?;
            if dumps.iter().any(|id| !self.earlier_dumps.contains(id)) {
                self.earlier_dumps = dumps;
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

/// Topics that remember, and show what is kept as records.
struct Recorder {
    kept: Arc<MemoryTopics>,
    seen: Shared,
}

#[async_trait]
impl OwnTopics for Recorder {
    async fn open(&self, name: &str, clients: &TopicClients) -> Result<Arc<dyn OwnTopic>, Error> {
        let kept = self.kept.open(name, clients).await?;
        Ok(Arc::new(Kept { topic: name.to_owned(), kept, seen: self.seen.clone() }))
    }
}

struct Kept {
    topic: String,
    kept: Arc<dyn OwnTopic>,
    seen: Shared,
}

#[async_trait]
impl OwnTopic for Kept {
    async fn state(&self) -> Result<TopicState, Error> {
        self.kept.state().await
    }

    async fn create(&self, configs: &[(&str, &str)]) -> Result<(), Error> {
        self.kept.create(configs).await
    }

    async fn read(&self, on_record: OnOwnRecord<'_>) -> Result<(), Error> {
        self.kept.read(on_record).await
    }

    async fn follow(self: Arc<Self>) -> Result<Box<dyn Follower>, Error> {
        self.kept.clone().follow().await
    }

    async fn append(&self, key: Option<Bytes>, value: Option<Bytes>) -> Result<(), Error> {
        let shown = wire(value.as_deref().unwrap_or_default());
        self.kept.append(key, value).await?;
        let mut seen = lock(&self.seen);
        seen.events.push(json!({ "topic": self.topic, "key": null, "value": shown, "headers": [] }));
        seen.last = Some(Instant::now());
        Ok(())
    }
}

/// What the engine does with a task, in short.
async fn work(
    task: &mut dyn SourceTask,
    props: &Props,
    (offsets, topics): (Arc<MemoryOffsets>, Arc<dyn OwnTopics>),
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
