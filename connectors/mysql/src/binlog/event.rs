//! The frame of an event: header, body, checksum.

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::error::Error;
use couplet_mysql_wire::read::Reader;

use super::compressed::unpacked;
use super::payload::Payload;
use super::rows::{RowKind, Rows};
use super::table_map::TableMap;

/// Its length in bytes.
pub(super) const HEADER: usize = 19;
/// LOG_EVENT_IGNORABLE_F and others do not matter; an artificial event does not stand in the file.
const ARTIFICIAL: u16 = 0x20;
/// FL_STANDALONE of a GTID of MariaDB.
const STANDALONE: u8 = 1;

/// What stands in front of every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Seconds since the epoch at which the statement began.
    pub(crate) timestamp: u32,
    /// Type code.
    pub(crate) kind: u8,
    /// The server that wrote it.
    pub(crate) server_id: u32,
    /// Its length in bytes.
    pub(crate) length: u32,
    /// Where the next event begins; 0 for one that is in no file.
    pub(crate) next_position: u32,
    /// Whether it is made up by the sender.
    pub(crate) artificial: bool,
}

impl Header {
    /// Where the event begins.
    pub(crate) const fn position(&self) -> u64 {
        self.next_position.saturating_sub(self.length) as u64
    }
}

/// What is known of the log's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// Whether events end with a checksum of four bytes.
    pub(crate) checksum: bool,
}

/// An event.
#[derive(Debug)]
pub(crate) struct Event {
    /// Its header.
    pub(crate) header: Header,
    /// What it says.
    pub(crate) body: Body,
}

/// What an event says.
#[derive(Debug)]
pub(crate) enum Body {
    /// Another file begins.
    Rotate {
        /// Its name.
        file: String,
        /// Where in it.
        position: u64,
    },
    /// The format of what follows.
    Format(Format),
    /// A statement: BEGIN, COMMIT, DDL.
    Query {
        /// Thread that ran it.
        thread: u32,
        /// Database it ran in.
        database: String,
        /// Its text.
        sql: String,
    },
    /// A transaction begins, MySQL.
    Gtid {
        /// Source.
        uuid: [u8; 16],
        /// Number.
        number: u64,
        /// When the source committed it, microseconds since the epoch; 0 when unknown.
        commit_us: u64,
    },
    /// A transaction without GTID begins, MySQL.
    AnonymousGtid {
        /// When it was committed, microseconds since the epoch; 0 when unknown.
        commit_us: u64,
    },
    /// A transaction begins, MariaDB.
    MariaDbGtid {
        /// Domain.
        domain: u32,
        /// Number.
        number: u64,
        /// One statement about definitions: nothing tells its end.
        standalone: bool,
    },
    /// What a table looks like.
    TableMap(TableMap),
    /// Changes of rows.
    Rows(Rows),
    /// A transaction was committed.
    Commit,
    /// The statement behind the row events that follow.
    Statement(String),
    /// The server lives.
    Heartbeat,
    /// Something happened on the server that may have lost changes.
    Incident,
    /// The events of a whole transaction.
    Payload(Payload),
    /// An unreadable event; which one.
    Unsupported(&'static str),
    /// Of no interest.
    Other,
}

impl Event {
    /// Reads one event.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Fatal`] when it is damaged.
    pub(crate) fn parse(bytes: &Bytes, format: Format) -> Result<Self> {
        let header = header(bytes).ok_or_else(|| damaged("header"))?;
        let mut body = bytes.slice(HEADER..);
        let has_checksum = match header.kind {
            // The artificial one at the start comes before any format is known: MariaDB adds a checksum where the log has them.
            4 if header.artificial => ends_with_checksum(bytes),
            // The format's own checksum is part of what is read of it.
            15 => false,
            _ => format.checksum,
        };
        if has_checksum {
            let end = body.len().checked_sub(4).ok_or_else(|| damaged("checksum"))?;
            body.truncate(end);
        }
        let (kind, body) = unpacked(header.kind, body)?;
        let parsed = parse_body(kind, &body).ok_or_else(|| damaged(name(kind)))?;
        Ok(Event { header, body: parsed })
    }
}

/// Whether the last four bytes are the CRC-32 of those before them.
fn ends_with_checksum(event: &[u8]) -> bool {
    event.split_last_chunk::<4>().is_some_and(|(event, sum)| crc32fast::hash(event) == u32::from_le_bytes(*sum))
}

fn damaged(what: &str) -> Error {
    Error::fatal(format!("an event of the binary log is damaged or of an unknown form: {what}"))
}

fn name(kind: u8) -> &'static str {
    match kind {
        2 => "query",
        4 => "rotate",
        15 => "format description",
        19 => "table map",
        23..=25 | 30..=32 => "rows",
        33 | 34 | 162 => "GTID",
        40 => "transaction payload",
        _ => "event",
    }
}

fn header(bytes: &[u8]) -> Option<Header> {
    let mut reader = Reader::new(bytes);
    let (timestamp, kind, server_id) = (reader.u32()?, reader.u8()?, reader.u32()?);
    let (length, next_position, flags) = (reader.u32()?, reader.u32()?, reader.u16()?);
    Some(Header { timestamp, kind, server_id, length, next_position, artificial: flags & ARTIFICIAL != 0 })
}

fn parse_body(kind: u8, body: &Bytes) -> Option<Body> {
    let mut reader = Reader::new(body);
    Some(match kind {
        2 => query(&mut reader)?,
        4 => {
            let position = reader.u64()?;
            Body::Rotate { file: String::from_utf8_lossy(reader.rest()).into_owned(), position }
        }
        15 => Body::Format(format_description(body)?),
        16 => Body::Commit,
        19 => Body::TableMap(TableMap::parse(body)?),
        23 | 30 => Body::Rows(Rows::parse(RowKind::Write, kind >= 30, body)?),
        24 | 31 => Body::Rows(Rows::parse(RowKind::Update, kind >= 30, body)?),
        25 | 32 => Body::Rows(Rows::parse(RowKind::Delete, kind >= 30, body)?),
        26 => Body::Incident,
        27 | 41 => Body::Heartbeat,
        29 => {
            reader.u8()?;
            Body::Statement(String::from_utf8_lossy(reader.rest()).into_owned())
        }
        160 => Body::Statement(String::from_utf8_lossy(reader.rest()).into_owned()),
        33 => {
            reader.u8()?;
            let uuid = *reader.take(16)?.first_chunk::<16>()?;
            let number = reader.u64()?;
            Body::Gtid { uuid, number, commit_us: commit_time(&mut reader) }
        }
        34 => {
            reader.take(25)?;
            Body::AnonymousGtid { commit_us: commit_time(&mut reader) }
        }
        162 => {
            let (number, domain, flags) = (reader.u64()?, reader.u32()?, reader.u8()?);
            Body::MariaDbGtid { domain, number, standalone: flags & STANDALONE != 0 }
        }
        39 => Body::Unsupported("PARTIAL_UPDATE_ROWS (binlog_row_value_options=PARTIAL_JSON)"),
        40 => Body::Payload(Payload::parse(body)?),
        164 => Body::Unsupported("START_ENCRYPTION (an encrypted binary log)"),
        _ => Body::Other,
    })
}

/// Logical clock (type 2, two numbers), then the commit's time in seven bytes.
fn commit_time(reader: &mut Reader<'_>) -> u64 {
    let mut read = || {
        if reader.u8()? != 2 {
            return None;
        }
        reader.take(16)?;
        let time = reader.le(7)?;
        // Its highest bit says that the original commit's time follows: that is the time of the source.
        const FOLLOWS: u64 = 1 << 55;
        if time & FOLLOWS == 0 { Some(time) } else { reader.le(7) }
    };
    read().unwrap_or(0)
}

fn query(reader: &mut Reader<'_>) -> Option<Body> {
    let thread = reader.u32()?;
    reader.take(4)?;
    let database_length = usize::from(reader.u8()?);
    reader.take(2)?;
    let variables = usize::from(reader.u16()?);
    reader.take(variables)?;
    let database = String::from_utf8_lossy(reader.take(database_length)?).into_owned();
    reader.u8()?;
    Some(Body::Query { thread, database, sql: String::from_utf8_lossy(reader.rest()).into_owned() })
}

/// The algorithm stands in front of the event's own checksum, which is always there.
fn format_description(body: &Bytes) -> Option<Format> {
    let algorithm = *body.get(body.len().checked_sub(5)?)?;
    Some(Format { checksum: algorithm == 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An artificial rotate event that names `file`.
    fn rotate(file: &str) -> Vec<u8> {
        let mut event = vec![0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        event.extend(ARTIFICIAL.to_le_bytes());
        event.extend(4_u64.to_le_bytes());
        event.extend(file.as_bytes());
        event
    }

    #[test]
    fn the_first_rotate_event_may_have_a_checksum_that_nobody_announced() {
        // Names whose checksums look like text are the ones that tell a guess from a check.
        for number in 0..2000 {
            let file = format!("mysql-bin.{number:06}");
            let plain = rotate(&file);
            let mut summed = plain.clone();
            summed.extend(crc32fast::hash(&plain).to_le_bytes());
            for event in [plain, summed] {
                let event = Event::parse(&Bytes::from(event), Format { checksum: false }).expect("an event");
                let Body::Rotate { file: read, position } = event.body else { panic!("a rotate event") };
                assert_eq!((read.as_str(), position), (file.as_str(), 4));
            }
        }
    }
}
