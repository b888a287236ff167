//! Metrics of tasks at work, against the recorded metrics of a JVM worker: every attribute is there under the name that the
//! usual rules of the JMX exporter make of it, with the values that follow from what was done.

mod support;

use std::sync::Arc;

use couplet_api::config::Props;
use couplet_engine::herder::{Herder, HerderSetup, NewConnector, distributed};
use couplet_engine::metrics::{Metrics, Sources, render};
use couplet_engine::plugins::Plugins;
use couplet_engine::worker::TargetState;
use couplet_engine::worker_config::{Mode, WorkerConfig};
use couplet_kafka::TopicSpec;
use couplet_kafka::clients::{Admin, ClientSettings};
use couplet_testkit::golden::cases;
use support::Bench;
use support::broker::{for_each_broker, unique};
use support::plugins::traces;

const SOURCE: (&str, &str) = ("connector.class", "test.CountingSourceConnector");
const SINK: (&str, &str) = ("connector.class", "test.MemorySinkConnector");

/// Groups that a worker without a herder has not.
const OF_HERDERS: &[&str] = &[
    "connect-coordinator-metrics",
    "connect-metrics",
    "connect-node-metrics",
    "connect-worker-rebalance-metrics",
    "connector-metrics",
];
/// No rule of the exporter matches the number of metrics that a JVM has.
const NOT_EXPORTED: &str = "kafka-metrics-count";

/// Name, labels, value.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

/// The value of the row of `name` that has all of `labels`.
fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |line: &&str| labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")));
    let row = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name)).find(has)?;
    row.rsplit(' ').next()?.parse().ok()
}

/// Waits until a row has a value.
async fn wait(bench: &Bench, name: &str, labels: &[(&str, &str)], want: f64) -> String {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let text = bench.metrics_text();
        if value(&text, name, labels) == Some(want) {
            return text;
        }
        assert!(tokio::time::Instant::now() < deadline, "{name} {labels:?} is not {want}:\n{text}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Name of a metric, labels, and what holds of its value.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], fn(f64) -> bool);

/// The name that the usual rules give to an attribute, and its labels' names.
fn exported(tags: &serde_json::Map<String, serde_json::Value>, attribute: &serde_json::Value) -> String {
    let group = tags["type"].as_str().expect("a type").trim_end_matches("-metrics").replace('-', "_");
    // One rule has the first word from the group, the other adds it.
    let group = match group.strip_prefix("connect") {
        Some("or" | "or_task" | "or_transform" | "or_predicate") | None => format!("{group}_"),
        Some("") => String::new(),
        Some(rest) => format!("{}_", rest.trim_start_matches('_')),
    };
    let name = attribute["name"].as_str().expect("a name").replace('-', "_");
    // Not-a-number is written as text too.
    let is_word = attribute["value"].is_string() && attribute["java_class"] != "java.lang.Double";
    match is_word {
        true if group == "connector_task_" && name == "status" => "kafka_connect_connector_status".to_owned(),
        true => format!("kafka_connect_{group}{name}_info"),
        false => format!("kafka_connect_{group}{name}"),
    }
}

/// The name of an attribute of `app-info`; those of the bean without a client, which repeat them, have none.
fn exported_info(attribute: &serde_json::Value) -> Option<&'static str> {
    match attribute["name"].as_str().expect("a name") {
        "version" => Some("kafka_connect_version_info"),
        "commit-id" => Some("kafka_connect_commit_id_info"),
        "start-time-ms" => Some("kafka_connect_start_time_seconds"),
        _ => None,
    }
}

/// Names of the recorded metrics, but for those of the groups `without`, that have no row in `text` with the recorded labels.
fn not_exported(text: &str, without: &[&str]) -> Vec<String> {
    let mut missing = Vec::new();
    for case in cases("connect/metrics/kafka.connect.jsonl") {
        let tags = case["tags"].as_object().expect("tags");
        let kind = tags["type"].as_str().expect("a type");
        let is_bare_info = kind == "app-info" && !tags.contains_key("client-id");
        if without.contains(&kind) || kind == NOT_EXPORTED || is_bare_info {
            continue;
        }
        for attribute in case["attributes"].as_array().expect("attributes") {
            let name = match kind {
                "app-info" => exported_info(attribute).expect("a known attribute").to_owned(),
                _ => exported(tags, attribute),
            };
            let row = text.lines().find(|line| line.split(['{', ' ']).next() == Some(name.as_str()));
            // Label names have no hyphens, as the rules write them.
            let labels = tags.keys().filter(|tag| *tag != "type").map(|tag| tag.replace('-', ""));
            if !row.is_some_and(|row| labels.clone().all(|label| row.contains(&format!("{label}=\"")))) {
                missing.push(name);
            }
        }
    }
    missing
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one story, told in order")]
async fn what_tasks_do_is_told_under_the_names_of_the_jvm() {
    for_each_broker(async |bootstrap| {
        let (source, sink, topic, letters) = (unique("m-src"), unique("m-snk"), unique("topic"), unique("letters"));
        let admin =
            Admin::new(&ClientSettings::of_worker(&Props::from_iter([("bootstrap.servers", &bootstrap)]))).unwrap();
        let spec = TopicSpec { name: topic.clone(), partitions: 1, replication_factor: 1, configs: Vec::new() };
        admin.create_topic(&spec).await.unwrap().unwrap();
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        bench.start(&source, &[SOURCE, ("topic", &topic), ("count", "1000")], TargetState::Started);
        let of_source = [("connector", source.as_str()), ("task", "0")];
        wait(&bench, "kafka_connect_source_task_source_record_write_total", &of_source, 1000.0).await;
        traces(&source).wait("a commit", |t| t.committed.lock().unwrap().last() == Some(&1000)).await;

        // No record can be read: all become dead letters.
        let settings = [
            SINK,
            ("topics", topic.as_str()),
            ("consumer.override.auto.offset.reset", "earliest"),
            ("value.converter", "org.apache.kafka.connect.converters.BooleanConverter"),
            ("errors.tolerance", "all"),
            ("errors.log.enable", "true"),
            ("errors.deadletterqueue.topic.name", &letters),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
            ("transforms", "r"),
            ("transforms.r.type", "org.apache.kafka.connect.transforms.RegexRouter"),
            ("transforms.r.regex", "x"),
            ("transforms.r.replacement", "y"),
            ("transforms.r.predicate", "p"),
            ("predicates", "p"),
            ("predicates.p.type", "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone"),
        ];
        bench.start(&sink, &settings, TargetState::Started);
        let of_sink = [("connector", sink.as_str()), ("task", "0")];
        let text = wait(&bench, "kafka_connect_task_error_deadletterqueue_produce_requests", &of_sink, 1000.0).await;
        let text = match value(&text, "kafka_connect_sink_task_offset_commit_completion_total", &of_sink) {
            Some(commits) if commits > 0.0 => text,
            _ => wait(&bench, "kafka_connect_sink_task_partition_count", &of_sink, 1.0).await,
        };
        let text = match value(&text, "couplet_sink_kafka_to_flush_seconds_count", &of_sink) {
            Some(1000.0) => text,
            _ => wait(&bench, "couplet_sink_kafka_to_flush_seconds_count", &of_sink, 1000.0).await,
        };

        let rows: &[Row<'_>] = &[
            ("kafka_connect_source_task_source_record_poll_total", &of_source, 1000.0),
            ("kafka_connect_source_task_source_record_active_count", &of_source, 0.0),
            ("kafka_connect_connector_task_offset_commit_success_percentage", &of_source, 1.0),
            ("kafka_connect_sink_task_sink_record_read_total", &of_sink, 1000.0),
            ("kafka_connect_sink_task_sink_record_send_total", &of_sink, 0.0),
            ("kafka_connect_task_error_total_records_skipped", &of_sink, 1000.0),
            ("kafka_connect_task_error_total_record_failures", &of_sink, 1000.0),
            ("kafka_connect_task_error_total_errors_logged", &of_sink, 1000.0),
            ("kafka_connect_task_error_deadletterqueue_produce_failures", &of_sink, 0.0),
            ("kafka_connect_worker_task_count", &[], 2.0),
            ("kafka_connect_worker_task_startup_success_total", &[], 2.0),
            ("kafka_connect_worker_connector_running_task_count", &of_sink[..1], 1.0),
            ("kafka_connect_connector_status", &[of_sink[0], of_sink[1], ("status", "running")], 1.0),
            ("kafka_connect_connector_transform_transform_class_info", &[of_sink[0], ("transform", "r")], 1.0),
            ("couplet_source_commit_to_ack_seconds_count", &of_source, 1000.0),
            ("couplet_sink_kafka_to_flush_seconds_count", &of_sink, 1000.0),
        ];
        for (name, labels, want) in rows {
            assert_eq!(value(&text, name, labels), Some(*want), "{name} {labels:?}:\n{text}");
        }

        let median = [of_source[0], of_source[1], ("quantile", "0.5")];
        let median = value(&text, "couplet_source_commit_to_ack_seconds", &median);
        assert!(median.is_some_and(|seconds| seconds >= 4.9), "commits are five seconds old: {median:?}");

        let missing = not_exported(&text, OF_HERDERS);
        assert!(missing.is_empty(), "missing: {missing:#?}\n{text}");

        bench.worker.shutdown().await;
        assert_eq!(value(&bench.metrics_text(), "kafka_connect_worker_task_count", &[]), Some(0.0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one story, told in order")]
async fn a_membership_is_told_of_under_the_names_of_the_jvm() {
    for_each_broker(async |bootstrap| {
        const WORKER_ID: &str = "worker.example:8083";
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let group = unique("m-group");
        let mut props = Props::from_iter([
            ("bootstrap.servers", bootstrap.as_str()),
            ("group.id", &group),
            ("key.converter", string),
            ("value.converter", string),
            ("heartbeat.interval.ms", "100"),
        ]);
        for store in ["config", "offset", "status"] {
            props.set(format!("{store}.storage.topic"), format!("{group}-{store}s"));
            props.set(format!("{store}.storage.replication.factor"), "1");
        }
        let plugins = Plugins::new([couplet_plugins::plugins(), couplet_file::plugins()].concat());
        let metrics = Arc::new(Metrics::new(WORKER_ID.to_owned(), &props));
        let started = distributed::start(HerderSetup {
            config: Arc::new(WorkerConfig::parse(Mode::Distributed, props).expect("valid settings")),
            plugins: plugins.clone(),
            worker_id: WORKER_ID.to_owned(),
            url: format!("http://{WORKER_ID}/"),
            metrics: metrics.clone(),
            set_logger_level: Arc::new(|_, _| {}),
        })
        .expect("starts");
        let herder = started.handle.clone();
        let text = || {
            let snapshot = herder.snapshot();
            let (version, commit) = ("4.1.0", "13f70256db3c994c");
            render(&Sources { metrics: &metrics, snapshot: &snapshot, plugins: &plugins, version, commit })
        };
        let wait_for = async |name: &str, labels: &[(&str, &str)], holds: fn(f64) -> bool| {
            let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
            while !value(&text(), name, labels).is_some_and(holds) {
                assert!(tokio::time::Instant::now() < deadline, "{name} {labels:?}:\n{}", text());
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        wait_for("kafka_connect_worker_rebalance_completed_rebalances_total", &[], |times| times >= 1.0).await;
        let config = Props::from_iter([
            ("name", "lines"),
            ("connector.class", "org.apache.kafka.connect.file.FileStreamSourceConnector"),
            ("file", "/a/file/that/is/not/there"),
            ("topic", group.as_str()),
        ]);
        let new = NewConnector { name: "lines".to_owned(), config, initial_state: None, replace: false };
        herder.put_connector(new).await.expect("is created");
        let client = [("clientid", "connect-worker.example:8083")];
        wait_for("kafka_connect_coordinator_assigned_tasks", &client, |tasks| tasks == 1.0).await;
        wait_for("kafka_connect_coordinator_heartbeat_total", &client, |beats| beats >= 1.0).await;
        wait_for("kafka_connect_connector_status_info", &[("connector", "lines"), ("status", "running")], |_| true)
            .await;

        let told = text();
        let of_tasks = ["connector-task-metrics", "connector-transform-metrics", "connector-predicate-metrics"];
        let of_tasks = [&of_tasks[..], &["sink-task-metrics", "source-task-metrics", "task-error-metrics"]].concat();
        let missing = not_exported(&told, &of_tasks);
        assert!(missing.is_empty(), "missing: {missing:#?}\n{told}");
        let leader = [("leader_name", "http://worker.example:8083/")];
        let rows: &[Expected<'_>] = &[
            ("kafka_connect_worker_rebalance_leader_name_info", &leader, |v| v == 1.0),
            ("kafka_connect_worker_rebalance_connect_protocol_info", &[("connect_protocol", "SESSIONED")], |v| {
                v == 1.0
            }),
            ("kafka_connect_worker_rebalance_epoch", &[], |v| v >= 1.0),
            ("kafka_connect_coordinator_assigned_connectors", &client, |v| v == 1.0),
            ("kafka_connect_coordinator_join_total", &client, |v| v >= 2.0),
            ("kafka_connect_coordinator_rebalance_latency_total", &client, |v| v > 0.0),
            ("kafka_connect_connection_count", &client, |v| v >= 1.0),
            ("kafka_connect_outgoing_byte_total", &client, |v| v > 100.0),
            ("kafka_connect_node_request_total", &client, |v| v >= 1.0),
        ];
        for (name, labels, holds) in rows {
            assert!(value(&told, name, labels).is_some_and(holds), "{name} {labels:?}:\n{told}");
        }
        started.stop.cancel();
        started.done.await.expect("no panic").expect("a clean end");
    })
    .await;
}
