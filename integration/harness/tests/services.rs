//! The services themselves: each starts, does its work, and is gone when dropped.

use std::net::TcpStream;

use couplet_harness::clients::{Kafka, postgres};
use couplet_harness::services::{PostgresCluster, PostgresSettings, S3Service, S3Settings};
use couplet_harness::shared::{self, unique};

#[tokio::test]
async fn kafka_keeps_records() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let (kafka, topic) = (Kafka::new(&bootstrap).expect("a client"), unique("services"));
    kafka.create_topic(&topic, 2, &[("retention.ms", "-1")]).await.expect("a topic");
    kafka.create_topic(&topic, 2, &[]).await.expect("a topic that is there is fine");
    let (key, value): (&[u8], &[u8]) = (b"k", "Überweisung".as_bytes());
    kafka.produce(&topic, &[(Some(key), Some(value)), (Some(key), None), (None, Some(value))]).await.expect("sent");
    let messages = kafka.read_topic(&topic).await.expect("read");
    let keyed: Vec<_> = messages.iter().filter(|m| m.key.as_deref() == Some(key)).map(|m| m.value.as_deref()).collect();
    assert_eq!(keyed, [Some(value), None], "a tombstone is a record, and the order of a key holds");
    assert_eq!((messages.len(), kafka.count(&topic).await.expect("a count")), (3, 3));
    assert_eq!(kafka.end_offsets(&topic).await.expect("offsets").iter().sum::<i64>(), 3);
    kafka.delete_topics(&[&topic]).await.expect("deleted");
}

#[tokio::test]
async fn postgres_is_set_up_for_change_data_capture() {
    let cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    let client = postgres(&cluster.url("postgres")).await.expect("a connection");
    let setting: String = client.query_one("show wal_level", &[]).await.expect("a row").get(0);
    assert_eq!(setting, "logical");
    for extension in ["hstore", "citext", "ltree", "isn"] {
        client.batch_execute(&format!("create extension {extension}")).await.expect(extension);
    }
    let wrong = postgres(&cluster.url("postgres").replace("dbz:dbz", "dbz:wrong")).await;
    assert!(wrong.is_err(), "the password is asked for");
    let port = cluster.port;
    drop((client, cluster));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "a dropped cluster listens no more");
}

#[tokio::test]
async fn s3_keeps_objects() {
    let service = S3Service::start(S3Settings::default()).await.expect("S3");
    let store = service.client();
    store.create_bucket("bucket").await.expect("a bucket");
    store.create_bucket("bucket").await.expect("a bucket that is there is fine");
    for number in 0..12 {
        let text = format!("object {number}").into_bytes();
        store.put("bucket", &format!("topics/t+0+{number:03}.json"), text).await.expect("written");
    }
    let keys = store.keys("bucket", "topics/t+0+01").await.expect("listed");
    assert_eq!(keys, ["topics/t+0+010.json", "topics/t+0+011.json"]);
    assert_eq!(store.get("bucket", "topics/t+0+011.json").await.expect("read"), b"object 11");
    assert!(store.get("bucket", "nothing").await.is_err());
}
