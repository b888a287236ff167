//! The distributed herder on brokers: the recorded life of a JVM worker record by record, restarts, and a JVM's topics
//! taken over.

#[path = "support/broker.rs"]
mod broker;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use couplet_api::config::Props;
use couplet_api::data::OffsetMap;
use couplet_engine::herder::{
    Herder, HerderError, HerderHandle, HerderSetup, NewConnector, OffsetEntry, RestartRequest, StartedHerder,
    distributed,
};
use couplet_engine::metrics::Metrics;
use couplet_engine::plugins::Plugins;
use couplet_engine::worker::{TargetState, TaskId};
use couplet_engine::worker_config::{Mode, WorkerConfig};
use couplet_kafka::clients::{Admin, ClientSettings};
use couplet_kafka::{LogClients, TopicLog, TopicSpec};
use couplet_testkit::golden::{Differences, cases};
use serde_json::{Value, json};

use broker::{for_each_broker, unique};

/// Longer than any step takes, also when a write is lost and tried again.
const PATIENCE: Duration = Duration::from_secs(60);
const WORKER_ID: &str = "worker.example:8083";

/// A herder and its topics.
struct Bench {
    props: Props,
    started: Option<StartedHerder>,
}

impl Bench {
    fn new(bootstrap: &str, name: &str) -> Bench {
        let group = unique(name);
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let mut props = Props::from_iter([
            ("bootstrap.servers", bootstrap),
            ("key.converter", string),
            ("value.converter", string),
            ("offset.flush.interval.ms", "100"),
        ]);
        for store in ["config", "offset", "status"] {
            props.set(format!("{store}.storage.topic"), format!("{group}-{store}s"));
            props.set(format!("{store}.storage.replication.factor"), "1");
        }
        props.set("offset.storage.partitions", "5");
        props.set("group.id", group);
        Bench { props, started: None }
    }

    fn start(&mut self) -> HerderHandle {
        let plugins = [couplet_plugins::plugins(), couplet_file::plugins()].concat();
        let setup = HerderSetup {
            config: Arc::new(WorkerConfig::parse(Mode::Distributed, self.props.clone()).expect("valid settings")),
            plugins: Plugins::new(plugins),
            worker_id: WORKER_ID.to_owned(),
            url: format!("http://{WORKER_ID}/"),
            metrics: Arc::new(Metrics::new(WORKER_ID.to_owned(), &self.props)),
            set_logger_level: Arc::new(|_, _| {}),
        };
        let started = distributed::start(setup).expect("starts");
        let handle = started.handle.clone();
        self.started = Some(started);
        handle
    }

    async fn stop(&mut self) {
        let started = self.started.take().expect("runs");
        started.stop.cancel();
        started.done.await.expect("no panic").expect("a clean end");
    }

    async fn log(&self, store: &str) -> Watched {
        let name = self.props.get(&format!("{store}.storage.topic")).expect("is set").to_owned();
        let partitions = if store == "config" { 1 } else { 5 };
        Watched::open(&self.props, &name, partitions).await
    }
}

/// Key and value of a record, as text.
type Record = (String, Option<String>);

/// A topic and everything in it, with offsets.
struct Watched {
    log: TopicLog,
    records: Arc<Mutex<Vec<(Record, i64)>>>,
}

impl Watched {
    async fn open(props: &Props, name: &str, partitions: i32) -> Watched {
        let records: Arc<Mutex<Vec<(Record, i64)>>> = Arc::default();
        let (sink, text) = (records.clone(), |bytes: Bytes| String::from_utf8(bytes.to_vec()).expect("text"));
        let spec = TopicSpec {
            name: name.to_owned(),
            partitions,
            replication_factor: 1,
            configs: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
        };
        let on_record = move |record: couplet_kafka::LogRecord| {
            let read = (record.key.map(text).unwrap_or_default(), record.value.map(text));
            sink.lock().unwrap().push((read, record.offset));
        };
        let log = TopicLog::open(&LogClients::new(&ClientSettings::of_worker(props)), spec, Box::new(on_record))
            .await
            .expect("opens");
        Watched { log, records }
    }

    /// What came since the last call.
    async fn take(&self) -> Vec<Record> {
        self.take_with_offsets().await.into_iter().map(|(record, _)| record).collect()
    }

    async fn take_with_offsets(&self) -> Vec<(Record, i64)> {
        self.log.read_to_end().await.expect("reads");
        std::mem::take(&mut *self.records.lock().unwrap())
    }
}

/// One step of the recording, placeholders filled in.
struct Step {
    name: String,
    action: String,
    configs: Vec<Record>,
    /// Offsets of those in the config topic: transactions leave gaps.
    config_offsets: Vec<i64>,
    statuses: Vec<Record>,
    offsets: Vec<Record>,
}

fn recording(file: &str, run: &str, folder: &Path) -> Vec<Step> {
    let folder = folder.display().to_string();
    let fill = |text: &str| {
        let text = text.replace("@RUN@", run).replace("@DATA_DIR@", &folder).replace("@WORKER:A@", WORKER_ID);
        text.replace("\"@MILLIS@\"", "1").replace("@SESSION_KEY@", "AAAA")
    };
    let mut steps: Vec<Step> = Vec::new();
    for case in cases(file) {
        if let Some(action) = case["action"].as_str() {
            let name = case["step"].as_str().unwrap_or_default().to_owned();
            steps.push(Step {
                name,
                action: action.to_owned(),
                configs: Vec::new(),
                config_offsets: Vec::new(),
                statuses: Vec::new(),
                offsets: Vec::new(),
            });
            continue;
        }
        let record = (fill(case["key"].as_str().unwrap_or_default()), case["value"].as_str().map(fill));
        let step = steps.last_mut().expect("records follow their step");
        match case["topic"].as_str() {
            Some("configs") => {
                step.configs.push(record);
                step.config_offsets.push(case["offset"].as_i64().expect("an offset"));
            }
            Some("offsets") => step.offsets.push(record),
            Some("status") => step.statuses.push(record),
            _ => {}
        }
    }
    steps
}

fn parsed(value: Option<&String>) -> Value {
    value.map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"))
}

/// The last state of each connector and task in `records`; null: forgotten.
fn states(records: &[Record]) -> BTreeMap<String, Value> {
    let of_parts = records.iter().filter(|(key, _)| !key.starts_with("status-topic-"));
    of_parts.map(|(key, value)| (key.clone(), parsed(value.as_ref())["state"].clone())).collect()
}

fn props_of(value: &str) -> Props {
    let value: Value = serde_json::from_str(value).expect("JSON");
    let mut props = Props::new();
    for (key, value) in value["properties"].as_object().expect("properties") {
        props.set_nullable(key, value.as_str().map(str::to_owned));
    }
    props
}

fn target_of(value: &str) -> TargetState {
    let value: Value = serde_json::from_str(value).expect("JSON");
    match value["state.v2"].as_str() {
        Some("STARTED") => TargetState::Started,
        Some("PAUSED") => TargetState::Paused,
        other => {
            assert_eq!(other, Some("STOPPED"));
            TargetState::Stopped
        }
    }
}

/// Asks the herder for what the step's action was.
async fn play(herder: &HerderHandle, step: &Step, folder: &Path) {
    let find = |prefix: &str| {
        let found = step.configs.iter().find(|(key, _)| key.starts_with(prefix));
        found.map(|(key, value)| (key[prefix.len()..].to_owned(), value.clone()))
    };
    let failed = |e| panic!("{}: {e:?}", step.name);
    match (find("connector-"), find("target-state-"), find("restart-connector-")) {
        (Some((name, Some(config))), target, _) => {
            let initial_state = target.and_then(|(_, state)| Some(target_of(&state?)));
            let new = NewConnector { name, config: props_of(&config), initial_state, replace: true };
            herder.put_connector(new).await.map(|_| ()).unwrap_or_else(failed);
        }
        (Some((name, None)), ..) => herder.delete_connector(&name).await.unwrap_or_else(failed),
        (None, Some((name, Some(state))), _) => {
            herder.set_target_state(&name, target_of(&state)).await.unwrap_or_else(failed);
        }
        _ if find("logger-cluster-").is_some() => {
            let (logger, level) = find("logger-cluster-").unwrap_or_default();
            let level = parsed(level.as_ref())["level"].as_str().unwrap_or_default().to_owned();
            herder.set_logger_level(&logger, &level).await.unwrap_or_else(failed);
        }
        (.., Some((name, Some(request)))) => {
            let flags: Value = serde_json::from_str(&request).expect("JSON");
            let flag = |key: &str| flags[key].as_bool().unwrap_or_default();
            let request = RestartRequest { include_tasks: flag("include-tasks"), only_failed: flag("only-failed") };
            herder.restart_connector(&name, request).await.map(|_| ()).unwrap_or_else(failed);
        }
        _ => play_by_words(herder, step, folder).await,
    }
}

async fn play_by_words(herder: &HerderHandle, step: &Step, folder: &Path) {
    let path: Vec<&str> =
        step.action.split_whitespace().find(|w| w.starts_with('/')).unwrap_or_default().split('/').collect();
    let failed = |e| panic!("{}: {e:?}", step.name);
    match (&path[..], step.name.as_str()) {
        ([_, _, name, "restart"], _) => {
            herder.restart_connector(name, RestartRequest::default()).await.map(|_| ()).unwrap_or_else(failed);
        }
        ([_, _, name, "tasks", task, "restart"], _) => {
            let id = TaskId { connector: (*name).into(), task: task.parse().expect("a number") };
            herder.restart_task(&id).await.unwrap_or_else(failed);
        }
        ([_, _, name, "topics", "reset"], _) => herder.reset_active_topics(name).await.unwrap_or_else(failed),
        _ if step.name.starts_with("offsets-") => alter_offsets(herder, step).await,
        (_, "append-lines") => append(&folder.join("in.txt"), "four\nfünf\n"),
        _ => {}
    }
}

/// Alters or resets offsets as the step recorded them.
async fn alter_offsets(herder: &HerderHandle, step: &Step) {
    let map = |text: &str| {
        let value = couplet_plugins::json::read_value(&Bytes::copy_from_slice(text.as_bytes())).expect("JSON");
        OffsetMap::from_value(&value).expect("a map")
    };
    let mut name = String::new();
    let entry = |(key, value): &Record| {
        let key: Value = serde_json::from_str(key).expect("JSON");
        name = key[0].as_str().unwrap_or_default().to_owned();
        OffsetEntry { partition: map(&key[1].to_string()), offset: value.as_deref().map(map) }
    };
    let changes: Vec<OffsetEntry> = step.offsets.iter().map(entry).collect();
    let changes = step.action.starts_with("PATCH").then_some(changes);
    herder.alter_offsets(&name, changes).await.expect("altered");
}

fn append(file: &Path, text: &str) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).expect("opens");
    file.write_all(text.as_bytes()).expect("writes");
}

/// Waits until the status topic says what was recorded, then returns all that it said.
async fn settled(log: &Watched, want: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut got = Vec::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        got.extend(log.take().await);
        let now = states(&got);
        let matches = want.iter().all(|(key, state)| now.get(key) == Some(state));
        if matches || tokio::time::Instant::now() > deadline {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the offsets topic says what was recorded last, then returns what it said last.
async fn last_offsets(log: &Watched, want: &[Record]) -> BTreeMap<String, Value> {
    let last = |records: &[Record]| -> BTreeMap<String, Value> {
        records.iter().map(|(key, value)| (key.clone(), parsed(value.as_ref()))).collect()
    };
    let (want, mut got) = (last(want), Vec::new());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        got.extend(log.take().await);
        let now = last(&got);
        if now == want || tokio::time::Instant::now() > deadline {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How far each offset is from the one before, `last`; 0 for the first of all, which follows keys at any time.
fn gaps(last: &mut Option<i64>, offsets: impl IntoIterator<Item = i64>) -> Vec<i64> {
    offsets.into_iter().map(|offset| offset - last.replace(offset).unwrap_or(offset)).collect()
}

/// Config records with their values; what is random or not the herder's left out.
fn comparable(records: &[Record]) -> Value {
    let shown = |(key, value): &Record| json!([key, value]);
    records.iter().filter(|(key, _)| key != "session-key").map(shown).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recorded_life_of_a_worker() {
    for_each_broker(async |bootstrap| {
        live("connect/topics/lifecycle-main.jsonl", Bench::new(&bootstrap, "lifecycle")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recorded_life_of_an_exactly_once_worker() {
    for_each_broker(async |bootstrap| {
        let mut bench = Bench::new(&bootstrap, "exactly-once");
        bench.props.set("exactly.once.source.support", "enabled");
        live("connect/topics/lifecycle-eos.jsonl", bench).await;
    })
    .await;
}

/// Plays a recorded life and compares what reaches the internal topics.
async fn live(recorded: &str, mut bench: Bench) {
    let folder = tempfile::tempdir().expect("a folder");
    append(&folder.path().join("in.txt"), "one\ntwo\nthree\n");
    let (configs, statuses, offsets) =
        (bench.log("config").await, bench.log("status").await, bench.log("offset").await);
    let herder = bench.start();
    // The first session key comes at any time; here it comes first, as in the recording.
    let has_key = |records: &[(Record, i64)]| records.iter().any(|((key, _), _)| key == "session-key");
    wait_until(async || {
        configs.log.read_to_end().await.expect("reads");
        has_key(&configs.records.lock().unwrap())
    })
    .await;
    let mut differences = Differences::new(recorded);
    let (mut recorded_end, mut written_end) = (None, None);
    let mut gone = BTreeSet::new();
    for step in recording(recorded, &unique("t"), folder.path()) {
        let at = step.configs.iter().zip(&step.config_offsets).filter(|((key, _), _)| key != "session-key");
        let want_gaps = gaps(&mut recorded_end, at.map(|(_, offset)| *offset));
        // A transform of another issue; its connector leaves no trace in other steps.
        if step.action.contains("tsrcj") || step.name == "shutdown" {
            continue;
        }
        play(&herder, &step, folder.path()).await;
        let want = states(&step.statuses);
        let mut got = settled(&statuses, &want).await;
        // Worker and leader both clear up; that the second of them says so later means nothing.
        got.retain(|key, state| want.contains_key(key) || !state.is_null() || !gone.contains(key));
        gone.extend(got.iter().filter(|(_, state)| state.is_null()).map(|(key, _)| key.clone()));
        differences.check(&format!("{}: states", step.name), &json!(want), &json!(got));
        let stored = last_offsets(&offsets, &step.offsets).await;
        let want: BTreeMap<_, _> =
            step.offsets.iter().map(|(key, value)| (key.clone(), parsed(value.as_ref()))).collect();
        differences.check(&format!("{}: offsets topic", step.name), &json!(want), &json!(stored));
        let written = configs.take_with_offsets().await;
        let at = written.iter().filter(|((key, _), _)| key != "session-key");
        let got_gaps = gaps(&mut written_end, at.map(|(_, offset)| *offset));
        differences.check(&format!("{}: transactions", step.name), &json!(want_gaps), &json!(got_gaps));
        let written: Vec<Record> = written.into_iter().map(|(record, _)| record).collect();
        let (want, got) = (comparable(&step.configs), comparable(&written));
        differences.check(&format!("{}: config topic", step.name), &want, &got);
    }
    bench.stop().await;
    differences.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topics_of_a_jvm_worker_are_taken_over_and_a_restart_finds_everything() {
    for_each_broker(async |bootstrap| {
        let folder = tempfile::tempdir().expect("a folder");
        append(&folder.path().join("in.txt"), "one\ntwo\nthree\n");
        let mut bench = Bench::new(&bootstrap, "takeover");
        let (configs, statuses) = (bench.log("config").await, bench.log("status").await);
        let mut want = BTreeMap::new();
        let steps = recording("connect/topics/lifecycle-main.jsonl", &unique("t"), folder.path());
        for step in steps.iter().take_while(|step| step.name != "source-json") {
            let bytes = |(key, value): &Record| (Some(Bytes::from(key.clone())), value.clone().map(Bytes::from));
            configs.log.append_all(step.configs.iter().map(bytes).collect()).await.expect("written");
            want.extend(states(&step.statuses));
        }
        want.retain(|_, state| !state.is_null());
        configs.take().await;

        let herder = bench.start();
        herder.ping().await.expect("is ready");
        assert_eq!(settled(&statuses, &want).await, want);
        let config = |name: &str| herder.snapshot().connectors[name].config.clone();
        assert_eq!(config("tsrc1").get("foo"), Some("bar"));
        let first = herder.snapshot();
        bench.stop().await;
        let ended: BTreeMap<String, Value> =
            want.iter().filter(|(_, s)| *s != "FAILED").map(|(key, _)| (key.clone(), json!("UNASSIGNED"))).collect();
        assert_eq!(settled(&statuses, &ended).await, ended, "a graceful end gives everything up");

        let herder = bench.start();
        herder.ping().await.expect("is ready");
        assert_eq!(settled(&statuses, &want).await, want, "after a restart");
        let again = herder.snapshot();
        for (name, connector) in &first.connectors {
            let found = &again.connectors[name];
            assert_eq!(
                (&found.config, &found.tasks, found.target),
                (&connector.config, &connector.tasks, connector.target)
            );
        }
        let written = configs.take().await;
        assert!(written.iter().all(|(key, _)| key == "session-key"), "nothing is written again: {written:?}");
        bench.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_stopped_source_are_altered_and_used() {
    for_each_broker(async |bootstrap| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("in.txt");
        append(&file, "one\ntwo\n");
        let mut bench = Bench::new(&bootstrap, "offsets");
        let statuses = bench.log("status").await;
        let herder = bench.start();
        let mut config = Props::from_iter([("name", "c"), ("connector.class", "FileStreamSource"), ("tasks.max", "1")]);
        config.set("file", file.display().to_string());
        config.set("topic", unique("lines"));
        let new = NewConnector { name: "c".into(), config, initial_state: None, replace: false };
        herder.put_connector(new).await.expect("created");
        let said = |task: &str| BTreeMap::from([("status-task-c-0".to_owned(), json!(task))]);
        settled(&statuses, &said("RUNNING")).await;
        let position = async || {
            let entries = herder.offsets("c").await.expect("readable");
            entries.first().and_then(|e| e.offset.as_ref()?.get("position")?.as_i64())
        };
        wait_until(async || position().await == Some(8)).await;
        herder.set_target_state("c", TargetState::Stopped).await.expect("stopped");
        let entry = herder.offsets("c").await.expect("readable").remove(0);
        let offset = OffsetMap::new([("position", couplet_api::data::Value::Int64(4))]);
        let changes = vec![OffsetEntry { offset: Some(offset), ..entry }];
        let told = herder.alter_offsets("c", Some(changes)).await.expect("altered");
        assert_eq!(told, "The offsets for this connector have been altered successfully");
        assert_eq!(position().await, Some(4));
        herder.set_target_state("c", TargetState::Started).await.expect("resumed");
        wait_until(async || position().await == Some(8)).await;
        herder.set_target_state("c", TargetState::Stopped).await.expect("stopped");
        let told = herder.alter_offsets("c", None).await.expect("reset");
        assert_eq!(told, "The offsets for this connector have been reset successfully");
        assert_eq!(position().await, None);
        bench.stop().await;
    })
    .await;
}

async fn wait_until(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("in time");
}

/// A connector begins where `initial_offsets` say, whatever is left of an earlier one of its name (KIP-995).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_begins_at_its_initial_offsets() {
    for_each_broker(async |bootstrap| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bench = Bench::new(&bootstrap, "initial-offsets");
        let herder = bench.start();
        let file = folder.path().join("in.txt");
        append(&file, "one\ntwo\n");
        let mut config = Props::from_iter([("name", "c"), ("connector.class", "FileStreamSource"), ("tasks.max", "1")]);
        config.set("topic", unique("lines"));
        config.set("file", file.display().to_string());
        let entry = |file: &str, position: i64| OffsetEntry {
            partition: OffsetMap::new([("filename", couplet_api::data::Value::str(file))]),
            offset: Some(OffsetMap::new([("position", couplet_api::data::Value::Int64(position))])),
        };
        let own = file.display().to_string();
        let told = herder.set_initial_offsets("c", &config, vec![entry("elsewhere", 1), entry(&own, 2)]).await;
        assert_eq!(told.expect("stored"), "The offsets for this connector have been altered successfully");
        // Nothing was created, so the next ones replace them: also those of a file that they do not name.
        herder.set_initial_offsets("c", &config, vec![entry(&own, 4)]).await.expect("stored");
        let new = NewConnector { name: "c".into(), config: config.clone(), initial_state: None, replace: false };
        herder.put_connector(new).await.expect("created");
        let entries = async || {
            let entries = herder.offsets("c").await.expect("readable");
            let shown = |e: &OffsetEntry| {
                let file = e.partition.get("filename").and_then(|file| file.as_str().map(str::to_owned));
                (file, e.offset.as_ref().and_then(|offset| offset.get("position")?.as_i64()))
            };
            entries.iter().map(shown).collect::<Vec<_>>()
        };
        wait_until(async || entries().await == [(Some(own.clone()), Some(8))]).await;
        let refused = herder.set_initial_offsets("c", &config, vec![entry(&own, 0)]).await.expect_err("it exists");
        assert_eq!(refused.message(), "Connector c already exists");
        let refused = herder.set_initial_offsets("d", &Props::new(), vec![entry(&own, 0)]).await;
        assert!(matches!(refused, Err(HerderError::BadRequest(_))), "{refused:?}");
        bench.stop().await;
    })
    .await;
}

/// Topics may be older than their worker, and wrong; the texts are those of `KafkaConfigBackingStore` and `TopicAdmin`.
#[tokio::test(flavor = "multi_thread")]
async fn internal_topics_that_cannot_hold_state_are_refused() {
    for_each_broker(async |bootstrap| {
        let rows = [
            ("config", 3, "compact", "is required to have a single partition in order to guarantee consistency"),
            ("config", 1, "delete", "is required to have 'cleanup.policy=compact'"),
            ("offset", 2, "delete", "is required to have 'cleanup.policy=compact'"),
            ("status", 2, "compact,delete", "is required to have 'cleanup.policy=compact'"),
        ];
        for (store, partitions, policy, want) in rows {
            let mut bench = Bench::new(&bootstrap, "wrong-topics");
            let name = bench.props.get(&format!("{store}.storage.topic")).expect("is set").to_owned();
            let spec = TopicSpec {
                name: name.clone(),
                partitions,
                replication_factor: 1,
                configs: vec![("cleanup.policy".to_owned(), policy.to_owned())],
            };
            let admin = Admin::new(&ClientSettings::of_worker(&bench.props)).expect("an admin client");
            admin.create_topic(&spec).await.expect("an answer").expect("created");
            bench.start();
            let done = bench.started.take().expect("started").done;
            let ended = tokio::time::timeout(PATIENCE, done).await.expect("ends").expect("no panic");
            let error = ended.expect_err("refused");
            let text = error.to_string();
            assert!(text.contains(want) && text.contains(&format!("Topic '{name}'")), "{store} {policy}: {text}");
        }
    })
    .await;
}
