//! Every version that the broker offers can be decoded, answered and read: encoding depends on the version.

mod support;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use support::wire::*;

/// Versions of a request that the broker offers.
async fn versions(wire: &mut Wire, key: ApiKey) -> std::ops::RangeInclusive<i16> {
    let offered = wire.call(3, &ApiVersionsRequest::default()).await;
    let found = offered.api_keys.iter().find(|offered| offered.api_key == key as i16).unwrap();
    found.min_version..=found.max_version
}

#[tokio::test]
async fn every_version_of_reading_and_writing() {
    let (broker, mut wire) = started().await;
    for version in versions(&mut wire, ApiKey::Metadata).await {
        let by_name = metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("t")));
        let unknown = metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("not there")));
        let mut request = MetadataRequest::default().with_topics(Some(vec![by_name, unknown]));
        request.allow_auto_topic_creation = true;
        let answer = wire.call(version, &request).await;
        let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, ResponseError::InvalidTopicException.code()], "{version}");
        assert_eq!(answer.brokers[0].port, i32::from(broker.address().port()));
    }
    let mut offset = 0;
    for version in versions(&mut wire, ApiKey::Produce).await {
        assert_eq!(
            produced(&mut wire, version, &produce("t", batch(-1, -1, -1, false))).await,
            Ok(offset),
            "{version}"
        );
        let unknown = produce("nowhere", batch(-1, -1, -1, false));
        assert_eq!(produced(&mut wire, version, &unknown).await, Err(ResponseError::UnknownTopicOrPartition));
        offset += 1;
    }
    let id = wire.call(12, &MetadataRequest::default().with_topics(None)).await.topics[0].topic_id;
    for version in versions(&mut wire, ApiKey::Fetch).await {
        let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1 << 20);
        let missing = fetch_request::FetchPartition::default().with_partition(9).with_partition_max_bytes(1 << 20);
        let topic = fetch_request::FetchTopic::default().with_partitions(vec![partition, missing]);
        let topic = if version >= 13 { topic.with_topic_id(id) } else { topic.with_topic(topic_name("t")) };
        let mut request =
            FetchRequest::default().with_max_bytes(1 << 20).with_isolation_level(1).with_topics(vec![topic]);
        request.session_epoch = -1;
        let answer = wire.call(version, &request).await;
        let partitions = &answer.responses[0].partitions;
        assert_eq!(partitions[0].high_watermark, offset, "{version}");
        assert!(!partitions[0].records.as_ref().unwrap().is_empty());
        assert_eq!(partitions[1].error_code, ResponseError::UnknownTopicOrPartition.code());
    }
    for version in versions(&mut wire, ApiKey::ListOffsets).await {
        for (timestamp, want) in [(-2, 0), (-1, offset), (0, 0), (1_800_000_000_000, -1)] {
            let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(timestamp);
            let topic = list_offsets_request::ListOffsetsTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![partition]);
            let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
            let answer = wire.call(version, &request).await;
            assert_eq!(answer.topics[0].partitions[0].offset, want, "{version}: {timestamp}");
        }
    }
    for version in versions(&mut wire, ApiKey::OffsetForLeaderEpoch).await {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default().with_leader_epoch(0);
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(topic_name("t"))
            .with_partitions(vec![partition]);
        let answer = wire.call(version, &OffsetForLeaderEpochRequest::default().with_topics(vec![topic])).await;
        assert_eq!(answer.topics[0].partitions[0].end_offset, offset, "{version}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_group_requests() {
    let (broker, mut wire) = started().await;
    for version in versions(&mut wire, ApiKey::JoinGroup).await {
        let group = format!("group-{version}");
        let mut request = join(&group, &StrBytes::new(), "connect");
        if version == 0 {
            request.rebalance_timeout_ms = -1;
        }
        let mut joined = wire.call(version, &request).await;
        if version >= 4 {
            assert_eq!(joined.error_code, ResponseError::MemberIdRequired.code());
            joined = wire.call(version, &request.with_member_id(joined.member_id)).await;
        }
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "{version}");
        let mut request = sync(&group, &joined, &[(&joined.member_id, "mine")]);
        let sync_version = version.min(5);
        if sync_version < 5 {
            request = request.with_protocol_type(None).with_protocol_name(None);
        }
        let synced = wire.call(sync_version, &request).await;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"mine"[..]), "{version}");
        let heartbeat = HeartbeatRequest::default()
            .with_group_id(GroupId(named(&group)))
            .with_generation_id(1)
            .with_member_id(joined.member_id.clone());
        assert_eq!(wire.call(version.min(4), &heartbeat).await.error_code, 0);
        let described =
            DescribeGroupsRequest::default().with_groups(vec![GroupId(named(&group)), GroupId(named("none"))]);
        let described = wire.call(version.min(6), &described).await;
        assert_eq!((&*described.groups[0].group_state, &*described.groups[1].group_state), ("Stable", "Dead"));
        let leave_version = version.min(5);
        let leaving = LeaveGroupRequest::default().with_group_id(GroupId(named(&group)));
        let leaving = if leave_version < 3 {
            leaving.with_member_id(joined.member_id)
        } else {
            leaving.with_members(vec![MemberIdentity::default().with_member_id(joined.member_id)])
        };
        assert_eq!(wire.call(leave_version, &leaving).await.error_code, 0);
        let listed = wire.call(version.min(5), &ListGroupsRequest::default()).await;
        assert!(listed.groups.iter().any(|listed| *listed.group_id.0 == *group));
        let deleting = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(named(&group))]);
        assert_eq!(wire.call(version.min(2), &deleting).await.results[0].error_code, 0, "{version}");
    }
    for version in versions(&mut wire, ApiKey::FindCoordinator).await {
        let request = FindCoordinatorRequest::default();
        let request =
            if version < 4 { request.with_key(named("g")) } else { request.with_coordinator_keys(vec![named("g")]) };
        wire.call(version, &request).await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_offset_requests() {
    use offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    use offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
    let (broker, mut wire) = started().await;
    let group = GroupId(named("offsets"));
    for version in versions(&mut wire, ApiKey::OffsetCommit).await {
        let commit = |topic: &str| {
            let partition = OffsetCommitRequestPartition::default()
                .with_committed_offset(i64::from(version))
                .with_committed_metadata(Some(named("note")));
            let topic =
                OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
            OffsetCommitRequest::default()
                .with_group_id(group.clone())
                .with_generation_id_or_member_epoch(-1)
                .with_topics(vec![topic])
        };
        assert_eq!(wire.call(version, &commit("t")).await.topics[0].partitions[0].error_code, 0, "{version}");
        let unknown = wire.call(version, &commit("nowhere")).await.topics[0].partitions[0].error_code;
        assert_eq!(unknown, ResponseError::UnknownTopicOrPartition.code());
    }
    for version in versions(&mut wire, ApiKey::OffsetFetch).await {
        for all in [false, true] {
            if all && version < 2 {
                continue; // version 1 cannot ask for all
            }
            let offsets: Vec<i64> = if version < 8 {
                let topic =
                    OffsetFetchRequestTopic::default().with_name(topic_name("t")).with_partition_indexes(vec![0, 7]);
                let topics = (!all).then(|| vec![topic]);
                let request = OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(topics);
                let answer = wire.call(version, &request).await;
                answer.topics[0].partitions.iter().map(|partition| partition.committed_offset).collect()
            } else {
                let topic =
                    OffsetFetchRequestTopics::default().with_name(topic_name("t")).with_partition_indexes(vec![0, 7]);
                let topics = (!all).then(|| vec![topic]);
                let asked = OffsetFetchRequestGroup::default().with_group_id(group.clone()).with_topics(topics);
                let answer = wire.call(version, &OffsetFetchRequest::default().with_groups(vec![asked])).await;
                answer.groups[0].topics[0].partitions.iter().map(|partition| partition.committed_offset).collect()
            };
            assert_eq!(offsets, if all { vec![9] } else { vec![9, -1] }, "{version}");
        }
    }
    let partition = offset_delete_request::OffsetDeleteRequestPartition::default();
    let topic = offset_delete_request::OffsetDeleteRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let delete =
        |group: &GroupId| OffsetDeleteRequest::default().with_group_id(group.clone()).with_topics(vec![topic.clone()]);
    assert_eq!(wire.call(0, &delete(&group)).await.topics[0].partitions[0].error_code, 0);
    let unknown = wire.call(0, &delete(&GroupId(named("none")))).await.error_code;
    assert_eq!(unknown, ResponseError::GroupIdNotFound.code());
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_transactional_requests() {
    use txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
    let (broker, mut wire) = started().await;
    for version in versions(&mut wire, ApiKey::AddPartitionsToTxn).await {
        let id = TransactionalId(named(&format!("id-{version}")));
        let init = InitProducerIdRequest::default()
            .with_transactional_id(Some(id.clone()))
            .with_transaction_timeout_ms(10_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let producer = wire.call(version.min(4), &init).await;
        assert_eq!((producer.error_code, producer.producer_epoch), (0, 0));
        let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![0]);
        let add = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id.clone())
            .with_v3_and_below_producer_id(producer.producer_id)
            .with_v3_and_below_topics(vec![topic]);
        let added = wire.call(version, &add).await;
        assert_eq!(added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, 0);
        let records = batch(producer.producer_id.0, 0, 0, true);
        let request = produce("t", records).with_transactional_id(Some(id.clone()));
        assert!(produced(&mut wire, 9, &request).await.is_ok());
        let group = GroupId(named("g"));
        let offsets = AddOffsetsToTxnRequest::default()
            .with_transactional_id(id.clone())
            .with_producer_id(producer.producer_id)
            .with_group_id(group.clone());
        assert_eq!(wire.call(version, &offsets).await.error_code, 0);
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(5);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
        let commit = TxnOffsetCommitRequest::default()
            .with_transactional_id(id.clone())
            .with_group_id(group)
            .with_producer_id(producer.producer_id)
            .with_topics(vec![topic]);
        assert_eq!(wire.call(version, &commit).await.topics[0].partitions[0].error_code, 0, "{version}");
        let end = EndTxnRequest::default()
            .with_transactional_id(id)
            .with_producer_id(producer.producer_id)
            .with_committed(true);
        assert_eq!(wire.call(version, &end).await.error_code, 0);
        let stranger = wire.call(version, &end.with_producer_epoch(7)).await.error_code;
        let fenced = if version >= 2 { ResponseError::ProducerFenced } else { ResponseError::InvalidProducerEpoch };
        assert_eq!(stranger, fenced.code(), "{version}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_administration() {
    use create_topics_request::CreatableTopic;
    let (broker, mut wire) = started().await;
    let created = |name: &str| {
        CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(1).with_replication_factor(1)
    };
    for version in versions(&mut wire, ApiKey::CreateTopics).await {
        let name = format!("made-{version}");
        let request = CreateTopicsRequest::default().with_topics(vec![created(&name), created("t")]);
        let answer = wire.call(version, &request).await;
        let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, ResponseError::TopicAlreadyExists.code()], "{version}");
    }
    for version in versions(&mut wire, ApiKey::DeleteTopics).await {
        let name = topic_name(&format!("made-{}", version + 1));
        let state = delete_topics_request::DeleteTopicState::default();
        let unknown = state.clone().with_topic_id(uuid::Uuid::new_v4());
        let request = match version {
            6.. => DeleteTopicsRequest::default().with_topics(vec![state.with_name(Some(name)), unknown]),
            _ => DeleteTopicsRequest::default().with_topic_names(vec![name, topic_name("nowhere")]),
        };
        let answer = wire.call(version, &request).await;
        assert_eq!(answer.responses[0].error_code, 0, "{version}");
        assert_ne!(answer.responses[1].error_code, 0, "{version}");
    }
    for (count, version) in (2..).zip(versions(&mut wire, ApiKey::CreatePartitions).await) {
        let topic = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(topic_name("t"))
            .with_count(count)
            .with_assignments(None);
        let answer = wire.call(version, &CreatePartitionsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(answer.results[0].error_code, 0, "{version}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_configuration() {
    let (broker, mut wire) = started().await;
    for version in versions(&mut wire, ApiKey::DescribeConfigs).await {
        let resource = |resource_type, name: &str| {
            describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(resource_type)
                .with_resource_name(named(name))
                .with_configuration_keys(None)
        };
        let resources = vec![resource(2, "t"), resource(4, "1"), resource(2, "nowhere"), resource(8, "1")];
        let answer = wire.call(version, &DescribeConfigsRequest::default().with_resources(resources)).await;
        let ok: Vec<bool> = answer.results.iter().map(|result| result.error_code == 0).collect();
        assert_eq!(ok, [true, true, false, false], "{version}");
        assert!(answer.results[0].configs.len() > 20 && !answer.results[1].configs.is_empty());
    }
    for version in versions(&mut wire, ApiKey::IncrementalAlterConfigs).await {
        use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
        let alter = |name: &str, operation, value: &str| {
            let config = AlterableConfig::default().with_name(named(name)).with_config_operation(operation);
            let config = config.with_value(Some(named(value)));
            let resource = AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(named("t"))
                .with_configs(vec![config]);
            IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
        };
        assert_eq!(wire.call(version, &alter("cleanup.policy", 2, "compact")).await.responses[0].error_code, 0);
        let unknown = wire.call(version, &alter("no.such.key", 0, "1")).await.responses[0].error_code;
        assert_eq!(unknown, ResponseError::InvalidConfig.code());
    }
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_the_rest() {
    let (broker, mut wire) = started().await;
    for version in versions(&mut wire, ApiKey::DescribeCluster).await {
        let answer = wire.call(version, &DescribeClusterRequest::default()).await;
        assert_eq!((&*answer.cluster_id, answer.brokers.len()), (broker.cluster_id(), 1));
    }
    for version in versions(&mut wire, ApiKey::DescribeLogDirs).await {
        let answer = wire.call(version, &DescribeLogDirsRequest::default().with_topics(None)).await;
        assert!(answer.results[0].topics.iter().any(|topic| *topic.name.0 == *"t"), "{version}");
    }
    for version in versions(&mut wire, ApiKey::DeleteRecords).await {
        let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(-1);
        let topic = delete_records_request::DeleteRecordsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        let answer = wire.call(version, &DeleteRecordsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0, "{version}");
    }
    broker.stop().await;
}
