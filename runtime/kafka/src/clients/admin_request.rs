//! The admin requests themselves, each a blocking call. The outer error says that the request failed, the inner one
//! what the broker answered about the one thing that was asked for.

#![allow(unsafe_code, reason = "calls librdkafka")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;

use couplet_api::data::TopicPartition;
use rdkafka::bindings as native;
use rdkafka::types::RDKafkaRespErr as Code;

use native::rd_kafka_admin_op_t as Op;

use super::Failure;
use super::admin::{End, TopicSpec};
use super::native::Client;
use super::partition_list::PartitionList;

/// Added to the time a broker gets, before waiting for its answer ends.
const GRACE_MS: i32 = 2_000;

/// The id of the cluster; `None` when no broker answers in time.
pub(super) fn cluster_id(client: &Client, timeout_ms: i32) -> Option<String> {
    // SAFETY: the client is alive; the text is copied before it is freed.
    unsafe {
        let id = native::rd_kafka_clusterid(client.as_ptr(), timeout_ms);
        if id.is_null() {
            return None;
        }
        let text = CStr::from_ptr(id).to_string_lossy().into_owned();
        native::rd_kafka_mem_free(client.as_ptr(), id.cast());
        Some(text)
    }
}

/// Names of all topics.
pub(super) fn topics(client: &Client, timeout_ms: i32) -> Result<Vec<String>, Failure> {
    // SAFETY: the client is alive; names are copied before the metadata is freed.
    unsafe {
        let mut metadata = ptr::null();
        Failure::check(native::rd_kafka_metadata(client.as_ptr(), 1, ptr::null_mut(), &mut metadata, timeout_ms))?;
        let count = usize::try_from((*metadata).topic_cnt).unwrap_or_default();
        let name = |i: usize| CStr::from_ptr((*(*metadata).topics.add(i)).topic).to_string_lossy().into_owned();
        let names = (0..count).map(name).collect();
        native::rd_kafka_metadata_destroy(metadata);
        Ok(names)
    }
}

/// Sends one request and reads its answer.
fn call<T>(
    client: &Client,
    op: Op,
    timeout_ms: i32,
    issue: impl FnOnce(*const native::rd_kafka_AdminOptions_t, *mut native::rd_kafka_queue_t),
    read: impl FnOnce(*mut native::rd_kafka_event_t) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut message = [0 as c_char; 512];
    // SAFETY: options, queue and event are made, used and destroyed here; `read` borrows the event only for its call.
    unsafe {
        let options = native::rd_kafka_AdminOptions_new(client.as_ptr(), op);
        native::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, message.as_mut_ptr(), message.len());
        if matches!(op, Op::RD_KAFKA_ADMIN_OP_CREATETOPICS | Op::RD_KAFKA_ADMIN_OP_DELETETOPICS) {
            let (text, size) = (message.as_mut_ptr(), message.len());
            native::rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, text, size);
        }
        let queue = native::rd_kafka_queue_new(client.as_ptr());
        issue(options, queue);
        native::rd_kafka_AdminOptions_destroy(options);
        let event = native::rd_kafka_queue_poll(queue, timeout_ms.saturating_add(GRACE_MS));
        let outcome = if event.is_null() {
            Err(Failure::of(Code::RD_KAFKA_RESP_ERR__TIMED_OUT))
        } else {
            match native::rd_kafka_event_error(event) {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => read(event),
                code => Err(failure(code, native::rd_kafka_event_error_string(event))),
            }
        };
        native::rd_kafka_event_destroy(event);
        native::rd_kafka_queue_destroy(queue);
        outcome
    }
}

/// # Safety
/// `text` is null or NUL-terminated.
unsafe fn failure(code: Code, text: *const c_char) -> Failure {
    if text.is_null() {
        return Failure::of(code);
    }
    // SAFETY: the caller's promise.
    Failure::with_message(code, unsafe { CStr::from_ptr(text) }.to_string_lossy())
}

/// # Safety
/// `error` is null or a valid error.
unsafe fn check_error(error: *const native::rd_kafka_error_t) -> Result<(), Failure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    unsafe {
        match native::rd_kafka_error_code(error) {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            code => Err(failure(code, native::rd_kafka_error_string(error))),
        }
    }
}

fn c_string(text: &str) -> Result<CString, Failure> {
    CString::new(text)
        .map_err(|_| Failure::with_message(Code::RD_KAFKA_RESP_ERR__INVALID_ARG, "a name contains a NUL character"))
}

fn no_answer() -> Failure {
    Failure::with_message(Code::RD_KAFKA_RESP_ERR__BAD_MSG, "the broker's answer is empty")
}

/// Creates one topic; the inner error is the broker's about the topic.
pub(super) fn create_topic(client: &Client, spec: &TopicSpec, timeout_ms: i32) -> Result<Result<(), Failure>, Failure> {
    let name = c_string(&spec.name)?;
    let mut configs = Vec::new();
    for (key, value) in &spec.configs {
        configs.push((c_string(key)?, c_string(value)?));
    }
    let mut message = [0 as c_char; 512];
    let replicas = i32::from(spec.replication_factor);
    // SAFETY: all strings outlive the calls; the new topic is destroyed after the request took a copy.
    unsafe {
        let (text, size) = (message.as_mut_ptr(), message.len());
        let mut topic = native::rd_kafka_NewTopic_new(name.as_ptr(), spec.partitions, replicas, text, size);
        if topic.is_null() {
            return Ok(Err(failure(Code::RD_KAFKA_RESP_ERR__INVALID_ARG, message.as_ptr())));
        }
        for (key, value) in &configs {
            native::rd_kafka_NewTopic_set_config(topic, key.as_ptr(), value.as_ptr());
        }
        let outcome = call(
            client,
            Op::RD_KAFKA_ADMIN_OP_CREATETOPICS,
            timeout_ms,
            |options, queue| native::rd_kafka_CreateTopics(client.as_ptr(), &mut topic, 1, options, queue),
            |event| topic_result(event),
        );
        native::rd_kafka_NewTopic_destroy(topic);
        outcome
    }
}

/// Deletes one topic.
pub(super) fn delete_topic(client: &Client, topic: &str, timeout_ms: i32) -> Result<(), Failure> {
    let name = c_string(topic)?;
    // SAFETY: the name outlives the call; the request is destroyed after it was copied.
    unsafe {
        let mut topic = native::rd_kafka_DeleteTopic_new(name.as_ptr());
        let outcome = call(
            client,
            Op::RD_KAFKA_ADMIN_OP_DELETETOPICS,
            timeout_ms,
            |options, queue| native::rd_kafka_DeleteTopics(client.as_ptr(), &mut topic, 1, options, queue),
            |event| {
                let mut count = 0;
                let result = native::rd_kafka_event_DeleteTopics_result(event);
                one_topic_result(native::rd_kafka_DeleteTopics_result_topics(result, &mut count), count)
            },
        );
        native::rd_kafka_DeleteTopic_destroy(topic);
        outcome?
    }
}

/// # Safety
/// `event` is the answer to a CreateTopics request.
unsafe fn topic_result(event: *mut native::rd_kafka_event_t) -> Result<Result<(), Failure>, Failure> {
    let mut count = 0;
    // SAFETY: the caller's promise; results live as long as the event.
    unsafe {
        let result = native::rd_kafka_event_CreateTopics_result(event);
        one_topic_result(native::rd_kafka_CreateTopics_result_topics(result, &mut count), count)
    }
}

/// # Safety
/// `topics` points to `count` valid results.
unsafe fn one_topic_result(
    topics: *mut *const native::rd_kafka_topic_result_t,
    count: usize,
) -> Result<Result<(), Failure>, Failure> {
    if count == 0 {
        return Err(no_answer());
    }
    // SAFETY: the caller's promise.
    unsafe {
        Ok(match native::rd_kafka_topic_result_error(*topics) {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            code => Err(failure(code, native::rd_kafka_topic_result_error_string(*topics))),
        })
    }
}

/// Number of partitions; the failure says when the topic is not there.
pub(super) fn partition_count(client: &Client, topic: &str, timeout_ms: i32) -> Result<i32, Failure> {
    let name = c_string(topic)?;
    let mut names = [name.as_ptr()];
    // SAFETY: names outlive the collection, which is destroyed after the request was copied.
    unsafe {
        let collection = native::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let outcome = call(
            client,
            Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            timeout_ms,
            |options, queue| native::rd_kafka_DescribeTopics(client.as_ptr(), collection, options, queue),
            |event| {
                let (mut count, mut partitions) = (0, 0);
                let result = native::rd_kafka_event_DescribeTopics_result(event);
                let topics = native::rd_kafka_DescribeTopics_result_topics(result, &mut count);
                if count == 0 {
                    return Err(no_answer());
                }
                check_error(native::rd_kafka_TopicDescription_error(*topics))?;
                native::rd_kafka_TopicDescription_partitions(*topics, &mut partitions);
                Ok(i32::try_from(partitions).unwrap_or(i32::MAX))
            },
        );
        native::rd_kafka_TopicCollection_destroy(collection);
        outcome
    }
}

/// Stands for the end of a partition in a request for offsets (`RD_KAFKA_OFFSET_SPEC_LATEST`).
const LATEST: i64 = -1;

/// The ends of `partitions`.
pub(super) fn end_offsets(
    client: &Client,
    partitions: &[TopicPartition],
    end: End,
    timeout_ms: i32,
) -> Result<Vec<(TopicPartition, i64)>, Failure> {
    let isolation = match end {
        End::Written => native::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
        End::Committed => native::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
    };
    let list = PartitionList::new(partitions.iter().map(|partition| (partition, LATEST)));
    call(
        client,
        Op::RD_KAFKA_ADMIN_OP_LISTOFFSETS,
        timeout_ms,
        // SAFETY: the list outlives the call, which copies it. An error, of which there is none here, may be null.
        |options, queue| unsafe {
            let refused = native::rd_kafka_AdminOptions_set_isolation_level(options.cast_mut(), isolation);
            if !refused.is_null() {
                native::rd_kafka_error_destroy(refused);
            }
            native::rd_kafka_ListOffsets(client.as_ptr(), list.as_ptr(), options, queue);
        },
        |event| {
            let mut count = 0;
            // SAFETY: the event answers this request; what it holds lives as long as it does.
            unsafe {
                let result = native::rd_kafka_event_ListOffsets_result(event);
                let infos = native::rd_kafka_ListOffsets_result_infos(result, &mut count);
                let place = |i: usize| &*native::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(i));
                let end = |i: usize| {
                    let place = place(i);
                    Failure::check(place.err)?;
                    let topic = CStr::from_ptr(place.topic).to_string_lossy();
                    Ok((TopicPartition::new(&*topic, place.partition), place.offset))
                };
                (0..count).map(end).collect()
            }
        },
    )
}

/// Settings in force; those without a value are left out.
pub(super) fn topic_configs(
    client: &Client,
    topic: &str,
    timeout_ms: i32,
) -> Result<BTreeMap<String, String>, Failure> {
    let name = c_string(topic)?;
    // SAFETY: the name outlives the resource, which is destroyed after the request was copied.
    unsafe {
        let kind = native::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
        let mut resource = native::rd_kafka_ConfigResource_new(kind, name.as_ptr());
        let outcome = call(
            client,
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            timeout_ms,
            |options, queue| native::rd_kafka_DescribeConfigs(client.as_ptr(), &mut resource, 1, options, queue),
            |event| read_configs(event),
        );
        native::rd_kafka_ConfigResource_destroy(resource);
        outcome
    }
}

/// # Safety
/// `event` is the answer to a DescribeConfigs request.
unsafe fn read_configs(event: *mut native::rd_kafka_event_t) -> Result<BTreeMap<String, String>, Failure> {
    let mut count = 0;
    // SAFETY: the caller's promise; entries and their texts live as long as the event.
    unsafe {
        let result = native::rd_kafka_event_DescribeConfigs_result(event);
        let resources = native::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
        if count == 0 {
            return Err(no_answer());
        }
        match native::rd_kafka_ConfigResource_error(*resources) {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            code => return Err(failure(code, native::rd_kafka_ConfigResource_error_string(*resources))),
        }
        let entries = native::rd_kafka_ConfigResource_configs(*resources, &mut count);
        let mut configs = BTreeMap::new();
        for entry in (0..count).map(|i| *entries.add(i)) {
            let (name, value) = (native::rd_kafka_ConfigEntry_name(entry), native::rd_kafka_ConfigEntry_value(entry));
            if !value.is_null() {
                let text = |text| CStr::from_ptr(text).to_string_lossy().into_owned();
                configs.insert(text(name), text(value));
            }
        }
        Ok(configs)
    }
}

/// The partitions in a request's one group.
///
/// # Safety
/// `groups` points to `count` valid results.
unsafe fn group_partitions(
    groups: *mut *const native::rd_kafka_group_result_t,
    count: usize,
) -> Result<PartitionList, Failure> {
    if count == 0 {
        return Err(no_answer());
    }
    // SAFETY: the caller's promise; the list is copied.
    unsafe {
        check_error(native::rd_kafka_group_result_error(*groups))?;
        Ok(PartitionList::copy_of(native::rd_kafka_group_result_partitions(*groups)))
    }
}

/// All committed offsets of a group.
pub(super) fn list_group_offsets(
    client: &Client,
    group: &str,
    timeout_ms: i32,
) -> Result<Vec<(TopicPartition, i64)>, Failure> {
    let group = c_string(group)?;
    // SAFETY: the name outlives the request object, which is destroyed after it was copied; null stands for all.
    let partitions = unsafe {
        let mut request = native::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), ptr::null());
        let op = Op::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
        let outcome = call(
            client,
            op,
            timeout_ms,
            |options, queue| {
                native::rd_kafka_ListConsumerGroupOffsets(client.as_ptr(), &mut request, 1, options, queue);
            },
            |event| {
                let mut count = 0;
                let result = native::rd_kafka_event_ListConsumerGroupOffsets_result(event);
                group_partitions(native::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &mut count), count)
            },
        );
        native::rd_kafka_ListConsumerGroupOffsets_destroy(request);
        match outcome {
            Err(failure) if failure.code == Code::RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND => return Ok(Vec::new()),
            outcome => outcome?,
        }
    };
    let committed = partitions.entries().into_iter().filter(|(_, offset, _)| *offset >= 0);
    committed.map(|(partition, offset, outcome)| outcome.map(|()| (partition, offset))).collect()
}

/// The first failure of a partition.
fn first_failure(partitions: &PartitionList) -> Result<(), Failure> {
    partitions.entries().into_iter().try_for_each(|(_, _, outcome)| outcome)
}

/// Sets committed offsets; the inner error is the group's refusal.
pub(super) fn alter_group_offsets(
    client: &Client,
    group: &str,
    offsets: &[(TopicPartition, i64)],
    timeout_ms: i32,
) -> Result<Result<(), Failure>, Failure> {
    let group = c_string(group)?;
    let list = PartitionList::new(offsets.iter().map(|(partition, offset)| (partition, *offset)));
    // SAFETY: name and list outlive the request object, which is destroyed after it was copied.
    let outcome = unsafe {
        let mut request = native::rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), list.as_ptr());
        let outcome = call(
            client,
            Op::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS,
            timeout_ms,
            |options, queue| {
                native::rd_kafka_AlterConsumerGroupOffsets(client.as_ptr(), &mut request, 1, options, queue);
            },
            |event| {
                let mut count = 0;
                let result = native::rd_kafka_event_AlterConsumerGroupOffsets_result(event);
                let groups = native::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &mut count);
                Ok(group_partitions(groups, count))
            },
        );
        native::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
        outcome
    };
    Ok(outcome?.and_then(|partitions| first_failure(&partitions)))
}

/// Forgets committed offsets; the inner error is the group's refusal.
pub(super) fn delete_group_offsets(
    client: &Client,
    group: &str,
    partitions: &[TopicPartition],
    timeout_ms: i32,
) -> Result<Result<(), Failure>, Failure> {
    let group = c_string(group)?;
    let list = PartitionList::of(partitions);
    // SAFETY: name and list outlive the request object, which is destroyed after it was copied.
    let outcome = unsafe {
        let mut request = native::rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), list.as_ptr());
        let outcome = call(
            client,
            Op::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS,
            timeout_ms,
            |options, queue| {
                native::rd_kafka_DeleteConsumerGroupOffsets(client.as_ptr(), &mut request, 1, options, queue);
            },
            |event| {
                let mut count = 0;
                let result = native::rd_kafka_event_DeleteConsumerGroupOffsets_result(event);
                let groups = native::rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, &mut count);
                Ok(group_partitions(groups, count))
            },
        );
        native::rd_kafka_DeleteConsumerGroupOffsets_destroy(request);
        outcome
    };
    Ok(outcome?.and_then(|partitions| first_failure(&partitions)))
}

/// Deletes a group; one that is not there is fine. The inner error is the group's refusal.
pub(super) fn delete_group(client: &Client, group: &str, timeout_ms: i32) -> Result<Result<(), Failure>, Failure> {
    let group = c_string(group)?;
    // SAFETY: the name outlives the request object, which is destroyed after it was copied.
    let outcome = unsafe {
        let mut request = native::rd_kafka_DeleteGroup_new(group.as_ptr());
        let outcome = call(
            client,
            Op::RD_KAFKA_ADMIN_OP_DELETEGROUPS,
            timeout_ms,
            |options, queue| native::rd_kafka_DeleteGroups(client.as_ptr(), &mut request, 1, options, queue),
            |event| {
                let mut count = 0;
                let result = native::rd_kafka_event_DeleteGroups_result(event);
                Ok(group_partitions(native::rd_kafka_DeleteGroups_result_groups(result, &mut count), count))
            },
        );
        native::rd_kafka_DeleteGroup_destroy(request);
        outcome
    };
    Ok(match outcome? {
        Ok(_) => Ok(()),
        Err(failure) if failure.code == Code::RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND => Ok(()),
        Err(failure) => Err(failure),
    })
}
