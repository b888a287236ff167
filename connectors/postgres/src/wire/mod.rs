//! Connections to the server: TCP, TLS, log-in, and the replication protocol. All I/O of the connector starts here.

mod error;
mod socket;
mod sql;
mod tls;
mod walsender;

pub(crate) use error::{server_error, sql_error};
pub(crate) use sql::{Sql, quoted, quoted_literal};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use walsender::server_messages;
pub(crate) use walsender::{Lsn, WalEvent, WalSender};
