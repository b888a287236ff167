//! Tasks on a worker, against the embedded broker and a real one.

mod support;

use couplet_api::config::Props;
use couplet_api::data::{OffsetMap, TopicPartition, Value};
use couplet_engine::worker::{TargetState, TaskEvent};
use couplet_kafka::TopicSpec;
use couplet_kafka::clients::{Admin, ClientSettings, ConsumedRecord, Consumer, ConsumerEvent, Role};
use support::broker::{for_each_broker, unique};
use support::plugins::traces;
use support::{Bench, task_id};

const SOURCE: (&str, &str) = ("connector.class", "test.CountingSourceConnector");
const SINK: (&str, &str) = ("connector.class", "test.MemorySinkConnector");

fn client(bootstrap: &str) -> Props {
    Props::from_iter([("bootstrap.servers", bootstrap)])
}

/// Reads a topic until there are `count` records.
async fn read(bootstrap: &str, topic: &str, count: usize) -> Vec<ConsumedRecord> {
    read_until(bootstrap, topic, |records| records.len() >= count).await
}

/// Reads a topic until `enough` says so.
async fn read_until(bootstrap: &str, topic: &str, enough: impl Fn(&[ConsumedRecord]) -> bool) -> Vec<ConsumedRecord> {
    let settings = ClientSettings::task_consumer(&client(bootstrap), &Props::new(), &unique("reader"), 0);
    let mut consumer = Consumer::new(&settings.native(Role::Consumer).unwrap(), 500).unwrap();
    consumer.subscribe(&[topic.to_owned()]).unwrap();
    let mut records = Vec::new();
    while !enough(&records) {
        match consumer.recv().await.expect("reading goes on") {
            ConsumerEvent::Assigned(partitions) => consumer.assign(&partitions).unwrap(),
            ConsumerEvent::Records(batch) => records.extend(batch.records),
            other => panic!("unexpected: {other:?}"),
        }
    }
    consumer.close().await;
    records
}

fn texts(records: &[ConsumedRecord]) -> Vec<String> {
    let text = |r: &ConsumedRecord| String::from_utf8(r.value.clone().unwrap_or_default().to_vec()).unwrap();
    records.iter().map(text).collect()
}

fn numbers(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

async fn stored_offset(bench: &Bench, connector: &str) -> Option<i64> {
    let partition = OffsetMap::new([("source", Value::str("numbers"))]);
    let stored = bench.offsets.get(connector, &[partition]).await.unwrap();
    stored[0].as_ref().and_then(|offset| offset.get("next")).and_then(Value::as_i64)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_delivers_in_order_commits_and_resumes() {
    for_each_broker(async |bootstrap| {
        let (name, topic, offsets) = (unique("source"), unique("topic"), unique("offsets"));
        let bench = Bench::new(&bootstrap, &offsets, &[]).await;
        let traces = traces(&name);
        bench.start(&name, &[SOURCE, ("topic", &topic), ("count", "5000")], TargetState::Started);
        let records = read(&bootstrap, &topic, 5000).await;
        assert_eq!(texts(&records), numbers(0..5000));
        assert_eq!(records[7].key.as_deref(), Some(&b"k7"[..]));
        assert_eq!(records[7].headers, [("n".into(), Some("7".into()))]);
        traces.wait("a commit of everything", |t| t.committed.lock().unwrap().last() == Some(&5000)).await;
        assert_eq!(stored_offset(&bench, &name).await, Some(5000));
        bench.stop(&name).await;
        assert_eq!(bench.events.all(), [TaskEvent::Running, TaskEvent::Stopped]);
        assert_eq!(bench.events.topics(), std::slice::from_ref(&topic));
        assert_eq!(traces.calls.lock().unwrap().last(), Some(&"stop"));

        // Another worker goes on where this one stopped.
        let bench = Bench::new(&bootstrap, &offsets, &[]).await;
        bench.start(&name, &[SOURCE, ("topic", &topic), ("count", "5100")], TargetState::Started);
        assert_eq!(texts(&read(&bootstrap, &topic, 5100).await), numbers(0..5100));
        bench.worker.shutdown().await;
        assert_eq!(stored_offset(&bench, &name).await, Some(5100), "offsets are committed at the stop");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skipped_records_of_a_source_can_go_to_a_dead_letter_queue() {
    for_each_broker(async |bootstrap| {
        let (name, topic, letters) = (unique("buried"), unique("topic"), unique("letters"));
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let settings = [
            SOURCE,
            ("topic", topic.as_str()),
            ("count", "130"),
            ("transforms", "narrow"),
            ("transforms.narrow.type", "org.apache.kafka.connect.transforms.Cast$Value"),
            ("transforms.narrow.spec", "int8"),
            ("errors.tolerance", "all"),
            ("couplet.errors.deadletterqueue.topic.name", letters.as_str()),
            ("couplet.errors.deadletterqueue.topic.replication.factor", "1"),
        ];
        bench.start(&name, &settings, TargetState::Started);
        assert_eq!(texts(&read(&bootstrap, &topic, 128).await), numbers(0..128));
        let buried = read(&bootstrap, &letters, 2).await;
        traces(&name).wait("a commit of everything", |t| t.committed.lock().unwrap().last() == Some(&130)).await;
        for (letter, number) in buried.iter().zip(128..) {
            let value: serde_json::Value = serde_json::from_slice(letter.value.as_deref().unwrap()).unwrap();
            assert_eq!(value["payload"], number.to_string());
            let header = |name: &str| {
                let found = letter.headers.iter().find(|(key, _)| **key == *format!("__connect.errors.{name}"));
                String::from_utf8(found.unwrap_or_else(|| panic!("no {name}")).1.clone().unwrap().to_vec()).unwrap()
            };
            assert_eq!(header("topic"), topic);
            assert_eq!(header("source.partition"), r#"{"source":"numbers"}"#);
            assert_eq!(header("source.offset"), format!("{{\"next\":{}}}", number + 1));
            assert_eq!((header("connector.name"), header("stage")), (name.clone(), "TRANSFORMATION".to_owned()));
            assert_eq!(header("exception.class.name"), "org.apache.kafka.connect.errors.DataException");
        }
        bench.worker.shutdown().await;
        assert_eq!(stored_offset(&bench, &name).await, Some(130));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_the_broker_refuses_can_go_to_the_dead_letters_of_a_source() {
    for_each_broker(async |bootstrap| {
        let (name, topic, letters) = (unique("refused"), unique("topic"), unique("letters"));
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let settings = [
            SOURCE,
            ("topic", topic.as_str()),
            ("count", "3"),
            ("line", "without a key"),
            // Which takes no records without keys, and says so only when they arrive.
            ("topic.creation.default.cleanup.policy", "compact"),
            ("topic.creation.default.replication.factor", "1"),
            ("topic.creation.default.partitions", "1"),
            ("errors.tolerance", "all"),
            ("couplet.errors.deadletterqueue.topic.name", letters.as_str()),
            ("couplet.errors.deadletterqueue.topic.replication.factor", "1"),
        ];
        bench.start(&name, &settings, TargetState::Started);
        let buried = read(&bootstrap, &letters, 3).await;
        traces(&name).wait("a commit of everything", |t| t.committed.lock().unwrap().last() == Some(&3)).await;
        for (letter, number) in buried.iter().zip(0..) {
            let value: serde_json::Value = serde_json::from_slice(letter.value.as_deref().unwrap()).unwrap();
            assert_eq!(value["payload"], "without a key");
            let header = |name: &str| {
                let found = letter.headers.iter().find(|(key, _)| **key == *format!("__connect.errors.{name}"));
                String::from_utf8(found.unwrap_or_else(|| panic!("no {name}")).1.clone().unwrap().to_vec()).unwrap()
            };
            assert_eq!(header("stage"), "KAFKA_PRODUCE");
            assert_eq!(header("source.offset"), format!("{{\"next\":{}}}", number + 1));
        }
        bench.worker.shutdown().await;
        assert_eq!(stored_offset(&bench, &name).await, Some(3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_without_a_record_follows_the_records_before_it() {
    for_each_broker(async |bootstrap| {
        let (name, topic) = (unique("moved"), unique("topic"));
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let settings = [SOURCE, ("topic", topic.as_str()), ("count", "10"), ("offset.at.end", "99")];
        bench.start(&name, &settings, TargetState::Started);
        traces(&name).wait("its commit", |t| t.committed.lock().unwrap().last() == Some(&99)).await;
        assert_eq!(read(&bootstrap, &topic, 10).await.len(), 10);
        bench.worker.shutdown().await;
        assert_eq!(stored_offset(&bench, &name).await, Some(99));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_cut_off_repeats_and_loses_nothing() {
    for_each_broker(async |bootstrap| {
        let (name, topic, offsets) = (unique("cut"), unique("topic"), unique("offsets"));
        let count = 20_000;
        let settings = [SOURCE, ("topic", topic.as_str()), ("count", "20000")];
        let grace = [("task.shutdown.graceful.timeout.ms", "0"), ("offset.flush.interval.ms", "5")];
        let bench = Bench::new(&bootstrap, &offsets, &grace).await;
        bench.start(&name, &settings, TargetState::Started);
        traces(&name).wait("a first commit", |t| !t.committed.lock().unwrap().is_empty()).await;
        bench.stop(&name).await;
        drop(bench);
        let bench = Bench::new(&bootstrap, &offsets, &[]).await;
        bench.start(&name, &settings, TargetState::Started);
        let last = |records: &[ConsumedRecord]| records.last().is_some_and(|r| r.value.as_deref() == Some(b"19999"));
        let mut records = texts(&read_until(&bootstrap, &topic, last).await);
        bench.worker.shutdown().await;
        assert_eq!(stored_offset(&bench, &name).await, Some(count));
        records.sort_by_key(|text| text.parse::<i64>().unwrap());
        records.dedup();
        assert_eq!(records, numbers(0..count));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_panics_carry_a_trace_and_keep_what_was_delivered() {
    for_each_broker(async |bootstrap| {
        let rows: &[(&str, &str, &str)] = &[
            ("panic.at", "2500", "org.apache.kafka.connect.errors.ConnectException: panicked: "),
            ("fail.at", "2500", "org.apache.kafka.connect.errors.ConnectException: told to fail\n"),
            (
                "start.fails",
                "yes",
                "org.apache.kafka.common.config.ConfigException: cannot start\n\
                 Caused by: org.apache.kafka.connect.errors.RetriableException: no route\n",
            ),
            (
                "value.converter",
                "com.acme.None",
                "org.apache.kafka.common.config.ConfigException: Invalid value com.acme",
            ),
            (
                "connector.class",
                "com.acme.None",
                "org.apache.kafka.connect.errors.ConnectException: Failed to find any",
            ),
        ];
        for (key, value, want) in rows {
            let (name, topic) = (unique("failing"), unique("topic"));
            let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
            bench.start(&name, &[SOURCE, ("topic", &topic), ("count", "9000"), (key, value)], TargetState::Started);
            let trace = bench.events.wait_for_failure().await;
            assert!(trace.starts_with(want), "{key}: {trace}");
            if *key == "fail.at" {
                assert_eq!(stored_offset(&bench, &name).await, Some(2048), "what was polled before is committed");
            }
            assert_eq!(bench.worker.task_ids(), [task_id(&name)], "{key}: a failed task is still known");
            bench.worker.shutdown().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_kafka_refuses_fails_the_task_or_is_skipped() {
    for_each_broker(async |bootstrap| {
        let line = "x".repeat(3000);
        let topic = unique("topic");
        let settings = |tolerance| {
            [
                SOURCE,
                ("topic", topic.as_str()),
                ("count", "3"),
                ("line", line.as_str()),
                ("errors.tolerance", tolerance),
            ]
        };
        let small = [("producer.max.request.size", "2000")];
        let bench = Bench::new(&bootstrap, &unique("offsets"), &small).await;
        bench.start(&unique("strict"), &settings("none"), TargetState::Started);
        let trace = bench.events.wait_for_failure().await;
        let want =
            "org.apache.kafka.connect.errors.ConnectException: Unrecoverable exception from producer send callback\n";
        assert!(trace.starts_with(want), "{trace}");
        let name = unique("lenient");
        bench.start(&name, &settings("all"), TargetState::Started);
        traces(&name).wait("all are skipped", |t| t.committed.lock().unwrap().last() == Some(&3)).await;
        bench.worker.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_within_its_time() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let topic = unique("topic");
        let flaky = ("value.converter", "test.FlakyConverter");
        let (twice, patient) = (("value.converter.failures", "2"), ("errors.retry.timeout", "10000"));
        let source = [SOURCE, ("topic", topic.as_str()), ("count", "5"), flaky, twice];
        let (name, failing, sink) = (unique("flaky"), unique("impatient"), unique("flakysink"));
        bench.start(&name, &[&source[..], &[patient]].concat(), TargetState::Started);
        assert_eq!(texts(&read(&bootstrap, &topic, 5).await), numbers(0..5));
        bench.start(&sink, &[SINK, ("topics", &topic), flaky, twice, patient], TargetState::Started);
        traces(&sink).wait_for_put(5).await;
        assert_eq!(put_values(&sink), numbers(0..5));
        assert!(bench.events.all().iter().all(|event| *event == TaskEvent::Running));
        bench.start(&failing, &source, TargetState::Started);
        let trace = bench.events.wait_for_failure().await;
        assert!(trace.contains("RetriableException: the registry is away"), "{trace}");
        bench.worker.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn converters_get_what_they_ask_for_and_lose_no_record() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let topic = unique("topic");
        let asking = [("value.converter", "test.AskingConverter"), ("value.converter.lookups", "3")];
        let (twice, patient) = (("value.converter.failures", "2"), ("errors.retry.timeout", "10000"));
        let source = [&[SOURCE, ("topic", topic.as_str()), ("count", "5")], &asking[..]].concat();
        let (name, sink) = (unique("asking"), unique("askingsink"));
        bench.start(&name, &[&source[..], &[twice, patient]].concat(), TargetState::Started);
        assert_eq!(texts(&read(&bootstrap, &topic, 5).await), numbers(0..5));
        let settings = [&[SINK, ("topics", topic.as_str()), twice, patient], &asking[..]].concat();
        bench.start(&sink, &settings, TargetState::Started);
        traces(&sink).wait_for_put(5).await;
        assert_eq!(put_values(&sink), numbers(0..5));
        assert!(bench.events.all().iter().all(|event| *event == TaskEvent::Running));

        // Without patience the failed lookup is the record's failure; one that asks without end is given up.
        for (more, want) in [
            (twice, "RetriableException: the registry is away"),
            (("value.converter.lookups", "1000"), "the converter needs a lookup where none can be made"),
        ] {
            let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
            bench.start(&unique("failing"), &[&source[..], &[more]].concat(), TargetState::Started);
            let trace = bench.events.wait_for_failure().await;
            assert!(trace.contains("Tolerance exceeded in error handler") && trace.contains(want), "{trace}");
            bench.worker.shutdown().await;
        }
        bench.worker.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_rests_while_paused() {
    for_each_broker(async |bootstrap| {
        let (name, topic) = (unique("paused"), unique("topic"));
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        bench.start(&name, &[SOURCE, ("topic", &topic), ("count", "100")], TargetState::Paused);
        bench.events.wait_for(&TaskEvent::Paused).await;
        assert!(traces(&name).calls.lock().unwrap().is_empty(), "not started while paused from the first");
        bench.worker.set_target(&name, TargetState::Started);
        assert_eq!(read(&bootstrap, &topic, 100).await.len(), 100);
        bench.worker.set_target(&name, TargetState::Paused);
        bench.events.wait("a second pause", |e| e.all().len() == 3).await;
        bench.stop(&name).await;
        use TaskEvent::{Paused, Running, Stopped};
        assert_eq!(bench.events.all(), [Paused, Running, Paused, Stopped]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_budget_of_bytes_slows_down_and_loses_nothing() {
    for_each_broker(async |bootstrap| {
        let (name, topic) = (unique("budget"), unique("topic"));
        let small = [("couplet.task.in.flight.bytes.max", "100"), ("producer.buffer.memory", "2048")];
        let bench = Bench::new(&bootstrap, &unique("offsets"), &small).await;
        bench.start(&name, &[SOURCE, ("topic", &topic), ("count", "3000")], TargetState::Started);
        assert_eq!(texts(&read(&bootstrap, &topic, 3000).await), numbers(0..3000));
        bench.worker.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_by_the_rules_of_the_connector() {
    for_each_broker(async |bootstrap| {
        let (name, topic) = (unique("creating"), unique("topic"));
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let rules = [
            SOURCE,
            ("topic", topic.as_str()),
            ("count", "10"),
            ("topic.creation.default.partitions", "4"),
            ("topic.creation.default.replication.factor", "1"),
            ("topic.creation.default.retention.ms", "123456"),
        ];
        bench.start(&name, &rules, TargetState::Started);
        read(&bootstrap, &topic, 10).await;
        let admin = Admin::new(&ClientSettings::of_worker(&client(&bootstrap))).unwrap();
        assert_eq!(admin.partition_count(&topic).await.unwrap(), Some(4));
        let configs = admin.topic_configs(&topic).await.unwrap();
        assert_eq!(configs.get("retention.ms").map(String::as_str), Some("123456"));
        bench.worker.shutdown().await;
    })
    .await;
}

/// Numbers from 0 in a topic of one partition.
async fn filled(bench: &Bench, count: i64) -> String {
    let (name, topic) = (unique("filler"), unique("topic"));
    let admin = Admin::new(&ClientSettings::of_worker(&client(&bench.bootstrap))).unwrap();
    let spec = TopicSpec { name: topic.clone(), partitions: 1, replication_factor: 1, configs: vec![] };
    admin.create_topic(&spec).await.unwrap().unwrap();
    bench.start(&name, &[SOURCE, ("topic", &topic), ("count", &count.to_string())], TargetState::Started);
    traces(&name).wait("all are sent", |t| t.committed.lock().unwrap().last() == Some(&count)).await;
    bench.stop(&name).await;
    topic
}

fn put_values(name: &str) -> Vec<String> {
    traces(name).put.lock().unwrap().iter().map(|(_, value, _)| value.clone().unwrap_or_default()).collect()
}

async fn group_offset(bench: &Bench, name: &str, topic: &str) -> Option<i64> {
    let admin = Admin::new(&ClientSettings::of_worker(&client(&bench.bootstrap))).unwrap();
    let offsets = admin.list_group_offsets(&format!("connect-{name}")).await.unwrap();
    offsets.into_iter().find(|(partition, _)| *partition == TopicPartition::new(topic, 0)).map(|(_, offset)| offset)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_gets_everything_once_and_resumes_behind_its_commits() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let (name, topic) = (unique("sink"), filled(&bench, 2000).await);
        bench.start(&name, &[SINK, ("topics", &topic)], TargetState::Started);
        traces(&name).wait_for_put(2000).await;
        bench.stop(&name).await;
        assert_eq!(put_values(&name), numbers(0..2000));
        assert_eq!(group_offset(&bench, &name, &topic).await, Some(2000));
        let calls = traces(&name).calls.lock().unwrap().clone();
        assert_eq!(calls[..2], ["start", "open"]);
        assert_eq!(calls[calls.len() - 3..], ["pre_commit", "close", "stop"]);
        assert!(bench.events.topics().contains(&topic));

        bench.start(&name, &[SINK, ("topics.regex", &format!("{topic}.*"))], TargetState::Started);
        traces(&name)
            .wait("a second open", |t| t.calls.lock().unwrap().iter().filter(|c| **c == "open").count() == 2)
            .await;
        bench.worker.shutdown().await;
        assert_eq!(put_values(&name).len(), 2000, "nothing comes twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_failed_is_given_again_as_it_was() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let (name, topic) = (unique("again"), filled(&bench, 1200).await);
        *traces(&name).failures.lock().unwrap() = 3;
        bench.start(&name, &[SINK, ("topics", &topic)], TargetState::Started);
        traces(&name).wait_for_put(1200).await;
        bench.worker.shutdown().await;
        assert_eq!(put_values(&name), numbers(0..1200));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_may_go_back() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let (name, topic) = (unique("rewind"), filled(&bench, 700).await);
        bench.start(&name, &[SINK, ("topics", &topic), ("rewind.once", "yes")], TargetState::Started);
        traces(&name).wait("the last record", |t| t.put.lock().unwrap().last().is_some_and(|p| p.2 == 699)).await;
        bench.worker.shutdown().await;
        let values = put_values(&name);
        let second = values.iter().skip(1).position(|v| v == "0").expect("it went back") + 1;
        assert_eq!(values[..second], numbers(0..i64::try_from(second).unwrap()));
        assert_eq!(values[second..], numbers(0..700));
        assert_eq!(group_offset(&bench, &name, &topic).await, Some(700));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_cannot_make_its_work_durable_gets_it_again() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let (name, topic) = (unique("undurable"), filled(&bench, 300).await);
        bench.start(&name, &[SINK, ("topics", &topic), ("pre.commit.fails.once", "yes")], TargetState::Started);
        traces(&name).wait_for_put(600).await;
        bench.worker.shutdown().await;
        assert_eq!(put_values(&name), [numbers(0..300), numbers(0..300)].concat());
        assert_eq!(group_offset(&bench, &name, &topic).await, Some(300));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_between_tasks_behind_a_commit() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[("offset.flush.interval.ms", "60000")]).await;
        let (source, name, topic) = (unique("moving"), unique("sinks"), unique("topic"));
        let admin = Admin::new(&ClientSettings::of_worker(&client(&bootstrap))).unwrap();
        let spec = TopicSpec { name: topic.clone(), partitions: 4, replication_factor: 1, configs: vec![] };
        admin.create_topic(&spec).await.unwrap().unwrap();
        bench.start(&source, &[SOURCE, ("topic", &topic), ("count", "3000")], TargetState::Started);
        let settings = [SINK, ("topics", topic.as_str())];
        bench.start_nth(0, &name, &settings, TargetState::Started);
        traces(&name).wait_for_put(3000).await;
        bench.start_nth(1, &name, &settings, TargetState::Started);
        let opened = |t: &support::plugins::Traces| t.calls.lock().unwrap().iter().filter(|c| **c == "open").count();
        traces(&name).wait("both have partitions", |t| opened(t) == 3).await;
        bench.stop(&source).await;
        bench.start(&source, &[SOURCE, ("topic", &topic), ("count", "6000")], TargetState::Started);
        traces(&name).wait_for_put(6000).await;
        bench.worker.shutdown().await;
        let mut values = put_values(&name);
        values.sort_by_key(|text| text.parse::<i64>().unwrap());
        assert_eq!(values, numbers(0..6000), "each once: what was put is committed before partitions move");
        let calls = traces(&name).calls.lock().unwrap().clone();
        let moved = calls.iter().position(|call| *call == "close").expect("partitions were taken away");
        assert_eq!(calls[moved - 1], "pre_commit");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_processed_go_to_the_dead_letters_as_they_were() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let (name, topic, dead) = (unique("dead"), filled(&bench, 5).await, unique("letters"));
        let settings = [
            SINK,
            ("topics", topic.as_str()),
            ("report.value", "3"),
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", dead.as_str()),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ];
        bench.start(&name, &settings, TargetState::Started);
        let reported = read(&bootstrap, &dead, 1).await;
        traces(&name).wait_for_put(4).await;
        bench.worker.shutdown().await;
        assert_eq!(put_values(&name), ["0", "1", "2", "4"]);
        assert_eq!(group_offset(&bench, &name, &topic).await, Some(5));
        let header = |name: &str| {
            let found = reported[0].headers.iter().find(|(key, _)| &**key == name);
            String::from_utf8(found.and_then(|(_, value)| value.clone()).unwrap_or_default().to_vec()).unwrap()
        };
        assert_eq!((texts(&reported)[0].as_str(), header("n").as_str()), ("3", "3"));
        for (key, want) in [
            ("topic", topic.as_str()),
            ("partition", "0"),
            ("offset", "3"),
            ("connector.name", name.as_str()),
            ("task.id", "0"),
            ("stage", "TASK_PUT"),
            ("class.name", "org.apache.kafka.connect.sink.SinkTask"),
            ("exception.class.name", "org.apache.kafka.connect.errors.DataException"),
            ("exception.message", "not wanted"),
            ("exception.stacktrace", "org.apache.kafka.connect.errors.DataException: not wanted\n"),
        ] {
            assert_eq!(header(&format!("__connect.errors.{key}")), want, "{key}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_hold_no_secrets() {
    for_each_broker(async |bootstrap| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "canary-in-letter").unwrap();
        let provider = [
            ("config.providers", "dir"),
            ("config.providers.dir.class", "org.apache.kafka.common.config.provider.DirectoryConfigProvider"),
        ];
        let bench = Bench::new(&bootstrap, &unique("offsets"), &provider).await;
        let (name, topic, dead) = (unique("secretive"), filled(&bench, 3).await, unique("letters"));
        let text = format!("refused ${{dir:{}:token}}!", folder.path().display());
        let settings = [
            SINK,
            ("topics", topic.as_str()),
            ("report.value", "1"),
            ("report.text", &text),
            ("database.password", "canary-of-user"),
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", dead.as_str()),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ];
        bench.start(&name, &settings, TargetState::Started);
        let letter = read(&bootstrap, &dead, 1).await.remove(0);
        bench.worker.shutdown().await;
        let headers: Vec<String> = letter
            .headers
            .iter()
            .map(|(_, value)| String::from_utf8(value.clone().unwrap_or_default().to_vec()).unwrap())
            .collect();
        assert!(headers.contains(&"refused [hidden]!".to_owned()), "{headers:?}");
        assert!(!headers.iter().any(|header| header.contains("canary")), "{headers:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_cannot_swallow_an_error_that_is_not_tolerated() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let (name, topic) = (unique("swallowing"), filled(&bench, 3).await);
        let settings = [
            SINK,
            ("topics", topic.as_str()),
            ("report.value", "1"),
            ("report.swallowed", "yes"),
            ("errors.log.enable", "true"),
        ];
        bench.start(&name, &settings, TargetState::Started);
        let trace = bench.events.wait_for_failure().await;
        let want = "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
                    Caused by: org.apache.kafka.connect.errors.DataException: not wanted\n";
        assert_eq!(trace, want);
        bench.worker.shutdown().await;
        assert_eq!(group_offset(&bench, &name, &topic).await, None, "nothing is committed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_cannot_be_read_fail_the_task_or_are_skipped() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let topic = filled(&bench, 4).await;
        // Numbers are JSON, but not the envelope that this converter wants.
        let converter = ("value.converter", "org.apache.kafka.connect.json.JsonConverter");
        let name = unique("strict");
        bench.start(&name, &[SINK, ("topics", &topic), converter], TargetState::Started);
        let trace = bench.events.wait_for_failure().await;
        let want = "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
                    Caused by: org.apache.kafka.connect.errors.DataException: ";
        assert!(trace.starts_with(want), "{trace}");
        bench.stop(&name).await;
        assert_eq!(group_offset(&bench, &name, &topic).await, None, "nothing is committed");

        let name = unique("lenient");
        let settings = [SINK, ("topics", topic.as_str()), converter, ("errors.tolerance", "all")];
        bench.start(&name, &settings, TargetState::Started);
        let all = |t: &support::plugins::Traces| t.committed.lock().unwrap().contains(&4);
        traces(&name).wait("all are skipped", all).await;
        bench.worker.shutdown().await;
        assert_eq!(group_offset(&bench, &name, &topic).await, Some(4));
        assert!(put_values(&name).is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_fails_commits_only_what_it_took() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let (name, topic) = (unique("broken"), filled(&bench, 30).await);
        let few = ("consumer.override.max.poll.records", "10");
        bench.start(&name, &[SINK, ("topics", &topic), ("fail.value", "25"), few], TargetState::Started);
        let trace = bench.events.wait_for_failure().await;
        let want = "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable \
                    exception.\nCaused by: org.apache.kafka.connect.errors.ConnectException: told to fail\n";
        assert_eq!(trace, want);
        bench.stop(&name).await;
        let committed = group_offset(&bench, &name, &topic).await.unwrap_or(0);
        assert!(committed <= 25, "{committed}");
        bench.worker.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_makes_task_configs_with_class_and_topics() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::new(&bootstrap, &unique("offsets"), &[]).await;
        let props = |class: (&str, &str)| {
            Props::from_iter([("name", "c"), class, ("tasks.max", "2"), ("topics", "a,b"), ("x", "1")])
        };
        bench.worker.start_connector("c", props(SINK), bench.events.clone()).await.expect("starts");
        assert!(bench.worker.start_connector("c", props(SINK), bench.events.clone()).await.is_err(), "it is running");
        let tasks = bench.worker.connector_task_configs("c").await.expect("made");
        assert_eq!(tasks.len(), 2);
        assert_eq!(tasks[1].get("task.class"), Some("test.MemorySinkTask"));
        assert_eq!((tasks[1].get("topics"), tasks[1].get("x")), (Some("a,b"), Some("1")));
        bench.worker.stop_connector("c").await;
        assert!(bench.worker.connector_task_configs("c").await.is_err(), "it is stopped");
        let missing = bench.worker.start_connector("d", props(("connector.class", "N")), bench.events.clone()).await;
        assert!(missing.is_err_and(|e| e.message().contains("N")), "no such class");
    })
    .await;
}
