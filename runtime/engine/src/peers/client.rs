//! Requests to the REST servers of other workers, in the JVM `RestClient`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use couplet_api::config::Props;
use couplet_api::{Error, Result};
use couplet_tls::Tls;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::signature::{ALGORITHM_HEADER, SIGNATURE_HEADER, Signatures};
use crate::storage::config_store::SessionKey;

/// How long another worker may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long another worker may take to answer: as long as REST requests wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// A request for another worker.
#[derive(Debug)]
pub struct PeerRequest<'a> {
    /// The whole URL.
    pub url: &'a str,
    /// Method.
    pub method: Method,
    /// Headers of the request it comes from; only those that concern the other worker go on.
    pub headers: &'a HeaderMap,
    /// Body; none if it is empty.
    pub body: Bytes,
}

/// Another worker's answer.
#[derive(Debug)]
pub struct PeerAnswer {
    /// Status.
    pub status: StatusCode,
    /// `Content-Type`
    pub content_type: Option<HeaderValue>,
    /// `Location`
    pub location: Option<HeaderValue>,
    /// Body.
    pub body: Bytes,
}

/// Reaches other workers. HTTP clients are made when they are first needed.
#[derive(Debug)]
pub struct Peers {
    /// How requests are signed.
    pub signatures: Signatures,
    /// Settings of TLS: those of the https listeners.
    tls: Props,
    http: OnceLock<reqwest::Client>,
    https: OnceLock<reqwest::Client>,
}

impl Peers {
    /// Reads the worker's settings.
    ///
    /// # Errors
    /// As [`Signatures::from_props`].
    pub fn new(worker: &Props) -> Result<Self> {
        Ok(Peers {
            signatures: Signatures::from_props(worker)?,
            tls: worker.with_prefix_or_all("listeners.https."),
            http: OnceLock::new(),
            https: OnceLock::new(),
        })
    }

    fn client(&self, url: &str) -> Result<reqwest::Client> {
        let secure = url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        let cell = if secure { &self.https } else { &self.http };
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let tls = if secure { Tls::from_props(&self.tls)?.client_config()? } else { no_tls()? };
        let made = reqwest::Client::builder()
            .use_preconfigured_tls((*tls).clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(|error| Error::config(format!("no HTTP client for other workers: {error}")))?;
        Ok(cell.get_or_init(|| made).clone())
    }

    /// Sends a request and returns the answer, whatever it is.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn send(&self, request: PeerRequest<'_>) -> Result<PeerAnswer, String> {
        let client = self.client(request.url).map_err(|error| error.message().to_owned())?;
        let mut sent = client
            .request(request.method, request.url)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "kafka-connect");
        for name in [AUTHORIZATION, header(SIGNATURE_HEADER), header(ALGORITHM_HEADER)] {
            if let Some(value) = request.headers.get(&name) {
                sent = sent.header(name, value);
            }
        }
        if !request.body.is_empty() {
            sent = sent.header(CONTENT_TYPE, "application/json").body(request.body);
        }
        let answer = sent.send().await.map_err(|error| causes(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(PeerAnswer {
            status,
            content_type: headers.get(CONTENT_TYPE).cloned(),
            location: headers.get(LOCATION).cloned(),
            body: answer.bytes().await.map_err(|error| causes(&error))?,
        })
    }

    /// Sends the task configs of connector `name` to the leader, signed if there is a key.
    ///
    /// # Errors
    /// Why the leader did not take them.
    pub async fn put_task_configs(
        &self,
        leader: &str,
        name: &str,
        configs: &[Props],
        key: Option<&SessionKey>,
    ) -> Result<(), String> {
        let config = |props: &Props| -> serde_json::Value {
            props.iter().map(|(key, value)| (key.to_owned(), value.into())).collect::<serde_json::Map<_, _>>().into()
        };
        let body = serde_json::Value::Array(configs.iter().map(config).collect()).to_string();
        let url = format!(
            "{}/connectors/{}/tasks",
            leader.trim_end_matches('/'),
            utf8_percent_encode(name, NON_ALPHANUMERIC)
        );
        self.send_signed(Method::POST, &url, Bytes::from(body), key).await
    }

    /// Asks the leader to fence old tasks of the source `name`, signed if there is a key.
    ///
    /// # Errors
    /// Why the leader did not.
    pub async fn fence(&self, leader: &str, name: &str, key: Option<&SessionKey>) -> Result<(), String> {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let url = format!("{}/connectors/{name}/fence", leader.trim_end_matches('/'));
        self.send_signed(Method::PUT, &url, Bytes::new(), key).await
    }

    /// Sends a request that only workers may send.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn send_signed(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
        key: Option<&SessionKey>,
    ) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
            headers.insert(header(SIGNATURE_HEADER), value(&self.signatures.sign(key, &body))?);
            headers.insert(header(ALGORITHM_HEADER), value(self.signatures.signs_with())?);
        }
        let answer = self.send(PeerRequest { url, method, headers: &headers, body }).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(format!("the leader answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
    }
}

fn header(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// What a client for plain HTTP is made with: the library wants something, and nobody is trusted.
fn no_tls() -> Result<Arc<ClientConfig>> {
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::bug(format!("no protocol versions: {error}")))?;
    Ok(Arc::new(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}

/// An error and what is behind it: the outermost text alone says only that something failed.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
