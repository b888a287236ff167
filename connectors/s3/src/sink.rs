use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::data::{SinkRecord, TopicPartition};
use couplet_api::sink::{Offsets, SinkTask, SinkTaskContext};
use couplet_api::{Error, Result};
use futures::StreamExt as _;

use crate::client::Store;
use crate::config::{OnNull, S3Config, Settings};
use crate::events;
use crate::writer::{PartitionWriter, Sink};

/// Topic partitions that are written at the same time: while one waits for S3, others go on.
const WRITTEN_AT_ONCE: usize = 8;

/// Writes records to S3. One writer per topic partition; see [`PartitionWriter`].
#[derive(Default)]
pub(crate) struct S3SinkTask {
    sink: Option<Sink>,
    writers: HashMap<TopicPartition, PartitionWriter>,
}

impl S3SinkTask {
    fn sink(&self) -> Result<&Sink> {
        self.sink.as_ref().ok_or_else(|| Error::bug("the task was not started"))
    }
}

#[async_trait]
impl SinkTask for S3SinkTask {
    async fn start(&mut self, props: &Props, context: SinkTaskContext) -> Result<()> {
        let config = S3Config::parse(props)?;
        let settings = Settings::new(&config, props)?;
        let store = Store::new(&config).await?;
        store.check_bucket().await?;
        events::started(&context.connector, context.task, &config.bucket_name);
        self.sink = Some(Sink { settings, store, context });
        Ok(())
    }

    async fn open(&mut self, added: &[TopicPartition]) -> Result<()> {
        let sink = self.sink()?;
        let now_ms = sink.context.clock.now_ms();
        let writer = |p: &TopicPartition| (p.clone(), PartitionWriter::new(p.clone(), &sink.settings, now_ms));
        let writers: Vec<_> = added.iter().map(writer).collect();
        self.writers.extend(writers);
        Ok(())
    }

    async fn put(&mut self, batch: &[SinkRecord]) -> Result<()> {
        let Some(sink) = &self.sink else { return Err(Error::bug("the task was not started")) };
        let now_ms = sink.context.clock.now_ms();
        let deadline_ms = sink.settings.write_ms_max.map(|ms| now_ms.saturating_add(ms));
        let mut shares = shares(sink, &self.writers, batch).await?;
        let writes: Vec<_> = self
            .writers
            .iter_mut()
            .map(|(partition, writer)| {
                let share = shares.remove(partition).unwrap_or_default();
                Box::pin(async move { writer.write(sink, &share, now_ms, deadline_ms).await })
            })
            .collect();
        let outcomes: Vec<Result<()>> = futures::stream::iter(writes).buffer_unordered(WRITTEN_AT_ONCE).collect().await;
        outcomes.into_iter().collect()
    }

    async fn pre_commit(&mut self, _seen: &Offsets) -> Result<Offsets> {
        let committable =
            |(p, writer): (&TopicPartition, &mut PartitionWriter)| Some((p.clone(), writer.take_committable()?));
        Ok(self.writers.iter_mut().filter_map(committable).collect())
    }

    async fn close(&mut self, lost: &[TopicPartition]) -> Result<()> {
        let Some(sink) = &self.sink else { return Ok(()) };
        for partition in lost {
            if let Some(mut writer) = self.writers.remove(partition) {
                writer.abort(&sink.store).await;
            }
        }
        Ok(())
    }

    fn next_wakeup(&self) -> Option<Duration> {
        let now_ms = self.sink.as_ref()?.context.clock.now_ms();
        let next_ms = self.writers.values().filter_map(PartitionWriter::wakes_at_ms).min()?;
        Some(Duration::from_millis(u64::try_from(next_ms - now_ms).unwrap_or(0)))
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(sink) = self.sink.take() {
            for (_, mut writer) in self.writers.drain() {
                writer.abort(&sink.store).await;
            }
        }
        Ok(())
    }
}

/// The records of `batch` by partition, without those that have no value and are ignored.
async fn shares<'a>(
    sink: &Sink,
    writers: &HashMap<TopicPartition, PartitionWriter>,
    batch: &'a [SinkRecord],
) -> Result<HashMap<TopicPartition, Vec<&'a SinkRecord>>> {
    let mut shares: HashMap<TopicPartition, Vec<&SinkRecord>> = HashMap::new();
    for record in batch {
        match (record.record.value.is_null(), sink.settings.on_null) {
            (true, OnNull::Fail) => {
                return Err(Error::fatal(
                    "Null valued records are not writeable with current behavior.on.null.values 'settings.",
                ));
            }
            (true, OnNull::Ignore { report }) => {
                if let Some(reporter) = sink.context.reporter.as_ref().filter(|_| report) {
                    reporter.report(record, Error::data("Skipping null value record.")).await?;
                }
                continue;
            }
            _ => {}
        }
        let partition = &record.original;
        match shares.get_mut(partition) {
            Some(share) => share.push(record),
            None if writers.contains_key(partition) => {
                shares.insert(partition.clone(), vec![record]);
            }
            None => return Err(not_assigned(partition, writers)),
        }
    }
    Ok(shares)
}

fn not_assigned(partition: &TopicPartition, writers: &HashMap<TopicPartition, PartitionWriter>) -> Error {
    let mut assigned: Vec<String> = writers.keys().map(ToString::to_string).collect();
    assigned.sort();
    Error::fatal(format!(
        "No writer found for topic partition {partition}. The record's topic-partition does not match any assigned \
         partitions. Assigned partitions: [{}]",
        assigned.join(", ")
    ))
}
