//! TRANSACTION_PAYLOAD: a MySQL transaction's events as one (`binlog_transaction_compression`), packed by Zstandard.
//!
//! Contract: <https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Transaction__payload__event.html>.

use std::io::{Cursor, Read};

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::error::Error;
use couplet_mysql_wire::read::{Reader, slice_of};

use super::compressed::EVENT_BYTES_MAX;
use super::event::{Event, Format, HEADER, Header};

/// The events of a transaction, unpacked one after another: no more than one is in memory.
pub(crate) struct Payload {
    source: Box<dyn Read + Send>,
    /// Bytes that are still to come.
    left: u64,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Payload {
    /// Reads the body's head: fields of a type, a length and a value, until a type 0.
    pub(super) fn parse(body: &Bytes) -> Option<Self> {
        let mut reader = Reader::new(body);
        let (mut length, mut algorithm, mut unpacked) = (None, None, None);
        loop {
            let field = reader.lenenc()?;
            if field == 0 {
                break;
            }
            let value = Reader::new(reader.lenenc_bytes()?).lenenc()?;
            match field {
                1 => length = Some(value),
                2 => algorithm = Some(value),
                3 => unpacked = Some(value),
                _ => {}
            }
        }
        let length = usize::try_from(length?).ok()?;
        let data = Cursor::new(slice_of(body, reader.take(length)?));
        let source: Box<dyn Read + Send> = match algorithm? {
            0 => Box::new(zstd::stream::read::Decoder::with_buffer(data).ok()?),
            255 => Box::new(data),
            _ => return None,
        };
        Some(Payload { source, left: unpacked.unwrap_or(length as u64) })
    }

    /// The next event, which stands where `outer`, the event that holds it, does; `None`: that was the last one.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Fatal`] when the payload is damaged or has an event that is too long.
    pub(crate) fn next(&mut self, outer: &Header) -> Result<Option<Event>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut bytes = self.take(HEADER)?;
        let length = bytes[9..13].iter().rev().fold(0_usize, |n, byte| n << 8 | usize::from(*byte));
        if length > EVENT_BYTES_MAX {
            return Err(Error::fatal(format!(
                "an event in a compressed transaction has {length} bytes, above the limit of {EVENT_BYTES_MAX}"
            )));
        }
        let body = self.take(length.checked_sub(HEADER).ok_or_else(damaged)?)?;
        bytes.extend(body);
        // Events within have no checksum of their own.
        let mut event = Event::parse(&bytes.into(), Format { checksum: false })?;
        event.header.length = outer.length;
        event.header.next_position = outer.next_position;
        Ok(Some(event))
    }

    /// Exactly so many bytes. The buffer grows with what there is, not with what is promised.
    fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        let wanted = length as u64;
        self.left = self.left.checked_sub(wanted).ok_or_else(damaged)?;
        let mut bytes = Vec::new();
        let read = (&mut self.source).take(wanted).read_to_end(&mut bytes);
        match read {
            Ok(read) if read == length => Ok(bytes),
            Ok(_) => Err(damaged()),
            Err(error) => Err(damaged().caused_by(Error::fatal(error.to_string()))),
        }
    }
}

fn damaged() -> Error {
    Error::fatal("a compressed transaction of the binary log (binlog_transaction_compression=ON) is damaged")
}

#[cfg(test)]
mod tests {
    use super::super::event::Body;
    use super::*;

    const OUTER: Header =
        Header { timestamp: 1, kind: 40, server_id: 1, length: 100, next_position: 500, artificial: false };

    /// An event of type `kind`.
    fn event(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + body.len()).expect("short").to_le_bytes();
        [&[9, 0, 0, 0, kind, 3, 0, 0, 0][..], &length, &[0; 6], body].concat()
    }

    fn payload(algorithm: u8, unpacked: usize, data: &[u8]) -> Bytes {
        let number = |value: usize| [&[0xfc][..], &u16::try_from(value).expect("short").to_le_bytes()].concat();
        let algorithm = number(algorithm.into());
        let head = [&[2, 3][..], &algorithm, &[3, 3], &number(unpacked), &[1, 3], &number(data.len()), &[0]].concat();
        [&head[..], data].concat().into()
    }

    fn kinds(body: &Bytes) -> Result<Vec<u8>> {
        let mut payload = Payload::parse(body).ok_or_else(damaged)?;
        let mut kinds = Vec::new();
        while let Some(event) = payload.next(&OUTER)? {
            assert_eq!(
                (event.header.position(), event.header.server_id),
                (400, 3),
                "it stands where the outer one does"
            );
            kinds.push(event.header.kind);
        }
        Ok(kinds)
    }

    #[test]
    fn events_come_out_in_order() {
        let events = [event(29, b"\0SELECT 1"), event(16, &[0; 8])].concat();
        let packed = zstd::bulk::compress(&events, 1).expect("in memory");
        for body in [payload(0, events.len(), &packed), payload(255, events.len(), &events)] {
            assert_eq!(kinds(&body).expect("sound"), [29, 16]);
            for length in 0..body.len() {
                assert!(kinds(&body.slice(..length)).is_err(), "cut to {length}");
            }
        }
        assert!(kinds(&payload(7, events.len(), &events)).is_err(), "an unknown algorithm");
        assert!(kinds(&payload(0, events.len() + 40, &packed)).is_err(), "more is promised than there is");
        let mut first = Payload::parse(&payload(0, events.len(), &packed)).expect("sound");
        let first = first.next(&OUTER).expect("sound").expect("an event");
        assert!(matches!(first.body, Body::Statement(sql) if sql == "SELECT 1"));
    }

    #[test]
    fn lengths_are_checked() {
        let mut long = event(16, &[0; 8]);
        long[9..13].copy_from_slice(&[1, 0, 0, 0x40]);
        let error = kinds(&payload(255, long.len(), &long)).expect_err("too long").to_string();
        assert!(error.contains("1073741825") && error.contains("1073741824"), "{error}");
    }
}
