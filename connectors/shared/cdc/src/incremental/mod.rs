//! Incremental snapshots: tables read again, chunk by chunk, while changes are streamed.
//!
//! Chunks of rows are read between two marks in the stream of changes. Rows whose key is met in the stream between them are
//! left out, since the stream has them newer; the rest follows the second mark. Progress is part of every stored offset,
//! in Debezium's form, so that a restart goes on behind the last row that was sent.
//!
//! Source: `AbstractIncrementalSnapshotContext` of Debezium; Andreakis and Papapanagiotou, "DBLog", 2020.

mod query;
mod run;
mod state;
mod window;

pub use query::{ChunkQuery, Dialect, KeyColumn};
pub use run::{ChunkReader, ChunkRow, Incremental, Marks, Planned};
pub use state::{DataCollection, IncrementalOffset};
