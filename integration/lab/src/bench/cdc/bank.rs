//! A database with the bank's table, as the cases see it.

use anyhow::Result;
use couplet_harness::clients::ConnectRest;
use couplet_harness::worker::{Engine, WorkerSettings};
use serde_json::Value;

use super::Named;
use crate::bench::Bench;

/// PostgreSQL or MySQL.
pub trait Bank: Sized {
    /// A new server with the empty table.
    async fn open() -> Result<Self>;

    /// A worker that has the connector.
    fn settings(&self, bench: &Bench, engine: &Engine) -> Result<WorkerSettings>;

    /// A connector with the original's defaults, without schemas in its JSON, and the topic of the table.
    fn connector(&self, bench: &Bench, prefix: &str) -> (Value, String);

    /// Books `rows` rows, `batch` to a transaction.
    async fn book(&self, rows: i64, batch: i64) -> Result<()>;

    /// After much was booked: nothing is left to do for the server.
    async fn settle(&self) -> Result<()>;

    /// Waits until the connector called `name` streams.
    async fn await_streaming(&self, rest: &ConnectRest, name: &str) -> Result<()>;

    /// Whether the server would let another reader take the place of a connector that has stopped.
    async fn is_released(&self) -> Result<bool>;

    /// Notes where the log stands: [`Bank::log_floor`] begins here.
    async fn mark(&mut self) -> Result<()>;

    /// What the log takes that was written since [`Bank::mark`].
    async fn log_floor(&self, case: &str, rows: i64) -> Result<Named>;

    /// What the table takes.
    async fn table_floors(&self, case: &str, rows: i64) -> Result<Vec<Named>>;
}
