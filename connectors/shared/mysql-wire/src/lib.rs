//! MySQL's client protocol as change data capture needs it: log-in, text queries with streamed rows, and the dump of
//! the binary log from MySQL and MariaDB servers.
//!
//! Why not `mysql_async`: its dump cannot ask MariaDB for the statements behind row events (the flag cannot be set), it
//! parses every table map a second time, and it takes minutes to build.
//!
//! Contract: <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>,
//! <https://mariadb.com/kb/en/clientserver-protocol/>.

mod auth;
mod connection;
mod dump;
mod error;
mod login;
mod packet;
mod query;
pub mod read;

pub use connection::{Access, Connection, TlsMode};
pub use dump::{Dump, DumpStart, SourceGtids};
pub use error::SqlError;
pub use query::{Rows, TextRow};
