//! The task: takes records from the background task.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::data::OffsetMap;
use couplet_api::error::Error;
use couplet_api::own_topic::OwnTopics;
use couplet_api::source::{SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::{Kind, Result};
use couplet_cdc::Chunk;

use crate::config::MyConfig;
use crate::feed::{Feed, FeedContext};
use crate::flavour::Flavour;
use crate::offset::MyPosition;
use crate::record::{Records, Sized, source_partition};

/// The source task; not started until [`SourceTask::start`].
pub(crate) struct MyTask {
    flavour: Flavour,
    running: Option<Running>,
}

struct Running {
    config: Arc<MyConfig>,
    props: Props,
    topics: Arc<dyn OwnTopics>,
    records: Arc<Records>,
    partition: OffsetMap,
    feed: Option<Feed>,
    waiting: VecDeque<Sized>,
    /// The chunk that `waiting` came from, until all of it is handed over.
    chunk: Option<Chunk<MyPosition>>,
    /// Of the last record handed over: where a new background task takes up.
    position: Option<MyPosition>,
    /// Connection errors since the last record.
    failures: u32,
    retries: Option<u32>,
}

impl MyTask {
    /// A task of the connector `flavour`.
    pub(crate) const fn new(flavour: Flavour) -> Self {
        MyTask { flavour, running: None }
    }
}

#[async_trait]
impl SourceTask for MyTask {
    async fn start(&mut self, props: &Props, context: SourceTaskContext) -> Result<()> {
        let config = Arc::new(MyConfig::new(self.flavour, props)?);
        config.signals.channels.check(&*context.topics).await?;
        let partition = source_partition(&config.naming.prefix);
        let stored = context.offsets.offsets(std::slice::from_ref(&partition)).await?;
        let position = stored.into_iter().next().flatten().map(|map| MyPosition::from_map(&map));
        if let Some(position) = &position {
            tracing::info!(offset = position.describe(), "found a stored offset");
        }
        let retries = props.get("errors.max.retries").and_then(|text| text.trim().parse::<i32>().ok());
        let records = Arc::new(Records::new(&config, context.task, context.clock.clone(), context.metrics.clone()));
        let mut running = Running {
            config,
            props: props.clone(),
            topics: context.topics.clone(),
            records,
            partition,
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

    async fn stop(&mut self) -> Result<()> {
        if let Some(feed) = self.running.take().and_then(|running| running.feed) {
            feed.stop().await;
        }
        Ok(())
    }
}

impl Running {
    fn connect(&mut self) {
        self.feed = Some(Feed::start(FeedContext {
            config: self.config.clone(),
            props: self.props.clone(),
            topics: self.topics.clone(),
            records: self.records.clone(),
            stored: self.position.clone(),
        }));
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

    fn take(&mut self, mut chunk: Chunk<MyPosition>) {
        self.failures = 0;
        self.waiting.extend(chunk.records.drain(..));
        self.chunk = Some(chunk);
    }

    /// Moves what is waiting into `batch`; says whether anything was.
    fn hand_over(&mut self, batch: &mut SourceBatch) -> bool {
        let mut pushed = false;
        while !batch.is_full() && batch.len() < self.config.batch_size {
            let Some((record, bytes)) = self.waiting.pop_front() else { break };
            if let Some(position) = record.source_offset.as_any().downcast_ref::<MyPosition>() {
                self.position = Some(position.clone());
            }
            batch.push_sized(record, bytes);
            pushed = true;
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
