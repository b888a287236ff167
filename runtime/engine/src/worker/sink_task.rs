//! The life of a sink task: read, convert, put, commit.

mod commit;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use couplet_api::connector::SinkPlugin;
use couplet_api::data::{SinkRecord, TopicPartition};
use couplet_api::error::Disposition;
use couplet_api::sink::{ErrantRecordReporter, Offsets, SinkRequests, SinkTask, SinkTaskContext};
use couplet_api::{Error, Kind, Result};
use couplet_kafka::clients::{ClientSettings, ConsumedRecord, Consumer, ConsumerEvent, RecordBatch, Role};
use tokio::time::{Instant, sleep_until};

use super::TaskEvent;
use super::flush_latency::FlushLatency;
use super::pipeline::Pipeline;
use super::sink_offsets::SinkOffsets;
use super::sink_topics::SinkTopics;
use super::task_run::{TaskRun, chance};
use crate::connector_config::SinkConfig;
use crate::errors::{Backoff, CurrentBatch, ErrantReporter, ErrorPolicy, Reporter, StageError};

/// Records handed to `put` at a time, unless `max.poll.records` says otherwise: Java's default.
const BATCH_RECORDS_MAX: usize = 500;
/// Longest pause before a batch that failed is put again.
const PUT_RETRY_MAX: Duration = Duration::from_secs(60);

/// Runs a sink task until it is told to stop, or fails.
///
/// # Errors
/// The error that fails the task.
pub(super) async fn run(mut run: TaskRun, plugin: Arc<dyn SinkPlugin>) -> Result<()> {
    if !run.wait_until_resumed().await {
        return Ok(());
    }
    let mut task = plugin.task();
    let outcome = work(&mut run, &mut *task).await;
    if let Err(error) = task.stop().await {
        tracing::warn!(task = %run.id, %error, "error while stopping the task");
    }
    outcome
}

async fn work(run: &mut TaskRun, task: &mut dyn SinkTask) -> Result<()> {
    let (worker, connector) = (&run.shared.config.props, &run.connector_props);
    let config = SinkConfig::parse(connector)?;
    let pipeline = Arc::new(Pipeline::new(&run.shared.plugins, &run.config, connector, worker)?);
    let reporter = Arc::new(open_reporter(run, &config).await?);
    let current = Arc::new(CurrentBatch::default());
    let errant: Option<Arc<dyn ErrantRecordReporter>> = match reporter.serves_tasks() {
        true => Some(Arc::new(ErrantReporter::new(reporter.clone(), pipeline.clone(), current.clone()))),
        false => None,
    };
    let context = SinkTaskContext::new(run.id.connector.clone(), run.id.task, run.shared.clock.clone(), errant);
    let settings = ClientSettings::task_consumer(worker, connector, &run.id.connector, run.id.task);
    let records_max = settings.get("max.poll.records").and_then(|text| text.trim().parse().ok());
    let admin = ClientSettings::task_admin(worker, connector, &run.id.connector);
    let topics = SinkTopics::new(&config, &admin)?;
    let consumer = Consumer::new(&settings.native(Role::Consumer)?, records_max.unwrap_or(BATCH_RECORDS_MAX))?;
    match run.unless_stopped(task.start(&run.task_props, context.clone())).await {
        Some(started) => started?,
        None => return Ok(()),
    }
    run.tell(TaskEvent::Running);
    if !topics.listed().is_empty() {
        consumer.subscribe(topics.listed())?;
    }
    let mut sink = SinkLoop {
        consumer,
        topics,
        pipeline,
        reporter,
        current,
        context,
        offsets: SinkOffsets::default(),
        latency: FlushLatency::default(),
        waiting: VecDeque::new(),
        pending: None,
        retry: Backoff::endless(PUT_RETRY_MAX),
        retry_at: None,
        paused: false,
        task_paused: HashSet::new(),
        active_topics: HashSet::new(),
        asked: Vec::new(),
        commit_due: Instant::now() + run.commit_interval(),
    };
    let outcome = sink.turn(run, task).await;
    let closed = sink.close(run, task).await;
    sink.consumer.close().await;
    outcome.and(closed)
}

/// The reporter of a sink, with its dead letter queue if it has one.
async fn open_reporter(run: &TaskRun, config: &SinkConfig) -> Result<Reporter> {
    let policy = ErrorPolicy::of(&run.config);
    if config.dlq_topic_name.is_empty() {
        return Ok(Reporter::new(run.id.clone(), policy, None, run.metrics.clone()));
    }
    let (topic, replicas) = (&config.dlq_topic_name, config.dlq_topic_replication_factor);
    let queue = run.open_dead_letters(topic, replicas, config.dlq_context_headers_enable).await?;
    Ok(Reporter::new(run.id.clone(), policy, Some(queue), run.metrics.clone()))
}

/// A batch on its way through the task.
struct Pending {
    /// As read; shared with the reporter.
    raw: Arc<Vec<ConsumedRecord>>,
    /// Number of raw records that are converted.
    converted: usize,
    records: Vec<SinkRecord>,
}

struct SinkLoop {
    consumer: Consumer,
    topics: SinkTopics,
    pipeline: Arc<Pipeline>,
    reporter: Arc<Reporter>,
    current: Arc<CurrentBatch>,
    context: SinkTaskContext,
    offsets: SinkOffsets,
    latency: FlushLatency,
    /// Batches that came while another waited for its retry; few, because reading is paused then.
    waiting: VecDeque<RecordBatch>,
    pending: Option<Pending>,
    retry: Backoff,
    /// When the pending batch is tried again.
    retry_at: Option<Instant>,
    /// The user wants the task to rest.
    paused: bool,
    /// Partitions that the task does not want for now.
    task_paused: HashSet<TopicPartition>,
    active_topics: HashSet<Arc<str>>,
    /// Requests of a failed `put`, served when its batch is back in place.
    asked: Vec<SinkRequests>,
    commit_due: Instant,
}

impl SinkLoop {
    /// The task's working life, until it is told to stop. All that can wait is a branch; branch order is priority: stop,
    /// command, retry, commit, topics, records, wake-up.
    async fn turn(&mut self, run: &mut TaskRun, task: &mut dyn SinkTask) -> Result<()> {
        let stop = run.stop.clone();
        loop {
            let idle_until = task.next_wakeup().map(|pause| Instant::now() + pause);
            let commit_due = self.commit_due;
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = run.target_changed() => self.on_target(run),
                () = until(self.retry_at) => {
                    self.retry_at = None;
                    self.work_off(run, task).await?;
                }
                () = sleep_until(commit_due) => {
                    if self.pending.is_none() {
                        self.put(run, task, &[]).await?;
                    }
                    self.commit(run, task).await?;
                }
                topics = self.topics.changed() => self.consumer.subscribe(&topics)?,
                event = self.consumer.recv() => match event {
                    Some(event) => self.on_event(event, run, task).await?,
                    None => return Err(Error::fatal("the consumer has ended")),
                },
                () = until(idle_until), if self.pending.is_none() => self.put(run, task, &[]).await?,
            }
            self.serve_requests(run, task).await?;
        }
    }

    async fn on_event(&mut self, event: ConsumerEvent, run: &TaskRun, task: &mut dyn SinkTask) -> Result<()> {
        match event {
            ConsumerEvent::Records(batch) => {
                run.metrics.took(batch.records.len(), None);
                self.waiting.push_back(batch);
                self.work_off(run, task).await
            }
            ConsumerEvent::Assigned(partitions) => {
                self.consumer.assign(&partitions)?;
                self.offsets.assign(&partitions);
                if self.paused || self.pending.is_some() {
                    self.consumer.pause(&partitions);
                }
                task.open(&partitions).await
            }
            ConsumerEvent::Revoked { partitions, lost } => {
                self.give_back(&partitions, lost, run, task).await?;
                self.consumer.unassign(&partitions)
            }
            ConsumerEvent::Sought(seek) => {
                self.offsets.sought(seek);
                Ok(())
            }
            ConsumerEvent::Failed(error) => Err(error),
        }
    }

    /// Commits and closes partitions that are taken away; `lost` ones may have another owner already.
    async fn give_back(
        &mut self,
        partitions: &[TopicPartition],
        lost: bool,
        run: &TaskRun,
        task: &mut dyn SinkTask,
    ) -> Result<()> {
        if !lost {
            self.commit_partitions(partitions, true, run, task).await?;
        }
        let ours = self.offsets.revoke(partitions);
        self.latency.revoke(partitions);
        self.task_paused.retain(|partition| !ours.contains(partition));
        self.drop_unwanted();
        if !ours.is_empty() {
            task.close(&ours).await?;
        }
        Ok(())
    }

    /// Forgets records of partitions that are not ours any more, or go back to earlier ones.
    fn drop_unwanted(&mut self) {
        let Some(pending) = &mut self.pending else { return };
        let wanted: Vec<bool> = pending.raw.iter().map(|record| self.offsets.wants(record)).collect();
        pending.converted = wanted[..pending.converted].iter().filter(|wanted| **wanted).count();
        pending.records.retain(|record| self.offsets.wants_partition(&record.original));
        let kept = pending.raw.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(record, _)| record.clone());
        pending.raw = Arc::new(kept.collect());
        self.current.set(pending.raw.clone());
    }

    /// Puts batches, oldest first, until one has to wait or there is none.
    async fn work_off(&mut self, run: &TaskRun, task: &mut dyn SinkTask) -> Result<()> {
        while self.retry_at.is_none() {
            if self.pending.is_none() {
                let Some(batch) = self.waiting.pop_front() else { return Ok(()) };
                self.begin(batch, run);
            }
            if !self.convert(run).await? {
                return Ok(());
            }
            let Some(mut pending) = self.pending.take() else { return Ok(()) };
            let records = std::mem::take(&mut pending.records);
            let outcome = self.put(run, task, &records).await;
            if self.retry_at.is_some() {
                pending.records = records;
                self.pending = Some(pending);
                return outcome;
            }
            outcome?;
            self.offsets.advance(&ends_of(&pending.raw));
            self.latency.put(&pending.raw);
            // Before the next batch: a task that goes back must not be given what lies behind.
            self.serve_requests(run, task).await?;
        }
        Ok(())
    }

    /// Takes up a batch: what is stale or no longer ours is dropped.
    fn begin(&mut self, batch: RecordBatch, run: &TaskRun) {
        let mut raw = batch.records;
        let mut last: Option<(TopicPartition, bool)> = None;
        raw.retain(|record| {
            // Runs of one partition are the rule: one look per run.
            match &last {
                Some((p, wanted)) if p.partition == record.partition && Arc::ptr_eq(&p.topic, &record.topic) => *wanted,
                _ => {
                    let wanted = self.offsets.wants(record);
                    if wanted {
                        self.offsets.begin(record);
                        if self.active_topics.insert(record.topic.clone()) {
                            run.listener.on_active_topic(&run.id, &record.topic);
                        }
                    }
                    last = Some((record.topic_partition(), wanted));
                    wanted
                }
            }
        });
        let raw = Arc::new(raw);
        self.current.set(raw.clone());
        let records = Vec::with_capacity(raw.len());
        self.pending = Some(Pending { raw, converted: 0, records });
    }

    /// Converts what is left of the pending batch. `false`: a record has to be tried again later.
    async fn convert(&mut self, run: &TaskRun) -> Result<bool> {
        let Some(mut pending) = self.pending.take() else { return Ok(true) };
        while let Some(raw) = pending.raw.get(pending.converted) {
            let pipeline = self.pipeline.clone();
            let Some(decoded) = decode(&pipeline, raw, run).await else {
                self.pending = Some(pending);
                return Ok(false);
            };
            match decoded {
                Ok(Some(record)) => pending.records.push(record),
                Ok(None) => {}
                Err(failed) if self.schedule_conversion(&failed, run) => {
                    self.pause_all();
                    self.pending = Some(pending);
                    return Ok(false);
                }
                Err(failed) => self.reporter.report_consumed(raw, failed).await?,
            }
            pending.converted += 1;
        }
        self.pending = Some(pending);
        Ok(true)
    }

    /// Plans another try of a conversion, if its kind and `errors.retry.timeout` allow.
    fn schedule_conversion(&mut self, failed: &StageError, run: &TaskRun) -> bool {
        if failed.error.kind().disposition() != Disposition::Retry {
            return false;
        }
        if self.retry.tries() == 0 {
            self.retry = self.reporter.policy().backoff();
        }
        let pause = self.retry.next_pause(chance(&*run.shared.clock));
        self.retry_at = pause.map(|pause| Instant::now() + pause);
        if pause.is_some() {
            run.metrics.retried(run.shared.clock.now_ms());
        } else {
            self.retry = Backoff::endless(PUT_RETRY_MAX);
        }
        pause.is_some()
    }

    /// Gives a batch to the task. When it has to be given again, `retry_at` says when, and reading is paused.
    async fn put(&mut self, run: &TaskRun, task: &mut dyn SinkTask, records: &[SinkRecord]) -> Result<()> {
        let began = Instant::now();
        match task.put(records).await {
            Ok(()) => {
                if !records.is_empty() {
                    run.metrics.put(records.len(), began.elapsed());
                }
                if self.retry.tries() > 0 {
                    self.retry = Backoff::endless(PUT_RETRY_MAX);
                    self.resume_all();
                }
                Ok(())
            }
            Err(error) if error.kind().disposition() == Disposition::Retry => {
                let mut asked = self.context.take_requests();
                let pause = self.retry.next_pause(chance(&*run.shared.clock)).unwrap_or(PUT_RETRY_MAX);
                let pause = asked.retry_after.take().unwrap_or(pause);
                tracing::warn!(task = %run.id, %error, ?pause, "the task asks for its batch again");
                if !records.is_empty() {
                    self.pause_all();
                    self.retry_at = Some(Instant::now() + pause);
                }
                self.asked.push(asked);
                Ok(())
            }
            Err(error) => {
                let text = "Exiting WorkerSinkTask due to unrecoverable exception.";
                Err(Error::new(error.kind(), text).with_class(Error::fatal("").class()).caused_by(error))
            }
        }
    }

    fn pause_all(&self) {
        self.consumer.pause(&self.offsets.assigned());
    }

    /// Reads again what neither the user nor the task wants to rest.
    fn resume_all(&self) {
        if self.paused || self.retry_at.is_some() {
            return;
        }
        let mut partitions = self.offsets.assigned();
        partitions.retain(|partition| !self.task_paused.contains(partition));
        self.consumer.resume(&partitions);
    }

    fn on_target(&mut self, run: &mut TaskRun) {
        let paused = run.is_paused();
        if paused == self.paused {
            return;
        }
        self.paused = paused;
        if paused {
            self.pause_all();
            run.tell(TaskEvent::Paused);
        } else {
            self.resume_all();
            run.tell(TaskEvent::Running);
        }
    }

    /// Does what the task asked for since the last look.
    async fn serve_requests(&mut self, run: &TaskRun, task: &mut dyn SinkTask) -> Result<()> {
        let mut commit = false;
        let mut asked = std::mem::take(&mut self.asked);
        asked.push(self.context.take_requests());
        for asked in asked {
            commit |= asked.commit;
            self.serve(asked);
        }
        if commit { self.commit(run, task).await } else { Ok(()) }
    }

    fn serve(&mut self, asked: SinkRequests) {
        if !asked.rewind.is_empty() {
            self.go_to(&asked.rewind);
        }
        if !asked.pause.is_empty() {
            self.consumer.pause(&asked.pause);
            self.task_paused.extend(asked.pause);
        }
        if !asked.resume.is_empty() {
            self.task_paused.retain(|partition| !asked.resume.contains(partition));
            self.resume_all();
        }
    }

    fn go_to(&mut self, offsets: &Offsets) {
        if let Some((seek, offsets)) = self.offsets.seek(offsets) {
            self.drop_unwanted();
            self.consumer.seek(seek, offsets);
        }
    }
}

/// The offsets after the last record of each partition.
fn ends_of(records: &[ConsumedRecord]) -> Offsets {
    let mut ends = Offsets::new();
    let mut rest = records.iter().peekable();
    while let Some(record) = rest.next() {
        let same =
            |next: &&&ConsumedRecord| next.partition == record.partition && Arc::ptr_eq(&next.topic, &record.topic);
        if rest.peek().as_ref().is_none_or(|next| !same(next)) {
            ends.insert(record.topic_partition(), record.offset + 1);
        }
    }
    ends
}

/// Waits until `at`; for ever without one.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Converts one record; what converters still need is got first. `None`: the task is stopped meanwhile.
async fn decode(
    pipeline: &Pipeline,
    raw: &ConsumedRecord,
    run: &TaskRun,
) -> Option<Result<Option<SinkRecord>, StageError>> {
    let mut tries = 0;
    loop {
        match pipeline.decode(raw) {
            Err(failed) if failed.error.kind() == Kind::Lookup => {
                let resolved = run.unless_stopped(pipeline.resolve(failed, tries)).await?;
                if let Err(failed) = resolved {
                    return Some(Err(failed));
                }
                tries += 1;
            }
            outcome => return Some(outcome),
        }
    }
}
