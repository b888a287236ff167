//! ListOffsets and OffsetForLeaderEpoch: offsets by place, by time, by epoch.

use std::io;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::Context;
use crate::log::{LEADER_EPOCH, TimedOffset};
use crate::topics::Topic;

/// Special times of a request.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// Earliest on local disks: all is local.
const EARLIEST_LOCAL: i64 = -4;

pub(super) fn handle(context: &Context<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let committed_only = request.isolation_level == 1;
    let topics = request.topics.into_iter().map(|asked| {
        let topic = context.shared.topics.get(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let answer = ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_timestamp(-1)
                .with_offset(-1);
            match find(topic.as_deref(), partition, committed_only) {
                Err(error) => answer.with_error_code(error.code()),
                Ok(found) => {
                    let epoch = if context.version >= 4 { LEADER_EPOCH } else { -1 };
                    let known = found.map(|at| answer.clone().with_timestamp(at.timestamp_ms).with_offset(at.offset));
                    known.map_or(answer, |answer| answer.with_leader_epoch(epoch))
                }
            }
        });
        ListOffsetsTopicResponse::default().with_partitions(partitions.collect()).with_name(asked.name)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn find(
    topic: Option<&Topic>,
    asked: &ListOffsetsPartition,
    committed_only: bool,
) -> Result<Option<TimedOffset>, ResponseError> {
    let partition = topic.and_then(|topic| topic.partition(asked.partition_index));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    check_epoch(asked.current_leader_epoch)?;
    let log = partition.log();
    let end = if committed_only { log.last_stable_offset() } else { log.end_offset() };
    let place = |offset| Ok(Some(TimedOffset { timestamp_ms: -1, offset }));
    let unreadable = |error: io::Error| {
        tracing::error!(%error, "the embedded broker cannot read its log");
        ResponseError::KafkaStorageError
    };
    match asked.timestamp {
        LATEST => place(end),
        EARLIEST | EARLIEST_LOCAL => place(log.log_start()),
        MAX_TIMESTAMP => log.latest_by_time().map_err(unreadable),
        timestamp_ms if timestamp_ms >= 0 => log.first_at_or_after(timestamp_ms, end).map_err(unreadable),
        _ => Err(ResponseError::UnsupportedVersion),
    }
}

fn check_epoch(epoch: i32) -> Result<(), ResponseError> {
    if epoch > LEADER_EPOCH { Err(ResponseError::UnknownLeaderEpoch) } else { Ok(()) }
}

pub(super) fn for_leader_epoch(
    context: &Context<'_>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|asked| {
        let topic = context.shared.topics.get(&asked.topic);
        let partitions = asked.partitions.iter().map(|partition| {
            let answer = EpochEndOffset::default().with_partition(partition.partition);
            match epoch_end(topic.as_deref(), partition) {
                Ok(Some(end)) => answer.with_leader_epoch(LEADER_EPOCH).with_end_offset(end),
                Ok(None) => answer,
                Err(error) => answer.with_error_code(error.code()),
            }
        });
        OffsetForLeaderTopicResult::default().with_partitions(partitions.collect()).with_topic(asked.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// Where the epoch ends: the one epoch there is has not ended yet, so at the end of the log.
fn epoch_end(topic: Option<&Topic>, asked: &OffsetForLeaderPartition) -> Result<Option<i64>, ResponseError> {
    let partition = topic.and_then(|topic| topic.partition(asked.partition));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    check_epoch(asked.current_leader_epoch)?;
    Ok((asked.leader_epoch == LEADER_EPOCH).then(|| partition.log().end_offset()))
}
