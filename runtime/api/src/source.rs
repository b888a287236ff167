//! Source tasks: from an external system into Kafka.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::clock::Clock;
use crate::config::Props;
use crate::data::{OffsetMap, Position, SourceRecord};
use crate::metrics::PluginMetrics;
use crate::own_topic::OwnTopics;

/// Reads offsets that earlier generations of the connector's tasks stored.
#[async_trait]
pub trait OffsetReader: Send + Sync {
    /// The stored offset of each of `partitions`, in their order.
    ///
    /// # Errors
    /// When the offset store cannot be read.
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>>;
}

/// What a source task is given at its start.
#[derive(Clone)]
pub struct SourceTaskContext {
    /// Name of the connector.
    pub connector: Arc<str>,
    /// Number of the task, from 0.
    pub task: u32,
    /// Stored offsets.
    pub offsets: Arc<dyn OffsetReader>,
    /// Topics that the connector keeps for itself.
    pub topics: Arc<dyn OwnTopics>,
    /// Metrics of the plugin's own.
    pub metrics: Arc<dyn PluginMetrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether the task says where transactions end (`transaction.boundary=connector`, KIP-618), with
    /// [`SourceBatch::commit_transaction`] and [`SourceBatch::abort_transaction`], which are of no effect otherwise.
    pub defines_transactions: bool,
}

/// How a transaction that the task defines itself ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionEnd {
    /// Its records become readable, their offsets are stored.
    Commit,
    /// Its records are never readable, their offsets are stored.
    Abort,
}

/// Records on their way out, bounded in number and bytes. Owned by the engine, reused from poll to poll.
#[derive(Debug)]
pub struct SourceBatch {
    records: Vec<SourceRecord>,
    bytes: usize,
    records_max: usize,
    bytes_max: usize,
    offset: Option<Durable>,
    /// Number of records in front of each end of a transaction.
    transaction_ends: Vec<(usize, TransactionEnd)>,
}

impl SourceBatch {
    /// An empty batch with its limits; at least one record always fits.
    pub fn new(records_max: usize, bytes_max: usize) -> Self {
        SourceBatch {
            records: Vec::new(),
            bytes: 0,
            records_max: records_max.max(1),
            bytes_max,
            offset: None,
            transaction_ends: Vec::new(),
        }
    }

    /// Appends `record`, whose payload takes about `bytes` in memory.
    pub fn push_sized(&mut self, record: SourceRecord, bytes: usize) {
        self.bytes += bytes;
        self.records.push(record);
    }

    /// Appends `record`; its size is measured by walking it. Use [`SourceBatch::push_sized`] where the size is known.
    pub fn push(&mut self, record: SourceRecord) {
        let bytes = record.record.size();
        self.push_sized(record, bytes);
    }

    /// Notes that `partition` stands at `offset` behind all records of this batch although no record says so: what lay
    /// between was of no interest. It is stored, and then committed, once all records before it are in Kafka, so that
    /// the upstream log can be trimmed. Only the last one of a batch counts.
    pub fn push_offset(&mut self, partition: OffsetMap, offset: Arc<dyn Position>) {
        self.offset = Some(Durable { partition, offset });
    }

    /// Takes what [`SourceBatch::push_offset`] noted.
    pub fn take_offset(&mut self) -> Option<Durable> {
        self.offset.take()
    }

    /// Ends the transaction behind the last record: it is committed with all records since the last end.
    pub fn commit_transaction(&mut self) {
        self.transaction_ends.push((self.records.len(), TransactionEnd::Commit));
    }

    /// Ends the transaction behind the last record: nobody will read its records, whose offsets count all the same.
    pub fn abort_transaction(&mut self) {
        self.transaction_ends.push((self.records.len(), TransactionEnd::Abort));
    }

    /// Takes the ends of transactions, each with the number of records in front of it.
    pub fn take_transaction_ends(&mut self) -> Vec<(usize, TransactionEnd)> {
        std::mem::take(&mut self.transaction_ends)
    }

    /// Whether `poll` must return now.
    pub fn is_full(&self) -> bool {
        self.records.len() >= self.records_max || self.bytes >= self.bytes_max
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Bytes of the records, as counted by the pushes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the records out and leaves the batch empty, its allocation kept.
    pub fn drain(&mut self) -> std::vec::Drain<'_, SourceRecord> {
        self.bytes = 0;
        self.records.drain(..)
    }

    /// The records.
    pub fn records(&self) -> &[SourceRecord] {
        &self.records
    }
}

/// A source partition and the last offset of it that is durable.
#[derive(Debug, Clone)]
pub struct Durable {
    /// The partition.
    pub partition: OffsetMap,
    /// The offset, in the task's own form.
    pub offset: Arc<dyn Position>,
}

/// Copies one share of an external system into Kafka.
///
/// The engine calls one method at a time: `start`, then `poll` and `commit` in any order, then `stop` once.
#[async_trait]
pub trait SourceTask: Send {
    /// Connects and takes up where the stored offsets end.
    ///
    /// # Errors
    /// Any: the task becomes FAILED. Wait for a slow system inside, within the connector's own retry settings.
    async fn start(&mut self, props: &Props, context: SourceTaskContext) -> Result<()>;

    /// Appends to `batch` until it is full or nothing is ready, waiting only for the first record.
    ///
    /// Cancel-safe: the engine owns `batch` and may drop this future at any await point, so a task
    /// advances its own position only after a push. Returning with nothing pushed is allowed.
    ///
    /// # Errors
    /// `Kind::Remote` is retried after a pause, any other kind fails the task.
    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()>;

    /// Everything up to `durable` is in Kafka and in the offset store; upstream logs may be trimmed.
    ///
    /// # Errors
    /// Logged; the next commit says more.
    async fn commit(&mut self, durable: &[Durable]) -> Result<()> {
        let _ = durable;
        Ok(())
    }

    /// Ends all work and closes connections. Also called after a failed `start`.
    ///
    /// # Errors
    /// Logged only.
    async fn stop(&mut self) -> Result<()>;
}
