//! The core against the recorded life of a JVM worker: same wishes, same records.
//!
//! Generations, versions and the order between keys depend on timing in the JVM and are not compared; repeated
//! tombstones and repeated topic records count once.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use couplet_api::config::Props;
use couplet_testkit::golden::{Differences, cases};
use serde_json::Value;

use super::event::{Action, Command, Event, Outcome, Step, TaskSet};
use super::solo_group::{SETTINGS, SoloGroup};
use super::state::HerderState;
use super::{NewConnector, RestartRequest};
use crate::plugins::Plugins;
use crate::storage::config_store::{ConfigRecord, SessionKey};
use crate::storage::status_store::StatusRecord;
use crate::worker::{TargetState, TaskEvent, TaskId};

/// One step of the recording.
struct Recorded {
    name: String,
    action: String,
    /// Key and value of the records of the config topic, then of the status topic.
    configs: Vec<(String, Option<String>)>,
    statuses: Vec<(String, Option<String>)>,
}

fn recording(file: &str) -> Vec<Recorded> {
    let mut steps: Vec<Recorded> = Vec::new();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    for case in cases(file) {
        if let Some(action) = text(&case["action"]) {
            let name = text(&case["step"]).unwrap_or_default();
            steps.push(Recorded { name, action, configs: Vec::new(), statuses: Vec::new() });
            continue;
        }
        let step = steps.last_mut().expect("records follow their step");
        let record = (text(&case["key"]).unwrap_or_default(), text(&case["value"]));
        match case["topic"].as_str() {
            Some("configs") => step.configs.push(record),
            Some("status") => step.statuses.push(record),
            _ => {}
        }
    }
    steps
}

/// A worker that does at once what it is told.
struct Worker {
    state: HerderState,
    configs: Vec<(String, Option<String>)>,
    statuses: Vec<(String, Option<String>)>,
    /// The state each live task was told to be in.
    tasks: BTreeMap<TaskId, TargetState>,
    /// Tasks that fail as soon as they run.
    failing: Vec<String>,
    /// Connectors and the topics their tasks use.
    topics: Vec<(String, String)>,
    replies: u64,
    group: SoloGroup,
    position: i64,
}

impl Worker {
    /// One that has found its group, and nobody in it.
    fn joined() -> Worker {
        let mut worker = Worker {
            state: HerderState::new(Some(SETTINGS), "w:1".to_owned(), Plugins::default(), true),
            group: SoloGroup::default(),
            position: 0,
            configs: Vec::new(),
            statuses: Vec::new(),
            tasks: BTreeMap::new(),
            failing: Vec::new(),
            topics: Vec::new(),
            replies: 0,
        };
        worker.happen(Event::Loaded);
        worker.rebalance();
        worker
    }

    fn rebalance(&mut self) {
        let joins = self.group.join(&self.state);
        self.happen(joins);
    }

    fn happen(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.state.on(event) {
                self.act(action, &mut events);
            }
        }
    }

    fn act(&mut self, action: Action, events: &mut VecDeque<Event>) {
        match action {
            Action::WriteConfig(records) => {
                for record in records {
                    self.configs.push(shown(record.encode().expect("encodes")));
                    self.position += 1;
                    events.push_back(Event::Config(record, Some(self.position)));
                }
                events.push_back(Event::Written(Ok(())));
            }
            Action::WriteStatus(record) => {
                self.statuses.push(shown(record.encode().expect("encodes")));
                events.push_back(Event::Status(record));
            }
            Action::Run(name, step) => self.run(&name, step, events),
            Action::Reply(_, answer) => assert!(answer.is_ok(), "{answer:?}"),
            Action::FenceTasks(name, _) => events.push_back(Event::Fenced(name, Ok(()))),
            Action::Interrupt(_) | Action::ReconfigureAfter(..) | Action::SetLoggerLevel(..) => {}
            action => events.extend(self.group.on(action, &self.state)),
        }
    }

    fn run(&mut self, name: &str, step: Step, events: &mut VecDeque<Event>) {
        let id = |task: &u32| TaskId { connector: name.into(), task: *task };
        let outcome = match step {
            Step::StartConnector => Outcome::ConnectorStarted(Ok(())),
            Step::StopConnector => Outcome::ConnectorStopped,
            Step::SetTarget(target) => {
                let own = self.tasks.iter_mut().filter(|(id, _)| &*id.connector == name);
                for (id, now) in own.filter(|(_, now)| **now != target) {
                    *now = target;
                    events.push_back(Event::Task(id.clone(), said(target)));
                }
                Outcome::TargetSet(target, Ok(()))
            }
            Step::MakeTaskConfigs => Outcome::TaskConfigs(Ok(task_configs(self.state.cluster().config(name)))),
            Step::StopTasks(TaskSet::These(tasks)) => {
                for id in tasks.iter().map(id) {
                    if self.tasks.remove(&id).is_some() {
                        events.push_back(Event::Task(id, TaskEvent::Stopped));
                    }
                }
                Outcome::TasksStopped(tasks)
            }
            Step::StartTasks(tasks) => {
                tasks.iter().map(id).for_each(|id| self.start_task(id, events));
                Outcome::TasksStarted(Vec::new())
            }
            step => panic!("{step:?} is not for the worker"),
        };
        events.push_back(Event::StepDone(name.to_owned(), outcome));
    }

    fn start_task(&mut self, id: TaskId, events: &mut VecDeque<Event>) {
        let target = self.state.cluster().target(&id.connector);
        events.push_back(Event::Task(id.clone(), said(target)));
        if self.failing.contains(&id.to_string()) {
            events.push_back(Event::Task(id, TaskEvent::Failed { trace: "X: failed\n".to_owned(), retriable: false }));
            return;
        }
        for topic in self.topics.iter().filter(|(connector, _)| *connector == *id.connector).map(|(_, topic)| topic) {
            events.push_back(Event::ActiveTopic(id.clone(), topic.clone(), 0));
        }
        self.tasks.insert(id, target);
    }

    fn command(&mut self, command: Command) {
        self.replies += 1;
        self.happen(Event::Command(self.replies, command));
    }
}

fn said(target: TargetState) -> TaskEvent {
    if target == TargetState::Started { TaskEvent::Running } else { TaskEvent::Paused }
}

/// What the FileStream connectors and the runtime make of a connector's config.
fn task_configs(config: Option<&Props>) -> Vec<Props> {
    let config = config.cloned().unwrap_or_default();
    let class = config.get("connector.class").unwrap_or_default();
    let count =
        if class.contains("Sink") { config.get("tasks.max").and_then(|n| n.parse().ok()).unwrap_or(1) } else { 1 };
    let mut task = config.clone();
    task.set("task.class", class.replace("Connector", "Task"));
    vec![task; count]
}

fn shown((key, value): (Option<Bytes>, Option<Bytes>)) -> (String, Option<String>) {
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).expect("text");
    (key.map(text).unwrap_or_default(), value.map(text))
}

fn decode(record: &(String, Option<String>)) -> ConfigRecord {
    let value = record.1.clone().map(Bytes::from);
    // Placeholders stand where numbers were.
    let value = value.map(|v| {
        Bytes::from(String::from_utf8_lossy(&v).replace("\"@MILLIS@\"", "1").replace("@SESSION_KEY@", "AAAA"))
    });
    ConfigRecord::decode(&Bytes::from(record.0.clone()), value.as_ref()).expect("decodes").expect("is known")
}

/// Does what the step's action was, as its first records tell.
fn play(worker: &mut Worker, step: &Recorded) {
    let records: Vec<ConfigRecord> = step.configs.iter().map(decode).collect();
    let initial = match (records.first(), records.get(1)) {
        (Some(ConfigRecord::Target(_, state)), Some(ConfigRecord::Connector(..))) => *state,
        _ => None,
    };
    let first = if initial.is_some() { records.get(1) } else { records.first() };
    let last_target = records
        .iter()
        .rev()
        .find_map(|r| if let ConfigRecord::Target(n, Some(s)) = r { Some((n.clone(), *s)) } else { None });
    match first {
        Some(ConfigRecord::Connector(name, Some(config))) => {
            let new =
                NewConnector { name: name.clone(), config: config.clone(), initial_state: initial, replace: true };
            worker.command(Command::Put { new, base: None });
        }
        Some(ConfigRecord::Connector(name, None)) => worker.command(Command::Delete(name.clone())),
        Some(ConfigRecord::Target(..) | ConfigRecord::Commit(..)) => {
            let (name, state) = last_target.expect("a target state");
            worker.command(Command::Target(name, state));
        }
        Some(ConfigRecord::Restart(name, request)) => worker.command(Command::Restart(name.clone(), *request)),
        Some(ConfigRecord::SessionKey(key)) => worker.happen(Event::NewSessionKey(SessionKey { ..key.clone() })),
        Some(ConfigRecord::LoggerLevel(logger, Some(level))) => {
            worker.command(Command::SetLoggerLevel(logger.clone(), level.clone()));
        }
        _ => play_by_words(worker, &step.action),
    }
}

fn play_by_words(worker: &mut Worker, action: &str) {
    let path: Vec<&str> =
        action.split_whitespace().find(|w| w.starts_with('/')).unwrap_or_default().split('/').collect();
    match path[..] {
        [_, _, name, "restart"] => worker.command(Command::Restart(name.to_owned(), RestartRequest::default())),
        [_, _, name, "tasks", task, "restart"] => {
            let task = task.parse().expect("a number");
            worker.command(Command::RestartTask(TaskId { connector: name.into(), task }));
        }
        [_, _, name, "topics", "reset"] => worker.command(Command::ResetTopics(name.to_owned())),
        _ if action.contains("SIGTERM") => worker.happen(Event::Shutdown),
        _ => {}
    }
}

/// The connector and the topic of the key of an active topic.
fn topic_of(key: &str) -> Option<(String, String)> {
    match StatusRecord::decode(&Bytes::from(key.to_owned()), None) {
        Ok(Some(StatusRecord::ActiveTopic { connector, topic, .. })) => Some((connector, topic)),
        _ => None,
    }
}

/// States by key, in order; null for tombstones.
fn states(records: &[(String, Option<String>)]) -> BTreeMap<String, Vec<Value>> {
    let mut by_key: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (key, value) in records {
        let value: Value = value.as_ref().map_or(Value::Null, |v| serde_json::from_str(v).expect("JSON"));
        let shown = match value.get("state") {
            Some(state) => state.clone(),
            None if value.is_null() => Value::Null,
            None => value["topic"]["name"].clone(),
        };
        let seen = by_key.entry(key.clone()).or_default();
        if seen.last() != Some(&shown) || shown == "RUNNING" {
            seen.push(shown);
        }
    }
    by_key
}

/// Records in order; session keys are not compared.
fn comparable(records: &[(String, Option<String>)]) -> Value {
    let shown = |(key, value): &(String, Option<String>)| {
        let value = value.as_ref().filter(|_| key != "session-key");
        let parsed: Value = value.map_or(Value::Null, |v| serde_json::from_str(v).expect("JSON"));
        serde_json::json!([key, parsed])
    };
    records.iter().map(shown).collect()
}

#[test]
fn the_recorded_life_of_a_worker() {
    let file = "connect/topics/lifecycle-main.jsonl";
    let mut worker = Worker::joined();
    let mut differences = Differences::new(file);
    for step in recording(file) {
        let failed = step.statuses.iter().filter(|(_, v)| v.as_ref().is_some_and(|v| v.contains("\"FAILED\"")));
        worker.failing = failed.filter_map(|(key, _)| key.strip_prefix("status-task-").map(str::to_owned)).collect();
        worker.topics =
            step.statuses.iter().filter(|(_, value)| value.is_some()).filter_map(|(key, _)| topic_of(key)).collect();
        worker.configs.clear();
        worker.statuses.clear();
        play(&mut worker, &step);
        differences.check(
            &format!("{}: config topic", step.name),
            &comparable(&step.configs),
            &comparable(&worker.configs),
        );
        let (want, got) = (states(&step.statuses), states(&worker.statuses));
        differences.check(&format!("{}: status topic", step.name), &serde_json::json!(want), &serde_json::json!(got));
    }
    differences.finish();
}

#[test]
fn a_fenced_task_runs_again_when_the_group_leaves_it_here() {
    let trace = || "X: failed\n".to_owned();
    let rows = [
        (TaskEvent::Fenced { trace: trace() }, ["RUNNING", "FAILED", "UNASSIGNED", "RUNNING"].as_slice()),
        // Any other failure is there until somebody wants a restart.
        (TaskEvent::Failed { trace: trace(), retriable: false }, &["RUNNING", "FAILED"]),
    ];
    for (end, want) in rows {
        let what = format!("{end:?}");
        let mut worker = Worker::joined();
        let config = Props::from_iter([("name", "c"), ("connector.class", "FileStreamSource"), ("topic", "t")]);
        let new = NewConnector { name: "c".to_owned(), config, initial_state: None, replace: false };
        worker.command(Command::Put { new, base: None });
        worker.happen(Event::Task(TaskId { connector: "c".into(), task: 0 }, end));
        worker.rebalance();
        worker.rebalance();
        let seen = states(&worker.statuses);
        assert_eq!(seen["status-task-c-0"], want, "{what}");
    }
}
