//! The task: takes records from the background task, and tells it what is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::data::OffsetMap;
use couplet_api::error::Error;
use couplet_api::own_topic::OwnTopics;
use couplet_api::source::{Durable, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::{Kind, Result};
use couplet_cdc::Chunk;

use crate::config::{self, PgConfig};
use crate::feed::{Feed, FeedContext};
use crate::offset::PgPosition;
use crate::record::{Records, Sized, source_partition};
use crate::wire::{Sql, quoted_literal};

/// The source task; not started until [`SourceTask::start`].
#[derive(Default)]
pub(crate) struct PostgresTask {
    running: Option<Running>,
}

struct Running {
    config: Arc<PgConfig>,
    records: Arc<Records>,
    partition: OffsetMap,
    topics: Arc<dyn OwnTopics>,
    feed: Option<Feed>,
    waiting: VecDeque<Sized>,
    /// The chunk that `waiting` came from, until all of it is handed over.
    chunk: Option<Chunk<PgPosition>>,
    /// Of the last record handed over: where a new background task takes up.
    position: Option<PgPosition>,
    /// Connection errors since the last record.
    failures: u32,
    retries: Option<u32>,
}

#[async_trait]
impl SourceTask for PostgresTask {
    async fn start(&mut self, props: &Props, context: SourceTaskContext) -> Result<()> {
        let config = Arc::new(PgConfig::new(props)?);
        config::check_converters(props)?;
        config.signals.channels.check(&*context.topics).await?;
        let partition = source_partition(&config.naming.prefix);
        let stored = context.offsets.offsets(std::slice::from_ref(&partition)).await?;
        // Debezium stores an offset without a position with its first notification: nothing was read yet.
        let stored = stored.into_iter().flatten().find(|map| map.get("lsn").or(map.get("lsn_proc")).is_some());
        let position = stored.map(|map| PgPosition::from_map(&map));
        if let Some(position) = &position {
            tracing::info!(offset = position.describe(), "found a stored offset");
        }
        let retries = props.get("errors.max.retries").and_then(|text| text.trim().parse::<i32>().ok());
        let records = Arc::new(Records::new(&config, context.task, context.clock.clone(), context.metrics.clone()));
        let mut running = Running {
            config,
            records,
            partition,
            topics: context.topics,
            feed: None,
            waiting: VecDeque::new(),
            chunk: None,
            position,
            failures: 0,
            retries: retries.and_then(|n| u32::try_from(n).ok()),
        };
        running.connect();
        self.running = Some(running);
        Ok(())
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        let running = self.running.as_mut().ok_or_else(|| Error::bug("poll before start"))?;
        running.poll(batch).await
    }

    async fn commit(&mut self, durable: &[Durable]) -> Result<()> {
        let Some(feed) = self.running.as_ref().and_then(|r| r.feed.as_ref()) else { return Ok(()) };
        for Durable { offset, .. } in durable {
            let own = offset.as_any().downcast_ref::<PgPosition>().cloned();
            let position = own.unwrap_or_else(|| PgPosition::from_map(&offset.to_map()));
            // A snapshot's position is the slot's own already.
            let Some(lsn) = position.needed() else { continue };
            feed.durable.send_if_modified(|confirmed| {
                let ahead = lsn > *confirmed;
                if ahead {
                    *confirmed = lsn;
                }
                ahead
            });
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let Running { config, feed, .. } = running;
        if let Some(feed) = feed {
            feed.stop().await;
        }
        if config.drop_slot && config.snapshot.mode.stream {
            drop_slot(&config).await?;
        }
        Ok(())
    }
}

impl Running {
    fn connect(&mut self) {
        let context = FeedContext {
            config: self.config.clone(),
            records: self.records.clone(),
            topics: self.topics.clone(),
            stored: self.position.clone(),
        };
        self.feed = Some(Feed::start(context));
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        let mut pushed = self.hand_over(batch);
        while !batch.is_full() && batch.len() < self.config.batch_size {
            if self.feed.is_none() {
                self.connect();
            }
            let Some(feed) = &mut self.feed else { break };
            let chunk = match feed.chunks.try_recv() {
                Ok(chunk) => Some(chunk),
                Err(_) if pushed => break,
                // Cancel-safe: a chunk is either still in the channel or here.
                Err(_) => feed.chunks.recv().await,
            };
            match chunk {
                Some(chunk) => self.take(chunk),
                None => {
                    let outcome = feed.outcome().await;
                    self.feed = None;
                    return self.ended(outcome);
                }
            }
            pushed |= self.hand_over(batch);
        }
        Ok(())
    }

    fn take(&mut self, mut chunk: Chunk<PgPosition>) {
        self.failures = 0;
        self.waiting.extend(chunk.records.drain(..));
        self.chunk = Some(chunk);
    }

    /// Moves what is waiting into `batch`; says whether anything was.
    fn hand_over(&mut self, batch: &mut SourceBatch) -> bool {
        let mut last = None;
        while !batch.is_full() && batch.len() < self.config.batch_size {
            let Some((record, bytes)) = self.waiting.pop_front() else { break };
            last = Some(record.source_offset.clone());
            batch.push_sized(record, bytes);
        }
        let mut pushed = last.is_some();
        if let Some(position) = last.as_deref().and_then(|last| last.as_any().downcast_ref::<PgPosition>()) {
            self.position = Some(position.clone());
        }
        if self.waiting.is_empty()
            && let Some(Chunk { advance, permit, .. }) = self.chunk.take()
        {
            drop(permit);
            if let Some(position) = advance {
                self.position = Some((*position).clone());
                batch.push_offset(self.partition.clone(), position);
                pushed = true;
            }
        }
        pushed
    }

    /// What the end of the background task means for the task.
    fn ended(&mut self, outcome: Result<()>) -> Result<()> {
        let error = match outcome {
            Ok(()) => Error::remote("the stream of changes ended"),
            Err(error) => error,
        };
        if error.kind() != Kind::Remote {
            return Err(error);
        }
        self.failures += 1;
        match self.retries {
            Some(limit) if self.failures > limit => {
                let text = format!("The maximum number of {limit} retries has been attempted (errors.max.retries)");
                Err(Error::fatal(text).caused_by(error))
            }
            _ => Err(error),
        }
    }
}

/// Drops the slot, waiting a little for the server to notice that our session is gone.
///
/// # Errors
/// As the server says.
pub(crate) async fn drop_slot(config: &PgConfig) -> Result<()> {
    let sql = Sql::connect(&config.connection, "Debezium Slot").await?;
    let statement = format!("SELECT pg_drop_replication_slot({})", quoted_literal(&config.slot));
    let mut attempts = 0;
    loop {
        match sql.run(&statement).await {
            Ok(()) => return Ok(()),
            Err(error) if error.message().contains("does not exist") => return Ok(()),
            Err(error) if attempts < 20 && error.message().contains("is active") => {
                attempts += 1;
                tracing::debug!(%error, "the slot is still in use");
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            Err(error) => return Err(error),
        }
    }
}
