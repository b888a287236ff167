//! Metrics of tasks at work, against the recorded metrics of a JVM worker: every attribute is there under the name that the
//! usual rules of the JMX exporter make of it, with the values that follow from what was done.

mod support;

use couplet_api::config::Props;
use couplet_engine::worker::TargetState;
use couplet_kafka::TopicSpec;
use couplet_kafka::clients::{Admin, ClientSettings};
use couplet_testkit::golden::cases;
use support::Bench;
use support::broker::{for_each_broker, unique};
use support::plugins::traces;

const SOURCE: (&str, &str) = ("connector.class", "test.CountingSourceConnector");
const SINK: (&str, &str) = ("connector.class", "test.MemorySinkConnector");

/// Groups of the JVM's own clients and of its group membership; ours are librdkafka's and the group client's.
const NOT_OF_TASKS: &[&str] = &[
    "app-info",
    "connect-coordinator-metrics",
    "connect-metrics",
    "connect-node-metrics",
    "kafka-metrics-count",
    "connect-worker-rebalance-metrics",
    "connector-metrics",
];

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

/// The name that the usual rules give to an attribute, and its labels' names.
fn exported(tags: &serde_json::Map<String, serde_json::Value>, attribute: &serde_json::Value) -> String {
    let group = tags["type"].as_str().expect("a type").trim_end_matches("-metrics").replace('-', "_");
    let group = if group == "connect_worker" { "worker".to_owned() } else { group };
    let name = attribute["name"].as_str().expect("a name").replace('-', "_");
    // Not-a-number is written as text too.
    let is_word = attribute["value"].is_string() && attribute["java_class"] != "java.lang.Double";
    match is_word {
        true if group == "connector_task" && name == "status" => "kafka_connect_connector_status".to_owned(),
        true => format!("kafka_connect_{group}_{name}_info"),
        false => format!("kafka_connect_{group}_{name}"),
    }
}

/// Names of the recorded metrics of tasks and connectors that have no row in `text` with the recorded labels.
fn not_exported(text: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for case in cases("connect/metrics/kafka.connect.jsonl") {
        let tags = case["tags"].as_object().expect("tags");
        if NOT_OF_TASKS.contains(&tags["type"].as_str().expect("a type")) {
            continue;
        }
        for attribute in case["attributes"].as_array().expect("attributes") {
            let name = exported(tags, attribute);
            let row = text.lines().find(|line| line.split(['{', ' ']).next() == Some(name.as_str()));
            let labels = tags.keys().filter(|tag| *tag != "type");
            if !row.is_some_and(|row| labels.clone().all(|label| row.contains(&format!("{label}=\"")))) {
                missing.push(name);
            }
        }
    }
    missing
}

#[tokio::test(flavor = "multi_thread")]
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
        ];
        for (name, labels, want) in rows {
            assert_eq!(value(&text, name, labels), Some(*want), "{name} {labels:?}:\n{text}");
        }

        let missing = not_exported(&text);
        assert!(missing.is_empty(), "missing: {missing:#?}\n{text}");

        bench.worker.shutdown().await;
        assert_eq!(value(&bench.metrics_text(), "kafka_connect_worker_task_count", &[]), Some(0.0));
    })
    .await;
}
