//! Connectors that are there before any worker is: records of the config topic, as Kafka Connect writes them.

use std::path::Path;

use anyhow::Result;
use couplet_harness::clients::{ConnectRest, Kafka};
use couplet_harness::{Deadline, eventually};
use serde_json::{Value, json};

const SOURCE: &str = "org.apache.kafka.connect.file.FileStreamSource";

/// A connector with one task.
pub struct Seeded {
    /// Its name.
    pub name: String,
    /// Its settings; those of its task are the same and `task.class`.
    pub config: Value,
    /// Class of its task.
    pub task_class: String,
}

impl Seeded {
    /// A FileStream source, number `number`, of a file in `folder`.
    pub fn file_source(number: usize, folder: &Path, topic: &str) -> Self {
        let name = format!("lines-{number:03}");
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let config = json!({
            "connector.class": format!("{SOURCE}Connector"),
            "tasks.max": "1",
            "file": file_of(folder, number),
            "topic": topic,
            "key.converter": string,
            "value.converter": string,
            "name": name,
        });
        Self { name, config, task_class: format!("{SOURCE}Task") }
    }
}

/// The file that source `number` reads.
pub fn file_of(folder: &Path, number: usize) -> std::path::PathBuf {
    folder.join(format!("{number:03}"))
}

/// Makes the config topic of `group` with these connectors and complete sets of their tasks.
pub async fn write(kafka: &Kafka, group: &str, connectors: &[Seeded]) -> Result<()> {
    let topic = format!("{group}-configs");
    kafka.create_topic(&topic, 1, &[("cleanup.policy", "compact")]).await?;
    let mut records = Vec::new();
    for connector in connectors {
        let mut task = connector.config.clone();
        task["task.class"] = connector.task_class.clone().into();
        let name = &connector.name;
        records.push((format!("connector-{name}"), json!({"properties": connector.config})));
        records.push((format!("task-{name}-0"), json!({"properties": task})));
        records.push((format!("commit-{name}"), json!({"tasks": 1})));
    }
    let bytes: Vec<(String, String)> = records.into_iter().map(|(key, value)| (key, value.to_string())).collect();
    let records: Vec<_> = bytes.iter().map(|(key, value)| (Some(key.as_bytes()), Some(value.as_bytes()))).collect();
    kafka.produce(&topic, &records).await
}

/// Waits until a worker says that `count` tasks run, and that `holds` says so of the ids of the workers that have them.
pub async fn await_tasks(rest: &ConnectRest, count: usize, holds: impl Fn(&[String]) -> bool) -> Result<()> {
    eventually(&format!("{count} running tasks"), Deadline::after_secs(600), || async {
        let Ok(all) = rest.get("/connectors?expand=status").await else { return Ok(None) };
        let tasks = all.as_object().into_iter().flatten().flat_map(|(_, c)| c["status"]["tasks"].as_array());
        let running = tasks.flatten().filter(|task| task["state"] == "RUNNING");
        let owners: Vec<String> = running.filter_map(|task| task["worker_id"].as_str().map(str::to_owned)).collect();
        Ok((owners.len() == count && holds(&owners)).then_some(()))
    })
    .await
}
