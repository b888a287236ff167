//! What the MySQL and MariaDB connectors know of tables: their shapes, the statements that change them, and the
//! records in which Debezium keeps and tells those changes.
//!
//! Contract: Debezium 3.3.1.Final (`debezium-connector-binlog`, `debezium-ddl-parser`, `debezium-storage`).

mod change;
mod charset;
mod ddl;
pub mod history;
pub mod jdbc;
mod table;
mod tables;
mod topic;

pub use change::{ChangeKind, SchemaChange, SchemaChangeKind, TableChange};
pub use charset::charset_of;
pub use ddl::{Capture, Ddl, DdlError, DdlEvent, DdlEventKind, Dialect, Scope};
pub use table::{Column, ColumnDefault, Table, parse_quoted, quoted};
pub use tables::Tables;
pub use topic::SchemaChangeTopic;
