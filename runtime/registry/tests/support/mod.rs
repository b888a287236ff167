//! A registry for tests, converters that await their lookups, and a door to the registry that can be shut.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use couplet_api::converter::Converter;
use couplet_api::data::Datum;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::{Kind, Plugin, Result};
use couplet_harness::services::SchemaRegistry;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A running registry.
pub struct Setup(SchemaRegistry);

impl Setup {
    /// Starts a registry; `None` after saying why, when this machine has none and need not.
    #[allow(clippy::print_stdout, reason = "a skipped test says why")]
    pub async fn start() -> Option<Self> {
        match SchemaRegistry::start().await {
            Ok(registry) => Some(Setup(registry)),
            Err(error) if std::env::var("COUPLET_REQUIRE_SERVICES").is_ok_and(|v| v == "1") => panic!("{error:#}"),
            Err(error) => {
                println!("skipped: no schema registry: {error:#}");
                None
            }
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub fn url(&self) -> String {
        self.0.url()
    }

    pub async fn get(&self, path: &str) -> String {
        call(self.address(), "GET", &format!("/apis/ccompat/v7{path}"), "").await
    }

    pub async fn put(&self, path: &str, body: &str) {
        let answer = call(self.address(), "PUT", &format!("/apis/ccompat/v7{path}"), body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    pub fn converter(&self, more: &[(&str, &str)], is_key: bool) -> Waiting {
        self.converter_at(&self.url(), more, is_key)
    }

    pub fn converter_at(&self, url: &str, more: &[(&str, &str)], is_key: bool) -> Waiting {
        let props = [("schema.registry.url", url)].iter().chain(more).copied().collect();
        let factory = couplet_registry::plugins().into_iter().find_map(|plugin| match plugin {
            Plugin::Converter(factory) if factory.class == "io.confluent.connect.avro.AvroConverter" => Some(factory),
            _ => None,
        });
        let factory = factory.expect("the plugin is there");
        Waiting { plugin: (factory.create)(&props, is_key).expect("valid settings") }
    }
}

/// One request with a connection of its own; the whole answer as text.
pub async fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the registry listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer
}

/// A converter whose lookups are awaited, as the engine does.
pub struct Waiting {
    pub plugin: Arc<dyn Converter>,
}

impl Waiting {
    pub async fn write(&self, topic: &str, data: &Datum) -> Result<Option<Bytes>> {
        loop {
            let mut out = BytesMut::new();
            match self.plugin.from_connect(topic, &[], data, &mut out) {
                Err(error) if error.kind() == Kind::Lookup => self.resolve(&error).await?,
                outcome => return outcome.map(|written| written.then(|| out.freeze())),
            }
        }
    }

    pub async fn read(&self, topic: &str, bytes: &Bytes) -> Result<Datum> {
        loop {
            match self.plugin.to_connect(topic, Some(bytes)) {
                Err(error) if error.kind() == Kind::Lookup => self.resolve(&error).await?,
                outcome => return outcome,
            }
        }
    }

    async fn resolve(&self, error: &couplet_api::Error) -> Result<()> {
        self.plugin.resolve(error.wanted().expect("a lookup error carries what it wants")).await
    }
}

/// A way to the registry that can be shut, and that can ask who is there.
pub struct Door {
    address: SocketAddr,
    shut: watch::Sender<bool>,
    user: watch::Sender<Option<String>>,
}

impl Door {
    pub async fn open(registry: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (shut, is_shut) = watch::channel(false);
        let (user, wanted) = watch::channel(None);
        spawn(TaskKind::Client, async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut is_shut, wanted) = (is_shut.clone(), wanted.borrow().clone());
                spawn(TaskKind::Client, async move {
                    tokio::select! {
                        biased;
                        _ = is_shut.wait_for(|shut| *shut) => {}
                        () = pass(client, registry, wanted) => {}
                    }
                });
            }
        });
        Door { address, shut, user }
    }

    pub fn url(&self) -> String {
        format!("http://{}/apis/ccompat/v7", self.address)
    }

    /// Cuts all connections, and new ones, until it is opened again.
    pub fn shut(&self, shut: bool) {
        self.shut.send_replace(shut);
    }

    /// Answers 401 to everyone else.
    pub fn let_in_only(&self, user_info: &str) {
        self.user.send_replace(Some(format!("authorization: basic {}", STANDARD.encode(user_info))));
    }
}

async fn pass(mut client: TcpStream, registry: SocketAddr, wanted: Option<String>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if !matches!(client.read_buf(&mut head).await, Ok(n) if n > 0) {
            return;
        }
    }
    let text = String::from_utf8_lossy(&head);
    let has = |wanted: &String| text.lines().any(|line| line.eq_ignore_ascii_case(wanted));
    if wanted.as_ref().is_some_and(|wanted| !has(wanted)) {
        let body = r#"{"error_code":401,"message":"Unauthorized"}"#;
        let answer =
            format!("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = client.write_all(answer.as_bytes()).await;
        let _ = client.shutdown().await;
        return;
    }
    let mut server = TcpStream::connect(registry).await.expect("the registry listens");
    if server.write_all(&head).await.is_ok() {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
