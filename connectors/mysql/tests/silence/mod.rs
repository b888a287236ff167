//! A server that says nothing more, although its connection stands.

use std::time::Duration;

use couplet_api::Kind;
use couplet_api::config::Props;
use couplet_api::error::Error;
use couplet_api::source::{SourceBatch, SourceTask};
use couplet_api::spawn::{TaskKind, spawn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::player::{execute, server_in_turn};
use crate::task::{context, plugin};

const DATABASE: &str = "g_silence";
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hands everything through to `server` until it is told to be silent; then it swallows what the server says.
async fn proxy(server: String, silent: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    spawn(TaskKind::Client, async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, silent) = (server.clone(), silent.clone());
            spawn(TaskKind::Client, async move {
                let server = TcpStream::connect(server).await.expect("the server");
                let ((mut from_server, mut to_server), (mut from_client, mut to_client)) =
                    (server.into_split(), client.into_split());
                let asked =
                    spawn(TaskKind::Client, async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                let mut bytes = [0; 8192];
                while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
                    if !*silent.borrow() && to_client.write_all(&bytes[..read]).await.is_err() {
                        break;
                    }
                }
                asked.abort();
            });
        }
    });
    port
}

/// Polls until `done`, or the task's error.
async fn poll(task: &mut dyn SourceTask, mut done: impl FnMut(&str) -> bool) -> Result<(), Error> {
    let mut batch = SourceBatch::new(100, 1 << 20);
    loop {
        tokio::time::timeout(PATIENCE, task.poll(&mut batch)).await.expect("in time")?;
        if batch.drain().any(|record| done(&record.record.topic)) {
            return Ok(());
        }
    }
}

/// Neither heartbeats of the connector's own nor looks for signals keep it from seeing that.
pub fn play(folder: &str, class: &str) {
    let Some((server, _turn)) = server_in_turn(folder) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(Box::pin(async {
        server.create(DATABASE).await.expect("a database");
        let mut sql = server.connect(DATABASE).await.expect("a connection");
        execute(&mut sql, "CREATE TABLE t(id INT PRIMARY KEY)").await.expect("a table");
        let [host, port, user, password] = server.variables.each_ref().map(|(_, value)| value.as_str());
        let (silence, silent) = watch::channel(false);
        let port = proxy(format!("{host}:{port}"), silent).await.to_string();
        let props = Props::from_iter([
            ("topic.prefix", "c"),
            ("database.hostname", "127.0.0.1"),
            ("database.port", port.as_str()),
            ("database.user", user),
            ("database.password", password),
            ("database.server.id", "7743"),
            ("database.include.list", DATABASE),
            ("include.schema.changes", "false"),
            ("schema.history.internal", "io.debezium.relational.history.MemorySchemaHistory"),
            ("snapshot.mode", "no_data"),
            ("connect.keep.alive.interval.ms", "3000"),
            ("heartbeat.interval.ms", "200"),
            ("signal.enabled.channels", "file"),
            ("signal.file", "no-such-file"),
            ("signal.poll.interval.ms", "100"),
        ]);
        let mut task = plugin(class).task();
        task.start(&props, context(None)).await.expect("the task starts");
        poll(&mut *task, |topic| topic.contains("heartbeat")).await.expect("it streams");
        silence.send(true).expect("the proxy listens");
        let error = tokio::time::timeout(PATIENCE, poll(&mut *task, |_| false)).await.expect("silence is seen");
        let error = error.expect_err("no connection");
        assert_eq!(error.kind(), Kind::Remote, "{error}");
        assert!(error.to_string().contains("connect.keep.alive.interval.ms"), "{error}");
        task.stop().await.expect("the task stops");
        server.drop(DATABASE).await.expect("dropped");
    }));
}
