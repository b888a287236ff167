//! One request: all URLs in turn, several times.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use couplet_api::{Error, Result};
use couplet_tls::Tls;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Method, Proxy, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Credentials;
use crate::RegistryConfig;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Longest answer that is read; a schema is some kilobytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Code of an answer that is no error message of a registry.
const UNPARSABLE: i64 = 50_005;

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No registry could be reached, or none answered to the end.
    Network(String),
    /// A registry answered with an error.
    Answer {
        /// HTTP status.
        status: u16,
        /// The registry's own code.
        code: i64,
        /// Its message.
        message: String,
    },
}

/// Whether a request that was answered with `status` may succeed when it is made again.
pub const fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Sends requests to one of several registries.
pub(super) struct Http {
    client: Client,
    urls: Vec<Url>,
    /// Which URL answered last.
    current: AtomicUsize,
    credentials: Credentials,
    headers: Vec<(String, String)>,
    retries_max: u32,
    pause_first: Duration,
    pause_max: Duration,
}

#[derive(Deserialize)]
struct ErrorMessage {
    error_code: i64,
    message: String,
}

impl Http {
    /// # Errors
    /// `Kind::Config` for settings that cannot be used.
    pub(super) fn new(config: &RegistryConfig) -> Result<Self> {
        let tls = Tls::from_props(&config.ssl)?.client_config()?;
        let mut builder = Client::builder()
            .use_preconfigured_tls(rustls::ClientConfig::clone(&*tls))
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout)
            .user_agent(concat!("couplet/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        if let Some((host, port)) = &config.proxy {
            let proxy = Proxy::all(format!("http://{host}:{port}"));
            let problem = |error| Error::config(format!("Invalid value {host} for configuration proxy.host: {error}"));
            builder = builder.proxy(proxy.map_err(problem)?);
        }
        let client = builder.build().map_err(|error| Error::config(format!("no schema registry client: {error}")))?;
        let first = if config.url_randomize { chance() as usize % config.urls.len().max(1) } else { 0 };
        Ok(Http {
            client,
            urls: config.urls.clone(),
            current: AtomicUsize::new(first),
            credentials: config.credentials.clone(),
            headers: config.request_headers.clone(),
            retries_max: config.retries_max,
            pause_first: config.retry_pause_first,
            pause_max: config.retry_pause_max,
        })
    }

    /// Sends a request to `path` under one of the URLs and reads its answer.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let mut tries = 0;
        loop {
            let failure = match self.call_any(&method, path, query, body).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let again = match &failure {
                Failure::Network(_) => true,
                Failure::Answer { status, .. } => is_transient(*status),
            };
            if !again || tries == self.retries_max {
                return Err(failure);
            }
            tracing::debug!(?failure, tries, "the schema registry is asked again");
            tokio::time::sleep(self.pause(tries)).await;
            tries += 1;
        }
    }

    /// A random part of a pause that doubles with each try.
    fn pause(&self, tries: u32) -> Duration {
        let longest = self.pause_first.saturating_mul(1 << tries.min(20)).min(self.pause_max);
        longest.mul_f64(f64::from(chance()) / f64::from(u32::MAX))
    }

    /// Tries each URL once, beginning with the one that answered last.
    async fn call_any<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let first = self.current.load(Ordering::Relaxed);
        let mut last = Failure::Network("no schema registry is configured".to_owned());
        for step in 0..self.urls.len() {
            let at = (first + step) % self.urls.len();
            match self.call_one(&self.urls[at], method, path, query, body).await {
                Err(failure @ Failure::Network(_)) => last = failure,
                Err(failure @ Failure::Answer { status, .. }) if is_transient(status) => last = failure,
                outcome => {
                    self.current.store(at, Ordering::Relaxed);
                    return outcome;
                }
            }
        }
        Err(last)
    }

    async fn call_one<T: DeserializeOwned>(
        &self,
        base: &Url,
        method: &Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let mut url = base.clone();
        // A URL that cannot be a base, or have credentials, was refused with the settings.
        let _ = (url.set_username(""), url.set_password(None));
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method.clone(), url).header(ACCEPT, MEDIA_TYPE);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in self.credentials.headers(base) {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE).body(body.to_string());
        }
        let mut answer = request.send().await.map_err(network)?;
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(network)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(unparsable(status, "answer too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status == 200 {
            return serde_json::from_slice(&bytes).map_err(|error| unparsable(status, &error.to_string()));
        }
        match serde_json::from_slice::<ErrorMessage>(&bytes) {
            Ok(error) => Err(Failure::Answer { status, code: error.error_code, message: error.message }),
            Err(_) => Err(unparsable(status, &format!("HTTP status {status}"))),
        }
    }
}

fn unparsable(status: u16, problem: &str) -> Failure {
    let message = format!("Unable to parse error message from schema registry: '({problem})'");
    Failure::Answer { status, code: UNPARSABLE, message }
}

/// The innermost reason, without the URL: it may hold a password.
fn network(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(deeper) = source {
        text = deeper.to_string();
        source = deeper.source();
    }
    Failure::Network(text)
}

fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}
