//! A client of the replication protocol: log-in as a walsender session, simple queries, and the stream of changes.
//!
//! Source: PostgreSQL manual, "Streaming Replication Protocol" and "Message Formats".

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use couplet_api::error::Error;
use couplet_api::{Kind, Result};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::socket::{self, Socket};
use super::{quoted, quoted_literal, server_error};
use crate::config::ConnectionConfig;

/// Text forms that the decoders expect, whatever the database's defaults.
pub(super) const SESSION: [(&str, &str); 5] = [
    ("datestyle", "ISO"),
    ("timezone", "UTC"),
    ("extra_float_digits", "3"),
    ("intervalstyle", "postgres"),
    ("bytea_output", "hex"),
];

// Codes of authentication requests.
const AUTH_OK: u32 = 0;
const AUTH_CLEARTEXT: u32 = 3;
const AUTH_MD5: u32 = 5;
const AUTH_SASL: u32 = 10;
const AUTH_SASL_CONTINUE: u32 = 11;
const AUTH_SASL_FINAL: u32 = 12;

/// Most room that is made for a message before its bytes come.
const READ_AHEAD_MAX: usize = 16 << 20;
/// Size of the pieces of memory that the socket is read into.
const READ_CHUNK: usize = 64 << 10;
/// Free room below which a new piece is made.
const READ_MIN: usize = 4 << 10;
/// Microseconds from 1970 to 2000, where the protocol's clock begins.
const PG_EPOCH_US: i64 = 946_684_800_000_000;

/// A position in the server's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Lsn(pub(crate) u64);

impl Lsn {
    /// Reads `16/B374D848`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let part = |digits| u64::from_str_radix(digits, 16).ok().filter(|n| *n <= u64::from(u32::MAX));
        Some(Lsn(part(high)? << 32 | part(low)?))
    }

    /// As offsets store it.
    pub(crate) const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }
}

impl From<i64> for Lsn {
    fn from(stored: i64) -> Self {
        Lsn(stored.cast_unsigned())
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// What making a slot returns.
#[derive(Debug, Clone)]
pub(crate) struct SlotCreated {
    /// Changes committed from here on are streamed.
    pub(crate) consistent_point: Lsn,
    /// A snapshot of the database at that point, while this session does nothing else.
    pub(crate) snapshot: Option<String>,
}

/// One message of the stream.
#[derive(Debug)]
pub(crate) enum WalEvent {
    /// Output of the plugin.
    Data {
        /// Where in the log it comes from.
        start: Lsn,
        /// The plugin's message.
        body: Bytes,
    },
    /// Everything up to `end` was sent.
    KeepAlive {
        /// End of the log as sent.
        end: Lsn,
        /// Whether the server wants an answer at once.
        reply: bool,
    },
}

/// A walsender session.
pub(crate) struct WalSender {
    socket: Socket,
    read: BytesMut,
    write: BytesMut,
}

impl WalSender {
    /// Connects and logs in with `replication=database`.
    ///
    /// # Errors
    /// As the server or the network says.
    pub(crate) async fn connect(config: &ConnectionConfig) -> Result<Self> {
        let socket = socket::connect(config).await?;
        let mut session = WalSender { socket, read: BytesMut::with_capacity(READ_CHUNK), write: BytesMut::new() };
        let own = [
            ("user", config.user.as_str()),
            ("database", config.database.as_str()),
            ("replication", "database"),
            ("application_name", "Debezium Streaming"),
            ("client_encoding", "UTF8"),
        ];
        frontend::startup_message(own.into_iter().chain(SESSION), &mut session.write).map_err(io)?;
        session.flush().await?;
        session.log_in(config).await?;
        Ok(session)
    }

    async fn log_in(&mut self, config: &ConnectionConfig) -> Result<()> {
        let password = || -> Result<&[u8]> {
            let missing = "The server requested password-based authentication, but no password was provided.";
            config.password.as_ref().map(|p| p.reveal().as_bytes()).ok_or_else(|| Error::auth(missing))
        };
        let mut scram = None;
        loop {
            let (tag, mut body) = self.message().await?;
            match (tag, body.len()) {
                (b'R', 4..) => match body.get_u32() {
                    AUTH_OK => {}
                    AUTH_CLEARTEXT => frontend::password_message(password()?, &mut self.write).map_err(io)?,
                    AUTH_MD5 if body.len() >= 4 => {
                        let salt = [body[0], body[1], body[2], body[3]];
                        let hash = md5_hash(config.user.as_bytes(), password()?, salt);
                        frontend::password_message(hash.as_bytes(), &mut self.write).map_err(io)?;
                    }
                    AUTH_SASL => {
                        let exchange = ScramSha256::new(password()?, ChannelBinding::unsupported());
                        frontend::sasl_initial_response(SCRAM_SHA_256, exchange.message(), &mut self.write)
                            .map_err(io)?;
                        scram = Some(exchange);
                    }
                    AUTH_SASL_CONTINUE => {
                        let exchange = scram.as_mut().ok_or_else(|| protocol("an unexpected SCRAM message"))?;
                        exchange.update(&body).map_err(|e| Error::auth(format!("SCRAM: {e}")))?;
                        frontend::sasl_response(exchange.message(), &mut self.write).map_err(io)?;
                    }
                    AUTH_SASL_FINAL => {
                        let exchange = scram.as_mut().ok_or_else(|| protocol("an unexpected SCRAM message"))?;
                        exchange.finish(&body).map_err(|e| Error::auth(format!("SCRAM: {e}")))?;
                    }
                    _ => return Err(protocol("an authentication method that is not supported")),
                },
                (b'Z', _) => return Ok(()),
                (b'E', _) => return Err(reported(&body)),
                // Parameters, the cancellation key, notices.
                _ => {}
            }
            self.flush().await?;
        }
    }

    /// Runs a command and returns its rows as text.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn query(&mut self, command: &str) -> Result<Vec<Vec<Option<String>>>> {
        frontend::query(command, &mut self.write).map_err(io)?;
        self.flush().await?;
        let (mut rows, mut failed) = (Vec::new(), None);
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                b'D' => rows.push(row(body).ok_or_else(|| protocol("a malformed row"))?),
                b'E' => failed = Some(reported(&body)),
                b'Z' => return failed.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    /// Makes a logical slot for pgoutput and exports its snapshot.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn create_slot(&mut self, slot: &str, temporary: bool, failover: bool) -> Result<SlotCreated> {
        let temporary = if temporary { " TEMPORARY" } else { "" };
        let options = if failover { " (SNAPSHOT 'export', FAILOVER)" } else { " EXPORT_SNAPSHOT" };
        let command = format!("CREATE_REPLICATION_SLOT {}{temporary} LOGICAL pgoutput{options}", quoted(slot));
        let rows = self.query(&command).await?;
        let cell = |i: usize| rows.first().and_then(|row| row.get(i)).cloned().flatten();
        let point =
            cell(1).as_deref().and_then(Lsn::parse).ok_or_else(|| protocol("no consistent point of the slot"))?;
        Ok(SlotCreated { consistent_point: point, snapshot: cell(2) })
    }

    /// Starts streaming from `from`; `options` are the plugin's.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn start(&mut self, slot: &str, from: Lsn, options: &[(String, String)]) -> Result<()> {
        let options: Vec<String> =
            options.iter().map(|(k, v)| format!("{} {}", quoted(k), quoted_literal(v))).collect();
        let command = format!("START_REPLICATION SLOT {} LOGICAL {from} ({})", quoted(slot), options.join(", "));
        frontend::query(&command, &mut self.write).map_err(io)?;
        self.flush().await?;
        let mut failed = None;
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                // CopyBothResponse: the stream begins.
                b'W' => return Ok(()),
                b'E' => failed = Some(reported(&body)),
                b'Z' => return Err(failed.unwrap_or_else(|| protocol("no stream after START_REPLICATION"))),
                _ => {}
            }
        }
    }

    /// The next message of the stream that is already here.
    ///
    /// # Errors
    /// When the server ended the stream.
    pub(crate) fn buffered(&mut self) -> Result<Option<WalEvent>> {
        loop {
            let Some((tag, mut body)) = self.take_message() else { return Ok(None) };
            match tag {
                b'd' => match (body.first().copied(), body.len()) {
                    (Some(b'w'), 25..) => {
                        body.advance(1);
                        let start = Lsn(body.get_u64());
                        body.advance(16);
                        return Ok(Some(WalEvent::Data { start, body }));
                    }
                    (Some(b'k'), 18..) => {
                        body.advance(1);
                        let end = Lsn(body.get_u64());
                        body.advance(8);
                        return Ok(Some(WalEvent::KeepAlive { end, reply: body.get_u8() == 1 }));
                    }
                    _ => return Err(protocol("an unknown message in the stream of changes")),
                },
                b'E' => return Err(reported(&body)),
                b'c' | b'C' => return Err(Error::remote("the server ended the stream of changes")),
                _ => {}
            }
        }
    }

    /// Reads more from the socket and returns how many bytes, at least one. Cancel-safe.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn fill(&mut self) -> Result<usize> {
        // Room is made in large pieces: every piece stays in memory until the last record made from it is gone.
        if self.read.capacity() - self.read.len() < READ_MIN {
            self.read.reserve(READ_CHUNK);
        }
        match self.socket.read_buf(&mut self.read).await {
            Ok(0) => Err(Error::remote("the server closed the replication connection")),
            Ok(read) => Ok(read),
            Err(error) => Err(io(error)),
        }
    }

    /// Tells the server what was received and what may be dropped; `reply`: whether it is to say at once where it stands.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn status(&mut self, received: Lsn, flushed: Lsn, reply: bool) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_us = i64::try_from(now.as_micros()).unwrap_or(i64::MAX) - PG_EPOCH_US;
        self.write.put_u8(b'd');
        self.write.put_i32(4 + 34);
        self.write.put_u8(b'r');
        self.write.put_u64(received.0.max(flushed.0));
        self.write.put_u64(flushed.0);
        self.write.put_u64(flushed.0);
        self.write.put_i64(now_us);
        self.write.put_u8(u8::from(reply));
        self.flush().await
    }

    /// Takes one whole message from the buffer: tag and body.
    fn take_message(&mut self) -> Option<(u8, Bytes)> {
        let header = self.read.get(..5)?;
        let length = 1 + u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if self.read.len() < length {
            // What a length promises is believed piece by piece.
            self.read.reserve((length - self.read.len()).min(READ_AHEAD_MAX));
            return None;
        }
        let mut message = self.read.split_to(length).freeze();
        let tag = message[0];
        message.advance(5.min(length));
        Some((tag, message))
    }

    async fn message(&mut self) -> Result<(u8, Bytes)> {
        loop {
            if let Some(message) = self.take_message() {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.socket.write_all_buf(&mut self.write).await.map_err(io)?;
        self.socket.flush().await.map_err(io)
    }
}

fn io(error: std::io::Error) -> Error {
    Error::remote(format!("replication connection: {error}"))
}

fn protocol(what: &str) -> Error {
    Error::new(Kind::Fatal, format!("the server sent {what}"))
}

/// The columns of a DataRow message.
fn row(mut body: Bytes) -> Option<Vec<Option<String>>> {
    let columns = body.try_get_u16().ok()?;
    let mut cells = Vec::with_capacity(columns.into());
    for _ in 0..columns {
        let length = body.try_get_i32().ok()?;
        let Ok(length) = usize::try_from(length) else {
            cells.push(None);
            continue;
        };
        if body.len() < length {
            return None;
        }
        cells.push(Some(String::from_utf8_lossy(&body.split_to(length)).into_owned()));
    }
    Some(cells)
}

/// The error of an ErrorResponse message.
fn reported(body: &[u8]) -> Error {
    let (mut severity, mut state, mut message) = (String::new(), String::new(), String::new());
    for field in body.split(|b| *b == 0).filter(|field| !field.is_empty()) {
        let text = String::from_utf8_lossy(&field[1..]).into_owned();
        match field[0] {
            b'S' => severity = text,
            b'C' => state = text,
            b'M' => message = text,
            _ => {}
        }
    }
    server_error(&severity, &state, &message)
}

/// Reads `body` as each message that is taken apart here.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn server_messages(body: &[u8]) {
    let _ = reported(body);
    let _ = row(Bytes::copy_from_slice(body));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_rows_are_read_from_their_messages() {
        let error = reported(b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0");
        assert_eq!((error.kind(), error.message()), (Kind::Auth, "FATAL: password authentication failed"));
        let body = Bytes::from_static(b"\0\x02\0\0\0\x01a\xff\xff\xff\xff");
        assert_eq!(row(body), Some(vec![Some("a".to_owned()), None]));
        assert_eq!(row(Bytes::from_static(b"\0\x01\0\0\0\x05a")), None, "cut short");
    }

    #[test]
    fn positions_have_two_forms() {
        for (text, number) in [("0/0", 0), ("16/B374D848", 0x16_B374_D848), ("FFFFFFFF/FFFFFFFF", u64::MAX)] {
            let lsn = Lsn::parse(text).expect(text);
            assert_eq!((lsn, lsn.to_string().as_str()), (Lsn(number), text));
            assert_eq!(Lsn::from(lsn.as_i64()), lsn);
        }
        for bad in ["", "1", "1/", "x/1", "100000000/0"] {
            assert_eq!(Lsn::parse(bad), None, "{bad}");
        }
    }
}
