//! Transactions of an exactly-once source task: where they end, and how records and offsets end in the same one (KIP-618).
//!
//! A transaction begins with its first record. When it ends, the newest offsets of all its source partitions are sent
//! behind the records; once every report is in, it is committed. Nothing else is sent meanwhile, but the source may be
//! polled.

use std::sync::Arc;
use std::time::Duration;

use couplet_api::data::OffsetMap;
use couplet_api::source::{Durable, TransactionEnd};
use couplet_api::{Error, Kind, Result};
use couplet_kafka::clients::{Failure, Outgoing, Sender, Topic};
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::TaskId;
use super::offset_topics::ConnectorStore;
use super::submitted::Submitted;
use crate::connector_config::SourceConfig;
use crate::metrics::TaskMetrics;
use crate::storage::OffsetChange;

/// Reports of offsets carry this token; records have smaller ones.
const OFFSET_TOKEN: u64 = (1 << 40) - 1;
/// How long giving up a transaction may take; brokers do so anyway when its time is over.
const ABORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Java's `transaction.timeout.ms` where it is not set.
const TRANSACTION_TIMEOUT_MS: u64 = 60_000;

/// Where transactions end (`transaction.boundary`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    /// With each batch.
    Poll,
    /// With the first batch after this time.
    Interval(Duration),
    /// Where the task says.
    Connector,
}

impl Boundary {
    /// The boundary of a connector; `flush` is the worker's `offset.flush.interval.ms`.
    pub(super) fn of(config: &SourceConfig, flush: Duration) -> Self {
        let interval = config.transaction_boundary_interval_ms.and_then(|ms| u64::try_from(ms).ok());
        match config.transaction_boundary.to_ascii_lowercase().as_str() {
            "interval" => Boundary::Interval(interval.map_or(flush, Duration::from_millis)),
            "connector" => Boundary::Connector,
            _ => Boundary::Poll,
        }
    }
}

/// How far the end of a transaction has come.
enum Ending {
    /// It has not begun.
    Not,
    /// The task gave the records up.
    Aborting(BoxFuture<'static, Result<(), Failure>>),
    /// Offsets are sent.
    SendingOffsets(BoxFuture<'static, Result<(), Failure>>),
    /// Reports are waited for.
    Reports,
    /// The brokers commit.
    Committing(BoxFuture<'static, Result<(), Failure>>),
}

/// The transactions of one task.
pub(super) struct Transactions {
    id: TaskId,
    boundary: Boundary,
    store: ConnectorStore,
    sender: Arc<Sender>,
    offsets_topic: Arc<Topic>,
    timeout: Duration,
    /// Since when one is open.
    open: Option<Instant>,
    ending: Ending,
    /// When the next one is due to end, between batches.
    due: Instant,
    /// Whether the next batch ends one whatever the boundary says.
    wanted: bool,
    unreported_offsets: usize,
    /// Records in the open transaction that are acknowledged.
    records: u64,
    /// Records below this token belong to transactions that were given up: that they fail is right.
    given_up_below: u64,
    /// What the transaction that ends now stores.
    changes: Vec<OffsetChange>,
    /// Since when it ends.
    ending_since: Instant,
    metrics: Arc<TaskMetrics>,
}

impl Transactions {
    /// No transaction yet. `sender` is that of a transactional producer.
    ///
    /// # Errors
    /// When offsets are not kept in a topic, or its name is none.
    pub(super) fn new(
        id: TaskId,
        boundary: Boundary,
        store: ConnectorStore,
        sender: Arc<Sender>,
        timeout_ms: Option<&str>,
        metrics: Arc<TaskMetrics>,
    ) -> Result<Self> {
        let Some(topic) = &store.topic else { return Err(Error::bug("transactions need an offsets topic")) };
        metrics.writes_transactions();
        let offsets_topic = sender.producer().topic(topic.topic())?;
        let timeout_ms = timeout_ms.and_then(|text| text.trim().parse().ok()).unwrap_or(TRANSACTION_TIMEOUT_MS);
        Ok(Transactions {
            id,
            boundary,
            store,
            sender,
            offsets_topic,
            timeout: Duration::from_millis(timeout_ms),
            open: None,
            ending: Ending::Not,
            due: Instant::now(),
            wanted: false,
            unreported_offsets: 0,
            records: 0,
            given_up_below: 0,
            changes: Vec::new(),
            ending_since: Instant::now(),
            metrics,
        }
        .restarted())
    }

    fn restarted(mut self) -> Self {
        self.restart_interval();
        self
    }

    fn restart_interval(&mut self) {
        if let Boundary::Interval(interval) = self.boundary {
            self.due = Instant::now() + interval;
        }
    }

    /// Whether one is ending: nothing may be sent.
    pub(super) fn is_ending(&self) -> bool {
        !matches!(self.ending, Ending::Not)
    }

    /// Makes sure that a transaction is open, for a record to `topic`.
    ///
    /// # Errors
    /// When the producer was fenced, or records may not go there.
    pub(super) fn begin(&mut self, topic: &str) -> Result<()> {
        if topic == &**self.offsets_topic.name() {
            // Reading the offsets topic to its end would wait for this very transaction.
            return Err(Error::fatal(
                "Source tasks may not produce to their own offsets topics when exactly-once support is enabled",
            ));
        }
        self.begin_any()
    }

    fn begin_any(&mut self) -> Result<()> {
        if self.open.is_none() {
            self.sender.producer().begin_transaction().map_err(|failure| self.failed(failure))?;
            self.open = Some(Instant::now());
        }
        Ok(())
    }

    /// All records of a batch are sent: ends the transaction if it ends here.
    ///
    /// # Errors
    /// As [`Transactions::end`].
    pub(super) fn batch_sent(&mut self, submitted: &Submitted) -> Result<()> {
        let ends = match self.boundary {
            Boundary::Poll => true,
            Boundary::Interval(_) => self.wanted || Instant::now() >= self.due,
            Boundary::Connector => false,
        };
        if ends { self.end(TransactionEnd::Commit, submitted) } else { Ok(()) }
    }

    /// When a transaction is due to end although no batch comes; `None`: not by itself.
    pub(super) fn due(&self, submitted: &Submitted) -> Option<Instant> {
        let by_time = matches!(self.boundary, Boundary::Interval(_)) && !self.is_ending();
        (by_time && (self.open.is_some() || !submitted.newest().is_empty())).then_some(self.due)
    }

    /// The task rests or stops: the next occasion ends the transaction, unless that is the task's own decision.
    pub(super) fn end_soon(&mut self) {
        self.wanted = self.boundary != Boundary::Connector;
    }

    /// Whether the task's last transaction is to be ended by the engine.
    pub(super) fn ends_with_task(&self) -> bool {
        self.boundary != Boundary::Connector
    }

    /// Begins the end of the transaction; [`Transactions::next`] says what comes of it.
    ///
    /// # Errors
    /// When the producer was fenced, or offsets cannot be stored as they are.
    pub(super) fn end(&mut self, end: TransactionEnd, submitted: &Submitted) -> Result<()> {
        self.restart_interval();
        self.wanted = false;
        self.ending_since = Instant::now();
        if end == TransactionEnd::Abort {
            if self.open.take().is_some() {
                tracing::info!(task = %self.id, "aborting a transaction as requested by the connector");
                self.given_up_below = submitted.next_token();
                let producer = self.sender.producer().clone();
                self.ending =
                    Ending::Aborting(Box::pin(async move { producer.abort_transaction(ABORT_TIMEOUT).await }));
                return Ok(());
            }
            tracing::warn!(task = %self.id, "ignoring the connector's request to abort an empty transaction");
        }
        self.send_offsets(submitted)
    }

    fn send_offsets(&mut self, submitted: &Submitted) -> Result<()> {
        let newest = submitted.newest();
        if newest.is_empty() && self.open.is_none() {
            self.ending = Ending::Not;
            return Ok(());
        }
        self.begin_any()?;
        self.changes = newest.into_iter().map(|(partition, offset)| (partition, Some(offset.to_map()))).collect();
        let records = match &self.store.topic {
            Some(topic) => topic
                .records(&self.id.connector, &self.changes)
                .map_err(|error| Error::fatal(self.not_flushed()).caused_by(error))?,
            None => Vec::new(),
        };
        self.unreported_offsets = records.len();
        let (sender, topic) = (self.sender.clone(), self.offsets_topic.clone());
        self.ending = Ending::SendingOffsets(Box::pin(async move {
            for (key, value) in &records {
                let (key, value) = (key.as_deref(), value.as_deref());
                let token = OFFSET_TOKEN;
                let record =
                    Outgoing { topic: &topic, partition: None, key, value, headers: &[], timestamp: None, token };
                sender.send_when_room(&record).await?;
            }
            Ok(())
        }));
        Ok(())
    }

    /// Takes in a report. `true`: it was an offset's, and is dealt with.
    ///
    /// # Errors
    /// A record or offset was not delivered: the transaction cannot be committed.
    pub(super) fn reported(&mut self, token: u64, failure: Option<Failure>) -> Result<bool> {
        if let Some(failure) = failure.filter(|_| token >= self.given_up_below) {
            return Err(self.failed(failure));
        }
        let is_offset = token == OFFSET_TOKEN;
        if is_offset {
            self.unreported_offsets = self.unreported_offsets.saturating_sub(1);
        } else {
            self.records += 1;
        }
        Ok(is_offset)
    }

    /// Reports came in: goes on if they were the last that the end of a transaction waited for.
    pub(super) fn after_reports(&mut self, submitted: &Submitted) {
        if matches!(self.ending, Ending::Reports) && submitted.len() == 0 && self.unreported_offsets == 0 {
            let producer = self.sender.producer().clone();
            self.ending = Ending::Committing(Box::pin(async move { producer.commit_transaction().await }));
        }
    }

    /// Waits for the step of the end that is under way; for ever when there is none, or reports are waited for.
    /// Cancel-safe.
    pub(super) async fn step(&mut self) -> Result<(), Failure> {
        match &mut self.ending {
            Ending::Aborting(step) | Ending::SendingOffsets(step) | Ending::Committing(step) => step.await,
            Ending::Not | Ending::Reports => std::future::pending().await,
        }
    }

    /// A step has ended: begins the next. Returns what is durable when the transaction is over.
    ///
    /// # Errors
    /// The error that fails the task.
    pub(super) fn next(
        &mut self,
        outcome: Result<(), Failure>,
        submitted: &mut Submitted,
    ) -> Result<Option<Vec<Durable>>> {
        if let Err(failure) = outcome {
            self.metrics.committed(false, self.ending_since.elapsed());
            return Err(self.failed(failure));
        }
        match std::mem::replace(&mut self.ending, Ending::Not) {
            Ending::Aborting(_) => {
                self.records = 0;
                self.send_offsets(submitted)?;
            }
            Ending::SendingOffsets(_) => {
                self.ending = Ending::Reports;
                self.after_reports(submitted);
            }
            Ending::Committing(_) => {
                self.open = None;
                self.metrics.committed(true, self.ending_since.elapsed());
                self.metrics.transacted(std::mem::take(&mut self.records));
                let changes = std::mem::take(&mut self.changes);
                if let Some(layered) = &self.store.layered {
                    layered.copy_below(&self.id.connector, changes);
                }
                let durable = |(partition, offset): (OffsetMap, _)| Durable { partition, offset };
                return Ok(Some(submitted.take_committable().into_iter().map(durable).collect()));
            }
            waiting => self.ending = waiting,
        }
        Ok(None)
    }

    /// Gives up what is open, after a failure or at the end of the task.
    pub(super) async fn give_up(&mut self, timeout: Duration) {
        self.ending = Ending::Not;
        if self.open.take().is_some()
            && let Err(failure) = self.sender.producer().abort_transaction(timeout).await
        {
            tracing::debug!(task = %self.id, %failure, "the open transaction was not aborted, the brokers will do it");
        }
    }

    /// Why the task fails when its producer takes no record.
    pub(super) fn not_sent(&self, failure: Failure) -> Error {
        self.explained("Unrecoverable exception trying to send".to_owned(), failure)
    }

    /// Why the task fails when a transaction does.
    fn failed(&self, failure: Failure) -> Error {
        self.explained(self.not_flushed(), failure)
    }

    fn explained(&self, what: String, failure: Failure) -> Error {
        let failure = self.sender.producer().fatal_failure().unwrap_or(failure);
        let late = failure.is_fenced() && self.open.is_some_and(|since| since.elapsed() >= self.timeout);
        let fenced = failure.is_fenced();
        let kind = if fenced { Kind::Fenced } else { Kind::Fatal };
        let cause = Error::new(kind, failure.message().to_owned());
        if late {
            return Error::fatal(format!(
                "The task {} was unable to finish writing records to Kafka before its producer transaction expired. It may be \
                 necessary to reconfigure this connector in order for it to run healthily with exactly-once support. Options \
                 for this include: tune the connector's producer configuration for higher throughput, increase the \
                 transaction timeout for the connector's producers, decrease the offset commit interval (if using \
                 interval-based transaction boundaries), or use the 'poll' transaction boundary (if the connector is not \
                 already configured to use it).",
                self.id
            ))
            .caused_by(cause);
        }
        let cause = match fenced {
            true => cause.with_class("org.apache.kafka.common.errors.ProducerFencedException"),
            false => cause.with_class("org.apache.kafka.common.KafkaException"),
        };
        Error::fatal(what).caused_by(cause)
    }

    fn not_flushed(&self) -> String {
        format!("Failed to flush offsets and/or records for task {}", self.id)
    }
}
