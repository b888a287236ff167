//! DeleteRecords.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_request::DeleteRecordsPartition;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::Context;
use crate::topics::Topic;

pub(super) fn delete(context: &Context<'_>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|asked| {
        let topic = context.shared.topics.get(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let answer = DeleteRecordsPartitionResult::default().with_partition_index(partition.partition_index);
            match delete_before(topic.as_deref(), partition) {
                Ok(low_watermark) => answer.with_low_watermark(low_watermark),
                Err(error) => answer.with_low_watermark(-1).with_error_code(error.code()),
            }
        });
        DeleteRecordsTopicResult::default().with_partitions(partitions.collect()).with_name(asked.name)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete_before(topic: Option<&Topic>, asked: &DeleteRecordsPartition) -> Result<i64, ResponseError> {
    let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let partition = topic.partition(asked.partition_index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    if !topic.config().delete {
        return Err(ResponseError::PolicyViolation); // Kafka: a topic that is only compacted keeps its records
    }
    let low_watermark = partition.log().delete_before(asked.offset)?;
    Ok(low_watermark)
}
