//! Hands records over from a connector's background task to its source task, through a channel whose content is bounded
//! in bytes.

use std::sync::Arc;

use couplet_api::data::SourceRecord;
use couplet_api::error::Error;
use couplet_api::{Kind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Records that make a chunk worth sending although more are there.
const CHUNK_RECORDS: usize = 512;
/// Bytes that do.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that may wait; their bytes are bounded by the budget.
const CHUNKS: usize = 64;
/// Bytes that one permit of the budget stands for.
const PERMIT_BYTES: usize = 1 << 10;

/// Records handed over together; `P` is the connector's position.
#[derive(Debug)]
pub struct Chunk<P> {
    /// In order, each with about how many bytes it takes.
    pub records: Vec<(SourceRecord, usize)>,
    /// Where the source stands behind them, when no record says so.
    pub advance: Option<Arc<P>>,
    /// Its share of the byte budget, given back when it is dropped.
    pub permit: OwnedSemaphorePermit,
}

/// Collects records into chunks.
#[derive(Debug)]
pub struct Outbox<P> {
    /// Records of the next chunk. Whoever pushes here calls [`Outbox::count`] afterwards.
    pub records: Vec<(SourceRecord, usize)>,
    bytes: usize,
    advance: Option<Arc<P>>,
    sender: mpsc::Sender<Chunk<P>>,
    budget: Arc<Semaphore>,
    permits: usize,
}

/// Room for one chunk.
#[derive(Debug)]
pub struct Room<P>(OwnedSemaphorePermit, mpsc::OwnedPermit<Chunk<P>>);

impl<P> Outbox<P> {
    /// An outbox, and where its chunks arrive. At most about `bytes_max` bytes wait in between.
    pub fn new(bytes_max: usize) -> (Self, mpsc::Receiver<Chunk<P>>) {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let permits = (bytes_max / PERMIT_BYTES).clamp(CHUNK_BYTES / PERMIT_BYTES, 1 << 30);
        let budget = Arc::new(Semaphore::new(permits));
        (Outbox { records: Vec::new(), bytes: 0, advance: None, sender, budget, permits }, chunks)
    }

    /// Counts records that were put into `records` from position `from` on.
    pub fn count(&mut self, from: usize) {
        self.bytes += self.records[from..].iter().map(|(_, bytes)| bytes).sum::<usize>();
    }

    /// Adds one record.
    pub fn push(&mut self, record: (SourceRecord, usize)) {
        self.bytes += record.1;
        self.records.push(record);
    }

    /// Says where the source stands behind all records added so far.
    pub fn advance(&mut self, position: Arc<P>) {
        self.advance = Some(position);
    }

    /// Whether it should be sent although more may follow at once.
    pub fn is_full(&self) -> bool {
        self.records.len() >= CHUNK_RECORDS || self.bytes >= CHUNK_BYTES
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.advance.is_none()
    }

    /// Waits for room for what was collected. Cancel-safe.
    ///
    /// # Errors
    /// When the task is gone.
    pub async fn room(&self) -> Result<Room<P>> {
        let permits = (self.bytes / PERMIT_BYTES).clamp(1, self.permits);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let gone = || Error::new(Kind::Fenced, "the task stopped");
        let share = self.budget.clone().acquire_many_owned(permits).await.map_err(|_| gone())?;
        let place = self.sender.clone().reserve_owned().await.map_err(|_| gone())?;
        Ok(Room(share, place))
    }

    /// Sends what was collected.
    pub fn send(&mut self, Room(permit, place): Room<P>) {
        self.bytes = 0;
        let records = std::mem::take(&mut self.records);
        place.send(Chunk { records, advance: self.advance.take(), permit });
    }

    /// Waits for room and sends what was collected, if anything.
    ///
    /// # Errors
    /// When the task is gone.
    pub async fn flush(&mut self) -> Result<()> {
        if !self.is_empty() {
            let room = self.room().await?;
            self.send(room);
        }
        Ok(())
    }
}
