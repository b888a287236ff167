//! The life of a source task: poll, send, commit.

use std::sync::Arc;

use couplet_api::connector::SourcePlugin;
use couplet_api::error::Disposition;
use couplet_api::source::{Durable, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::{Error, Result};
use couplet_kafka::KafkaTopics;
use couplet_kafka::clients::{Deliveries, Failure, Producer, Report};
use tokio::time::{Instant, sleep_until, timeout};

use super::TaskEvent;
use super::offset_topics::ConnectorStore;
use super::source_flow::{Hold, SourceFlow};
use super::task_run::{TaskRun, chance};
use super::transactions::Transactions;
use crate::errors::{Backoff, StageError};
use crate::storage::ConnectorOffsets;
use crate::worker_config::ExactlyOnce;

/// Limits of one poll: small enough for the loop to look up every few milliseconds.
const BATCH_RECORDS_MAX: usize = 2048;
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// How long a task that ends waits for its open transaction to be given up.
const ABORT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
/// Longest pause before a source that is away is polled again.
const POLL_RETRY_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Runs a source task until it is told to stop, or fails.
///
/// # Errors
/// The error that fails the task.
pub(super) async fn run(mut run: TaskRun, plugin: Arc<dyn SourcePlugin>) -> Result<()> {
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

async fn work(run: &mut TaskRun, task: &mut dyn SourceTask) -> Result<()> {
    let Some(opened) = run.unless_stopped(open(run)).await else { return Ok(()) };
    let (mut flow, store) = opened?;
    let context = SourceTaskContext {
        connector: run.id.connector.clone(),
        task: run.id.task,
        offsets: Arc::new(ConnectorOffsets::new(store.store, run.id.connector.clone())),
        topics: Arc::new(KafkaTopics),
        metrics: run.metrics.own.clone(),
        clock: run.shared.clock.clone(),
        defines_transactions: flow.defines_transactions,
    };
    match run.unless_stopped(task.start(&run.task_props, context)).await {
        Some(started) => started?,
        None => return Ok(()),
    }
    run.tell(TaskEvent::Running);
    let mut source = SourceLoop {
        flow: &mut flow,
        paused: false,
        reports: Vec::new(),
        poll_retry: Backoff::endless(POLL_RETRY_MAX),
        poll_after: None,
    };
    let outcome = source.pump(run, task).await;
    finish(run, task, &mut flow, outcome.is_ok()).await;
    outcome
}

/// Opens the flow; an exactly-once task fences its predecessors before it reads their offsets.
async fn open(run: &TaskRun) -> Result<(SourceFlow, ConnectorStore)> {
    let exactly_once = run.shared.config.exactly_once() == ExactlyOnce::Enabled;
    if let (true, Some(preflight)) = (exactly_once, &run.preflight) {
        preflight.fence().await?;
    }
    let store = run.shared.offsets_of(&run.id.connector, &run.connector_props).await?;
    let flow = SourceFlow::open(run, &store, run.open_source_letters().await?)?;
    if exactly_once {
        let failed = |failure: Failure| Error::fatal(failure.message().to_owned()).context("cannot begin transactions");
        flow.producer().init_transactions().await.map_err(failed)?;
        if let Some(preflight) = &run.preflight {
            preflight.verify().await?;
        }
    }
    Ok((flow, store))
}

/// Ends the last transaction of an exactly-once task: committed if all went well and the task leaves that to us.
async fn finish_transactions(run: &TaskRun, task: &mut dyn SourceTask, flow: &mut SourceFlow, well: bool) {
    if well {
        match timeout(run.drain_timeout(), flow.end_last_transaction()).await {
            Ok(Ok(durable)) => tell_task(run, task, &durable).await,
            Ok(Err(error)) => tracing::error!(task = %run.id, %error, "the last transaction was not committed"),
            Err(_) => tracing::error!(task = %run.id, "the last transaction was not committed in time"),
        }
    }
    if let Some(transactions) = &mut flow.transactions {
        transactions.give_up(ABORT_TIMEOUT).await;
    }
}

/// Waits for records on their way and commits their offsets, also after a failure: what is in Kafka is in Kafka.
async fn finish(run: &TaskRun, task: &mut dyn SourceTask, flow: &mut SourceFlow, in_order: bool) {
    flow.give_up_unsent();
    if let Ok(Err(error)) = timeout(run.drain_timeout(), flow.bury_all()).await {
        tracing::warn!(task = %run.id, %error, "a dead letter was not written at the end");
    }
    if flow.transactions.is_some() {
        return finish_transactions(run, task, flow, in_order).await;
    }
    let mut reports = Vec::new();
    let drain = async {
        while flow.submitted.len() > 0 {
            flow.reports.clone().take(&mut reports).await;
            flow.on_reports(&mut reports)?;
            flow.bury_all().await?;
        }
        Ok::<(), Error>(())
    };
    match timeout(run.drain_timeout(), drain).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(task = %run.id, %error, "a record was not delivered at the end"),
        Err(_) => {
            tracing::warn!(task = %run.id, records = flow.submitted.len(), "records still on their way at the end")
        }
    }
    if flow.commit.is_running() {
        let durable = flow.commit.finished().await;
        tell_task(run, task, &durable).await;
    }
    flow.finish_passed_over(true);
    flow.commit.begin(&mut flow.submitted);
    if flow.commit.is_running() {
        let durable = flow.commit.finished().await;
        if in_order {
            tell_task(run, task, &durable).await;
        }
    }
}

/// Tells the task what is durable; trouble is logged, the next commit says more.
async fn tell_task(run: &TaskRun, task: &mut dyn SourceTask, durable: &[Durable]) {
    if durable.is_empty() {
        return;
    }
    if let Err(error) = task.commit(durable).await {
        tracing::warn!(task = %run.id, %error, "the task failed to take note of committed offsets");
    }
}

/// Why the loop turns.
enum Turn {
    Stop,
    Polled(Result<()>),
    Committed(Vec<Durable>),
    /// Sending may go on, or polling may begin or end.
    Again,
}

struct SourceLoop<'a> {
    flow: &'a mut SourceFlow,
    paused: bool,
    reports: Vec<Report>,
    poll_retry: Backoff,
    /// When a source that was away may be polled again.
    poll_after: Option<Instant>,
}

impl SourceLoop<'_> {
    /// The task's working life, until it is told to stop.
    async fn pump(&mut self, run: &mut TaskRun, task: &mut dyn SourceTask) -> Result<()> {
        let mut batch = SourceBatch::new(BATCH_RECORDS_MAX, BATCH_BYTES_MAX);
        loop {
            self.flow.send_all(run)?;
            let polls = !self.paused && self.poll_after.is_none() && self.flow.wants_records();
            let began = Instant::now();
            let poll = async {
                match polls {
                    true => task.poll(&mut batch).await,
                    false => std::future::pending().await,
                }
            };
            match self.turn(run, poll, polls).await? {
                Turn::Stop => return Ok(()),
                Turn::Again => {}
                Turn::Committed(durable) => tell_task(run, task, &durable).await,
                Turn::Polled(Ok(())) => {
                    self.poll_retry.reset();
                    if batch.is_empty() {
                        // A task that does not wait for its first record must not keep others from running.
                        tokio::task::yield_now().await;
                    } else {
                        run.metrics.took(batch.len(), Some(began.elapsed()));
                    }
                    self.flow.take(&mut batch);
                }
                Turn::Polled(Err(error)) if error.kind().disposition() == Disposition::Retry => {
                    // What was pushed before the error is good.
                    self.flow.take(&mut batch);
                    let pause = self.poll_retry.next_pause(chance(&*run.shared.clock)).unwrap_or(POLL_RETRY_MAX);
                    tracing::warn!(task = %run.id, %error, ?pause, "failed to poll records, will try again");
                    self.poll_after = Some(Instant::now() + pause);
                }
                Turn::Polled(Err(error)) => return Err(error),
            }
        }
    }

    /// Waits for what comes first. All that can wait is a branch here; their order is their priority: stop, command,
    /// reports, commit, room, retry, work. The poll goes on while reports and commits are served.
    async fn turn(&mut self, run: &mut TaskRun, poll: impl Future<Output = Result<()>>, polls: bool) -> Result<Turn> {
        tokio::pin!(poll);
        let stop = run.stop.clone();
        let (reports, producer) = (self.flow.reports.clone(), self.flow.producer());
        loop {
            let due = self.flow.commit_due();
            let (retry_at, full_since) = match &self.flow.hold {
                Hold::Retry(at) => (Some(*at), None),
                Hold::ProducerQueue(since) => (None, Some(*since)),
                _ => (None, None),
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Turn::Stop),
                () = run.target_changed() => {
                    self.on_target(run)?;
                    return Ok(Turn::Again);
                }
                () = reports.take(&mut self.reports) => {
                    self.flow.on_reports(&mut self.reports)?;
                    let may_poll = !self.paused && self.poll_after.is_none() && self.flow.wants_records();
                    if may_poll != polls || !self.flow.wants_records() {
                        return Ok(Turn::Again);
                    }
                }
                durable = self.flow.commit.finished() => return Ok(Turn::Committed(durable)),
                outcome = step(&mut self.flow.transactions) => {
                    if let Some(durable) = self.flow.ended(outcome)? {
                        return Ok(Turn::Committed(durable));
                    }
                }
                () = until(due) => self.flow.commit()?,
                held = settled(&mut self.flow.hold) => {
                    match held {
                        Held::Topic(outcome) => self.flow.topic_looked_for(outcome, run)?,
                        Held::Lookup(outcome) => self.flow.looked_up(outcome, run)?,
                        Held::Letter(outcome) => self.flow.buried(outcome)?,
                    }
                    return Ok(Turn::Again);
                }
                () = room(&producer, full_since) => {
                    self.flow.hold = Hold::Free;
                    return Ok(Turn::Again);
                }
                () = until(retry_at) => {
                    self.flow.hold = Hold::Free;
                    return Ok(Turn::Again);
                }
                () = until(self.poll_after) => {
                    self.poll_after = None;
                    return Ok(Turn::Again);
                }
                polled = &mut poll, if polls => return Ok(Turn::Polled(polled)),
            }
        }
    }

    fn on_target(&mut self, run: &mut TaskRun) -> Result<()> {
        let paused = run.is_paused();
        if paused != self.paused {
            self.paused = paused;
            if paused {
                self.flow.end_soon()?;
            }
            run.tell(if paused { TaskEvent::Paused } else { TaskEvent::Running });
        }
        Ok(())
    }
}

/// The next step of a transaction's end; waits for ever when none is under way.
async fn step(transactions: &mut Option<Transactions>) -> Result<(), Failure> {
    match transactions {
        Some(transactions) => transactions.step().await,
        None => std::future::pending().await,
    }
}

/// Waits until `at`; for ever without one.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The outcome of what sending waited for.
enum Held {
    Topic(Result<()>),
    Lookup(Result<(), StageError>),
    Letter(Result<()>),
}

/// The outcome of looking for a topic, of a converter's lookup, or of a dead letter; waits for ever when there is none.
async fn settled(hold: &mut Hold) -> Held {
    match hold {
        Hold::Topic(_, outcome) => Held::Topic(outcome.await),
        Hold::Lookup(outcome) => Held::Lookup(outcome.await),
        Hold::Letter(_, outcome) => Held::Letter(outcome.await),
        _ => std::future::pending().await,
    }
}

/// Waits until the producer delivered something; for ever when its queue is not full.
async fn room(producer: &Producer, full_since: Option<Deliveries>) {
    match full_since {
        Some(since) => producer.room(since).await,
        None => std::future::pending().await,
    }
}
