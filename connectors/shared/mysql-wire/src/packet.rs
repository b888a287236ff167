//! Packets: a length of three bytes, a sequence number, the body. Bodies of 16 MiB and more go on in the next packet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use couplet_api::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::error::{SqlError, broken, malformed};

/// Longest body of one packet.
const BODY_MAX: usize = 0xff_ffff;

/// A stream to the server.
pub(crate) enum Socket {
    /// In the clear.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Packets over a socket.
pub(crate) struct Packets {
    socket: Socket,
    buffer: BytesMut,
    /// Bodies of a message that goes on.
    partial: BytesMut,
    sequence: u8,
}

impl Packets {
    /// Over `socket`.
    pub(crate) fn new(socket: Socket) -> Self {
        Packets { socket, buffer: BytesMut::with_capacity(16 << 10), partial: BytesMut::new(), sequence: 0 }
    }

    /// Whether nobody can listen in.
    pub(crate) const fn is_encrypted(&self) -> bool {
        matches!(self.socket, Socket::Tls(_))
    }

    /// Puts an encrypted socket in the place of the plain one, by `wrap`.
    pub(crate) fn into_plain(self) -> Option<(TcpStream, u8)> {
        match self.socket {
            Socket::Plain(tcp) if self.buffer.is_empty() => Some((tcp, self.sequence)),
            _ => None,
        }
    }

    /// Goes on at `sequence`.
    pub(crate) fn at(mut self, sequence: u8) -> Self {
        self.sequence = sequence;
        self
    }

    /// A message that is there already. Error packets are messages here.
    pub(crate) fn buffered(&mut self) -> Option<Bytes> {
        loop {
            let header = self.buffer.first_chunk::<4>()?;
            let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
            if self.buffer.len() < 4 + length {
                self.buffer.reserve(4 + length - self.buffer.len());
                return None;
            }
            self.sequence = header[3].wrapping_add(1);
            self.buffer.advance(4);
            let body = self.buffer.split_to(length);
            if length == BODY_MAX {
                self.partial.extend_from_slice(&body);
            } else if self.partial.is_empty() {
                return Some(body.freeze());
            } else {
                self.partial.extend_from_slice(&body);
                return Some(self.partial.split().freeze());
            }
        }
    }

    /// Waits for more bytes. Cancel-safe.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        if self.buffer.capacity() - self.buffer.len() < 4 << 10 {
            self.buffer.reserve(64 << 10);
        }
        match self.socket.read_buf(&mut self.buffer).await {
            Ok(0) => Err(broken(&io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(&error)),
        }
    }

    /// The next message. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Bytes> {
        loop {
            if let Some(message) = self.buffered() {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    /// The next message, which must not be an error.
    pub(crate) async fn next_ok(&mut self) -> Result<Bytes> {
        let message = self.next().await?;
        match message.first() {
            Some(0xff) => Err(SqlError::parse(&message[1..]).into_error()),
            Some(_) => Ok(message),
            None => Err(malformed("packet")),
        }
    }

    /// Sends `body` within an exchange.
    pub(crate) async fn send(&mut self, body: &[u8]) -> Result<()> {
        let mut rest = body;
        loop {
            let (now, later) = rest.split_at(rest.len().min(BODY_MAX));
            let length = u32::try_from(now.len()).unwrap_or_default().to_le_bytes();
            let mut packet = Vec::with_capacity(4 + now.len());
            packet.extend([length[0], length[1], length[2], self.sequence]);
            packet.extend(now);
            self.sequence = self.sequence.wrapping_add(1);
            self.socket.write_all(&packet).await.map_err(|e| broken(&e))?;
            rest = later;
            if now.len() < BODY_MAX {
                break;
            }
        }
        self.socket.flush().await.map_err(|e| broken(&e))
    }

    /// Sends a command, which begins an exchange.
    pub(crate) async fn command(&mut self, code: u8, body: &[u8]) -> Result<()> {
        self.sequence = 0;
        let mut message = Vec::with_capacity(1 + body.len());
        message.push(code);
        message.extend(body);
        self.send(&message).await
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Socket::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Socket::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Socket::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Socket::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
