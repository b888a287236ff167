//! Plays a recorded scenario against a task, step by step, as a Connect worker would call it.

mod converters;
mod outcome;

use std::collections::HashSet;
use std::sync::Arc;

use couplet_api::Error;
use couplet_api::config::Props;
use couplet_api::data::{SinkRecord, TopicPartition};
use couplet_api::sink::{ErrantRecordReporter, Offsets, SinkRequests, SinkTask, SinkTaskContext};
use couplet_api::testing::{ManualClock, MemoryReporter};
use serde_json::{Value, json};

use crate::support::{Server, plugin};
use converters::Converters;
pub use outcome::{comparable_events, comparable_objects};

/// Noon of 2026-01-01: far from any midnight.
const START_MS: i64 = 1_767_268_800_000;

/// Why this scenario cannot be played; the task must then refuse its settings by validation.
pub async fn unsupported(scenario: &Value) -> Option<String> {
    let config = props(scenario);
    let used = [
        ("format.class", true),
        ("keys.format.class", is_on(&config, "store.kafka.keys")),
        ("headers.format.class", is_on(&config, "store.kafka.headers")),
    ];
    let later = |class: &str| class.ends_with("AvroFormat") || class.ends_with("ParquetFormat");
    let (key, _) = used.into_iter().find(|(key, used)| {
        let default = if *key == "format.class" { "" } else { "io.confluent.connect.s3.format.avro.AvroFormat" };
        *used && later(config.get(key).unwrap_or(default))
    })?;
    let values = plugin().validate(&config).await;
    let refused = values.iter().find(|value| value.name == key).is_some_and(|value| !value.errors.is_empty());
    assert!(refused, "{key} asks for a format that is not there and must be refused");
    Some(format!("{key}: Avro and Parquet files are not written yet"))
}

fn is_on(props: &Props, key: &str) -> bool {
    props.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn props(scenario: &Value) -> Props {
    let config = scenario["config"].as_object().expect("settings");
    config.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

/// What happened, which records were reported, and which objects there are at the end, all as recordings show them.
pub struct Played {
    pub events: Value,
    pub errant: Value,
    pub objects: Value,
}

/// Plays `scenario`; `changed`: settings that differ from the recording.
pub async fn play(scenario: &Value, server: &Server, changed: &[(&str, &str)]) -> Played {
    let mut player = Player::new(scenario, server);
    changed.iter().for_each(|(key, value)| player.props.set(*key, *value));
    let mut events = Vec::new();
    if let Err(error) = player.start().await {
        events.push(exception("start", &error));
    } else {
        for step in scenario["steps"].as_array().expect("steps") {
            if let Some(event) = player.step(step).await {
                let failed = event.get("exception").is_some();
                events.push(event);
                if failed {
                    break;
                }
            }
        }
    }
    let _ = player.task.stop().await;
    let errant = player.reporter.0.lock().expect("no panic").iter().map(outcome::errant).collect();
    Played { events: Value::Array(events), errant: Value::Array(errant), objects: outcome::objects(server).await }
}

fn exception(op: &str, error: &Error) -> Value {
    let mut event = json!({ "op": op, "exception": error.class(), "message": error.message() });
    if let Some(cause) = error.cause() {
        event["cause"] = json!(cause.class());
    }
    event
}

struct Player<'a> {
    server: &'a Server,
    props: Props,
    assignment: Vec<TopicPartition>,
    converters: Converters,
    clock: Arc<ManualClock>,
    reporter: Arc<MemoryReporter>,
    has_reporter: bool,
    context: SinkTaskContext,
    task: Box<dyn SinkTask>,
    seen: Offsets,
}

impl<'a> Player<'a> {
    fn new(scenario: &Value, server: &'a Server) -> Self {
        let mut props = props(scenario);
        let converters = Converters::new(&props);
        server.locate(&mut props);
        // A scenario with another bucket than the recorder's wants exactly that one.
        if props.get("s3.bucket.name") == Some("golden") {
            props.set("s3.bucket.name", &*server.bucket);
        }
        let partition = |entry: &Value| {
            let partition = i32::try_from(entry[1].as_i64().expect("a number")).expect("a partition");
            TopicPartition::new(entry[0].as_str().expect("a topic"), partition)
        };
        let assignment = scenario["assignment"].as_array().expect("an assignment").iter().map(partition).collect();
        let clock = Arc::new(ManualClock::at(START_MS));
        let reporter = Arc::new(MemoryReporter::default());
        let has_reporter = scenario["errantReporter"] == json!(true);
        let context = context(&clock, &reporter, has_reporter);
        let (task, seen) = (plugin().task(), Offsets::new());
        Player { server, props, assignment, converters, clock, reporter, has_reporter, context, task, seen }
    }

    /// A new task with all partitions.
    async fn start(&mut self) -> Result<(), Error> {
        self.task = plugin().task();
        self.context = context(&self.clock, &self.reporter, self.has_reporter);
        self.task.start(&self.props, self.context.clone()).await?;
        self.task.open(&self.assignment).await
    }

    async fn step(&mut self, step: &Value) -> Option<Value> {
        let op = step["op"].as_str().expect("an operation");
        match op {
            "put" => {
                let records = step["records"].as_array().expect("records");
                let records: Vec<SinkRecord> = records.iter().map(|r| self.converters.record(r)).collect();
                self.seen.extend(records.iter().map(|r| (r.original.clone(), r.original_offset + 1)));
                self.put(&records).await
            }
            "idlePut" => self.put(&[]).await,
            "flush" => Some(match self.task.pre_commit(&self.seen).await {
                Ok(offered) => json!({ "op": op, "committed": outcome::offsets(&offered) }),
                Err(error) => exception(op, &error),
            }),
            "sleep" => {
                self.clock.advance(step["ms"].as_i64().expect("milliseconds"));
                None
            }
            "rebalance" => {
                let closed = self.task.close(&self.assignment).await;
                let opened = self.task.open(&self.assignment).await;
                Some(self.reopened(op, closed.and(opened)))
            }
            "restart" => {
                let closed = self.task.close(&self.assignment).await;
                let stopped = self.task.stop().await;
                let started = self.start().await;
                Some(self.reopened(op, closed.and(stopped).and(started)))
            }
            "kill" => {
                let started = self.start().await;
                Some(self.reopened(op, started))
            }
            "snapshot" => Some(json!({ "op": op, "state": outcome::objects(self.server).await })),
            other => panic!("unknown operation {other}"),
        }
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Option<Value> {
        let assigned: HashSet<&TopicPartition> = self.assignment.iter().collect();
        assert!(records.iter().all(|r| assigned.contains(&r.original)), "records of the assignment");
        let put = self.task.put(records).await;
        // The worker seeks before it polls again.
        let SinkRequests { rewind: _, .. } = self.context.take_requests();
        put.err().map(|error| exception("put", &error))
    }

    fn reopened(&self, op: &str, outcome: Result<(), Error>) -> Value {
        match outcome {
            Ok(()) => json!({ "op": op, "rewindTo": outcome::offsets(&self.context.take_requests().rewind) }),
            Err(error) => exception(op, &error),
        }
    }
}

fn context(clock: &Arc<ManualClock>, reporter: &Arc<MemoryReporter>, has_reporter: bool) -> SinkTaskContext {
    let reporter: Option<Arc<dyn ErrantRecordReporter>> = if has_reporter { Some(reporter.clone()) } else { None };
    SinkTaskContext::new("s3", 0, clock.clone(), reporter)
}
