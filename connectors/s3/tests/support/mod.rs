//! The S3 server of tests, and how they look into it.
#![allow(dead_code, unused_imports, reason = "each test uses its part")]

mod proxy;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};
use couplet_api::Plugin;
use couplet_api::config::Props;
use couplet_api::connector::SinkPlugin;
use couplet_api::data::{
    Datum, Record, Schema, SchemaBuilder, SchemaRef, SinkRecord, Struct, TimestampType, TopicPartition, Value,
};

pub use proxy::{Mode, Proxy};

/// The class under test.
pub const CLASS: &str = "io.confluent.connect.s3.S3SinkConnector";

/// A server with a bucket of its own for one test.
#[derive(Clone)]
pub struct Server {
    pub endpoint: String,
    pub access_key: String,
    pub secret_key: String,
    pub bucket: String,
    pub client: Client,
}

/// One object as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    pub bytes: Vec<u8>,
    pub content_type: Option<String>,
    pub multipart: bool,
    pub tags: BTreeMap<String, String>,
}

impl Object {
    /// Its bytes, decompressed if its name says so.
    pub fn text(&self) -> String {
        let mut bytes = self.bytes.clone();
        if self.key.ends_with(".gz") {
            bytes.clear();
            flate2::read::GzDecoder::new(&self.bytes[..]).read_to_end(&mut bytes).expect("gzip");
        }
        String::from_utf8(bytes).expect("text")
    }
}

impl Server {
    /// The server that the environment names, with a new bucket. `None`, with the reason printed, when it names none
    /// and `COUPLET_REQUIRE_SERVICES` does not insist.
    #[allow(clippy::print_stdout, reason = "a skipped test says why")]
    pub async fn with_bucket(name: &str) -> Option<Server> {
        let Ok(endpoint) = std::env::var("COUPLET_TEST_S3") else {
            assert!(
                std::env::var("COUPLET_REQUIRE_SERVICES").is_err(),
                "COUPLET_REQUIRE_SERVICES is set but COUPLET_TEST_S3 is not"
            );
            println!("skipped: set COUPLET_TEST_S3 to the URL of an S3 server");
            return None;
        };
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("set {name} beside COUPLET_TEST_S3"));
        let (access_key, secret_key) = (variable("COUPLET_TEST_S3_ACCESS_KEY"), variable("COUPLET_TEST_S3_SECRET_KEY"));
        let client = client(&endpoint, &access_key, &secret_key);
        let bucket = unique(name);
        client.create_bucket().bucket(&bucket).send().await.expect("a bucket for this test");
        Some(Server { endpoint, access_key, secret_key, bucket, client })
    }

    /// Settings of a sink into this bucket: `more` on top of JSON files of three records.
    pub fn props(&self, more: &[(&str, &str)]) -> Props {
        let mut props = Props::from_iter([
            ("name", "s3"),
            ("connector.class", CLASS),
            ("topics", "t"),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
            ("format.class", "io.confluent.connect.s3.format.json.JsonFormat"),
            ("flush.size", "3"),
            ("s3.part.size", "5242880"),
            ("s3.retry.backoff.ms", "10"),
            ("s3.bucket.name", &self.bucket),
        ]);
        self.locate(&mut props);
        more.iter().for_each(|(key, value)| props.set(*key, *value));
        props
    }

    /// Points `props` to this server.
    pub fn locate(&self, props: &mut Props) {
        props.set("store.url", &*self.endpoint);
        props.set("s3.region", "us-east-1");
        props.set("aws.access.key.id", &*self.access_key);
        props.set("aws.secret.access.key", &*self.secret_key);
    }

    /// All objects, sorted by key.
    pub async fn objects(&self) -> Vec<Object> {
        let mut objects = Vec::new();
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).into_paginator().send();
        while let Some(page) = pages.next().await {
            for entry in page.expect("a listing").contents() {
                objects.push(self.object(entry.key().expect("a key")).await);
            }
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        objects
    }

    async fn object(&self, key: &str) -> Object {
        let got = self.client.get_object().bucket(&self.bucket).key(key).send().await.expect("the listed object");
        let content_type = got.content_type().map(str::to_owned);
        let multipart = got.e_tag().is_some_and(|tag| tag.contains('-'));
        let bytes = got.body.collect().await.expect("its bytes").to_vec();
        let tagging = self.client.get_object_tagging().bucket(&self.bucket).key(key).send().await;
        let tags = tagging.map(|t| t.tag_set).unwrap_or_default();
        let tags = tags.iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect();
        Object { key: key.to_owned(), bytes, content_type, multipart, tags }
    }

    /// Uploads that were neither completed nor given up.
    pub async fn uploads(&self) -> usize {
        let listed = self.client.list_multipart_uploads().bucket(&self.bucket).send().await;
        listed.expect("a listing of uploads").uploads().len()
    }

    /// Removes the bucket and all in it.
    pub async fn remove(self) {
        for object in self.objects().await {
            let _ = self.client.delete_object().bucket(&self.bucket).key(object.key).send().await;
        }
        let _ = self.client.delete_bucket().bucket(&self.bucket).send().await;
    }
}

fn client(endpoint: &str, access_key: &str, secret_key: &str) -> Client {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let config = aws_sdk_s3::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .http_client(http)
        .build();
    Client::from_conf(config)
}

/// A name nobody else uses.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos();
    format!("{name}-{nanos:x}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The plugin under test.
pub fn plugin() -> Arc<dyn SinkPlugin> {
    match couplet_s3::plugins().into_iter().next() {
        Some(Plugin::Sink(plugin)) => plugin,
        _ => panic!("the crate exports one sink"),
    }
}

/// A record of partition `partition` of topic `t` whose value is `{"id":…,"color":…}`; `timestamp`: milliseconds since
/// the epoch.
pub fn record(partition: i32, offset: i64, timestamp: i64) -> SinkRecord {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        SchemaBuilder::structure().field("id", Schema::string()).field("color", Schema::string()).build()
    });
    let color = ["red", "green", "blue"][usize::try_from(offset).expect("an offset") % 3];
    let row = Struct::new(SCHEMA.clone(), vec![Value::str(name(partition, offset)), Value::str(color)]);
    let mut record = Record::new("t", Datum::new(Schema::string(), "k"), Datum::new(SCHEMA.clone(), row));
    (record.partition, record.offset, record.timestamp) = (Some(partition), Some(offset), Some(timestamp));
    SinkRecord {
        record,
        original: TopicPartition::new("t", partition),
        original_offset: offset,
        timestamp_type: TimestampType::CreateTime,
    }
}

/// What tells records apart.
pub fn name(partition: i32, offset: i64) -> String {
    format!("{partition}/{offset}")
}

/// The names of all records in all objects, each as often as it is there.
pub fn names_in(objects: &[Object]) -> Vec<String> {
    let mut names = Vec::new();
    for object in objects {
        for line in object.text().lines() {
            let json: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            names.push(json["id"].as_str().expect("a name").to_owned());
        }
    }
    names.sort();
    names
}
