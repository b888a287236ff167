//! One connection: requests come in frames and are answered in order, one after the other, as Kafka does it.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::api::dispatch;
use crate::shared::Shared;

/// Kafka's `socket.request.max.bytes`.
const REQUEST_BYTES_MAX: usize = 100 << 20;
/// Room for a read, and what a buffer keeps between requests.
const BUFFER_BYTES: usize = 64 << 10;

/// Serves a client until it leaves, sends nonsense, or the broker stops.
pub(crate) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let peer = stream.peer_addr();
    if let Err(error) = exchange(&mut stream, &shared).await {
        tracing::debug!(?peer, %error, "a connection to the embedded broker ended");
    }
}

async fn exchange(stream: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let client_host = StrBytes::from_string(format!("/{}", stream.peer_addr()?.ip()));
    let mut input = BytesMut::with_capacity(BUFFER_BYTES);
    let mut output = BytesMut::new();
    loop {
        let frame = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return Ok(()),
            frame = next_frame(stream, &mut input) => frame?,
        };
        let Some(frame) = frame else { return Ok(()) };
        if let Err(error) = dispatch::answer(shared, &client_host, frame, &mut output).await {
            let client = stream.peer_addr();
            tracing::warn!(?client, reason = error.0, "the embedded broker closes a connection");
            return Ok(());
        }
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
            if output.capacity() > BUFFER_BYTES {
                output = BytesMut::new();
            }
        }
    }
}

/// The next request without its length; `None` when the client is gone. Cancel-safe: what was read stays in `input`.
async fn next_frame(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<Option<Bytes>> {
    loop {
        let mut missing = 4_usize.saturating_sub(input.len());
        if let Some(length) = input.first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > REQUEST_BYTES_MAX {
                let message = format!("request of {length} bytes, more than {REQUEST_BYTES_MAX}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            missing = (4 + length).saturating_sub(input.len());
            if missing == 0 {
                input.advance(4);
                return Ok(Some(input.split_to(length).freeze()));
            }
        }
        input.reserve(missing.max(BUFFER_BYTES / 8));
        if stream.read_buf(input).await? == 0 {
            return if input.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}
