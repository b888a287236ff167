//! A command-line client that nobody here wrote is run through its commands against the JVM's worker and against ours; what
//! it prints must be the same.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use couplet_harness::provision::{Deadline, jars, python};
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use serde_json::Value;
use tokio::process::Command;

/// A connector of this name is made, changed and deleted.
const NAME: &str = "kc-lines";

/// One run of the client.
struct Step {
    arguments: Vec<String>,
    /// Run again until the output has this.
    until: Option<&'static str>,
}

fn step(arguments: &[&str]) -> Step {
    Step { arguments: arguments.iter().map(|a| (*a).to_owned()).collect(), until: None }
}

fn until(text: &'static str, arguments: &[&str]) -> Step {
    Step { until: Some(text), ..step(arguments) }
}

/// The life of a connector as a user of the client would lead it, mistakes among it.
fn steps(file: &str, topic: &str) -> Vec<Step> {
    let class = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    let config = format!(r#"{{"connector.class":"{class}","tasks.max":"1","file":"{file}","topic":"{topic}"}}"#);
    let create = format!(r#"{{"name":"{NAME}","config":{config}}}"#);
    let changed = config.replace(r#""tasks.max":"1""#, r#""tasks.max":"1","batch.size":"10""#);
    let wrong = format!(r#"{{"connector.class":"{class}","name":"{NAME}","tasks.max":"none"}}"#);
    vec![
        // Ours answers before it has found the cluster.
        until("kafka_cluster_id\": \"", &["info"]),
        step(&["list"]),
        step(&["list-plugins"]),
        step(&["validate-config", "FileStreamSourceConnector", "-d", &wrong]),
        step(&["create", "-d", r#"{"name":"kc-wrong","config":{"connector.class":"NoSuchClass"}}"#]),
        step(&["create", "-d", &create]),
        until("RUNNING\", \"worker_id\": \"WORKER\", \"version\": \"4.1.0\"}]", &["status", NAME]),
        step(&["create", "-d", &create]),
        step(&["list"]),
        step(&["list", "--expand", "status"]),
        step(&["list", "--expand", "info"]),
        step(&["list", "--pattern", "kc-.*", "--state", "RUNNING"]),
        step(&["get", NAME]),
        step(&["config", NAME]),
        step(&["list-tasks", NAME]),
        step(&["task-status", NAME, "0"]),
        step(&["task-status", NAME, "7"]),
        until("TOPIC", &["list-topics", NAME]),
        step(&["pause", NAME]),
        until("\"tasks\": [{\"id\": 0, \"state\": \"PAUSED\"", &["status", NAME]),
        step(&["resume", NAME]),
        until("\"tasks\": [{\"id\": 0, \"state\": \"RUNNING\"", &["status", NAME]),
        step(&["update", NAME, "-d", &changed]),
        until("batch.size", &["list-tasks", NAME]),
        until("\"tasks\": [{\"id\": 0, \"state\": \"RUNNING\"", &["status", NAME]),
        step(&["restart", NAME, "--only-failed"]),
        // What it prints it asks for while the connector starts again.
        until("\"connector\": {\"state\": \"RUNNING\"", &["restart", NAME]),
        until("\"connector\": {\"state\": \"RUNNING\"", &["status", NAME]),
        step(&["restart-task", NAME, "0"]),
        until("\"tasks\": [{\"id\": 0, \"state\": \"RUNNING\"", &["status", NAME]),
        step(&["reset-topics", NAME]),
        step(&["get", "nobody"]),
        step(&["pause", "nobody"]),
        step(&["restart", "nobody"]),
        step(&["delete", "nobody"]),
        step(&["delete", NAME]),
        until("[]", &["list"]),
    ]
}

/// Runs all steps against both workers, one after the other on the same broker.
///
/// # Errors
/// When a worker does not start, or says something else than the other; the message shows what.
pub async fn compare(bootstrap: &str) -> Result<()> {
    let client = python::connect_client()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("lines.txt");
    std::fs::write(&file, "one\ntwo\n")?;
    let file = file.display().to_string();
    let (jvm, ours) = tokio::try_join!(
        transcript(&client, Engine::Jvm, bootstrap, &file),
        transcript(&client, Engine::couplet()?, bootstrap, &file),
    )?;
    let differing: Vec<String> = jvm.iter().zip(&ours).filter(|(jvm, ours)| jvm != ours).map(shown).collect();
    ensure!(differing.is_empty(), "{} of {} commands differ:\n{}", differing.len(), jvm.len(), differing.join("\n"));
    Ok(())
}

fn shown((jvm, ours): (&(String, String), &(String, String))) -> String {
    format!("$ kc {}\n  JVM:  {}\n  ours: {}", jvm.0, jvm.1.trim(), ours.1.trim())
}

/// What the client says to each step, and the step.
async fn transcript(client: &Path, engine: Engine, bootstrap: &str, file: &str) -> Result<Vec<(String, String)>> {
    let unique = format!("kc-{}-{}", engine.name(), std::process::id());
    let plugins = jars::plugin_path_file()?.display().to_string();
    let settings = WorkerSettings::distributed(engine, bootstrap, &unique).with("plugin.path", &plugins);
    let mut worker = Worker::start(&settings).await?;
    let url = worker.rest.base.clone();
    let address = url.trim_start_matches("http://");
    let topic = format!("{unique}-topic");
    let mut said = Vec::new();
    for Step { arguments, until } in steps(file, &topic) {
        let deadline = Deadline::after_secs(60);
        let output = loop {
            let done = Command::new(client)
                .args(["-u", &url, "-l", "CRITICAL"])
                .args(&arguments)
                .kill_on_drop(true)
                .output()
                .await?;
            let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            let text = comparable(&text.replace(address, "WORKER").replace(&topic, "TOPIC"));
            match until {
                Some(wanted) if !text.contains(wanted) => {
                    ensure!(!deadline.is_over(), "kc {arguments:?} of the {unique} worker never said {wanted}: {text}");
                }
                _ => break text,
            }
        };
        said.push((arguments.join(" ").replace(&topic, "TOPIC"), output));
    }
    worker.stop().await.context("at the end")?;
    Ok(said)
}

/// Without what may differ: plugins that are not in both workers, and documentation sentences.
fn comparable(output: &str) -> String {
    match serde_json::from_str::<Value>(output) {
        Ok(Value::Array(mut list)) if list.iter().any(|entry| entry["class"].is_string()) => {
            list.retain(|plugin| plugin["class"].as_str().is_some_and(|class| class.contains(".file.")));
            Value::Array(list).to_string()
        }
        Ok(mut answer) if answer["configs"].is_array() => {
            for config in answer["configs"].as_array_mut().into_iter().flatten() {
                config["definition"]["documentation"] = Value::Null;
            }
            answer.to_string()
        }
        // The words after a status are the HTTP server's.
        _ => output.replace("500 Server Error: Internal Server Error", "500 Server Error: Server Error"),
    }
}
