//! Reads while something else hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use couplet_harness::worker::{Engine, Worker};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::figures::{Figure, name, quantile};
use super::seeded::{self, Seeded};
use super::{Bench, Scale};

/// GETs a second.
const RATE: u64 = 1000;
/// Connections they go over.
const CONNECTIONS: usize = 16;
/// Connectors whose tasks never get started.
const HUNG: usize = 4;

/// Latency of GETs while starts and validations hang.
pub async fn measure(bench: &Bench, engine: &Engine, scale: Scale) -> Result<Vec<Figure>> {
    let settings = bench.settings(engine);
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let port = silent.local_addr()?.port();
    #[allow(clippy::disallowed_methods, reason = "the lab links nothing of the runtime")]
    let silence = tokio::spawn(hold_connections(silent));
    let connectors: Vec<Seeded> = (0..HUNG).map(|number| postgres(&format!("hung-{number}"), port)).collect();
    seeded::write(&bench.kafka, &settings.group, &connectors).await?;
    let mut worker = Worker::start(&settings).await?;
    #[allow(clippy::disallowed_methods, reason = "the lab links nothing of the runtime")]
    let created = tokio::spawn({
        let (rest, request) = (worker.rest.clone(), postgres("hung-create", port));
        // The answer, if one ever comes, does not matter.
        async move {
            let body = json!({"name": request.name, "config": request.config});
            drop(rest.call(Method::POST, "/connectors", Some(&body)).await);
        }
    });
    let paths = ["/connectors".to_owned(), "/connectors/hung-0/status".to_owned(), "/connectors/hung-0".to_owned()];
    for path in &paths {
        worker.await_answer(path).await?;
    }
    // A second of requests that are not counted: the JVM compiles what it will need.
    requests(&worker.rest.base, &paths, 1).await?;
    let (mut times, seconds) = requests(&worker.rest.base, &paths, scale.request_secs).await?;
    times.sort_by(f64::total_cmp);
    created.abort();
    // Stopping may wait for what hangs, which is not the question here.
    worker.kill();
    silence.abort();
    Ok(vec![
        Figure::new(name::HUNG_RATE, times.len() as f64 / seconds),
        Figure::new(name::HUNG_P50, quantile(&times, 0.5)),
        Figure::new(name::HUNG_P99, quantile(&times, 0.99)),
    ])
}

/// Takes connections and says nothing on them.
async fn hold_connections(listener: TcpListener) {
    let mut held = Vec::new();
    while let Ok((connection, _)) = listener.accept().await {
        held.push(connection);
    }
}

/// Sends GETs at [`RATE`] for `seconds` and returns the milliseconds of each, from when it was due, and how long all took.
async fn requests(base: &str, paths: &[String], seconds: u64) -> Result<(Vec<f64>, f64)> {
    let http = Client::builder().timeout(Duration::from_secs(60)).build()?;
    let urls: Arc<[String]> = paths.iter().map(|path| format!("{base}{path}")).collect();
    let (next, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (http, urls, next) = (http.clone(), urls.clone(), next.clone());
        senders.spawn(async move {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= RATE * seconds {
                    return anyhow::Ok(times);
                }
                let due = began + Duration::from_micros(number * 1_000_000 / RATE);
                tokio::time::sleep_until(due).await;
                let url = &urls[usize::try_from(number)? % urls.len()];
                let answer = http.get(url).send().await.with_context(|| url.clone())?;
                let status = answer.status();
                answer.bytes().await?;
                ensure!(status.is_success(), "GET {url} answered {status}");
                times.push(due.elapsed().as_secs_f64() * 1000.0);
            }
        });
    }
    let mut all = Vec::new();
    while let Some(times) = senders.join_next().await {
        all.extend(times??);
    }
    Ok((all, began.elapsed().as_secs_f64()))
}

fn postgres(name: &str, port: u16) -> Seeded {
    let class = "io.debezium.connector.postgresql.PostgresConnector";
    let config: Value = json!({
        "connector.class": class,
        "tasks.max": "1",
        "database.hostname": "127.0.0.1",
        "database.port": port.to_string(),
        "database.user": "nobody",
        "database.password": "nothing",
        "database.dbname": "nowhere",
        "topic.prefix": name,
        "plugin.name": "pgoutput",
        "name": name,
    });
    Seeded {
        name: name.to_owned(),
        config,
        task_class: "io.debezium.connector.postgresql.PostgresConnectorTask".to_owned(),
    }
}
