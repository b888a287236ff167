//! The worker's REST API as a scenario uses it.

use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use couplet_provision::{Deadline, eventually};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// A client of one worker.
#[derive(Debug, Clone)]
pub struct ConnectRest {
    /// `http://host:port`.
    pub base: String,
    http: Client,
}

impl ConnectRest {
    /// `base` as in `http://127.0.0.1:8083`.
    pub fn new(base: &str) -> Result<Self> {
        static PROVIDER: Once = Once::new();
        // reqwest is built without a default for TLS. Fails only when another crate of this process was first, which is as good.
        PROVIDER.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
        let http = Client::builder().timeout(Duration::from_secs(90)).pool_max_idle_per_host(0).build()?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http })
    }

    /// Sends a request and returns status and body; a body that is not JSON comes as a string, an empty one as null.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        let json =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Ok((status, json))
    }

    /// The body of a successful GET.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.call(Method::GET, path, None).await?;
        ensure!(status.is_success(), "GET {path} answered {status}: {body}");
        Ok(body)
    }

    /// Creates a connector, once more while the worker says that it is rebalancing (409) or not ready (503).
    pub async fn create(&self, request: &Value) -> Result<Value> {
        let name = request["name"].as_str().context("a connector needs a name")?.to_owned();
        eventually(&format!("creation of {name}"), Deadline::after_secs(120), || async {
            let (status, body) = self.call(Method::POST, "/connectors", Some(request)).await?;
            match status {
                s if s.is_success() => Ok(Some(body)),
                StatusCode::SERVICE_UNAVAILABLE => Ok(None),
                StatusCode::CONFLICT if body["message"].as_str().is_some_and(|m| m.contains("rebalance")) => Ok(None),
                _ => bail!("creating {name} answered {status}: {body}"),
            }
        })
        .await
    }

    /// Deletes a connector; one that is not there is fine.
    pub async fn delete(&self, name: &str) -> Result<()> {
        eventually(&format!("deletion of {name}"), Deadline::after_secs(60), || async {
            let (status, body) = self.call(Method::DELETE, &format!("/connectors/{name}"), None).await?;
            match status {
                s if s.is_success() || s == StatusCode::NOT_FOUND => Ok(Some(())),
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT => Ok(None),
                _ => bail!("deleting {name} answered {status}: {body}"),
            }
        })
        .await
    }

    /// Waits until the worker answers at all.
    pub async fn await_ready(&self, deadline: Deadline) -> Result<()> {
        eventually(&format!("a worker at {}", self.base), deadline, || async {
            Ok(self.get("/connectors").await.ok().map(drop))
        })
        .await
    }

    /// Waits until the connector and at least one task run.
    ///
    /// # Errors
    /// With the trace as soon as either has failed.
    pub async fn await_running(&self, name: &str, deadline: Deadline) -> Result<()> {
        eventually(&format!("{name} to run"), deadline, || async {
            let (status, body) = self.call(Method::GET, &format!("/connectors/{name}/status"), None).await?;
            if !status.is_success() {
                return Ok(None);
            }
            let mut states = vec![&body["connector"]];
            states.extend(body["tasks"].as_array().into_iter().flatten());
            if let Some(failed) = states.iter().find(|s| s["state"] == "FAILED") {
                bail!("{name} failed: {}", failed["trace"].as_str().unwrap_or("(no trace)"));
            }
            let running = states.len() > 1 && states.iter().all(|s| s["state"] == "RUNNING");
            Ok(running.then_some(()))
        })
        .await
    }

    /// Waits until task 0 of the connector has failed, and returns its trace.
    pub async fn await_failed(&self, name: &str, deadline: Deadline) -> Result<String> {
        eventually(&format!("{name} to fail"), deadline, || async {
            let body = self.call(Method::GET, &format!("/connectors/{name}/status"), None).await?.1;
            let failed = body["tasks"][0]["state"] == "FAILED";
            Ok(failed.then(|| body["tasks"][0]["trace"].as_str().unwrap_or_default().to_owned()))
        })
        .await
    }
}
