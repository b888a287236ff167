//! Accepting connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::connection;
use crate::shared::Shared;

/// More connections than this are refused.
const CONNECTIONS_MAX: usize = 1_000;
/// Rest after a failed accept, which mostly means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the broker stops, then waits for the connections to end.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => report(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(connection::serve(stream, shared.clone()));
                }
                Ok((stream, peer)) => refuse(&stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "the embedded broker cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

fn refuse(stream: &TcpStream, peer: std::net::SocketAddr) {
    let local = stream.local_addr().ok();
    tracing::warn!(%peer, ?local, limit = CONNECTIONS_MAX, "the embedded broker refuses a connection over its limit");
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection of the embedded broker panicked");
    }
}
