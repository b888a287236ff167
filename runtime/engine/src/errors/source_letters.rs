//! Dead letters of sources, which Kafka Connect does not have: records that were skipped on their way to Kafka.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, OffsetMap, Record, TimestampType};
use couplet_api::{Error, Result};
use couplet_kafka::clients::ConsumedRecord;
use futures::future::BoxFuture;

use super::{DeadLetter, DeadLetterQueue, Origin, StageError};
use crate::metrics::TaskMetrics;
use crate::storage::offset_json;

/// Writes skipped records of a source to its dead letter queue, in JSON with schemas: their own converter may be what failed.
pub struct SourceLetters {
    queue: Arc<DeadLetterQueue>,
    json: Arc<dyn Converter>,
    metrics: Arc<TaskMetrics>,
}

impl SourceLetters {
    /// Writes to `queue`, keys and values by `json`.
    pub(crate) fn new(queue: DeadLetterQueue, json: Arc<dyn Converter>, metrics: Arc<TaskMetrics>) -> Self {
        SourceLetters { queue: Arc::new(queue), json, metrics }
    }

    /// Begins to write `record`, which failed at `failed` and stands at `offset` of `partition` in its source. What is returned
    /// ends when the letter is durable.
    ///
    /// # Errors
    /// When the record cannot be made into a letter.
    pub fn bury(
        &self,
        record: &Record,
        failed: &StageError,
        partition: &OffsetMap,
        offset: &OffsetMap,
    ) -> Result<BoxFuture<'static, Result<()>>> {
        let letter = ConsumedRecord {
            topic: record.topic.clone(),
            partition: record.partition.unwrap_or(-1),
            offset: -1,
            timestamp: record.timestamp,
            timestamp_type: TimestampType::CreateTime,
            key: self.bytes(record, &record.key)?,
            value: self.bytes(record, &record.value)?,
            headers: Vec::new(),
        };
        let (partition, offset) = (offset_json(partition)?, offset_json(offset)?);
        let origin = Origin::Source { partition: &partition, offset: &offset };
        let headers = self.queue.headers(&DeadLetter { record: &letter, origin, failed });
        let (queue, metrics) = (self.queue.clone(), self.metrics.clone());
        Ok(Box::pin(async move {
            let outcome = async {
                queue.post(&letter, &headers).await?;
                queue.settled().await
            };
            let outcome = outcome.await;
            metrics.buried(outcome.is_ok());
            outcome
        }))
    }

    fn bytes(&self, record: &Record, datum: &Datum) -> Result<Option<Bytes>> {
        let mut out = BytesMut::new();
        let written = self.json.from_connect(&record.topic, &record.headers, datum, &mut out);
        let written =
            written.map_err(|error| Error::data("the skipped record cannot be written as JSON").caused_by(error))?;
        Ok(written.then(|| out.freeze()))
    }
}
