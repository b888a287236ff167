//! InitProducerId and the requests of transactions.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};

use super::Context;
use super::error::code_of;
use super::offsets::METADATA_BYTES_MAX;
use crate::coordinator::{Coordinated, OffsetsToCommit, ProducerIdentity};
use crate::group::event::Caller;
use crate::group::offsets::Committed;

pub(super) fn init_producer_id(context: &Context<'_>, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let claimed = ProducerIdentity { id: request.producer_id.0, epoch: request.producer_epoch };
    let claimed = (claimed.id >= 0).then_some(claimed);
    let timeout_ms = i64::from(request.transaction_timeout_ms);
    let producer =
        context.shared.coordinator.with(|Coordinated { groups, transactions }, _| match &request.transactional_id {
            None => transactions.new_producer(),
            Some(id) => transactions.init(id, timeout_ms, claimed, groups),
        });
    // Versions before 4 know fencing under its older name.
    let producer = producer.map_err(|error| named_for(error, context.version >= 4));
    let response = InitProducerIdResponse::default().with_error_code(code_of(&producer));
    match producer {
        Ok(producer) => response.with_producer_id(ProducerId(producer.id)).with_producer_epoch(producer.epoch),
        Err(_) => response.with_producer_id(ProducerId(-1)).with_producer_epoch(-1),
    }
}

fn named_for(error: ResponseError, knows_fenced: bool) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if !knows_fenced => ResponseError::InvalidProducerEpoch,
        other => other,
    }
}

pub(super) fn add_partitions(context: &Context<'_>, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    let id = &request.v3_and_below_transactional_id;
    let producer =
        ProducerIdentity { id: request.v3_and_below_producer_id.0, epoch: request.v3_and_below_producer_epoch };
    let asked: Vec<(String, i32)> = request
        .v3_and_below_topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.to_string(), *partition)))
        .collect();
    let topics = &context.shared.topics;
    let exists = |topic: &str, index: i32| topics.get(topic).is_some_and(|topic| topic.partition(index).is_some());
    let all_exist = asked.iter().all(|(topic, index)| exists(topic, *index));
    let added = if all_exist {
        context
            .shared
            .coordinator
            .with(|Coordinated { groups, transactions }, _| transactions.add_partitions(id, producer, asked, groups))
    } else {
        Err(ResponseError::OperationNotAttempted)
    };
    let added = added.map_err(|error| named_for(error, context.version >= 2));
    let results = request.v3_and_below_topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            let missing = !exists(&topic.name, *index);
            let code = if missing { ResponseError::UnknownTopicOrPartition.code() } else { code_of(&added) };
            AddPartitionsToTxnPartitionResult::default().with_partition_index(*index).with_partition_error_code(code)
        });
        AddPartitionsToTxnTopicResult::default().with_results_by_partition(partitions.collect()).with_name(topic.name)
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results.collect())
}

pub(super) fn add_offsets(context: &Context<'_>, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let producer = ProducerIdentity { id: request.producer_id.0, epoch: request.producer_epoch };
    let added = context.shared.coordinator.with(|Coordinated { groups, transactions }, _| {
        transactions.add_offsets(&request.transactional_id, producer, groups)
    });
    let added = added.map_err(|error| named_for(error, context.version >= 2));
    AddOffsetsToTxnResponse::default().with_error_code(code_of(&added))
}

pub(super) fn commit_offsets(context: &Context<'_>, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let producer = ProducerIdentity { id: request.producer_id.0, epoch: request.producer_epoch };
    let caller = Caller {
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
    };
    let mut offsets: OffsetsToCommit = Vec::new();
    let mut too_large = false;
    let topics: Vec<_> = request
        .topics
        .into_iter()
        .map(|topic| {
            let partitions = topic.partitions.into_iter().map(|partition| {
                let metadata = partition.committed_metadata.unwrap_or_default();
                too_large |= metadata.len() > METADATA_BYTES_MAX;
                let (offset, leader_epoch) = (partition.committed_offset, partition.committed_leader_epoch);
                let key = (topic.name.0.clone(), partition.partition_index);
                offsets.push((key, Committed { offset, leader_epoch, metadata }));
                TxnOffsetCommitResponsePartition::default().with_partition_index(partition.partition_index)
            });
            TxnOffsetCommitResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
        })
        .collect();
    let committed = context.shared.coordinator.with(|Coordinated { groups, transactions }, _| {
        if too_large {
            return Err(ResponseError::OffsetMetadataTooLarge);
        }
        transactions.check_member(&request.transactional_id, producer, None)?;
        groups.check_transactional_commit(&request.group_id, &caller)?;
        groups.commit_in_transaction(&request.group_id, producer.id, producer.epoch, offsets)
    });
    let mut topics = topics;
    // This request knows fencing under its older name in every version.
    let code = code_of(&committed.map_err(|error| named_for(error, false)));
    topics.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(|partition| partition.error_code = code);
    TxnOffsetCommitResponse::default().with_topics(topics)
}

pub(super) fn end(context: &Context<'_>, request: EndTxnRequest) -> EndTxnResponse {
    let producer = ProducerIdentity { id: request.producer_id.0, epoch: request.producer_epoch };
    let ended = context.shared.coordinator.with(|Coordinated { groups, transactions }, _| {
        transactions.end(&request.transactional_id, producer, request.committed, groups)
    });
    let ended = ended.map_err(|error| named_for(error, context.version >= 2));
    EndTxnResponse::default().with_error_code(code_of(&ended))
}
