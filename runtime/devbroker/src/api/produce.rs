//! Produce: one batch per partition, checked by header and checksum and stored as it came.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use super::{ApiError, Context};
use crate::clock;
use crate::coordinator::ProducerIdentity;
use crate::log::batch::{self, BatchError, BatchHeader};
use crate::log::{Appended, Partition, record};
use crate::topic_config::TopicConfig;
use crate::topics::Topic;

/// Appends everything in the request. With acks=0 nobody waits for an answer.
pub(super) fn handle(context: &Context<'_>, request: ProduceRequest) -> Option<ProduceResponse> {
    let transactional_id = request.transactional_id.as_ref().map(|id| &id.0);
    let answers_wanted = request.acks != 0;
    let acks_known = matches!(request.acks, -1..=1);
    let responses = request.topic_data.into_iter().map(|topic_data| {
        let name = topic_data.name.clone();
        let partitions = if acks_known {
            append_to_topic(context, transactional_id, topic_data)
        } else {
            let refused = |data: PartitionProduceData| {
                failure(context.version, data.index, &ResponseError::InvalidRequiredAcks.into())
            };
            topic_data.partition_data.into_iter().map(refused).collect()
        };
        TopicProduceResponse::default().with_name(name).with_partition_responses(partitions)
    });
    let responses = responses.collect();
    answers_wanted.then(|| ProduceResponse::default().with_responses(responses))
}

fn append_to_topic(
    context: &Context<'_>,
    transactional_id: Option<&StrBytes>,
    data: TopicProduceData,
) -> Vec<PartitionProduceResponse> {
    let topic = context.shared.topics.get(&data.name);
    data.partition_data
        .into_iter()
        .map(|partition_data| {
            let index = partition_data.index;
            let appended = topic
                .as_ref()
                .ok_or_else(ApiError::unknown_topic)
                .and_then(|topic| append(context, transactional_id, topic, index, partition_data.records));
            match appended {
                Ok((appended, log_start)) => PartitionProduceResponse::default()
                    .with_index(index)
                    .with_base_offset(appended.base_offset)
                    .with_log_append_time_ms(appended.log_append_time_ms.unwrap_or(-1))
                    .with_log_start_offset(if context.version >= 5 { log_start } else { -1 }),
                Err(error) => failure(context.version, index, &error),
            }
        })
        .collect()
}

fn failure(version: i16, index: i32, error: &ApiError) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(error.code())
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(-1)
        .with_error_message((version >= 8).then(|| error.message()))
}

fn append(
    context: &Context<'_>,
    transactional_id: Option<&StrBytes>,
    topic: &Topic,
    index: i32,
    records: Option<Bytes>,
) -> Result<(Appended, i64), ApiError> {
    if topic.is_internal() {
        let message = "The embedded broker alone writes to this topic.";
        return Err(ApiError::new(ResponseError::InvalidTopicException, message));
    }
    let partition = topic.partition(index).ok_or_else(ApiError::unknown_topic)?;
    let config = topic.config();
    let batch = records.unwrap_or_default();
    let header = checked(&batch, &config)?;
    if header.is_transactional() {
        check_transaction(context, transactional_id, topic, index, &partition, &header)?;
    }
    let appended = partition.append(&batch, &header, &config, clock::now_ms())?;
    let log_start = partition.log().log_start();
    Ok((appended, log_start))
}

fn checked(batch: &Bytes, config: &TopicConfig) -> Result<BatchHeader, ApiError> {
    if batch.len() > config.message_bytes_max {
        let (size, max) = (batch.len(), config.message_bytes_max);
        let message = format!("The record batch size is {size} bytes, the maximum configured size {max}.");
        return Err(ApiError::new(ResponseError::MessageTooLarge, message));
    }
    let header = batch::validate(batch).map_err(refusal)?;
    if header.is_control() {
        return Err(ApiError::new(ResponseError::InvalidRecord, "Clients may not write control records."));
    }
    if config.compact {
        // The only reason to look into a batch: compaction cannot work without keys.
        let records = record::records(&header, batch).map_err(|_| ApiError::from(ResponseError::CorruptMessage))?;
        if records.iter().any(|record| record.key.is_none()) {
            let message = "Compacted topic cannot accept message without key.";
            return Err(ApiError::new(ResponseError::InvalidRecord, message));
        }
    }
    Ok(header)
}

fn refusal(error: BatchError) -> ApiError {
    match error {
        BatchError::Magic(magic) => {
            let message = format!("Record batches of format {magic} are not supported, only of format 2.");
            ApiError::new(ResponseError::UnsupportedForMessageFormat, message)
        }
        BatchError::Trailing => {
            let message = "Produce requests must contain exactly one record batch per partition.";
            ApiError::new(ResponseError::InvalidRecord, message)
        }
        BatchError::Counts => ApiError::new(ResponseError::InvalidRecord, "Record count and offsets do not agree."),
        BatchError::Short | BatchError::Checksum => ResponseError::CorruptMessage.into(),
    }
}

/// The first batch of a transaction in a partition must have been announced; the producer must hold its id.
fn check_transaction(
    context: &Context<'_>,
    transactional_id: Option<&StrBytes>,
    topic: &Topic,
    index: i32,
    partition: &Partition,
    header: &BatchHeader,
) -> Result<(), ApiError> {
    if partition.log().has_open_transaction(header.producer_id) {
        return Ok(()); // later batches are judged by the epoch in the log
    }
    let id = transactional_id.ok_or(ResponseError::InvalidTxnState)?;
    let producer = ProducerIdentity { id: header.producer_id, epoch: header.producer_epoch };
    let checked = context
        .shared
        .coordinator
        .with(|state, _| state.transactions.check_member(id, producer, Some((&topic.name, index))));
    checked.map_err(|error| match error {
        // Produce knows fencing under its older name.
        ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch.into(),
        other => other.into(),
    })
}
