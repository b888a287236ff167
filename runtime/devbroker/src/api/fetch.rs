//! Fetch: batches as they are stored, or a wait until there are some.
//!
//! Fetch sessions are declined (session id 0), which every client accepts by naming its partitions each time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ProducerId};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::Context;
use crate::log::{Isolation, Partition};
use crate::topics::Topic;

/// Most bytes of one answer, whatever the client asks for (Kafka's `fetch.max.bytes` of the broker).
const ANSWER_BYTES_MAX: i64 = 55 << 20;
/// No wait is longer, so that a forgotten connection does not hold on for ever.
const WAIT_MS_MAX: i32 = 60_000;

/// What one look at the partitions found.
struct Found {
    topics: Vec<FetchableTopicResponse>,
    bytes: i64,
    /// A partition has something to say besides records: the client should hear at once.
    has_errors: bool,
}

pub(super) async fn handle(context: &Context<'_>, request: FetchRequest) -> FetchResponse {
    if request.session_id != 0 {
        return FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code());
    }
    let first = look(context, &request);
    let enough = |found: &Found| found.has_errors || found.bytes >= i64::from(request.min_bytes);
    if enough(&first) || request.max_wait_ms <= 0 || request.topics.is_empty() {
        return FetchResponse::default().with_responses(first.topics);
    }
    let deadline = Instant::now() + Duration::from_millis(request.max_wait_ms.min(WAIT_MS_MAX) as u64);
    let waiting = Waiting::at(partitions(context, &request));
    loop {
        // Looking again after signing up, so that no append between the two is missed.
        let found = look(context, &request);
        if enough(&found) || Instant::now() >= deadline {
            return FetchResponse::default().with_responses(found.topics);
        }
        tokio::select! {
            () = context.shared.stop.cancelled() => return FetchResponse::default().with_responses(found.topics),
            // Time being up is seen by the check above, after one more look.
            _ = timeout_at(deadline, waiting.reader.notified()) => {}
        }
    }
}

/// A reader signed up at partitions for as long as this lives.
struct Waiting {
    reader: Arc<Notify>,
    partitions: Vec<Arc<Partition>>,
}

impl Waiting {
    fn at(partitions: Vec<Arc<Partition>>) -> Waiting {
        let reader = Arc::new(Notify::new());
        partitions.iter().for_each(|partition| partition.wake_on_append(&reader));
        Waiting { reader, partitions }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.partitions.iter().for_each(|partition| partition.forget(&self.reader));
    }
}

fn partitions(context: &Context<'_>, request: &FetchRequest) -> Vec<Arc<Partition>> {
    let topics = request.topics.iter().filter_map(|asked| find(context, asked).map(|topic| (asked, topic)));
    topics
        .flat_map(|(asked, topic)| {
            asked.partitions.iter().filter_map(move |partition| topic.partition(partition.partition))
        })
        .collect()
}

fn find(context: &Context<'_>, asked: &FetchTopic) -> Option<Arc<Topic>> {
    let topics = &context.shared.topics;
    if context.version >= 13 { topics.get_by_id(asked.topic_id) } else { topics.get(&asked.topic) }
}

fn look(context: &Context<'_>, request: &FetchRequest) -> Found {
    let isolation = if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let mut found = Found { topics: Vec::with_capacity(request.topics.len()), bytes: 0, has_errors: false };
    let bytes_max = i64::from(request.max_bytes).clamp(0, ANSWER_BYTES_MAX);
    for asked in &request.topics {
        let topic = find(context, asked);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let room = (bytes_max - found.bytes).max(0);
            let data = match &topic {
                Some(topic) => read(topic, partition, room, found.bytes == 0, isolation),
                None if context.version >= 13 => failure(partition.partition, ResponseError::UnknownTopicId),
                None => failure(partition.partition, ResponseError::UnknownTopicOrPartition),
            };
            found.bytes += data.records.as_ref().map_or(0, Bytes::len) as i64;
            found.has_errors |= data.error_code != 0;
            partitions.push(data);
        }
        let response = FetchableTopicResponse::default().with_partitions(partitions);
        found.topics.push(if context.version >= 13 {
            response.with_topic_id(asked.topic_id)
        } else {
            response.with_topic(asked.topic.clone())
        });
    }
    found
}

fn read(topic: &Topic, asked: &FetchPartition, room: i64, at_least_one: bool, isolation: Isolation) -> PartitionData {
    let index = asked.partition;
    let Some(partition) = topic.partition(index) else {
        return failure(index, ResponseError::UnknownTopicOrPartition);
    };
    if asked.current_leader_epoch > crate::log::LEADER_EPOCH {
        return failure(index, ResponseError::UnknownLeaderEpoch);
    }
    let bytes_max = i64::from(asked.partition_max_bytes).clamp(0, room) as usize;
    let mut fetched = match partition.fetch(asked.fetch_offset, bytes_max, at_least_one, isolation) {
        Ok(fetched) => fetched,
        Err(error) => return failure(index, error),
    };
    let records = match fetched.read() {
        Ok(records) => records,
        Err(error) => {
            tracing::error!(%error, topic = &*topic.name, partition = index, "the embedded broker cannot read its log");
            return failure(index, ResponseError::KafkaStorageError);
        }
    };
    let aborted = fetched.aborted.iter().map(|aborted| {
        AbortedTransaction::default()
            .with_producer_id(ProducerId(aborted.producer_id))
            .with_first_offset(aborted.first_offset)
    });
    PartitionData::default()
        .with_partition_index(index)
        .with_high_watermark(fetched.high_watermark)
        .with_last_stable_offset(fetched.last_stable_offset)
        .with_log_start_offset(fetched.log_start)
        .with_aborted_transactions((isolation == Isolation::ReadCommitted).then(|| aborted.collect()))
        .with_records(Some(records))
}

fn failure(index: i32, error: ResponseError) -> PartitionData {
    PartitionData::default()
        .with_partition_index(index)
        .with_error_code(error.code())
        .with_high_watermark(-1)
        .with_aborted_transactions(None)
        .with_records(Some(Bytes::new()))
}
