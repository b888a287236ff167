//! The dump of the binary log: the server treats us as a replica.

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::error::Error;

use crate::connection::Connection;
use crate::error::{SqlError, malformed};
use crate::packet::Packets;

const BINLOG_DUMP: u8 = 0x12;
const REGISTER_SLAVE: u8 = 0x15;
const BINLOG_DUMP_GTID: u8 = 0x1e;
/// BINLOG_THROUGH_GTID.
const THROUGH_GTID: u16 = 4;
/// MariaDB's BINLOG_SEND_ANNOTATE_ROWS_EVENT.
const SEND_ANNOTATE_ROWS: u16 = 2;

/// Transactions of one source: its UUID, half-open intervals of numbers.
pub type SourceGtids = ([u8; 16], Vec<(u64, u64)>);

/// Where a dump begins.
#[derive(Debug, Clone)]
pub enum DumpStart {
    /// At a position of a file.
    Position {
        /// Name of the file.
        file: String,
        /// Offset in it, at least 4.
        position: u64,
    },
    /// MySQL: behind these transactions, by source: UUID and half-open intervals.
    Gtids(Vec<SourceGtids>),
    /// MariaDB: behind these transactions, as `gtid_slave_pos` writes them.
    MariaDbGtids(String),
}

/// The running dump: one event per message.
pub struct Dump {
    packets: Packets,
}

impl Connection {
    /// Registers as the replica `server_id` and asks for the log from `start`. `statements`: MariaDB sends the statements
    /// behind row events too. `heartbeat_ns`: how often an idle server shows that it lives.
    ///
    /// # Errors
    /// What the server says, or that the connection broke. A start that is gone is reported by the first event.
    pub async fn dump(
        mut self,
        server_id: u32,
        start: &DumpStart,
        statements: bool,
        heartbeat_ns: u64,
    ) -> Result<Dump> {
        let mariadb = self.is_mariadb();
        self.run("SET @master_binlog_checksum = @@global.binlog_checksum").await?;
        self.run("SET @source_binlog_checksum = @@global.binlog_checksum").await?;
        self.run(&format!("SET @master_heartbeat_period = {heartbeat_ns}")).await?;
        if mariadb {
            self.run("SET @mariadb_slave_capability = 4").await?;
            if let DumpStart::MariaDbGtids(gtids) = start {
                let safe = gtids.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ','));
                if !safe {
                    return Err(Error::config(format!("{gtids} is not a list of MariaDB's GTIDs")));
                }
                self.run(&format!("SET @slave_connect_state = '{gtids}'")).await?;
                self.run("SET @slave_gtid_strict_mode = 0").await?;
                self.run("SET @slave_gtid_ignore_duplicates = 0").await?;
            }
        } else {
            self.run(&format!("SET @slave_uuid = '{}'", replica_uuid(server_id))).await?;
            self.run(&format!("SET @replica_uuid = '{}'", replica_uuid(server_id))).await?;
        }
        let mut packets = self.packets;
        packets.command(REGISTER_SLAVE, &registration(server_id)).await?;
        packets.next_ok().await?;
        let (code, body) = request(server_id, start, if mariadb && statements { SEND_ANNOTATE_ROWS } else { 0 });
        packets.command(code, &body).await?;
        Ok(Dump { packets })
    }
}

/// Two connections of one server id must not share it; ours differ in the id.
fn replica_uuid(server_id: u32) -> String {
    format!("c0dec0de-0000-4000-8000-0000{server_id:08x}")
}

fn registration(server_id: u32) -> Vec<u8> {
    let mut body = server_id.to_le_bytes().to_vec();
    // Host, user and password that SHOW REPLICAS would show, port, rank, source's id: none.
    body.extend([0, 0, 0, 0, 0]);
    body.extend([0; 8]);
    body
}

fn request(server_id: u32, start: &DumpStart, flags: u16) -> (u8, Vec<u8>) {
    let by_position = |file: &str, position: u64| {
        let mut body = u32::try_from(position).unwrap_or(4).to_le_bytes().to_vec();
        body.extend(flags.to_le_bytes());
        body.extend(server_id.to_le_bytes());
        body.extend(file.as_bytes());
        (BINLOG_DUMP, body)
    };
    match start {
        DumpStart::Position { file, position } => by_position(file, *position),
        DumpStart::MariaDbGtids(_) => by_position("", 4),
        DumpStart::Gtids(sources) => {
            let mut set = (sources.len() as u64).to_le_bytes().to_vec();
            for (uuid, intervals) in sources {
                set.extend(uuid);
                set.extend((intervals.len() as u64).to_le_bytes());
                for (from, to) in intervals {
                    set.extend(from.to_le_bytes());
                    set.extend(to.to_le_bytes());
                }
            }
            let mut body = (flags | THROUGH_GTID).to_le_bytes().to_vec();
            body.extend(server_id.to_le_bytes());
            body.extend(0_u32.to_le_bytes());
            body.extend(4_u64.to_le_bytes());
            body.extend(u32::try_from(set.len()).unwrap_or(0).to_le_bytes());
            body.extend(set);
            (BINLOG_DUMP_GTID, body)
        }
    }
}

impl Dump {
    /// An event that is there already: its header and body, with the checksum if the log has one.
    ///
    /// # Errors
    /// What the server says, for example that the log is gone.
    pub fn buffered(&mut self) -> Result<Option<Bytes>> {
        self.packets.buffered().map(event).transpose()
    }

    /// Waits for more. Cancel-safe.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn fill(&mut self) -> Result<()> {
        self.packets.fill().await
    }
}

fn event(mut message: Bytes) -> Result<Bytes> {
    match message.first() {
        Some(0) => Ok(message.split_off(1)),
        Some(0xff) => Err(SqlError::parse(&message[1..]).into_error()),
        Some(0xfe) if message.len() < 9 => Err(Error::remote("the server ended the binary log dump")),
        _ => Err(malformed("packet of the binary log dump")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_laid_out_as_the_server_reads_them() {
        let start = DumpStart::Position { file: "b.1".into(), position: 4 };
        assert_eq!(request(7, &start, 2), (BINLOG_DUMP, b"\x04\0\0\0\x02\0\x07\0\0\0b.1".to_vec()));
        let (code, body) = request(7, &DumpStart::Gtids(vec![([9; 16], vec![(1, 5)])]), 0);
        assert_eq!((code, body.len()), (BINLOG_DUMP_GTID, 2 + 4 + 4 + 8 + 4 + 8 + 16 + 8 + 16));
        assert_eq!(registration(1).len(), 17);
    }
}
