//! OffsetCommit, OffsetFetch, OffsetDelete.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    GroupId, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::Context;
use crate::coordinator::OffsetsToCommit;
use crate::group::event::Caller;
use crate::group::offsets::Committed;

/// Kafka's `offset.metadata.max.bytes`.
pub(super) const METADATA_BYTES_MAX: usize = 4096;

pub(super) fn commit(context: &Context<'_>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let caller = Caller {
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id_or_member_epoch,
    };
    let (offsets, mut topics) = sort_out(context, request.topics);
    let committed = context.shared.coordinator.with(|state, _| {
        state.groups.check_commit(&request.group_id, &caller)?;
        state.groups.commit(&request.group_id, offsets)
    });
    if let Err(error) = committed {
        // The refusal is everybody's.
        let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        partitions.for_each(|partition| partition.error_code = error.code());
    }
    OffsetCommitResponse::default().with_topics(topics)
}

/// What can be committed, and the answer so far: an error for partitions that cannot.
fn sort_out(
    context: &Context<'_>,
    asked: Vec<OffsetCommitRequestTopic>,
) -> (OffsetsToCommit, Vec<OffsetCommitResponseTopic>) {
    let mut offsets = Vec::new();
    let mut topics = Vec::with_capacity(asked.len());
    for topic in asked {
        let known = context.shared.topics.get(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let metadata = partition.committed_metadata.unwrap_or_default();
            let exists = known.as_ref().is_some_and(|topic| topic.partition(partition.partition_index).is_some());
            let error = if metadata.len() > METADATA_BYTES_MAX {
                Some(ResponseError::OffsetMetadataTooLarge)
            } else if !exists {
                Some(ResponseError::UnknownTopicOrPartition)
            } else {
                let (offset, leader_epoch) = (partition.committed_offset, partition.committed_leader_epoch);
                let key = (topic.name.0.clone(), partition.partition_index);
                offsets.push((key, Committed { offset, leader_epoch, metadata }));
                None
            };
            let answer = OffsetCommitResponsePartition::default().with_partition_index(partition.partition_index);
            partitions.push(answer.with_error_code(error.map_or(0, |error| error.code())));
        }
        topics.push(OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    (offsets, topics)
}

/// Partitions asked for, by topic; `None` asks for all.
type Asked = Option<Vec<(TopicName, Vec<i32>)>>;

/// Offsets found: topic, then partition with its answer.
type Answered = Vec<(TopicName, Vec<(i32, Result<Option<Committed>, ResponseError>)>)>;

pub(super) fn fetch(context: &Context<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if context.version < 8 {
        let asked = request
            .topics
            .map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
        let found = find(context, &request.group_id, asked, request.require_stable);
        return OffsetFetchResponse::default().with_topics(old_answers(context.version, found));
    }
    let groups = request.groups.into_iter().map(|group| {
        let asked =
            group.topics.map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
        let found = find(context, &group.group_id, asked, request.require_stable);
        OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(answers(found))
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

fn find(context: &Context<'_>, group_id: &GroupId, asked: Asked, require_stable: bool) -> Answered {
    context.shared.coordinator.with(|state, _| {
        let offsets = state.groups.get(group_id).map(|view| view.offsets);
        let look_up = |topic: &StrBytes, partition: i32| {
            let key = (topic.clone(), partition);
            match offsets {
                Some(offsets) if require_stable && offsets.is_unstable(&key) => {
                    Err(ResponseError::UnstableOffsetCommit)
                }
                Some(offsets) => Ok(offsets.get(&key).cloned()),
                None => Ok(None),
            }
        };
        match asked {
            Some(asked) => asked
                .into_iter()
                .map(|(topic, partitions)| {
                    let found = partitions.into_iter().map(|index| (index, look_up(&topic, index))).collect();
                    (topic, found)
                })
                .collect(),
            None => {
                let mut found: Answered = Vec::new();
                for (topic, partition) in offsets.into_iter().flat_map(|offsets| offsets.all().keys()) {
                    let answer = (*partition, look_up(topic, *partition));
                    match found.last_mut() {
                        Some((last, partitions)) if **last == *topic => partitions.push(answer),
                        _ => found.push((TopicName(topic.clone()), vec![answer])),
                    }
                }
                found
            }
        }
    })
}

fn answers(found: Answered) -> Vec<OffsetFetchResponseTopics> {
    let topics = found.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, found)| {
            let answer = OffsetFetchResponsePartitions::default().with_partition_index(index).with_committed_offset(-1);
            match found {
                Err(error) => answer.with_error_code(error.code()),
                Ok(None) => answer,
                Ok(Some(committed)) => answer
                    .with_committed_offset(committed.offset)
                    .with_committed_leader_epoch(committed.leader_epoch)
                    .with_metadata(Some(committed.metadata)),
            }
        });
        OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.collect())
    });
    topics.collect()
}

fn old_answers(version: i16, found: Answered) -> Vec<OffsetFetchResponseTopic> {
    let topics = found.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, found)| {
            let answer = OffsetFetchResponsePartition::default().with_partition_index(index).with_committed_offset(-1);
            match found {
                Err(error) => answer.with_error_code(error.code()),
                Ok(None) => answer,
                Ok(Some(committed)) => {
                    let epoch = if version >= 5 { committed.leader_epoch } else { -1 };
                    answer
                        .with_committed_offset(committed.offset)
                        .with_committed_leader_epoch(epoch)
                        .with_metadata(Some(committed.metadata))
                }
            }
        });
        OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    topics.collect()
}

pub(super) fn delete(context: &Context<'_>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let asked: Vec<_> = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.0.clone(), partition.partition_index)))
        .collect();
    let deleted = context.shared.coordinator.with(|state, _| state.groups.delete_offsets(&request.group_id, &asked));
    let mut answers = match deleted {
        Ok(answers) => answers.into_iter(),
        Err(error) => return OffsetDeleteResponse::default().with_error_code(error.code()),
    };
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let error = answers.next().flatten();
            OffsetDeleteResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(error.map_or(0, |error| error.code()))
        });
        OffsetDeleteResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}
