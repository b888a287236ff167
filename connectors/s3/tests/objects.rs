//! What is in the bucket for settings that no recording has, and what bad settings say.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use couplet_api::clock::SystemClock;
use couplet_api::config::Props;
use couplet_api::data::{Datum, Schema, SinkRecord, TopicPartition, Value};
use couplet_api::sink::{Offsets, SinkTask, SinkTaskContext};
use couplet_api::{Error, Kind};
use support::{Mode, Proxy, Server};

async fn started(props: &Props) -> Result<Box<dyn SinkTask>, Error> {
    let mut task = support::plugin().task();
    let context = SinkTaskContext::new("s3", 0, Arc::new(SystemClock), None);
    if let Err(error) = task.start(props, context).await {
        task.stop().await.expect("a task stops after a failed start");
        return Err(error);
    }
    task.open(&[TopicPartition::new("t", 0)]).await?;
    Ok(task)
}

fn committed(offsets: &Offsets) -> Option<i64> {
    offsets.get(&TopicPartition::new("t", 0)).copied()
}

#[tokio::test]
async fn large_objects_go_in_parts() {
    let Some(server) = Server::with_bucket("parts").await else { return };
    let props = server.props(&[
        ("format.class", "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"),
        ("format.bytearray.separator", ""),
        ("s3.send.digest", "true"),
    ]);
    let mut task = started(&props).await.expect("the task starts");
    let value = |n: u8| Bytes::from(vec![n; 3_000_000]);
    let records: Vec<SinkRecord> = (0..3)
        .map(|n| {
            let mut record = support::record(0, n, 0);
            record.record.value = Datum::new(Schema::bytes(), Value::Bytes(value(u8::try_from(n).expect("small"))));
            record
        })
        .collect();
    task.put(&records).await.expect("written");
    assert_eq!(committed(&task.pre_commit(&Offsets::new()).await.expect("a commit")), Some(3));
    let objects = server.objects().await;
    let want: Vec<u8> = (0..3).flat_map(|n| value(n).to_vec()).collect();
    assert_eq!(objects.len(), 1);
    assert!(objects[0].bytes == want, "the parts make up the file");
    task.stop().await.expect("the task stops");
    server.remove().await;
}

#[tokio::test]
async fn closing_gives_up_what_was_sent() {
    let Some(server) = Server::with_bucket("abort").await else { return };
    let props = server
        .props(&[("format.class", "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"), ("flush.size", "1000")]);
    let mut task = started(&props).await.expect("the task starts");
    let mut record = support::record(0, 0, 0);
    record.record.value = Datum::new(Schema::bytes(), Value::Bytes(Bytes::from(vec![7; 6_000_000])));
    task.put(&[record]).await.expect("written");
    assert_eq!(server.uploads().await, 1, "a part was sent");
    task.close(&[TopicPartition::new("t", 0)]).await.expect("the partition closes");
    assert_eq!(server.uploads().await, 0);
    assert_eq!(committed(&task.pre_commit(&Offsets::new()).await.expect("a commit")), None);
    task.stop().await.expect("the task stops");
    server.remove().await;
}

#[tokio::test]
async fn tombstones_are_written_by_their_keys() {
    let Some(server) = Server::with_bucket("tombstones").await else { return };
    let json = "io.confluent.connect.s3.format.json.JsonFormat";
    let props = server.props(&[
        ("behavior.on.null.values", "write"),
        ("store.kafka.keys", "true"),
        ("keys.format.class", json),
        ("tombstone.encoded.partition", "gone"),
    ]);
    let mut task = started(&props).await.expect("the task starts");
    let mut tombstone = support::record(0, 1, 0);
    tombstone.record.value = Datum::NULL;
    task.put(&[support::record(0, 0, 0), tombstone, support::record(0, 2, 0)]).await.expect("written");
    let objects = server.objects().await;
    let keys: Vec<&str> = objects.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "topics/t/gone/t+0+0000000001.keys.json",
            "topics/t/partition=0/t+0+0000000000.json",
            "topics/t/partition=0/t+0+0000000000.keys.json",
        ]
    );
    assert_eq!((objects[0].text().lines().count(), objects[1].text().lines().count()), (1, 2));
    task.stop().await.expect("the task stops");
    server.remove().await;
}

#[tokio::test]
async fn a_bad_start_names_key_problem_and_fix() {
    let Some(server) = Server::with_bucket("bad").await else { return };
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let rows: [Row<'_>; 4] = [
        (&[("s3.bucket.name", "no-such-bucket-x")], &["Non-existent S3 bucket: no-such-bucket-x", "s3.bucket.name"]),
        (&[("aws.secret.access.key", "t0p-secret")], &["refuses the credentials", "aws.secret.access.key"]),
        (&[("aws.access.key.id", "nobody")], &["refuses the credentials", "aws.access.key.id"]),
        (&[("store.url", "http://127.0.0.1:9")], &["http://127.0.0.1:9 cannot be reached", "store.url"]),
    ];
    for (more, texts) in rows {
        let error = started(&server.props(more)).await.err().expect("the start fails");
        let trace = error.trace();
        for text in texts {
            assert!(trace.contains(text), "{more:?}: {trace}");
        }
        assert_ne!(error.kind(), Kind::Remote, "the task fails");
        let shown = format!("{trace}{error:?}");
        assert!(!shown.contains("t0p-secret") && !shown.contains(&server.secret_key), "a secret is shown");
    }
    server.remove().await;
}

/// A task survives an outage without losing its place, and fails when its bucket is gone.
#[tokio::test]
async fn outages_are_waited_for_but_a_lost_bucket_is_not() {
    let Some(server) = Server::with_bucket("outage").await else { return };
    let proxy = Proxy::before(&server.endpoint).await;
    let props = server.props(&[("store.url", &proxy.endpoint), ("s3.part.retries", "1"), ("retry.backoff.ms", "0")]);
    let context = SinkTaskContext::new("s3", 0, Arc::new(SystemClock), None);
    let mut task = support::plugin().task();
    task.start(&props, context.clone()).await.expect("the task starts");
    let partition = TopicPartition::new("t", 0);
    task.open(std::slice::from_ref(&partition)).await.expect("the partition opens");
    let batch: Vec<SinkRecord> = (0..3).map(|n| support::record(0, n, 0)).collect();
    proxy.set(Mode::Busy);
    task.put(&batch).await.expect("an outage fails no task");
    let asked = context.take_requests();
    assert_eq!(asked.rewind.get(&partition), Some(&0), "the records are asked for again");
    assert_eq!(asked.pause, std::slice::from_ref(&partition));
    proxy.set(Mode::Pass);
    task.put(&[]).await.expect("nothing to do");
    assert_eq!(context.take_requests().resume, std::slice::from_ref(&partition));
    task.put(&batch).await.expect("written");
    assert_eq!(committed(&task.pre_commit(&Offsets::new()).await.expect("a commit")), Some(3));
    let (client, bucket) = (server.client.clone(), server.bucket.clone());
    server.remove().await;
    let error = task.put(&(3..6).map(|n| support::record(0, n, 0)).collect::<Vec<_>>()).await.expect_err("no bucket");
    assert!(error.message().starts_with("Non-existent S3 bucket"), "{error}");
    task.stop().await.expect("the task stops");
    assert!(client.head_bucket().bucket(bucket).send().await.is_err(), "the bucket stays away");
}
