//! The files that a new user starts with: the worker takes its own, and finds no fault with the connectors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use couplet_harness::provision::cache;
use couplet_harness::services::{PostgresCluster, PostgresSettings};
use couplet_harness::shared::{self, unique};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use reqwest::Method;
use serde_json::{Value, json};

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache::repository().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = paths.filter(|p| p.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    assert!(!files.is_empty(), "no {extension} file in {folder}");
    files
}

/// The keys and values of a file whose lines need no unescaping.
fn properties(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).expect("readable");
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
    lines.map(|l| l.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).expect("key=value")).collect()
}

async fn worker_with(bootstrap: &str, file: &Path) -> Worker {
    let is_standalone = file.ends_with("standalone.properties");
    let group = unique("configs");
    let mut settings = WorkerSettings::distributed(Engine::couplet().expect("the worker is built"), bootstrap, &group);
    if is_standalone {
        settings.standalone = Some(Vec::new());
    }
    // The file's own settings, but for what another worker may use at the same time.
    let addresses = ["bootstrap.servers", "listeners", "group.id", "offset.storage.file.filename"];
    let kept = properties(file)
        .into_iter()
        .filter(|(k, _)| !addresses.contains(&k.as_str()) && !k.ends_with(".storage.topic"));
    settings.properties = kept.collect();
    Worker::start(&settings).await.unwrap_or_else(|e| panic!("{}: {e:#}", file.display()))
}

#[tokio::test]
async fn workers_start_with_the_example_files() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    for file in files("configs/worker", "properties") {
        let mut worker = worker_with(&bootstrap, &file).await;
        assert_eq!(worker.rest.get("/connectors").await.expect("a list"), json!([]), "{}", file.display());
        worker.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn example_connectors_are_valid() {
    let Some(bootstrap) = shared::service(shared::BOOTSTRAP) else { return };
    let cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    let distributed = cache::repository().join("configs/worker/distributed.properties");
    let mut worker = worker_with(&bootstrap, &distributed).await;
    let mut all = files("configs/connectors", "json");
    all.extend(files("docker/services/couplet", "json"));
    for file in all {
        let text = std::fs::read_to_string(&file).expect("readable");
        let request: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut config = request["config"].clone();
        config["name"] = request["name"].clone();
        // Validation asks the database, so it needs one that answers.
        if config.get("database.hostname").is_some() {
            config["database.hostname"] = "127.0.0.1".into();
            config["database.port"] = cluster.port.to_string().into();
            config["database.dbname"] = "postgres".into();
        }
        let class = config["connector.class"].as_str().expect("a class").to_owned();
        let path = format!("/connector-plugins/{class}/config/validate");
        let (status, body) = worker.rest.call(Method::PUT, &path, Some(&config)).await.expect("an answer");
        assert!(status.is_success(), "{}: {status} {body}", file.display());
        let values = body["configs"].as_array().into_iter().flatten().map(|c| &c["value"]);
        let errors: Vec<&Value> = values.filter(|v| v["errors"].as_array().is_some_and(|e| !e.is_empty())).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", file.display());
    }
    worker.stop().await.expect("stops");
}
