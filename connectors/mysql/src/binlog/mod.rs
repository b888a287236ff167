//! Events of the binary log, read from bytes. Pure.
//!
//! Contract: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html>,
//! <https://mariadb.com/kb/en/replication-protocol/>.

mod cell;
mod compressed;
mod decimal;
mod event;
mod json;
mod payload;
mod rows;
mod table_map;

pub(crate) use cell::Cell;
pub(crate) use event::{Body, Event, Format, Header};
pub(crate) use json::json_text;
pub(crate) use payload::Payload;
pub(crate) use rows::{RowChange, RowKind, Rows};
pub(crate) use table_map::TableMap;
