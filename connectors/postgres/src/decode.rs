//! pgoutput's messages, protocol version 1. Pure: bytes in, changes out; texts are slices of the input.
//!
//! Source: PostgreSQL manual, "Logical Replication Message Formats".

use bytes::{Buf, Bytes};
use couplet_api::Result;
use couplet_api::error::Error;

/// Microseconds from 1970 to 2000, where the protocol's clock begins.
const PG_EPOCH_US: i64 = 946_684_800_000_000;

/// One message.
#[derive(Debug)]
pub(crate) enum Change {
    /// A transaction begins.
    Begin {
        /// When it was committed, microseconds since the epoch.
        commit_us: i64,
        /// Its number.
        xid: u32,
    },
    /// It ends.
    Commit {
        /// When it was committed, microseconds since the epoch.
        commit_us: i64,
    },
    /// What a table looks like from here on.
    Relation(Relation),
    /// A new row.
    Insert { relation: u32, new: Tuple },
    /// A changed row; `old` as far as the replica identity gives it.
    Update { relation: u32, old: Option<Tuple>, new: Tuple },
    /// A removed row, as far as the replica identity gives it.
    Delete { relation: u32, old: Tuple },
    /// Emptied tables.
    Truncate { relations: Vec<u32> },
    /// A message of `pg_logical_emit_message`.
    Message { transactional: bool, prefix: String, content: Bytes },
    /// Types and origins, which say nothing that is needed.
    Other,
}

/// A table's definition.
#[derive(Debug)]
pub(crate) struct Relation {
    /// Object id.
    pub(crate) id: u32,
    /// Schema; empty: `pg_catalog`.
    pub(crate) schema: String,
    /// Name.
    pub(crate) table: String,
    /// Columns in the order of tuples.
    pub(crate) columns: Vec<RelationColumn>,
}

/// A column of a [`Relation`].
#[derive(Debug)]
pub(crate) struct RelationColumn {
    /// Name.
    pub(crate) name: String,
    /// Type.
    pub(crate) type_oid: u32,
    /// Type modifier; -1: none.
    pub(crate) modifier: i32,
}

/// The values of a row, not yet taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Tuple {
    columns: u16,
    cells: Bytes,
}

/// One value.
#[derive(Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Null, or not part of the replica identity.
    Null,
    /// A large value that did not change and was not sent.
    Unchanged,
    /// Its text, a part of [`Tuple::bytes`].
    Text(&'a [u8]),
}

impl Tuple {
    /// The values in order.
    pub(crate) fn cells(&self) -> Cells<'_> {
        Cells { left: self.columns, rest: &self.cells }
    }

    /// What texts are parts of.
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.cells
    }
}

/// Iterator over the values of a [`Tuple`], whose form was checked.
pub(crate) struct Cells<'a> {
    left: u16,
    rest: &'a [u8],
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    fn next(&mut self) -> Option<Cell<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (mark, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match mark {
            b'n' => Cell::Null,
            b'u' => Cell::Unchanged,
            _ => {
                let (length, rest) = self.rest.split_first_chunk()?;
                let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
                self.rest = rest;
                Cell::Text(text)
            }
        })
    }
}

/// Reads one message.
///
/// # Errors
/// [`couplet_api::Kind::Fatal`] when it is cut short or of an unknown kind.
pub(crate) fn decode(body: Bytes) -> Result<Change> {
    read(body).ok_or_else(|| Error::fatal("a message of the pgoutput plugin cannot be read"))
}

fn read(mut body: Bytes) -> Option<Change> {
    Some(match body.try_get_u8().ok()? {
        b'B' => {
            body.try_get_u64().ok()?;
            Change::Begin {
                commit_us: body.try_get_i64().ok()?.wrapping_add(PG_EPOCH_US),
                xid: body.try_get_u32().ok()?,
            }
        }
        b'C' => {
            body.try_get_u8().ok()?;
            body.try_get_u64().ok()?;
            body.try_get_u64().ok()?;
            Change::Commit { commit_us: body.try_get_i64().ok()?.wrapping_add(PG_EPOCH_US) }
        }
        b'R' => Change::Relation(relation(&mut body)?),
        b'I' => {
            let relation = body.try_get_u32().ok()?;
            let (_, new) = marked_tuple(&mut body)?;
            Change::Insert { relation, new }
        }
        b'U' => {
            let relation = body.try_get_u32().ok()?;
            match marked_tuple(&mut body)? {
                (b'N', new) => Change::Update { relation, old: None, new },
                (_, old) => Change::Update { relation, old: Some(old), new: marked_tuple(&mut body)?.1 },
            }
        }
        b'D' => {
            let relation = body.try_get_u32().ok()?;
            let (_, old) = marked_tuple(&mut body)?;
            Change::Delete { relation, old }
        }
        b'T' => {
            let count = body.try_get_u32().ok()?;
            body.try_get_u8().ok()?;
            let relations = (0..count).map(|_| body.try_get_u32().ok()).collect::<Option<_>>()?;
            Change::Truncate { relations }
        }
        b'M' => {
            let transactional = body.try_get_u8().ok()? & 1 == 1;
            body.try_get_u64().ok()?;
            let prefix = string(&mut body)?;
            let length = body.try_get_u32().ok()? as usize;
            let content = (body.len() >= length).then(|| body.split_to(length))?;
            Change::Message { transactional, prefix, content }
        }
        b'Y' | b'O' => Change::Other,
        _ => return None,
    })
}

fn relation(body: &mut Bytes) -> Option<Relation> {
    let id = body.try_get_u32().ok()?;
    let (schema, table) = (string(body)?, string(body)?);
    body.try_get_u8().ok()?;
    let count = body.try_get_u16().ok()?;
    let mut columns = Vec::with_capacity(count.into());
    for _ in 0..count {
        body.try_get_u8().ok()?;
        let name = string(body)?;
        columns.push(RelationColumn { name, type_oid: body.try_get_u32().ok()?, modifier: body.try_get_i32().ok()? });
    }
    Some(Relation { id, schema, table, columns })
}

fn string(body: &mut Bytes) -> Option<String> {
    let end = memchr::memchr(0, body)?;
    let text = String::from_utf8_lossy(&body.split_to(end)).into_owned();
    body.advance(1);
    Some(text)
}

/// A name of a relation message as Debezium's decoder reads it: byte by byte, each sign-extended to a UTF-16 unit. ASCII
/// comes out right; anything else does not, and the names of streamed records are part of the contract.
pub(crate) fn as_debezium_reads(name: &str) -> String {
    if name.is_ascii() {
        return name.to_owned();
    }
    let unit = |byte: u8| char::from_u32(if byte < 0x80 { byte.into() } else { 0xff00 | u32::from(byte) });
    name.bytes().filter_map(unit).collect()
}

/// A tuple after its mark (`N`, `O` or `K`); checks the lengths inside.
fn marked_tuple(body: &mut Bytes) -> Option<(u8, Tuple)> {
    let mark = body.try_get_u8().ok()?;
    let columns = body.try_get_u16().ok()?;
    let mut end = 0_usize;
    for _ in 0..columns {
        match body.get(end)? {
            b'n' | b'u' => end += 1,
            b't' => {
                let length: [u8; 4] = body.get(end + 1..end + 5)?.try_into().ok()?;
                end = end.checked_add(5)?.checked_add(u32::from_be_bytes(length) as usize)?;
            }
            _ => return None,
        }
    }
    (end <= body.len()).then(|| (mark, Tuple { columns, cells: body.split_to(end) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSERT: &[u8] = b"I\0\0\0\x07N\0\x03t\0\0\0\x01anu";

    #[test]
    fn an_insert_is_taken_apart_without_copies() {
        let Ok(Change::Insert { relation: 7, new }) = decode(Bytes::from_static(INSERT)) else { panic!("an insert") };
        let cells: Vec<Cell> = new.cells().collect();
        assert_eq!(cells, [Cell::Text(b"a"), Cell::Null, Cell::Unchanged]);
    }

    #[test]
    fn an_update_may_carry_the_old_row() {
        let body = b"U\0\0\0\x07K\0\x01t\0\0\0\x01aN\0\x01t\0\0\0\x02bc";
        let Ok(Change::Update { old: Some(old), new, .. }) = decode(Bytes::from_static(body)) else {
            panic!("an update")
        };
        assert_eq!(old.cells().next(), Some(Cell::Text(b"a")));
        assert_eq!(new.cells().next(), Some(Cell::Text(b"bc")));
    }

    #[test]
    fn transactions_and_relations() {
        let mut begin = b"B\0\0\0\0\0\0\0\x01".to_vec();
        begin.extend(1_i64.to_be_bytes());
        begin.extend(9_u32.to_be_bytes());
        assert!(matches!(
            decode(begin.into()),
            Ok(Change::Begin { commit_us, xid: 9 }) if commit_us == PG_EPOCH_US + 1
        ));
        let body = b"R\0\0\0\x05public\0t\0d\0\x01\x01id\0\0\0\0\x17\xff\xff\xff\xff";
        let Ok(Change::Relation(relation)) = decode(Bytes::from_static(body)) else { panic!("a relation") };
        assert_eq!((relation.id, relation.schema.as_str(), relation.table.as_str()), (5, "public", "t"));
        assert_eq!((relation.columns[0].type_oid, relation.columns[0].modifier), (23, -1));
    }

    #[test]
    fn names_beyond_ascii_are_read_as_debezium_reads_them() {
        assert_eq!(as_debezium_reads("na\u{ef}ve"), "na\u{ffc3}\u{ffaf}ve");
        assert_eq!(as_debezium_reads("plain"), "plain");
    }

    #[test]
    fn a_message_cut_short_anywhere_is_an_error_and_no_panic() {
        for message in [
            INSERT,
            b"R\0\0\0\x05public\0t\0d\0\x01\x01id\0\0\0\0\x17\xff\xff\xff\xff",
            b"T\0\0\0\x02\0\0\0\0\x01\0\0\0\x02",
        ] {
            for end in 0..message.len() {
                assert!(decode(Bytes::copy_from_slice(&message[..end])).is_err(), "{end} bytes of {message:?}");
            }
        }
        assert!(decode(Bytes::from_static(b"I\0\0\0\x07N\0\x01t\xff\xff\xff\xff")).is_err());
        assert!(decode(Bytes::from_static(b"?")).is_err());
    }
}
