//! Records of a source task from its batch to the producer, and the reports back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use couplet_api::clock::{Clock, SystemClock};
use couplet_api::data::{OffsetMap, Position, Record, SourceRecord};
use couplet_api::source::{Durable, SourceBatch, TransactionEnd};
use couplet_api::{Kind, Result};
use couplet_kafka::clients::{
    Admin, ClientSettings, Deliveries, Outgoing, Producer, Report, Reports, Role, SendError, Sender, Topic,
};
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::ack_latency::AckLatency;
use super::offset_commit::OffsetCommit;
use super::offset_topics::ConnectorStore;
use super::passed_over::PassedOver;
use super::pipeline::{Encoded, Pipeline};
use super::source_skips::not_delivered;
use super::submitted::Submitted;
use super::task_run::{TaskRun, chance};
use super::topic_creation::{TopicCreation, ensure_topic};
use super::transactions::{Boundary, Transactions};
use crate::connector_config::SourceConfig;
use crate::errors::{Backoff, ErrorPolicy, Reporter, SourceLetters, StageError};
use crate::metrics::TaskMetrics;
use crate::worker_config::ExactlyOnce;

/// Pause before a topic that could not be looked for is looked for again.
const TOPIC_RETRY: Duration = Duration::from_secs(1);

/// A record that is transformed and waits to be sent.
pub(super) struct Ready {
    pub(super) record: Record,
    pub(super) partition: OffsetMap,
    pub(super) position: Arc<dyn Position>,
}

/// What a poll brought.
enum Polled {
    Record(SourceRecord),
    /// The source stands here although no record says so.
    Offset(Durable),
    /// The task ends a transaction.
    End(TransactionEnd),
}

/// What sending waits for.
pub(super) enum Hold {
    /// Nothing.
    Free,
    /// The producer's queue is full.
    ProducerQueue(Deliveries),
    /// The task's budget of bytes is used up.
    Budget,
    /// The report of a topic's first record. When a new leader refuses it, librdkafka may send what is behind it first.
    First(u64),
    /// A topic is looked for or created.
    Topic(Arc<str>, BoxFuture<'static, Result<()>>),
    /// A converter gets what it needs for the record that is ready.
    Lookup(BoxFuture<'static, Result<(), StageError>>),
    /// A skipped record is written to the dead letter queue; its offset counts when it is.
    Letter(u64, BoxFuture<'static, Result<()>>),
    /// The next try of a record, not before this.
    Retry(Instant),
}

/// Everything between `poll` and the offset store.
pub(super) struct SourceFlow {
    pipeline: Pipeline,
    pub(super) reporter: Reporter,
    pub(super) letters: Option<SourceLetters>,
    /// Records on their way by token, when those that Kafka refuses become letters.
    pub(super) sent: HashMap<u64, Ready>,
    /// Letters of refused records that are not begun.
    pub(super) unburied: VecDeque<(u64, BoxFuture<'static, Result<()>>)>,
    retry: Backoff,
    creation: TopicCreation,
    admin: Option<Admin>,
    sender: Arc<Sender>,
    /// Of an exactly-once task.
    pub(super) transactions: Option<Transactions>,
    pub(super) reports: Arc<Reports>,
    topics: HashMap<Arc<str>, Arc<Topic>>,
    /// Polled and not yet transformed.
    backlog: VecDeque<Polled>,
    ready: Option<Ready>,
    /// Lookups made for the record that is ready.
    lookups: u32,
    pub(super) hold: Hold,
    buffer: BytesMut,
    pub(super) submitted: Submitted,
    /// Offsets of dropped records that wait for a record behind them.
    pub(super) passed_over: PassedOver,
    in_flight_bytes_max: usize,
    pub(super) commit: OffsetCommit,
    metrics: Arc<TaskMetrics>,
    latency: AckLatency,
    /// Records that went no further than the transforms or the converter and are not yet told of.
    pub(super) dropped: usize,
    /// Whether the task says where transactions end.
    pub(super) defines_transactions: bool,
    /// Whether the end of the last batch has not been looked at yet.
    pub(super) batch_open: bool,
}

impl SourceFlow {
    /// The flow of one task whose offsets are in `store`.
    ///
    /// # Errors
    /// `Kind::Config` for settings that cannot be used.
    pub(super) fn open(run: &TaskRun, store: &ConnectorStore, letters: Option<SourceLetters>) -> Result<Self> {
        let (shared, connector) = (&run.shared, &run.connector_props);
        let worker = &shared.config.props;
        let source = SourceConfig::parse(connector)?;
        let pipeline = Pipeline::new(&shared.plugins, &run.config, connector, worker)?;
        let enabled = shared.config.common.topic_creation_enable;
        let creation = TopicCreation::new(enabled, &source.topic_creation_groups, connector)?;
        let admin = ClientSettings::task_admin(worker, connector, &run.id.connector);
        let admin = if creation.is_settled("") { None } else { Some(Admin::new(&admin)?) };
        let reports = Arc::new(Reports::default());
        let (sender, transactions) = match shared.config.exactly_once() {
            ExactlyOnce::Enabled => {
                let settings = shared.transactional_producer(&run.id.connector, connector, run.id.task);
                let sender = Arc::new(Producer::new(&settings.native(Role::Producer)?)?.register(reports.clone()));
                let boundary = Boundary::of(&source, run.commit_interval());
                let timeout = settings.get("transaction.timeout.ms");
                let own = Transactions::new(
                    run.id.clone(),
                    boundary,
                    store.clone(),
                    sender.clone(),
                    timeout,
                    run.metrics.clone(),
                )?;
                (sender, Some(own))
            }
            ExactlyOnce::Disabled | ExactlyOnce::Preparing => {
                let settings = ClientSettings::task_producer(worker, connector).native(Role::Producer)?;
                (Arc::new(shared.producers.get(&settings)?.register(reports.clone())), None)
            }
        };
        let defines_transactions = transactions.as_ref().is_some_and(|own| !own.ends_with_task());
        let policy = ErrorPolicy::of(&run.config);
        let (store, name) = (store.store.clone(), run.id.connector.clone());
        Ok(SourceFlow {
            pipeline,
            retry: policy.backoff(),
            reporter: Reporter::new(run.id.clone(), policy, None, run.metrics.clone()),
            letters,
            sent: HashMap::new(),
            unburied: VecDeque::new(),
            creation,
            admin,
            sender,
            transactions,
            reports,
            topics: HashMap::new(),
            backlog: VecDeque::new(),
            ready: None,
            lookups: 0,
            hold: Hold::Free,
            buffer: BytesMut::new(),
            submitted: Submitted::default(),
            passed_over: PassedOver::default(),
            in_flight_bytes_max: run.in_flight_bytes_max(),
            defines_transactions,
            batch_open: false,
            commit: OffsetCommit::new(store, name, run.commit_interval(), run.commit_timeout(), run.metrics.clone()),
            metrics: run.metrics.clone(),
            latency: AckLatency::default(),
            dropped: 0,
        })
    }

    /// Whether there is room for another batch.
    pub(super) fn wants_records(&self) -> bool {
        self.ready.is_none() && self.backlog.is_empty() && self.submitted.bytes() < self.in_flight_bytes_max
    }

    /// The producer that records go to.
    pub(super) fn producer(&self) -> Arc<Producer> {
        self.sender.producer().clone()
    }

    /// Takes over the records of `batch`, in order.
    pub(super) fn take(&mut self, batch: &mut SourceBatch) {
        let (offset, ends) = (batch.take_offset(), batch.take_transaction_ends());
        let mut ends = ends.into_iter().filter(|_| self.defines_transactions).peekable();
        for (number, record) in batch.drain().enumerate() {
            while let Some((_, end)) = ends.next_if(|(records, _)| *records <= number) {
                self.backlog.push_back(Polled::End(end));
            }
            self.backlog.push_back(Polled::Record(record));
        }
        self.backlog.extend(offset.map(Polled::Offset));
        self.backlog.extend(ends.map(|(_, end)| Polled::End(end)));
        self.batch_open = self.transactions.is_some();
    }

    /// Gives up what was not sent; the source will give it again after a restart.
    pub(super) fn give_up_unsent(&mut self) {
        self.backlog.clear();
        self.ready = None;
    }

    /// Whether all of the last batch is sent.
    pub(super) fn is_between_batches(&self) -> bool {
        self.ready.is_none() && self.backlog.is_empty() && matches!(self.hold, Hold::Free)
    }

    /// Whether something may be sent.
    fn is_free(&self) -> bool {
        matches!(self.hold, Hold::Free) && !self.transactions.as_ref().is_some_and(Transactions::is_ending)
    }

    /// Sends what can be sent now.
    ///
    /// # Errors
    /// The error that fails the task.
    pub(super) fn send_all(&mut self, run: &TaskRun) -> Result<()> {
        let outcome = self.send_backlog(run);
        if self.dropped > 0 {
            self.metrics.wrote(std::mem::take(&mut self.dropped), 0);
        }
        outcome
    }

    fn send_backlog(&mut self, run: &TaskRun) -> Result<()> {
        self.bury_next();
        while self.is_free() {
            let ready = match self.ready.take() {
                Some(ready) => ready,
                None => match self.backlog.pop_front() {
                    Some(Polled::Record(record)) => match self.transform(record, run)? {
                        Some(ready) => ready,
                        None => continue,
                    },
                    Some(Polled::Offset(Durable { partition, offset })) => {
                        self.finish_unsent(&partition, offset);
                        continue;
                    }
                    Some(Polled::End(end)) => {
                        if let Some(transactions) = &mut self.transactions {
                            transactions.end(end, &self.submitted)?;
                        }
                        continue;
                    }
                    None => return self.batch_sent(),
                },
            };
            self.send(ready, run)?;
        }
        Ok(())
    }

    /// Sends one record through the transforms; `None` when it went no further.
    fn transform(&mut self, source: SourceRecord, run: &TaskRun) -> Result<Option<Ready>> {
        let SourceRecord { record, source_partition: partition, source_offset: position } = source;
        if !self.pipeline.has_transforms() {
            return Ok(Some(Ready { record, partition, position }));
        }
        // Transforms consume the record: a copy, which shares all data, is the record to try again or to tell of.
        let before = record.clone();
        match self.pipeline.transform(record) {
            Ok(Some(record)) => {
                self.retry.reset();
                Ok(Some(Ready { record, partition, position }))
            }
            Ok(None) => {
                self.dropped += 1;
                self.pass_over(&before, partition, position);
                Ok(None)
            }
            Err(failed) if self.schedule_retry(&failed, run) => {
                let again = SourceRecord { record: before, source_partition: partition, source_offset: position };
                self.backlog.push_front(Polled::Record(again));
                Ok(None)
            }
            Err(failed) => {
                self.skip(Ready { record: before, partition, position }, failed)?;
                Ok(None)
            }
        }
    }

    /// A filtered or skipped record, or an offset without one, is done; it is committed behind those before it.
    pub(super) fn finish_unsent(&mut self, partition: &OffsetMap, position: Arc<dyn Position>) {
        self.passed_over.forget(partition);
        let token = self.submitted.submit(partition, position, 0);
        self.submitted.done(token);
    }

    /// Plans another try of what failed, if its kind and `errors.retry.timeout` allow.
    fn schedule_retry(&mut self, failed: &StageError, run: &TaskRun) -> bool {
        if failed.error.kind() != Kind::Remote {
            return false;
        }
        let pause = self.retry.next_pause(chance(&*run.shared.clock));
        if let Some(pause) = pause {
            run.metrics.retried(run.shared.clock.now_ms());
            self.hold = Hold::Retry(Instant::now() + pause);
        }
        pause.is_some()
    }

    /// Converts and sends one record, or holds it.
    fn send(&mut self, ready: Ready, run: &TaskRun) -> Result<()> {
        let topic_name = &ready.record.topic;
        if !self.creation.is_settled(topic_name) {
            self.hold = self.look_for_topic(topic_name.clone());
            self.ready = Some(ready);
            return Ok(());
        }
        self.buffer.clear();
        let encoded = match self.pipeline.encode(&ready.record, &mut self.buffer) {
            Ok(encoded) => encoded,
            Err(failed) if failed.error.kind() == Kind::Lookup => {
                self.hold = Hold::Lookup(self.pipeline.resolve(failed, self.lookups));
                self.lookups += 1;
                self.ready = Some(ready);
                return Ok(());
            }
            Err(failed) => return self.not_converted(ready, failed, run),
        };
        self.lookups = 0;
        self.retry.reset();
        let bytes = encoded.size();
        if self.submitted.len() > 0 && self.submitted.bytes() + bytes > self.in_flight_bytes_max {
            self.hold = Hold::Budget;
            self.ready = Some(ready);
            return Ok(());
        }
        // An idempotent producer keeps the order by itself.
        let is_first = self.transactions.is_none() && !self.topics.contains_key(topic_name);
        let topic = self.topic(topic_name, run)?;
        if let Some(transactions) = &mut self.transactions {
            transactions.begin(topic_name)?;
        }
        match self.produce(&topic, &ready.record, &encoded) {
            Ok(()) => {
                let committed_ms = ready.position.committed_ms().or(ready.record.timestamp);
                self.latency.sent(self.submitted.next_token(), committed_ms);
                self.passed_over.forget(&ready.partition);
                let token = self.submitted.submit(&ready.partition, ready.position.clone(), bytes);
                // A transaction that lacks a record is aborted, and the task fails.
                if self.letters.is_some() && self.transactions.is_none() {
                    self.sent.insert(token, ready);
                }
                if is_first {
                    self.hold = Hold::First(token);
                }
                Ok(())
            }
            Err(SendError::QueueFull(since)) => {
                if is_first {
                    self.topics.remove(&ready.record.topic);
                }
                self.hold = Hold::ProducerQueue(since);
                self.ready = Some(ready);
                Ok(())
            }
            Err(SendError::Failed(failure)) => {
                if let Some(transactions) = &self.transactions {
                    return Err(transactions.not_sent(failure));
                }
                self.skip(ready, not_delivered(failure))
            }
        }
    }

    /// A record that could not be converted is tried again or done with.
    fn not_converted(&mut self, ready: Ready, failed: StageError, run: &TaskRun) -> Result<()> {
        self.lookups = 0;
        if self.schedule_retry(&failed, run) {
            self.ready = Some(ready);
            return Ok(());
        }
        self.retry.reset();
        self.skip(ready, failed)
    }

    /// A converter has what it needed for the record that is ready, or could not get it.
    ///
    /// # Errors
    /// The error that fails the task.
    pub(super) fn looked_up(&mut self, outcome: Result<(), StageError>, run: &TaskRun) -> Result<()> {
        self.hold = Hold::Free;
        match (outcome, self.ready.take()) {
            (Err(failed), Some(ready)) => self.not_converted(ready, failed, run),
            (_, ready) => {
                self.ready = ready;
                Ok(())
            }
        }
    }

    fn produce(&self, topic: &Topic, record: &Record, encoded: &Encoded) -> Result<(), SendError> {
        let part = |range: &Option<std::ops::Range<usize>>| range.clone().map(|range| &self.buffer[range]);
        self.sender.send(&Outgoing {
            topic,
            partition: record.partition,
            key: part(&encoded.key),
            value: part(&encoded.value),
            headers: &encoded.headers,
            timestamp: record.timestamp,
            token: self.submitted.next_token(),
        })
    }

    /// The producer's handle of a topic; tells the herder of the first use.
    fn topic(&mut self, name: &Arc<str>, run: &TaskRun) -> Result<Arc<Topic>> {
        if let Some(topic) = self.topics.get(name) {
            return Ok(topic.clone());
        }
        let topic = self.sender.producer().topic(name)?;
        self.topics.insert(name.clone(), topic.clone());
        run.listener.on_active_topic(&run.id, name);
        Ok(topic)
    }

    fn look_for_topic(&self, name: Arc<str>) -> Hold {
        let (Some(admin), Some(spec)) = (self.admin.clone(), self.creation.spec(&name)) else {
            return Hold::Topic(name, Box::pin(async { Ok(()) }));
        };
        Hold::Topic(name, Box::pin(async move { ensure_topic(&admin, spec).await }))
    }

    /// A topic was found or created, or not.
    ///
    /// # Errors
    /// The error that fails the task.
    pub(super) fn topic_looked_for(&mut self, outcome: Result<()>, run: &TaskRun) -> Result<()> {
        let Hold::Topic(name, _) = std::mem::replace(&mut self.hold, Hold::Free) else { return Ok(()) };
        match outcome {
            Ok(()) => {
                self.creation.settle(name);
                self.retry.reset();
                Ok(())
            }
            Err(error) if error.kind() == Kind::Remote => {
                tracing::warn!(task = %run.id, %error, "cannot create a topic yet");
                self.hold = Hold::Retry(Instant::now() + TOPIC_RETRY);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes in the reports of delivered records.
    ///
    /// # Errors
    /// The error that fails the task.
    pub(super) fn on_reports(&mut self, reports: &mut Vec<Report>) -> Result<()> {
        self.metrics.arrived(&self.latency.of(reports, SystemClock.now_ms()));
        let (mut all, mut failed) = (reports.len(), 0);
        let rested = !self.submitted.has_committable();
        for Report { token, failure } in reports.drain(..) {
            if let Some(transactions) = &mut self.transactions {
                match transactions.reported(token, failure)? {
                    true => all -= 1,
                    false => _ = self.submitted.done(token),
                }
                continue;
            }
            if matches!(self.hold, Hold::First(first) if first == token) {
                self.hold = Hold::Free;
            }
            let sent = self.sent.remove(&token);
            if let Some(failure) = failure {
                failed += 1;
                if self.refused(token, sent, not_delivered(failure))? {
                    continue;
                }
            }
            self.submitted.done(token);
        }
        self.latency.forget_below(self.submitted.first_token());
        if all > 0 {
            self.metrics.wrote(all, all - failed);
        }
        if rested {
            self.commit.woken();
        }
        if matches!(self.hold, Hold::Budget) {
            self.hold = Hold::Free;
        }
        self.bury_next();
        if let Some(transactions) = &mut self.transactions {
            transactions.after_reports(&self.submitted);
        }
        Ok(())
    }
}
