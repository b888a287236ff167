use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use couplet_api::spawn::{TaskKind, spawn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a [`Proxy`] does with traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Hands it on.
    Pass = 0,
    /// Closes every connection at once.
    Refuse = 1,
    /// Answers requests with 503 SlowDown.
    Busy = 2,
    /// Hands requests on, and closes the connection instead of handing on the answer.
    LoseAnswers = 3,
}

impl Mode {
    fn of(number: u8) -> Self {
        match number {
            1 => Mode::Refuse,
            2 => Mode::Busy,
            3 => Mode::LoseAnswers,
            _ => Mode::Pass,
        }
    }
}

/// A TCP proxy before the S3 server that can break down. Stops when dropped.
pub struct Proxy {
    pub endpoint: String,
    mode: Arc<AtomicU8>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy on a free port before `target` (`http://host:port`).
    pub async fn before(target: &str) -> Proxy {
        let target = target.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let mode = Arc::new(AtomicU8::new(Mode::Pass as u8));
        let seen = mode.clone();
        let accepting = spawn(TaskKind::Client, async move {
            while let Ok((client, _)) = listener.accept().await {
                spawn(TaskKind::Client, serve(client, target.clone(), seen.clone()));
            }
        });
        Proxy { endpoint, mode, accepting }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, to its first failure.
async fn serve(mut client: TcpStream, target: String, mode: Arc<AtomicU8>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(length @ 1..) = read else { return };
                match Mode::of(mode.load(Ordering::SeqCst)) {
                    Mode::Refuse => return,
                    Mode::Busy => return busy(&mut client).await,
                    Mode::Pass | Mode::LoseAnswers => {}
                }
                if server.write_all(&request[..length]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                let lost = Mode::of(mode.load(Ordering::SeqCst)) == Mode::LoseAnswers;
                if lost || client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn busy(client: &mut TcpStream) {
    let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let answer = format!(
        "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = client.write_all(answer.as_bytes()).await;
}
